"""When a timer is due, by clocks that the tests turn."""

import os
import time
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, strategies as st

from bridge.sources.schedule import LOCAL, LOOK, STEP_BACK, Clock, Cron, Interval, check_cron, following

#: Central European time as a POSIX rule, so that no zone file is needed.
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"


class Hands:
    """Clocks that stand still until somebody sleeps; `stall` and `turn` are what happens meanwhile."""

    def __init__(self, wall: float = 1_000_000_000.0) -> None:
        self.now = 50.0
        self.offset = wall - self.now
        self.stall = 0.0
        self.slept: list[float] = []
        self.turns: list[float] = []
        self.clock = Clock(lambda: self.now + self.offset, lambda: self.now, self.sleep)

    async def sleep(self, seconds: float) -> None:
        """Sleep at once, and however much longer the process is stalled; then turn the wall clock as planned."""
        self.slept.append(seconds)
        self.now += seconds + self.stall
        self.stall = 0.0
        if self.turns:
            self.offset += self.turns.pop(0)


@pytest.fixture
def berlin(monkeypatch):
    """Run in a zone with summer time."""
    monkeypatch.setenv("TZ", BERLIN)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def utc(text: str) -> float:
    """Return the unix seconds of a UTC time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def fires(line: str, start: str, count: int) -> list[str]:
    """List the next local times of a cron line, with their offsets."""
    found, at = [], utc(start)
    for _ in range(count):
        at = following(line, at)
        found.append(datetime.fromtimestamp(at, LOCAL).isoformat())
    return found


async def test_an_interval_keeps_its_phase():
    """Each due time is a multiple of the interval, however long the work between took."""
    hands = Hands()
    interval = Interval(0.1, hands.clock)
    dues = []
    for work in (0.0, 0.03, 0.09, 0.01):
        hands.now += work
        await interval.next()
        dues.append(round(hands.now - 50.0, 6))
    assert dues == [0.1, 0.2, 0.3, 0.4]


async def test_an_interval_that_woke_early_does_not_repeat_its_tick():
    """A loop may wake half a millisecond before it was told to."""
    hands = Hands()
    interval = Interval(1.0, hands.clock)
    hands.stall = -0.0005
    await interval.next()
    await interval.next()
    assert round(hands.now - 50.0, 6) == 2.0


async def test_cron_waits_in_looks_for_its_time():
    """The wall clock is looked at again and again, so a long wait is cut."""
    hands = Hands(utc("2026-11-21T10:00:30"))
    await Cron("*/5 * * * *", hands.clock).next()
    assert hands.clock.wall() == utc("2026-11-21T10:05:00")
    assert max(hands.slept) == LOOK


async def test_cron_goes_on_strictly_after_its_last_time():
    """A tick is not repeated although the clock still shows its second."""
    hands = Hands(utc("2026-11-21T10:00:30"))
    cron = Cron("* * * * *", hands.clock)
    seen = []
    for _ in range(3):
        await cron.next()
        seen.append(hands.clock.wall())
    assert seen == [utc(f"2026-11-21T10:0{minute}:00") for minute in (1, 2, 3)]


async def test_a_clock_set_back_far_begins_again():
    """Minutes that come again after a day was taken back are minutes like any other."""
    hands = Hands(utc("2026-11-21T10:00:00"))
    cron = Cron("0 * * * *", hands.clock)
    hands.turns = [-86_400.0]
    await cron.next()
    assert hands.clock.wall() == utc("2026-11-20T11:00:00")
    hands.offset -= STEP_BACK + 3600
    await cron.next()
    assert hands.clock.wall() == utc("2026-11-20T08:00:00")


def test_six_fields_begin_with_the_second():
    """A line of six fields may tick within the minute."""
    assert fires("*/20 * * * * *", "2026-11-21T10:00:00", 3)[1].startswith("2026-11-21T10:00:40")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "not a cron line"),
        ("* * * *", "not a cron line"),
        ("@hourly", "not a cron line"),
        ("60 * * * *", "bad minute"),
        ("* * * * MOO", "bad day-of-week"),
        ("*/0 * * * *", "bad minute"),
        ("9" * 200 + " * * * *", "bad minute"),
        ("* " * 200, "at most"),
        ("0 0 31 2 *", "bad day-of-month"),
        ("0 0 31 4 *", "bad day-of-month"),
        ("0 0 */30 2 MON#5", "no such day"),
        ("é * * * *", "bad minute"),
    ],
)
def test_a_bad_cron_line_is_refused(line, words):
    """The reason names the field, and an example stands beside it."""
    assert words in (check_cron(line) or "")


@given(st.lists(st.text("0123456789*/,-L#WMON²", min_size=1, max_size=8), min_size=5, max_size=6).map(" ".join))
@example("5L/2 * * * *")
def test_no_cron_line_breaks_the_check(line):
    """Whatever stands there is taken or refused with a reason."""
    assert check_cron(line) is None or check_cron(line)


@pytest.mark.parametrize("line", ["* * * * *", "0 8 * * MON-FRI", "0 0 29 2 *", "0 0 L * *", "0 0 * 2 MON#5"])
def test_a_good_cron_line_is_taken(line):
    """What Debian's cron knows, and the last day of a month."""
    assert check_cron(line) is None


@pytest.mark.usefixtures("berlin")
def test_the_local_zone_knows_both_passes_of_an_hour():
    """The fold tells the two apart, there and back."""
    for stamp in range(int(utc("2026-10-24T22:00:00")), int(utc("2026-10-25T04:00:00")), 600):
        assert datetime.fromtimestamp(stamp, LOCAL).timestamp() == stamp
    assert datetime.fromtimestamp(utc("2026-10-25T00:30:00"), LOCAL).isoformat() == "2026-10-25T02:30:00+02:00"
    assert datetime.fromtimestamp(utc("2026-10-25T01:30:00"), LOCAL).isoformat() == "2026-10-25T02:30:00+01:00"
    assert datetime.fromtimestamp(0, LOCAL).tzname() == "CET"


def test_the_zone_of_no_time_is_unknown():
    """As `tzinfo` asks for."""
    assert (LOCAL.utcoffset(None), LOCAL.dst(None), LOCAL.tzname(None)) == (None, None, None)


def test_the_environment_is_left_as_it_was():
    """The zone of these tests is not that of others."""
    assert os.environ.get("TZ") != BERLIN
