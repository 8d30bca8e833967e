"""CloudEvents in binary, structured and batched mode."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from bridge.errors import PushError
from bridge.sources.cloudevents import batched, binary, structured
from bridge.sources.document import MAX_BATCH, Item, MediaType

EVENT = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.created"}
HEADERS = {f"ce-{name}": value for name, value in EVENT.items()}


def one(**members: object) -> Item:
    """Read an event in structured mode."""
    return structured(json.dumps(EVENT | members).encode())


def outcome(read: Callable[[bytes], object], body: bytes) -> int:
    """Return the status of a refusal, 0 for an event."""
    try:
        read(body)
    except PushError as error:
        return error.status
    return 0


def test_an_event_says_who_it_is():
    """Its attributes stand beside its data, its extensions are headers."""
    item = one(
        subject="users/ann",
        time="2026-11-21T11:00:00+01:00",
        data={"total": 1},
        partitionkey="p1",
        region="eu",
        priority=3,
        urgent=True,
        nothing=None,
    )
    assert item == Item(
        text='{"total": 1}',
        content_type="application/json",
        type="order.created",
        subject="users/ann",
        key="p1",
        time=1_795_255_200.0,
        headers={"partitionkey": "p1", "region": "eu", "priority": "3", "urgent": "true"},
        identity=("/shop", "1"),
    )


def test_data_stays_as_it_was_written():
    """Numbers, escapes and the order of keys are their sender's."""
    data = '{"b": 1.0, "a": 12345678901234567890123, "e": "\\u00e9"}'
    text = json.dumps(EVENT)[:-1] + f', "data": {data}}}'
    assert structured(text.encode()).text == data


@pytest.mark.parametrize(
    ("members", "text", "media"),
    [
        ({"data": "x"}, '"x"', "application/json"),
        ({"data": 0}, "0", "application/json"),
        ({"data": False}, "false", "application/json"),
        ({"data": "x", "datacontenttype": "application/geo+json"}, '"x"', "application/geo+json"),
        ({"data": "x\ny", "datacontenttype": "text/plain"}, "x\ny", "text/plain"),
        ({"data": "é", "datacontenttype": "text/plain; charset=latin1"}, "é", "text/plain"),
        ({"data_base64": "aGk=", "datacontenttype": "text/plain"}, "hi", "text/plain"),
        ({"data_base64": "eyJhIjoxfQ=="}, '{"a":1}', "application/json"),
        ({}, "", "application/json"),
    ],
)
def test_data_has_its_type(members, text, media):
    """JSON unless it says otherwise; a text of another type stands in JSON as a string."""
    item = one(**members)
    assert (item.text, item.content_type, item.is_tombstone) == (text, media, False)


def test_null_data_is_a_tombstone():
    """No data at all is an empty event instead."""
    assert one(data=None).is_tombstone
    assert not one().is_tombstone


def test_a_batch_holds_events_in_order():
    """Each with its own identity."""
    body = json.dumps([EVENT | {"id": str(n), "data": n} for n in range(3)] + [EVENT | {"data": None}])
    items = batched(body.encode())
    assert [item.text for item in items] == ["0", "1", "2", ""]
    assert [item.identity[1] for item in items] == ["0", "1", "2", "1"]
    assert [item.is_tombstone for item in items] == [False, False, False, True]
    assert batched(b"[]") == []


def test_binary_mode_has_attributes_in_headers():
    """Percent-encoded, perhaps in quotes; the body is the data."""
    headers = HEADERS | {"ce-subject": '"Gr%C3%BC%C3%9Fe"', "ce-region": "eu", "host": "x", "ce-note": '"a \\"b\\""'}
    item = binary(headers, MediaType("text/plain", ""), b"hello")
    assert item == Item(
        text="hello",
        content_type="text/plain",
        type="order.created",
        subject="Grüße",
        headers={"region": "eu", "note": 'a "b"'},
        identity=("/shop", "1"),
    )


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"specversion": "0.3"}, "`specversion` is not 1.0"),
        ({"specversion": None}, "needs `specversion`"),
        ({"id": ""}, "needs `id`"),
        ({"id": 5}, "`id` is not a text"),
        ({"source": None}, "needs `source`"),
        ({"type": None}, "needs `type`"),
        ({"id": "a\r\nb"}, "`id` holds a line end"),
        ({"id": "x" * 1_025}, "`id` has more than"),
        ({"subject": "a\x00"}, "`subject` holds"),
        ({"time": "yesterday"}, "`time` is not"),
        ({"time": "2026-11-21T10:00:00"}, "`time` is not"),
        ({"time": "0001-01-01T00:00:00+23:00"}, "`time` is not"),
        ({"Region": "eu"}, "lower-case letters"),
        ({"re-gion": "eu"}, "lower-case letters"),
        ({"region": {}}, "`region` is not a text"),
        ({"region": "a\nb"}, "`region` holds"),
        ({"data": 1, "data_base64": ""}, "not both"),
        ({"data_base64": "?"}, "not base64"),
        ({"data_base64": "é"}, "not base64"),
        ({"data_base64": 5}, "not base64"),
        ({"data": {}, "datacontenttype": "text/plain"}, "must be JSON"),
    ],
)
def test_a_bad_event_is_refused(members, words):
    """With the attribute that is wrong, in a batch with its place in it."""
    with pytest.raises(PushError) as caught:
        one(**members)
    assert words in caught.value.reason
    assert caught.value.status == 422
    with pytest.raises(PushError, match="event 1 of the batch") as caught:
        batched(json.dumps([EVENT, EVENT | members]).encode())
    assert words in caught.value.reason


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"data": "x", "datacontenttype": "image/png"}, 415),
        ({"data_base64": "/w==", "datacontenttype": "text/plain"}, 400),
        ({"data_base64": "e30x"}, 400),
    ],
)
def test_bad_data_is_refused_as_a_body_would_be(members, status):
    """The same rules as without an envelope."""
    with pytest.raises(PushError) as caught:
        one(**members)
    assert caught.value.status == status


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 5_000])
def test_what_is_no_json_is_refused(body):
    """With the place, as any JSON."""
    for read in (structured, batched):
        with pytest.raises(PushError) as caught:
            read(body)
        assert caught.value.status == 400


@pytest.mark.parametrize("depth", [900, 990, 1_010, 1_020])
def test_p05_deep_data_is_an_event_or_refused(depth):
    """Two parsers read it, each with a bound of its own."""
    data = "[" * depth + "]" * depth
    text = json.dumps(EVENT)[:-1] + f', "data": {data}}}'
    for read, body in ((structured, text), (batched, f"[{text}]")):
        assert outcome(read, body.encode()) in {0, 400}


def test_a_batch_is_an_array_of_objects_and_bounded():
    """Anything else is refused."""
    for body, status in ((b"{}", 422), (b"[1]", 422), (b"[" + b"1," * MAX_BATCH + b"1]", 413)):
        with pytest.raises(PushError) as caught:
            batched(body)
        assert caught.value.status == status
    with pytest.raises(PushError, match="a JSON object"):
        structured(b"[]")


def test_binary_mode_keeps_data_out_of_headers():
    """Somebody who mixes the modes is told."""
    with pytest.raises(PushError, match="data in the body"):
        binary(HEADERS | {"ce-datacontenttype": "text/plain"}, MediaType("", ""), b"")


values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5)


@given(st.dictionaries(st.sampled_from([*EVENT, "subject", "time", "data", "data_base64", "x", "X-"]), values))
def test_no_event_breaks_the_reader(members):
    """It is an event, or refused."""
    assert outcome(structured, json.dumps(EVENT | members).encode()) in {0, 400, 415, 422}
