"""What messages mean, and that a bad one hurts nobody."""

import pytest
from hypothesis import given, strategies as st

from bridge import normalise
from bridge.event import Event, Message
from bridge.normalise import Normaliser


def one(payload: bytes | str, *, parses: bool = True, capture: dict[str, str] | None = None, **more: object) -> Event:
    """Normalise a single message."""
    message = Message(payload=payload, time=5.0, **more)
    [event] = Normaliser("s", capture=capture or {}, parses=parses)([message])
    return event


def test_a_message_becomes_an_event_of_its_source():
    """Everything that it says of itself is kept."""
    said = {
        "subject": "doc",
        "captures": {"a": "1"},
        "headers": {"h": "2"},
        "facts": {"line": 3},
        "type": "t",
        "key": "k",
        "content_type": "text/x",
        "is_tombstone": True,
    }
    event = one(b"x", **said)
    assert (event.source, event.time, event.text, event.data) == ("s", 5.0, "x", "x")
    assert {name: getattr(event, name) for name in said} == said


def test_events_keep_their_order():
    """One for each message."""
    made = Normaliser("s", capture={}, parses=False)([Message(payload=str(n), time=0.0) for n in range(9)])
    assert [event.text for event in made] == list("012345678")


@given(st.binary() | st.text(st.characters(exclude_categories=())))
def test_any_payload_becomes_text(payload):
    """Bytes that are no UTF-8 and lone surrogates become U+FFFD."""
    text = one(payload).text
    text.encode()
    if isinstance(payload, bytes):
        assert text == payload.decode(errors="replace")


@pytest.mark.parametrize(
    ("text", "data"),
    [
        *(('{"a": [1, null]}', {"a": [1, None]}), ("3", 3), ('"x"', "x"), ("null", None), ("", ""), ("{", "{")),
        *(("NaN", "NaN"), ("1e400", "1e400"), ("\ufeff{}", "\ufeff{}"), ('"\\ud800"', '"\\ud800"')),
        *(("<html>", "<html>"), ("[" * 5_000, "[" * 5_000), ("[" * 2_000 + "]" * 2_000, "[" * 2_000 + "]" * 2_000)),
        ('{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_data_that_is_no_json_stays_text(text, data):
    """Too deep, not a number of JSON, half a surrogate: never an error."""
    assert one(text).data == data


def test_a_number_of_five_thousand_digits_is_read_without_harm():
    """As a number or as text."""
    assert isinstance(one("1" * 5_000).data, float | str)


def test_data_is_parsed_only_where_a_route_looks_inside():
    """And only up to a size; both are then the text."""
    assert one('{"a": 1}', parses=False).data == '{"a": 1}'
    huge = "[" + "1," * (normalise.MAX_PARSED // 2) + "1]"
    assert one(huge).data == huge


def test_captures_can_be_taken_from_the_record():
    """They beat those of the same name; a path that leads nowhere captures nothing."""
    capture = {"id": "data.customer.id", "region": "headers.region", "none": "data.none", "a": "data.a"}
    event = one(
        '{"customer": {"id": 7}, "a": "new"}',
        capture=capture,
        captures={"a": "old", "b": "b"},
        headers={"region": "eu"},
    )
    assert event.captures == {"a": "new", "b": "b", "id": "7", "region": "eu"}
