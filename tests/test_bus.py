"""The bus: one sequence, losses in their place, how sources are, and what the process may keep."""

from collections import Counter

import orjson
import pytest

from bridge import bus as bus_module, channel as channels, wire
from bridge.bounds import OVERHEAD
from bridge.bus import Bounds, Bus
from bridge.event import Event, Loss
from bridge.route import Feed, Route, Terms
from bridge.subscription import Replay, Start, Subscription, Want
from tests import reference
from tests.hub import Now, attached, bus, event, frames, history, ids


def test_one_sequence_numbers_the_whole_process():
    """Over all sources and routes; each event has one number wherever it goes, and the publisher is told it."""
    hub = bus()
    one = attached(hub, Terms(path="/one"))
    both = attached(hub, Terms(path="/both"), Feed(source="s"), Feed(source="t"))
    assert list(hub.publish("s", [event("a"), event("b")])) == ["e-1", "e-2"]
    assert list(hub.publish("t", [event("c")])) == ["e-3"]
    assert list(hub.publish("nobody", [event("d")])) == ["e-4"]
    assert hub.draw() == 5
    assert list(hub.publish("s", [event("e")])) == ["e-6"]
    assert ids(one) == ["e-1", "e-2", "e-6"]
    assert ids(both) == ["e-1", "e-2", "e-3", "e-6"]
    assert [data for _, data, _ in history(both)] == ["a", "b", "c", "e"]


def test_publishing_nothing_makes_nothing():
    """An empty batch has no numbers and no channel."""
    hub = bus()
    route = attached(hub, Terms(path="/"))
    assert list(hub.publish("s", [])) == []
    assert (hub.seq, route.channels) == (0, {})


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
        return [place for place, log in of.channels.items() if b"bridge.gap" in frames(log)]

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
    first = route.subscribe(log, "e").open(Want("e-1"), head=hub.seq, replay=Replay())
    assert b'"evicted"' in first
    later = route.subscribe(log, "e").open(Want("e-2"), head=hub.seq, replay=Replay())
    assert b"bridge.gap" not in later


def test_open_streams_hear_how_their_source_is():
    """Where the route asks for it, and so do those who come back; a newcomer is told of a source that is down."""
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
    assert len(history(told, a="2")) == 3
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


def test_a_smaller_bound_of_memory_is_kept_to_with_one_look_at_each_channel(monkeypatch: pytest.MonkeyPatch):
    """A reload may make it small under thousands of them: a look at all for each would hold up the loop for seconds."""
    hub, looks = bus(), Counter[str]()
    attached(hub, Terms(path="/{a}", names=("a",)))
    for place in range(50):
        hub.publish("s", sized(3, 10_000, str(place)))
    seen = bus_module._spare

    def spare(channel: channels.Channel) -> int:
        looks["spare"] += 1
        return seen(channel)

    monkeypatch.setattr(bus_module, "_spare", spare)
    hub.rebound(Bounds(memory=1_000_000))
    assert hub.budget.used <= 1_000_000
    assert looks["spare"] == 50


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
    said = route.subscribe(again, "e").open(Want("e-1"), head=hub.seq, replay=Replay())
    [(name, data, _)] = reference.parse(said).events
    assert (name, orjson.loads(data)["reason"], orjson.loads(data)["missed"]) == ("bridge.gap", "evicted", None)
    quiet = route.subscribe(again, "e").open(Want(f"e-{hub.seq}"), head=hub.seq, replay=Replay())
    assert b"bridge.gap" not in quiet


def reopened(route: Route, hub: Bus, want: Want, start: Start = "live") -> list[tuple[str, str | None]]:
    """Open a channel anew that was dropped; return the names of what stands first, and why if it is a gap."""
    channel = hub.channel(route, {"a": "b"})
    assert channel is not None
    said = Subscription(channel, "e", start=start, slow="gap").open(want, head=hub.seq, replay=Replay())
    return [(name, orjson.loads(data).get("reason")) for name, data, _ in reference.parse(said).events]


def dropped(key: str | None = None) -> tuple[Bus, Route]:
    """Return a route that has dropped the channel `b`, whose event was of the time 50."""
    hub = bus(channels=2)
    route = attached(hub, Terms(path="/{a}", names=("a",), key=key))
    for place in "bcd":
        hub.publish("s", [event(captures={"a": place}, time=50.0)])
    assert ("b",) not in route.channels
    return hub, route


@pytest.mark.parametrize(("since", "told"), [(50.0, [("bridge.gap", "evicted")]), (51.0, [])])
def test_who_asks_a_dropped_channel_for_a_time_it_had_is_told(since, told):
    """What came after the dropped events is whole."""
    hub, route = dropped()
    assert reopened(route, hub, Want(since=since)) == told


def test_a_snapshot_of_a_channel_that_was_dropped_is_told_not_to_be_whole():
    """Its keys are gone with it; one that was never dropped is whole."""
    hub, route = dropped(key="a")
    assert reopened(route, hub, Want(), "snapshot") == [("bridge.gap", "evicted")]
    hub = bus()
    route = attached(hub, Terms(path="/{a}", names=("a",), key="a"))
    hub.lose("s", Loss(reason="source_reset"))
    assert reopened(route, hub, Want(), "snapshot") == []


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


def test_a_cut_event_brings_its_gap_to_whoever_gets_it():
    """A newcomer with `last`, one with a snapshot, one who resumes: none takes half a text for a whole one."""
    hub = bus(event=1024)
    route = attached(hub, Terms(path="/", key="key", start="snapshot"))
    hub.publish("s", [event("x" * 2000, key="k")])
    log = route.channels[()]
    for found in (log.read(log.last(1), 1), log.snapshot(0, 99, 1)):
        names = [name for name, _, _ in reference.parse(found[0].frame).events]
        assert names == ["bridge.gap", "message"]
        assert wire.id_of(found[0].frame) == "e-1"


def test_an_address_that_never_had_an_event_is_forgotten():
    """Whatever was told to those who waited there; its bytes are given back."""
    hub = bus()
    route = attached(hub, Terms(path="/{a}", names=("a",), notifies=True))
    typed = hub.channel(route, {"a": "typo"})
    assert typed is not None
    typed.wake = lambda: None
    hub.announce("s", "down", 50.0, None)
    typed.wake = None
    hub.release(route, typed)
    assert not route.channels
    assert hub.budget.used == 0
