"""Routes: places, names, keys, and what becomes of events that are too long."""

from collections.abc import Sequence

import orjson
import pytest
from hypothesis import given, strategies as st

from bridge import channel as channels
from bridge.bounds import Bounds
from bridge.event import Message
from bridge.normalise import Normaliser
from bridge.route import Feed, Terms, pieces
from bridge.subscription import Replay, Want
from bridge.template import Template
from tests import reference
from tests.hub import attached, bus, event, history, ids


def test_a_route_has_a_channel_for_each_set_of_captures():
    """An event without one of the path's names has no place, and is counted."""
    hub = bus()
    route = attached(hub, Terms(path="/{a}/{b}", names=("a", "b")))
    for captures in ({"a": "1", "b": "2"}, {"b": "3", "a": "1"}, {"a": "1"}, {"a": "1", "b": ""}, {}):
        hub.publish("s", [event(captures=captures)])
    assert set(route.channels) == {("1", "2"), ("1", "3")}
    assert ids(route, a="1", b="3") == ["e-2"]
    assert route.channels["1", "2"].captures == {"a": "1", "b": "2"}
    assert route.skipped == {"a name of the route's path is missing in the event": 3}


def test_a_bind_lets_only_its_own_events_pass():
    """The others belong to another route, so they are not counted as skipped."""
    hub = bus()
    route = attached(hub, Terms(path="/"), Feed(source="s", bind={"plant": "p1", "line": "2"}))
    hub.publish("s", [event(captures={"plant": plant, "line": "2"}) for plant in ("p1", "p2", "p1")])
    hub.publish("s", [event(captures={"plant": "p1"})])
    assert ids(route) == ["e-1", "e-3"]
    assert not route.skipped


# -- names


@pytest.mark.parametrize(
    ("name", "captures", "expected"),
    [
        *((None, {}, "given"), ("fixed", {}, "fixed"), ("o.{a}", {"a": "x"}, "o.x"), ("o.{line}", {}, "o.7")),
        ("{file}", {"file": "captured"}, "captured"),
    ],
)
def test_an_event_is_named_by_its_producer_or_the_route(name, captures, expected):
    """A capture beats a fact of the same name."""
    hub = bus()
    template = Template.parse(name) if name is not None else None
    route = attached(hub, Terms(path="/"), Feed(source="s", event=template))
    hub.publish("s", [event(type="given", captures=captures, facts={"file": "fact", "line": 7})])
    assert [name for name, _, _ in history(route)] == [expected]


@pytest.mark.parametrize("value", ["", "a b", "a\nevent: evil", "é", "x" * 65, "\0"])
def test_a_name_that_an_event_may_not_have_is_skipped_and_counted(value):
    """Also one of the browser's own and one of ours; the others of the batch still come."""
    hub = bus()
    route = attached(hub, Terms(path="/"), Feed(source="s", event=Template.parse("{a}")))
    hub.publish("s", [event(captures={"a": name}) for name in (value, "error", "open", "bridge.gap", "fine")])
    hub.publish("s", [event()])
    assert [name for name, _, _ in history(route)] == ["fine"]
    assert route.skipped == {
        "`event` makes a name that an event may not have": 4,
        "a name of `event` is missing in the event": 1,
    }


def test_a_deletion_is_named_delete_and_says_what_it_deletes():
    """Whatever the route calls its events; with the key where there is one."""
    hub = bus()
    route = attached(hub, Terms(path="/"), Feed(source="s", event=Template.parse("{a}")))
    hub.publish("s", [event("", subject="doc", captures={"a": "b c"}, key="k", is_tombstone=True)])
    hub.publish("s", [event("", subject="doc", is_tombstone=True)])
    first, second = history(route)
    assert (first[0], orjson.loads(first[1])) == ("delete", {"subject": "doc", "a": "b c", "key": "k"})
    assert (second[0], orjson.loads(second[1])) == ("delete", {"subject": "doc"})


# -- keys


def test_a_keyed_route_keeps_the_latest_of_each_key():
    """An event without a key has no place there; a deletion ends its key."""
    hub = bus()
    route = attached(hub, Terms(path="/", key="data.id", bounds=channels.Bounds(events=1)))
    hub.publish("s", [event(data={"id": number}) for number in (1, 2, 1, None, 3)])
    hub.publish("s", [event(data={"id": 2}, is_tombstone=True), event(data={"id": 4})])
    [log] = route.channels.values()
    assert [each.seq for each in log.snapshot(0, 99, 1 << 20)] == [3, 5, 7]
    assert route.skipped == {"the event has no key": 1}


def test_a_key_includes_what_the_route_merges():
    """Captures that its path does not name, and its source where there are several; never what `bind` fixes."""
    hub = bus()
    bind = {"fixed": "f"}
    one = attached(hub, Terms(path="/{a}", names=("a",), key="key"), Feed(source="s", bind=bind))
    two = attached(hub, Terms(path="/{a}", names=("a",), key="key"), Feed(source="s"), Feed(source="t"))
    captures = {"a": "1", "merged": "m", "fixed": "f"}
    hub.publish("s", [event(key="k", captures=captures)])
    hub.publish("t", [event(key="k", captures=captures)])
    assert [each.key for each in one.channels["1",].read(0, 1 << 20)] == ['["","m","k"]']
    assert [each.key for each in two.channels["1",].read(0, 1 << 20)] == [
        '["s","m","f","k"]',
        '["t","m","f","k"]',
    ]


def test_a_deletion_finds_its_key_without_the_names_that_only_data_has():
    """What `capture` reads out of the data is no part of a key that a deletion has too."""
    hub = bus()
    feed = Feed(source="s", unkeyed=frozenset({"customer"}))
    route = attached(hub, Terms(path="/", key="key"), feed)
    hub.publish("s", [event(key="7", captures={"region": "eu", "customer": "ann"})])
    hub.publish("s", [event(key="7", captures={"region": "us", "customer": "ann"})])
    hub.publish("s", [event("", key="7", captures={"region": "eu"}, is_tombstone=True)])
    [log] = route.channels.values()
    assert [each.key for each in log.snapshot(0, 99, 1 << 20)] == ['["","us","7"]']


@pytest.mark.parametrize("is_one_batch", [False, True])
def test_a_deletion_that_lacks_a_name_of_the_path_goes_where_its_key_is(*, is_one_batch: bool):
    """The record of a key says whose it is, its deletion does not; one whose key nobody has is counted."""
    hub = bus()
    names = frozenset({"customer"})
    of_all = attached(hub, Terms(path="/{customer}", names=("customer",), key="key"), Feed(source="s", unkeyed=names))
    of_ann = attached(hub, Terms(path="/", key="key"), Feed(source="s", unkeyed=names, bind={"customer": "ann"}))
    orders = [event(key="7", captures={"customer": "ann"}), event(key="8", captures={"customer": "bob"})]
    deletions = [event("", key=key, is_tombstone=True) for key in ("8", "7", "9")]
    for batch in [[*orders, *deletions]] if is_one_batch else [orders, deletions]:
        hub.publish("s", batch)
    deleted = [name for name, _, _ in history(of_all, customer="ann")], [name for name, _, _ in history(of_ann)]
    assert deleted == (["message", "delete"], ["message", "delete"])
    assert [name for name, _, _ in history(of_all, customer="bob")] == ["message", "delete"]
    assert of_all.skipped.total() == 1
    assert not of_ann.channels[()].holds("7")


def test_a_deletion_ends_the_key_that_its_record_had():
    """The data named the key, and whose it was; of the deletion only the record's own key is known."""
    hub = bus()
    hub_route = attached(hub, Terms(path="/", key="data.id", bounds=Bounds(keys=2)))
    of_ann = attached(hub, Terms(path="/{customer}", names=("customer",), key="data.id"))
    for key, customer in [("r1", "ann"), ("r2", "ann"), ("r3", "bob")]:
        captures = {"customer": customer}
        hub.publish("s", [event("{}", data={"id": f"id of {key}"}, key=key, captures=captures)])
    hub.publish("s", [event("", key=key, is_tombstone=True) for key in ("r1", "r3", "never")])
    deleted = [orjson.loads(data)["key"] for name, data, _ in history(of_ann, customer="bob") if name == "delete"]
    assert deleted == ["id of r3"]
    deleted = [orjson.loads(data)["key"] for name, data, _ in history(of_ann, customer="ann") if name == "delete"]
    assert deleted == ["id of r1"]
    # Of two keys that are remembered the first one here is forgotten; its row is evicted, which is told.
    deleted = [orjson.loads(data)["key"] for name, data, _ in history(hub_route) if name == "delete"]
    assert deleted == ["id of r3"]
    assert hub_route.skipped.total() == 2


def test_what_is_read_back_says_where_a_deletion_may_belong():
    """Here, elsewhere, or it cannot be told."""
    hub = bus()
    route = attached(hub, Terms(path="/{customer}/{region}", names=("customer", "region"), key="key"))
    wanted = {"customer": "ann", "region": "eu"}
    assert route.takes("s", event(captures=wanted), wanted) is True
    assert route.takes("s", event(captures={"region": "eu"}), wanted) is False
    assert route.takes("s", event(captures={"region": "eu"}, is_tombstone=True), wanted) is None
    assert route.takes("s", event(captures={"region": "us"}, is_tombstone=True), wanted) is False


# -- CloudEvents


def test_a_route_can_send_whole_cloudevents():
    """With the id of the wire; a deletion has no data."""
    hub = bus()
    route = attached(hub, Terms(path="/", is_cloudevents=True))
    hub.publish("s", [event('{"a": 1}', data={"a": 1}, subject="doc", type="t", content_type="application/json")])
    hub.publish("s", [event("", is_tombstone=True, time=0.5)])
    first, second = [orjson.loads(data) for _, data, _ in history(route)]
    assert first == {
        "specversion": "1.0",
        "id": "e-1",
        "source": "s",
        "type": "t",
        "subject": "doc",
        "data": {"a": 1},
        "time": "1970-01-01T00:00:00Z",
        "datacontenttype": "application/json",
    }
    assert (second["type"], second["data"], second["datacontenttype"]) == ("message", None, "text/plain")
    assert second["time"] == "1970-01-01T00:00:00.500000Z"


def test_deeply_nested_data_is_passed_on():
    """It is read, so it must not be what stops a source, line after line for ever."""
    hub = bus()
    route = attached(hub, Terms(path="/", is_cloudevents=True))
    text = "[" * 900 + "]" * 900
    [deep] = Normaliser("s", capture={}, parses=True)([Message(payload=text, time=0.0)])
    assert deep.data != text
    hub.publish("s", [deep])
    [(_, data, _)] = history(route)
    assert f'"data":{text}' in data


# -- events that are too long


def test_a_long_event_is_cut_and_told():
    """The gap comes first, and `missed` is 0: the event comes, but not all of it."""
    hub = bus(event=100)
    route = attached(hub, Terms(path="/", oversize="truncate"))
    hub.publish("s", [event("é" * 200), event("next")])
    (gap, told, _), (_, cut, id), (_, after, later) = history(route)
    assert (gap, orjson.loads(told)["reason"], orjson.loads(told)["missed"]) == ("bridge.gap", "oversize", 0)
    assert cut == "é" * 50
    assert after == "next"
    assert _numbers([id, later]) == sorted(_numbers([id, later]))


def test_a_long_event_is_skipped_and_told():
    """One is missing."""
    hub = bus(event=100)
    route = attached(hub, Terms(path="/", oversize="skip"))
    hub.publish("s", [event("x" * 101), event("next")])
    (gap, told, _), (_, after, _) = history(route)
    assert (gap, orjson.loads(told)["reason"], orjson.loads(told)["missed"]) == ("bridge.gap", "oversize", 1)
    assert after == "next"


def test_a_long_event_is_split_between_characters():
    """Each part has an id of its own."""
    hub = bus(event=10)
    route = attached(hub, Terms(path="/", oversize="split"), Feed(source="s", event=Template.parse("part")))
    hub.publish("s", [event("\U0001f600" * 6), event("next")])
    parts = history(route)
    assert "".join(data for _, data, _ in parts) == "\U0001f600" * 6 + "next"
    assert {name for name, _, _ in parts} == {"part"}
    assert len(set(ids(route))) == 4


def test_an_event_of_just_the_limit_is_whole():
    """In bytes, not characters."""
    hub = bus(event=100)
    route = attached(hub, Terms(path="/"))
    hub.publish("s", [event("é" * 50)])
    assert [data for _, data, _ in history(route)] == ["é" * 50]


def _numbers(given: Sequence[str]) -> list[int]:
    return [int(id.removeprefix("e-")) for id in given]


long_texts = st.one_of(
    st.text(max_size=12), st.text('\x01"é\U0001f600x', max_size=300), st.integers(0, 400).map(lambda size: "x" * size)
)


@given(
    events=st.lists(
        st.tuples(long_texts, st.text("s\x01", max_size=60), st.booleans(), st.booleans()), min_size=1, max_size=6
    ),
    oversize=st.sampled_from(["truncate", "skip", "split"]),
    is_cloudevents=st.booleans(),
    limit=st.sampled_from([4, 10, 64, 200, 400]),
)
def test_ids_are_unique_and_grow_however_long_events_are(events, oversize, is_cloudevents, limit):
    """Whatever a route makes of them, and however much longer JSON makes them; an event that does not come is told."""
    hub = bus(event=limit)
    route = attached(hub, Terms(path="/", oversize=oversize, is_cloudevents=is_cloudevents))
    whole = attached(hub, Terms(path="/", oversize="split"))
    for text, subject, is_tombstone, is_keyed in events:
        made = event(text, subject=subject, is_tombstone=is_tombstone, key="k" * 50 if is_keyed else None)
        hub.publish("s", [made])
        for each in (route, whole):
            numbers = _numbers(ids(each))
            assert numbers == sorted(set(numbers))
            assert not numbers or numbers[-1] <= hub.seq
            [log] = each.channels.values()
            assert log.newest is not None
            assert log.newest.seq <= hub.seq
    told = [1 for name, _, _ in history(route) if name == "bridge.gap"]
    assert len(ids(route)) + len(told) >= len(events)


@given(st.text(max_size=100), st.integers(1, 50))
def test_there_is_a_number_for_each_part(text, limit):
    """Of the text alone and of the text within JSON."""
    reserved = pieces(event(text), limit)
    assert reserved >= 1
    if limit >= 4 and len(text.encode()) > limit:
        assert reserved >= len(orjson.dumps(text)) // limit


def test_an_event_for_one_subscriber_is_encoded_under_the_id_it_has():
    """Cut with a gap that says so where it is too long, and nothing where its name cannot be made."""
    hub = bus(event=20)
    route = attached(hub, Terms(path="/"), Feed(source="s", event=Template.parse("{a}")))
    named = {"a": "tick"}
    assert route.frame("s", event("x", captures=named), "e-1.m") == b"id: e-1.m\nevent: tick\ndata: x\n\n"
    gap, cut = reference.parse(route.frame("s", event("é" * 20, captures=named), "e-2")).events
    assert (gap[0], orjson.loads(gap[1])["missed"], cut[1], cut[2]) == ("bridge.gap", 0, "é" * 10, "e-2")
    assert route.frame("s", event("x" * 20, captures=named), "e-2").endswith(b": " + b"x" * 20 + b"\n\n")
    assert route.frame("s", event("x"), "e-3") == b""


def test_an_event_for_one_subscriber_takes_the_routes_policy():
    """Left out with a gap; or in parts of which the last alone has the id, since with it all has come."""
    skips = attached(bus(event=20), Terms(path="/", oversize="skip"), Feed(source="s"))
    [gap] = reference.parse(skips.frame("s", event("x" * 50), "e-2")).events
    assert (gap[0], orjson.loads(gap[1])["missed"]) == ("bridge.gap", 1)
    splits = attached(bus(event=20), Terms(path="/", oversize="split"), Feed(source="s"))
    found = reference.parse(splits.frame("s", event("x" * 50), "e-2")).events
    assert [(data, id) for _, data, id in found] == [("x" * 20, ""), ("x" * 20, ""), ("x" * 10, "e-2")]


@pytest.mark.parametrize(("start", "expected"), [(None, "e-3"), (0, "e-3"), ("live", "e-3"), ("earliest", "e-0")])
def test_a_route_without_a_start_is_live(start, expected):
    """Its subscribers begin at the head."""
    hub = bus()
    route = attached(hub, Terms(path="/", start=start, slow="disconnect"))
    hub.publish("s", [event() for _ in range(3)])
    subscription = route.subscribe(route.channels[()], hub.epoch)
    first = subscription.open(Want(), head=hub.seq, replay=Replay())
    assert reference.parse(first).last_event_id == expected
    assert subscription.slow == "disconnect"
