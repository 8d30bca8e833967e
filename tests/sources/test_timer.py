"""The timer: one run for all, or one for each visitor."""

import asyncio
import json
from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from bridge.event import Loss, Message
from bridge.sources.base import Place, Visited
from bridge.sources.schedule import Clock
from bridge.sources.timer import Timer


class Enough(Exception):  # noqa: N818 -- not an error: it ends a run
    """A test has heard what it wanted."""


class Recorder:
    """An outlet that keeps what it is given, and stops the run after `count` messages."""

    def __init__(self, count: int = 1_000, listeners: int = 0) -> None:
        self.heard: list[Message] = []
        self.states: list[str] = []
        self.count = count
        self.listeners = listeners

    def emit(self, messages: Sequence[Message]) -> Sequence[str]:
        """Keep the messages; number them."""
        self.heard += messages
        if len(self.heard) >= self.count:
            raise Enough
        return [f"e-{len(self.heard)}"]

    def lose(self, loss: Loss) -> None:
        """Never called: a timer loses nothing."""
        raise AssertionError(loss)

    def up(self) -> None:
        """Keep the state."""
        self.states.append("up")

    def down(self, reason: str) -> None:
        """Never called: a timer reads from nothing."""
        raise AssertionError(reason)

    def subscribers(self) -> int:
        """Count as told."""
        return self.listeners

    @property
    def said(self) -> list[str]:
        """Return the payloads."""
        return [str(message.payload) for message in self.heard]


class Hands:
    """Clocks that move only by sleeping."""

    def __init__(self, wall: float = 1_000.0) -> None:
        self.now = 0.0
        self.start = wall
        self.clock = Clock(lambda: self.start + self.now, lambda: self.now, self.sleep)

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.now += seconds


async def hear(timer: Timer, count: int, **options: int) -> Recorder:
    """Run a timer on turned clocks until it said `count` messages."""
    recorder = Recorder(count, **options)
    with pytest.raises(Enough):
        await timer.run(recorder, Place(name="clock"), Hands().clock)
    return recorder


async def tour(timer: Timer, mark: str, count: int, hands: Hands | None = None) -> list[Visited]:
    """Follow a visitor's run for at most `count` events."""
    events: list[Visited] = []
    visit = timer.visit(mark, Recorder(listeners=1), (hands or Hands()).clock)
    async for event in visit:
        events.append(event)
        if len(events) == count:
            break
    return events


async def test_the_first_tick_comes_at_once_and_the_others_in_step():
    """Counted from 0, each with the time it was said at."""
    recorder = await hear(Timer(every="5s", payload="{n} at {ms}"), 3)
    assert recorder.said == ["0 at 1000000", "1 at 1005000", "2 at 1010000"]
    assert [message.time for message in recorder.heard] == [1_000.0, 1_005.0, 1_010.0]
    assert recorder.states == ["up"]


async def test_a_mapping_is_json_and_says_so():
    """Its media type tells the rest of the way; a text has none."""
    recorder = await hear(Timer(every="1s", payload={"online": "{subscribers}"}), 1, listeners=3)
    assert json.loads(recorder.said[0]) == {"online": 3}
    assert recorder.heard[0].content_type == "application/json"
    assert (await hear(Timer(every="1s"), 1)).heard[0].content_type == ""


async def test_cron_says_itself_when_its_first_tick_is():
    """A daily line does not tick when the process starts."""
    hands = Hands(0.0)
    recorder = Recorder(2)
    with pytest.raises(Enough):
        await Timer(cron="*/5 * * * *", payload="{ms}").run(recorder, Place(name="clock"), hands.clock)
    assert recorder.said == ["300000", "600000"]


async def test_a_run_for_all_ends_after_its_count():
    """To return means that the streams end."""
    recorder = Recorder()
    hands = Hands()
    await Timer(every="1s", count=3, per="process", payload="{n}").run(recorder, Place(name="ten"), hands.clock)
    assert recorder.said == ["0", "1", "2"]
    assert hands.now == 2.0


async def test_the_present_greets_newcomers():
    """Rendered now, with the number of the last tick and those who are here now."""
    place = Place(name="clock")
    recorder = Recorder(3)
    hands = Hands()
    timer = Timer(every="10s", payload="{n} {subscribers} {ms}")
    with pytest.raises(Enough):
        await timer.run(recorder, place, hands.clock)
    recorder.listeners = 5
    hands.now += 3.5
    [present] = place.present({})
    assert present.payload == "2 5 1023500"
    assert present.time == 1_023.5


async def test_the_present_before_any_tick_has_the_number_0():
    """A cron line may be silent for hours; a newcomer is greeted nevertheless."""
    place = Place(name="clock")
    waiting = asyncio.Event()

    async def never(_: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    clock = Clock(lambda: 1_000.0, lambda: 0.0, never)
    run = asyncio.create_task(Timer(cron="0 0 1 1 *", payload="{n}").run(Recorder(), place, clock))
    await asyncio.wait_for(waiting.wait(), 5)
    [present] = place.present({})
    run.cancel()
    assert present.payload == "0"


@pytest.mark.parametrize(
    ("fields", "is_private"),
    [
        ({}, False),
        ({"count": 10}, True),
        ({"count": 10, "per": "process"}, False),
        ({"per": "visitor"}, True),
        ({"per": "process"}, False),
    ],
)
def test_who_has_a_run_of_their_own(fields, is_private):
    """Visitors where there is a count, unless it is said otherwise."""
    assert Timer(every="1s", **fields).is_private is is_private


async def test_the_run_of_a_private_timer_only_waits():
    """It is up, and says nothing."""
    recorder = Recorder()
    place = Place(name="ten")
    run = asyncio.create_task(Timer(every="10ms", count=10).run(recorder, place))
    await asyncio.wait([run], timeout=0.05)
    assert not run.done()
    run.cancel()
    assert (recorder.states, recorder.heard, place.present({})) == (["up"], [], ())


async def test_a_visitor_gets_all_events_from_the_first():
    """At once, then one a second, the last marked as such."""
    hands = Hands()
    events = await tour(Timer(every="1s", count=10, payload="Message {n}"), "", 99, hands)
    assert [event.message.payload for event in events] == [f"Message {n}" for n in range(10)]
    assert [event.mark for event in events] == [str(n) for n in range(10)]
    assert [event.is_last for event in events] == [False] * 9 + [True]
    assert [event.message.time - 1_000.0 for event in events] == [float(n) for n in range(10)]
    assert hands.now == 9.0


async def test_a_visitor_who_comes_back_goes_on():
    """After 6 comes 7, an interval later."""
    hands = Hands()
    events = await tour(Timer(every="1s", count=10), "6", 99, hands)
    assert [(event.mark, event.message.time) for event in events] == [("7", 1_001.0), ("8", 1_002.0), ("9", 1_003.0)]


async def test_nothing_follows_the_last_event():
    """And nobody waits for it."""
    hands = Hands()
    assert await tour(Timer(every="1s", count=10), "9", 99, hands) == []
    assert hands.now == 0.0


async def test_an_endless_run_of_a_visitor_goes_on_after_any_number():
    """Without a count no mark is the last."""
    timer = Timer(every="1s", per="visitor")
    assert [event.mark for event in await tour(timer, "123456", 2)] == ["123457", "123458"]
    assert not timer.is_finished("999999999999")


async def test_a_visitor_who_reads_slowly_skips_times_not_numbers():
    """The generator is paced by its reader too: late events come at their next due time."""
    hands = Hands()
    seen = []
    async for event in Timer(every="1s", count=4).visit("", Recorder(), hands.clock):
        seen.append((event.mark, event.message.time - 1_000.0))
        hands.now += 2.5 if event.mark == "1" else 0.0
    assert seen == [("0", 0.0), ("1", 1.0), ("2", 4.0), ("3", 5.0)]


@pytest.mark.parametrize("mark", ["x", "-1", "+1", "1.0", "01", " 1", "1\n", "10", "٣", "9" * 13, "1" * 5_000])
def test_a_mark_of_no_run_is_refused_at_once(mark):
    """Without waiting for the first event."""
    with pytest.raises(ValueError, match="not a mark"):
        Timer(every="1s", count=10).visit(mark, Recorder())


@pytest.mark.parametrize(
    ("mark", "is_finished"),
    [("8", False), ("9", True), ("10", True), ("", False), ("x", False), ("09", False), ("9" * 5_000, False)],
)
def test_a_run_is_finished_by_its_last_mark(mark, is_finished):
    """Or one beyond, which a longer run of an older configuration gave."""
    assert Timer(every="1s", count=10).is_finished(mark) is is_finished


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "either `every`"),
        ({"every": "1s", "cron": "* * * * *"}, "either `every`"),
        ({"every": "9ms"}, "10ms to 366d"),
        ({"every": "0s"}, "10ms to 366d"),
        ({"every": "400d"}, "10ms to 366d"),
        ({"every": 5}, "a duration with a unit"),
        ({"cron": "61 * * * *"}, "bad minute"),
        ({"every": "1s", "payload": "{x}"}, "the hole {x} is not known"),
        ({"every": "1s", "time": "clock"}, "expected iso"),
        ({"every": "1s", "count": 0}, "greater than or equal to 1"),
        ({"every": "1s", "count": "10"}, "valid integer"),
        ({"every": "1s", "count": True}, "valid integer"),
        ({"every": "1s", "per": "page"}, "'visitor' or 'process'"),
        ({"every": "1s", "evry": "1s"}, "not permitted"),
    ],
)
def test_a_bad_timer_is_refused(fields, words):
    """With what to write instead."""
    with pytest.raises(ValidationError) as caught:
        Timer(**fields)
    assert words in str(caught.value)


def test_every_option_has_a_description():
    """The reference and the editors show it."""
    schema = Timer.model_json_schema()["properties"]
    assert all(schema[name].get("description") for name in Timer.model_fields)
