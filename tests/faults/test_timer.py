"""The timer's faults, T01 to T05: clocks that jump, a process that is stopped, drift, summer time."""

import asyncio
import json
import os
import random
import signal
import sys
import textwrap
import time
from datetime import UTC, datetime

import pytest

from bridge.sources.schedule import LOCAL, LOOK, Clock, Cron, Interval, following
from bridge.sources.timer import Timer

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"


class Hands:
    """Clocks that tests turn."""

    def __init__(self, wall: float = 1_000_000_000.0) -> None:
        self.steady = 7.0
        self.wall = wall
        self.late = 0.0
        self.clock = Clock(lambda: self.wall, lambda: self.steady, self.sleep)

    async def sleep(self, seconds: float) -> None:
        """Let the time pass, and what the process is late by."""
        self.pass_by(seconds + self.late)
        self.late = 0.0

    def pass_by(self, seconds: float) -> None:
        """Let both clocks go on."""
        self.steady += seconds
        self.wall += seconds


def utc(text: str) -> float:
    """Return the unix seconds of a UTC time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
async def test_t01_t02_an_interval_does_not_see_a_jump_of_the_wall_clock(jump):
    """The clock is set a day forward or back, and the next tick comes when it would have come."""
    hands = Hands()
    interval = Interval(5.0, hands.clock)
    await interval.next()
    hands.wall += jump
    await interval.next()
    await interval.next()
    assert hands.steady == 7.0 + 15.0


async def test_t01_cron_fires_once_after_a_jump_forward():
    """Three hours pass at once: one tick for all that was missed, within a look at the clock, then the next minute."""
    hands = Hands(utc("2026-11-21T10:00:30"))
    cron = Cron("* * * * *", hands.clock)
    await cron.next()
    hands.wall += 3 * 3600
    before = hands.steady
    await cron.next()
    assert hands.steady - before <= 60
    await cron.next()
    assert hands.wall == utc("2026-11-21T13:03:00")


async def test_t01_cron_notices_a_jump_while_it_waits():
    """A daily line waits for hours; the clock is set past its time meanwhile."""
    hands = Hands(utc("2026-11-21T10:00:00"))
    plain = hands.clock.sleep

    async def jumping(seconds: float) -> None:
        await plain(seconds)
        if hands.steady < 7.0 + 2 * LOOK:
            hands.wall += 3600

    await Cron("30 10 * * *", hands.clock._replace(sleep=jumping)).next()
    assert hands.steady <= 7.0 + LOOK


async def test_t02_cron_repeats_no_tick_after_a_small_step_back():
    """An hour is taken back: the next tick is the one after the last, not the hour over again."""
    hands = Hands(utc("2026-11-21T10:00:30"))
    cron = Cron("0 * * * *", hands.clock)
    await cron.next()
    assert hands.wall == utc("2026-11-21T11:00:00")
    hands.wall -= 3600
    await cron.next()
    assert hands.wall == utc("2026-11-21T12:00:00")


async def test_t03_a_minute_without_the_processor_is_one_late_tick():
    """After SIGSTOP for 60 s one tick is late, the rest is skipped, and the phase stays."""
    hands = Hands()
    interval = Interval(5.0, hands.clock)
    hands.late = 61.3
    await interval.next()
    assert round(hands.steady - 7.0, 6) == 66.3
    await interval.next()
    assert round(hands.steady - 7.0, 6) == 70.0
    await interval.next()
    assert round(hands.steady - 7.0, 6) == 75.0


PROGRAM = """
    import asyncio, json, sys, time
    from bridge.sources.base import Place
    from bridge.sources.timer import Timer

    class Out:
        def emit(self, messages):
            print(json.dumps([time.monotonic(), messages[0].payload]), flush=True)
            return ["1-1"]
        def up(self): pass
        def subscribers(self): return 0

    asyncio.run(Timer(every="20ms", payload="{n}").run(Out(), Place(name="clock")))
"""


async def test_t03_sigstop_of_a_real_process():
    """A stopped process does not make up for its ticks in a burst, and counts on without a hole."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(PROGRAM), stdout=asyncio.subprocess.PIPE
    )
    assert program.stdout is not None
    ticks: list[tuple[float, str]] = []

    async def read(count: int) -> None:
        for _ in range(count):
            assert program.stdout is not None
            ticks.append(json.loads(await asyncio.wait_for(program.stdout.readline(), 20)))

    try:
        await read(5)
        os.kill(program.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        await asyncio.sleep(1.0)  # this is the fault itself
        os.kill(program.pid, signal.SIGCONT)
        # Those that it wrote before it stopped stand in the pipe.
        while not ticks[-1][0] > stopped + 0.9:
            await read(1)
        await read(20)
    finally:
        program.kill()
        await program.wait()
    assert [int(n) for _, n in ticks] == list(range(len(ticks)))
    after = [at for at, _ in ticks if at > stopped + 0.9]
    # 50 ticks were missed. One comes late, and the others take their 20 ms each, but for one short step into phase.
    assert after[-1] - after[0] > 0.020 * (len(after) - 3)


async def test_t04_a_hundred_thousand_ticks_do_not_drift():
    """However late each wake-up is, the due times stay multiples of the interval."""
    hands = Hands()
    interval = Interval(0.1, hands.clock)
    dice = random.Random(4)
    ticks = 100_000
    for _ in range(ticks):
        late = dice.uniform(0, 0.05)
        hands.late = late
        await interval.next()
    assert abs(hands.steady - late - 7.0 - ticks * 0.1) < 1e-6


@pytest.fixture
def berlin(monkeypatch):
    """Run in a zone with summer time."""
    monkeypatch.setenv("TZ", BERLIN)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def fires(line: str, start: str, count: int) -> list[str]:
    """List the next local times of a cron line, with their offsets."""
    found, at = [], utc(start)
    for _ in range(count):
        at = following(line, at)
        found.append(datetime.fromtimestamp(at, LOCAL).strftime("%d %H:%M %Z"))
    return found


@pytest.mark.usefixtures("berlin")
def test_t05_a_time_that_summer_time_leaves_out_comes_after_the_gap():
    """On 29 March 2026 there is no 02:30: the tick comes at 03:00, once, and the next day at 02:30 again."""
    assert fires("30 2 * * *", "2026-03-28T12:00:00", 2) == ["29 03:00 CEST", "30 02:30 CEST"]


@pytest.mark.usefixtures("berlin")
def test_t05_a_time_that_comes_twice_ticks_once():
    """On 25 October 2026 there are two 02:30: the first ticks."""
    assert fires("30 2 * * *", "2026-10-24T12:00:00", 2) == ["25 02:30 CEST", "26 02:30 CET"]


@pytest.mark.usefixtures("berlin")
def test_t05_a_start_within_the_second_pass_does_not_tick_for_the_first():
    """At 02:40 CET, an hour after 02:50 CEST has gone by."""
    assert fires("50 2 * * *", "2026-10-25T01:40:00", 1) == ["26 02:50 CET"]


@pytest.mark.usefixtures("berlin")
def test_t05_every_quarter_of_an_hour_keeps_its_pace():
    """Through both changes a `*` in the hours means each quarter that really passes."""
    assert fires("*/30 * * * *", "2026-03-29T00:15:00", 3) == ["29 01:30 CET", "29 03:00 CEST", "29 03:30 CEST"]
    assert fires("*/30 * * * *", "2026-10-25T00:15:00", 4) == [
        "25 02:30 CEST",
        "25 02:00 CET",
        "25 02:30 CET",
        "25 03:00 CET",
    ]


@pytest.mark.usefixtures("berlin")
async def test_t05_the_local_time_of_a_payload_follows():
    """A clock on a page jumps with the clock on the wall."""
    timer = Timer(every="1s", time="%H:%M %Z", count=1)
    shown = []
    for at in ("2026-03-29T00:59:59", "2026-03-29T01:00:00"):
        clock = Hands(utc(at)).clock
        shown += [event.message.payload async for event in timer.visit("", Nobody(), clock)]
    assert shown == ["01:59 CET", "03:00 CEST"]


class Nobody:
    """An outlet that nobody listens to."""

    def subscribers(self) -> int:
        """Count none."""
        return 0
