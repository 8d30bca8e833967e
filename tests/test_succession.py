"""One route takes the place of another on the bus: with its channels, or anew; and what a bus forgets."""

import pytest

from bridge.bounds import Bounds
from bridge.bus import Bounds as Limits, Bus
from bridge.channel import Channel
from bridge.event import EMPTY, Loss
from bridge.route import Feed, Route, Terms
from bridge.subscription import Replay, Want
from tests.hub import attached, bus, event, history, ids

PLANT = Terms(path="/{plant}", names=("plant",))


def another(on: Bus, terms: Terms, *feeds: Feed) -> Route:
    """Make a route that the bus does not know yet."""
    return Route(terms, feeds or [Feed(source="s")], budget=on.budget, limit=on.bounds.event)


def opened(route: Route, on: Bus, id: str, **captures: str) -> tuple[str, list[str]]:
    """Resume after an id; return what is told first, and all that follows."""
    cursor = route.subscribe(route.channel(route.place(captures)), on.epoch)
    first = cursor.open(Want(last_event_id=id), head=on.seq, replay=Replay())
    told = []
    while frames := cursor.read(1 << 20):
        told += [line.removeprefix("data: ") for line in frames.decode().split("\n") if line.startswith("data: ")]
    return first.decode(), told


def test_an_heir_of_the_same_frames_has_the_channels() -> None:
    """A resume over the change finds what came before it and after."""
    on = bus()
    before = attached(on, PLANT)
    on.publish("s", [event(str(n), captures={"plant": "oslo"}) for n in range(3)])
    heir = another(on, PLANT)
    on.bequeath(before, heir, is_alike=True)
    on.publish("s", [event("3", captures={"plant": "oslo"})])
    assert on.routes == [heir]
    assert opened(heir, on, "e-1", plant="oslo") == ("id: e-1\n\n", ["1", "2", "3"])
    assert heir.channels is before.channels
    assert heir.meter is before.meter


def test_an_heir_of_other_frames_begins_anew_and_tells_so() -> None:
    """Also whoever had seen the very last event: its source may be another one."""
    on = bus()
    before = attached(on, PLANT)
    [id] = on.publish("s", [event("0", captures={"plant": "oslo"})])
    heir = another(on, PLANT)
    on.bequeath(before, heir, is_alike=False)
    assert on.budget.used == 0
    on.publish("s", [event("1", captures={"plant": "oslo"})])
    first, told = opened(heir, on, id, plant="oslo")
    assert '"reason":"evicted"' in first
    assert told == ["1"]


def test_an_heir_keeps_to_its_own_bounds() -> None:
    """What they leave no room for is lost, and counted so."""
    on = bus()
    before = attached(on, PLANT)
    on.publish("s", [event(str(n), captures={"plant": "oslo"}) for n in range(10)])
    heir = another(on, Terms(path="/{plant}", names=("plant",), bounds=Bounds(events=2)))
    on.bequeath(before, heir, is_alike=True)
    assert [data for _, data, _ in history(heir, plant="oslo")] == ["8", "9"]
    assert on.budget.used == heir.channels[("oslo",)].bytes
    assert '"reason":"evicted"' in opened(heir, on, "e-1", plant="oslo")[0]


def test_keys_are_cut_to_new_bounds_and_the_last_ones_of_each_stay_known() -> None:
    """A deletion that comes after the change finds the key of what it deletes."""
    on = bus()
    terms = Terms(path="/", key="data.k", bounds=Bounds(events=1))
    before = attached(on, terms)
    on.publish("s", [event(str(n), data={"k": str(n)}, key=str(n)) for n in range(4)])
    heir = another(on, Terms(path="/", key="data.k", bounds=Bounds(events=1, keys=2)))
    on.bequeath(before, heir, is_alike=True)
    table = heir.channels[()].table
    assert table is not None
    assert len(table) == 2
    on.publish("s", [event("", data="", key="3", is_tombstone=True)])
    assert len(table) == 1
    assert on.budget.used == heir.channels[()].bytes


def test_no_more_last_keys_are_remembered_than_the_new_bound_says() -> None:
    """The newest stay: a deletion finds theirs, and has no place where its key is forgotten."""
    on = bus()
    before = attached(on, Terms(path="/", key="data.k"))
    on.publish("s", [event(str(n), data={"k": str(n)}, key=str(n)) for n in range(4)])
    heir = another(on, Terms(path="/", key="data.k", bounds=Bounds(keys=2)))
    on.bequeath(before, heir, is_alike=True)
    on.publish("s", [event("", data="", key=key, is_tombstone=True) for key in "03"])
    assert heir.skipped.total() == 1
    assert [name for name, _, _ in history(heir)].count("delete") == 1


def test_what_a_route_that_begins_anew_has_lost_is_the_newest_of_all() -> None:
    """Be it in the log or in the table, whatever order their times have."""
    on = bus()
    before = attached(on, Terms(path="/", key="data.k", bounds=Bounds(events=1)))
    on.publish("s", [event(str(n), data={"k": str(n)}, time=50.0 - n) for n in range(4)])
    before.drop(())
    assert (before.lost_through, before.lost_since) == (4, 50.0)


def test_a_channel_that_had_ended_goes_on_where_more_may_come() -> None:
    """Its source was changed, and runs again."""
    on = bus()
    before = attached(on, Terms(path="/"))
    on.publish("s", [event("0")])
    on.end("s")
    heir = another(on, Terms(path="/"))
    on.bequeath(before, heir, is_alike=True)
    assert not heir.channels[()].is_ended
    third = another(on, Terms(path="/"))
    third.running.clear()
    on.bequeath(heir, third, is_alike=True)
    assert third.channels[()].is_ended


def test_a_stream_that_leaves_late_leaves_the_heirs_channels_right() -> None:
    """An empty channel goes with its last stream, whichever of the two routes that was opened on."""
    on = bus()
    before = attached(on, PLANT)
    channel = on.channel(before, {"plant": "oslo"})
    assert channel is not None
    heir = another(on, PLANT)
    on.bequeath(before, heir, is_alike=True)
    on.release(before, channel)
    assert heir.channels == {}


def test_a_detached_route_hears_nothing_and_holds_nothing() -> None:
    """Its source goes on for others."""
    on = bus()
    first, second = attached(on, Terms(path="/a")), attached(on, Terms(path="/b"))
    on.publish("s", [event("0")])
    on.detach(first)
    on.publish("s", [event("1")])
    on.lose("s", Loss(reason="evicted"))
    assert len(ids(first)) == 1
    assert on.routes == [second]
    assert on.budget.used == second.channels[()].bytes
    on.detach(second)
    assert (on.budget.used, on.routes, list(on.publish("s", [event("2")]))) == (0, [], ["e-4"])


def test_what_is_known_of_a_sources_addresses_is_forgotten() -> None:
    """Those of others stay."""
    on = bus()
    attached(on, Terms(path="/", notifies=True), Feed(source="s"), Feed(source="o"))
    on.announce_address("s", {"x": "1"}, "wrong")
    on.announce_address("o", {"x": "1"}, "wrong")
    on.forget("s")
    assert [source for source, _ in on.down_addresses] == ["o"]


@pytest.mark.parametrize("memory", [2_000, 1 << 30])
def test_other_bounds_of_the_process_hold_at_once(memory: int) -> None:
    """The largest histories give way."""
    on = bus()
    route = attached(on, Terms(path="/"))
    on.publish("s", [event("x" * 100) for _ in range(50)])
    on.rebound(Limits(memory=memory))
    assert (on.budget.used <= memory, len(ids(route)) == 50) == (True, memory > 2_000)


def test_a_channel_is_cut_by_age_too() -> None:
    """Of what is too old nothing stays but the newest."""
    on = bus()
    route = attached(on, Terms(path="/"))
    on.publish("s", [event(str(n)) for n in range(5)])
    channel: Channel = route.channels[()]
    channel.rebound(Bounds(age=10.0), 1_000.0)
    on.publish("s", [event("new", captures=EMPTY)])
    assert channel.events == 6
    assert channel.bytes == on.budget.used
