"""The bus and its routes: numbers, names, places, what is too long, and what the process may keep."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, strategies as st

from bridge import channel as channels
from bridge.bus import Bounds, Bus
from bridge.channel import OVERHEAD, Channel
from bridge.event import EMPTY, Event, Loss
from bridge.normalise import Normaliser
from bridge.route import KEY_JOINT, Feed, Route, Terms, pieces
from bridge.subscription import Want
from bridge.template import Template
from tests import reference

LIMIT = 1 << 20


def event(text: str = "x", **more: Any) -> Event:
    """Make an event as a normaliser would."""
    fields: dict[str, Any] = {
        **{"source": "s", "subject": "", "type": "", "time": 0.0, "content_type": "", "text": text, "data": text},
        **{"key": None, "captures": EMPTY, "headers": EMPTY, "facts": EMPTY, "is_tombstone": False},
    }
    return Event(**{**fields, **more})


class Now:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.time


def bus(**bounds: int) -> Bus:
    """Make a bus of the epoch `e`."""
    return Bus("e", Bounds(**bounds), Now())


def attached(to: Bus, terms: Terms, *feeds: Feed) -> Route:
    """Make a route on the bus; its source is `s` unless feeds are given."""
    route = Route(terms, feeds or [Feed(source="s")], budget=to.budget, limit=to.bounds.event)
    to.attach(route)
    return route


def history(route: Route, **captures: str) -> list[tuple[str, str, str]]:
    """Return (event, data, id) of all that a channel of the route keeps."""
    log = route.channels.get(route.place(captures))
    return reference.parse(_frames(log)).events if log is not None else []


def _frames(log: Channel) -> bytes:
    return b"".join(each.frame for each in log.read(log.first, 1 << 40))


def ids(route: Route, **captures: str) -> list[str]:
    """Return the ids of the source events that a channel of the route keeps."""
    return [id for event, _, id in history(route, **captures) if not event.startswith("bridge.")]


def test_one_sequence_numbers_the_whole_process():
    """Over all sources and routes; each event has one number wherever it goes, and the publisher is told it."""
    hub = bus()
    one = attached(hub, Terms(path="/one"))
    both = attached(hub, Terms(path="/both"), Feed(source="s"), Feed(source="t"))
    assert hub.publish("s", [event("a"), event("b")]) == ["e-1", "e-2"]
    assert hub.publish("t", [event("c")]) == ["e-3"]
    assert hub.publish("nobody", [event("d")]) == ["e-4"]
    assert hub.draw() == 5
    assert hub.publish("s", [event("e")]) == ["e-6"]
    assert ids(one) == ["e-1", "e-2", "e-6"]
    assert ids(both) == ["e-1", "e-2", "e-3", "e-6"]
    assert [data for _, data, _ in history(both)] == ["a", "b", "c", "e"]


def test_publishing_nothing_makes_nothing():
    """An empty batch has no numbers and no channel."""
    hub = bus()
    route = attached(hub, Terms(path="/"))
    assert hub.publish("s", []) == []
    assert (hub.seq, route.channels) == (0, {})


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
    [gone] = [each for each in reference.parse(_frames(log)).events if each[0] == "delete"] or [None]
    assert gone is None


def test_a_key_includes_what_the_route_merges():
    """Captures that its path does not name, and its source where there are several; never what `bind` fixes."""
    hub = bus()
    bind = {"fixed": "f"}
    one = attached(hub, Terms(path="/{a}", names=("a",), key="key"), Feed(source="s", bind=bind))
    two = attached(hub, Terms(path="/{a}", names=("a",), key="key"), Feed(source="s"), Feed(source="t"))
    captures = {"a": "1", "merged": "m", "fixed": "f"}
    hub.publish("s", [event(key="k", captures=captures)])
    hub.publish("t", [event(key="k", captures=captures)])
    assert [each.key for each in one.channels["1",].read(0, 1 << 20)] == [KEY_JOINT.join(["", "m", "k"])]
    assert [each.key for each in two.channels["1",].read(0, 1 << 20)] == [
        KEY_JOINT.join(["s", "m", "f", "k"]),
        KEY_JOINT.join(["t", "m", "f", "k"]),
    ]


# -- CloudEvents


def test_a_route_can_send_whole_cloudevents():
    """With the id of the wire; a deletion has no data."""
    hub = bus()
    route = attached(hub, Terms(path="/", is_cloudevents=True))
    hub.publish("s", [event('{"a": 1}', data={"a": 1}, subject="doc", type="t", content_type="application/json")])
    hub.publish("s", [event("", is_tombstone=True, time=0.5)])
    first, second = [orjson.loads(data) for _, data, _ in history(route)]
    assert first == {
        **{"specversion": "1.0", "id": "e-1", "source": "s", "type": "t", "subject": "doc", "data": {"a": 1}},
        **{"time": "1970-01-01T00:00:00Z", "datacontenttype": "application/json"},
    }
    assert (second["type"], second["data"], second["datacontenttype"]) == ("message", None, "text/plain")
    assert second["time"] == "1970-01-01T00:00:00.500000Z"


def test_deeply_nested_data_is_passed_on():
    """It is read, so it must not be what stops a source, line after line for ever."""
    hub = bus()
    route = attached(hub, Terms(path="/", is_cloudevents=True))
    text = "[" * 900 + "]" * 900
    [deep] = Normaliser("s", capture={}, parses=True)([_message(text)])
    assert deep.data != text
    hub.publish("s", [deep])
    [(_, data, _)] = history(route)
    assert f'"data":{text}' in data


def _message(text: str) -> Any:
    from bridge.event import Message  # noqa: PLC0415

    return Message(payload=text, time=0.0)


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
    st.text(max_size=12), st.text("\x01\"é\U0001f600x", max_size=300), st.integers(0, 400).map(lambda size: "x" * size)
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
    """Cut without a word where it is too long, and nothing where its name cannot be made."""
    hub = bus(event=20)
    route = attached(hub, Terms(path="/"), Feed(source="s", event=Template.parse("{a}")))
    named = {"a": "tick"}
    assert route.frame("s", event("x", captures=named), "e-1.m") == b"id: e-1.m\nevent: tick\ndata: x\n\n"
    assert reference.parse(route.frame("s", event("é" * 20, captures=named), "e-2")).events[0][1] == "é" * 10
    assert route.frame("s", event("x" * 20, captures=named), "e-2").endswith(b": " + b"x" * 20 + b"\n\n")
    assert route.frame("s", event("x"), "e-3") == b""


# -- losses, and how sources are


def test_a_loss_is_told_in_its_place():
    """After what was published before it and before what comes after; it names the id that it follows."""
    hub = bus()
    route = attached(hub, Terms(path="/"))
    hub.publish("s", [event("a")])
    hub.lose("s", Loss(reason="source_reset", missed=7))
    hub.lose("s", Loss(reason="source_rotated"))
    hub.publish("s", [event("b")])
    names = [name for name, _, _ in history(route)]
    assert names == ["message", "bridge.gap", "bridge.gap", "message"]
    first, second = [orjson.loads(data) for name, data, _ in history(route) if name == "bridge.gap"]
    assert first == {"reason": "source_reset", "missed": 7, "from": "e-1", "to": None, "snapshot": False}
    assert (second["missed"], second["from"]) == (None, None)
    assert ids(route) == ["e-1", "e-4"]


def test_a_loss_is_told_where_it_happened():
    """On the channels whose captures agree, and on no route that could not have had the event."""
    hub = bus()
    route = attached(hub, Terms(path="/{a}", names=("a",)))
    bound = attached(hub, Terms(path="/bound"), Feed(source="s", bind={"a": "2"}))
    other = attached(hub, Terms(path="/other"), Feed(source="t"))
    hub.publish("s", [event(captures={"a": "1"}), event(captures={"a": "2"})])
    hub.publish("t", [event()])
    hub.lose("s", Loss(reason="source_reset", captures={"a": "1", "file": "f"}))

    def told(of: Route) -> list[tuple[str, ...]]:
        return [place for place, log in of.channels.items() if b"bridge.gap" in _frames(log)]

    assert (told(route), told(bound), told(other)) == ([("1",)], [], [])
    hub.lose("s", Loss(reason="source_reset"))
    assert (told(route), told(bound), told(other)) == ([("1",), ("2",)], [()], [])


def test_a_loss_before_the_channel_exists_is_told_to_who_comes_back():
    """Its id is from before the loss."""
    hub = bus()
    route = attached(hub, Terms(path="/"))
    hub.publish("t", [event()])
    hub.lose("s", Loss(reason="source_reset"))
    log = hub.channel(route, {})
    assert log is not None
    first = route.subscribe(log, "e").open(Want("e-1"), head=hub.seq, replay=_replay())
    assert b'"evicted"' in first
    later = route.subscribe(log, "e").open(Want("e-2"), head=hub.seq, replay=_replay())
    assert b"bridge.gap" not in later


def _replay() -> Any:
    from bridge.subscription import Replay  # noqa: PLC0415

    return Replay()


def test_open_streams_hear_how_their_source_is():
    """Where the route asks for it; a newcomer is told of a source that is down."""
    hub = bus()
    told, quiet = attached(hub, Terms(path="/{a}", names=("a",), notifies=True)), attached(hub, Terms(path="/"))
    hub.publish("s", [event(captures={"a": "1"}), event(captures={"a": "2"})])
    told.channels["1",].wake = quiet.channels[()].wake = lambda: None
    hub.announce("s", "down", 50.0, "gone \udcff")
    hub.announce("s", "up", 60.0, None)
    notices = [orjson.loads(data) for name, data, _ in history(told, a="1") if name == "bridge.source"]
    assert notices == [
        {"source": "s", "state": "down", "since": 50.0, "error": "gone \ufffd"},
        {"source": "s", "state": "up", "since": 60.0, "error": None},
    ]
    assert len(history(told, a="2")) == 1
    assert [name for name, _, _ in history(quiet)] == ["message", "message"]
    assert not hub.down
    hub.announce("s", "down", 70.0, None)
    assert b'"since":70.0' in hub.down["s"]


def test_a_route_ends_with_the_last_of_its_sources():
    """Its channels then take no more, later ones too."""
    hub = bus()
    route = attached(hub, Terms(path="/{a}", names=("a",)), Feed(source="s"), Feed(source="t"))
    hub.publish("s", [event(captures={"a": "1"})])
    hub.end("s")
    hub.end("s")
    assert not route.channels["1",].is_ended
    hub.end("t")
    assert route.channels["1",].is_ended
    late = hub.channel(route, {"a": "2"})
    assert late is not None
    assert late.is_ended


# -- what the process keeps


def sized(count: int, size: int, place: str) -> list[Event]:
    """Make events of one channel whose records cost about as much as is told."""
    return [event("x" * (size - OVERHEAD - 20), captures={"a": place}) for _ in range(count)]


def test_all_histories_together_are_bounded():
    """The largest gives way; the quiet ones keep theirs."""
    hub = bus(memory=100_000)
    route = attached(hub, Terms(path="/{a}", names=("a",)))
    hub.publish("s", sized(5, 1_000, "quiet"))
    for _ in range(300):
        hub.publish("s", sized(1, 1_000, "noisy"))
        assert hub.budget.used <= 100_000
    assert hub.budget.used == sum(log.bytes for log in route.channels.values())
    assert len(ids(route, a="quiet")) == 5
    assert 80 <= len(ids(route, a="noisy")) <= 96


def test_a_single_large_event_does_not_shield_the_others():
    """It is the largest history and cannot give anything; those that can give way."""
    hub = bus(memory=100_000)
    route = attached(hub, Terms(path="/{a}", names=("a",)))
    hub.publish("s", sized(1, 60_000, "large"))
    for number in range(300):
        hub.publish("s", sized(1, 1_000, f"small {number % 3}"))
        assert hub.budget.used <= 100_000
    assert len(ids(route, a="large")) == 1


def test_newest_records_alone_may_exceed_the_memory():
    """There is nothing left to give."""
    hub = bus(memory=10_000)
    route = attached(hub, Terms(path="/{a}", names=("a",)))
    for number in range(20):
        hub.publish("s", sized(2, 1_000, str(number)))
    assert all(log.next - log.first == 1 for log in route.channels.values())


def test_channels_are_bounded_and_those_that_were_quiet_the_longest_go():
    """Never one that somebody listens to; who comes back to it is told that its events are lost."""
    hub = bus(channels=3)
    route = attached(hub, Terms(path="/{a}", names=("a",)))
    for place in "abc":
        hub.publish("s", [event(captures={"a": place})])
    route.channels["a",].wake = lambda: None
    hub.publish("s", [event(captures={"a": "d"})])
    assert ("a",) in route.channels
    assert ("b",) not in route.channels
    assert len(route.channels) <= 3
    again = hub.channel(route, {"a": "b"})
    assert again is not None
    said = route.subscribe(again, "e").open(Want("e-1"), head=hub.seq, replay=_replay())
    [(name, data, _)] = reference.parse(said).events
    assert (name, orjson.loads(data)["reason"], orjson.loads(data)["missed"]) == ("bridge.gap", "evicted", None)
    quiet = route.subscribe(again, "e").open(Want(f"e-{hub.seq}"), head=hub.seq, replay=_replay())
    assert b"bridge.gap" not in quiet


def test_dropped_channels_give_their_memory_back():
    """However many come and go."""
    hub = bus(channels=10)
    route = attached(hub, Terms(path="/{a}", names=("a",)))
    for number in range(200):
        hub.publish("s", sized(2, 1_000, str(number)))
        assert len(route.channels) <= 10
        assert hub.budget.used == sum(log.bytes for log in route.channels.values())


def test_there_is_no_room_when_all_channels_are_in_use():
    """Then a newcomer to one of its own is refused; one to a channel that exists is not."""
    hub = bus(channels=2)
    route = attached(hub, Terms(path="/{a}", names=("a",)))
    for place in "ab":
        log = hub.channel(route, {"a": place})
        assert log is not None
        log.wake = lambda: None
    assert hub.channel(route, {"a": "c"}) is None
    assert hub.channel(route, {"a": "b"}) is route.channels["b",]
    route.channels["a",].wake = None
    assert hub.channel(route, {"a": "c"}) is not None
    assert set(route.channels) == {("b",), ("c",)}


def test_an_empty_channel_goes_with_its_last_subscriber():
    """One that holds something, or that somebody listens to, stays."""
    hub = bus()
    route = attached(hub, Terms(path="/{a}", names=("a",)))
    empty = hub.channel(route, {"a": "1"})
    assert empty is not None
    empty.wake = lambda: None
    hub.release(route, empty)
    assert ("1",) in route.channels
    empty.wake = None
    hub.release(route, empty)
    assert ("1",) not in route.channels
    hub.publish("s", [event(captures={"a": "2"})])
    hub.release(route, route.channels["2",])
    assert ("2",) in route.channels


def test_quiet_channels_age():
    """When the process looks now and then."""
    now = Now()
    hub = Bus("e", Bounds(), now)
    route = attached(hub, Terms(path="/", bounds=channels.Bounds(age=64.0)))
    hub.publish("s", [event() for _ in range(3)])
    now.time += 100
    hub.expire()
    assert ids(route) == ["e-3"]
    assert hub.budget.used == route.channels[()].bytes


@pytest.mark.parametrize(("start", "expected"), [(None, "e-3"), (0, "e-3"), ("live", "e-3"), ("earliest", "e-0")])
def test_a_route_without_a_start_is_live(start, expected):
    """Its subscribers begin at the head."""
    hub = bus()
    route = attached(hub, Terms(path="/", start=start, slow="disconnect"))
    hub.publish("s", [event() for _ in range(3)])
    subscription = route.subscribe(route.channels[()], hub.epoch)
    first = subscription.open(Want(), head=hub.seq, replay=_replay())
    assert reference.parse(first).last_event_id == expected
    assert subscription.slow == "disconnect"
