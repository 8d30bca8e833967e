"""When a timer ticks: an interval by the steady clock, or a cron line by the wall's.

Rule 1: a tick that is missed (the process was stopped, the machine slept) is skipped, not made up for. The ticks
    after it keep their phase.
Rule 2: an interval never looks at the wall clock, so setting it neither hurries nor holds a tick, and its due times
    are multiples of one number from one origin, so that nothing adds up to a drift.
Rule 3: a cron line is read in the local time zone, as Debian's cron does: a time that a change to summer time leaves
    out comes right after the gap, one that a change back repeats comes once, and a line with `*` in its minutes or
    hours keeps its pace through both.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple, Protocol

from cronsim import CronSim, CronSimError

#: A cron line is five or six short fields. A longer one is a mistake or a trap.
MAX_CRON: Final = 256

#: How long a cron line sleeps before it looks at the wall clock again, so that a clock that was set is noticed. A
#: look costs microseconds.
LOOK: Final = 10.0

#: A wall clock that went back by less than this repeats no tick, one that went further is simply another time: the
#: three hours of cron(8), which cover a change of summer time and every correction by hand.
STEP_BACK: Final = 3 * 3600.0


class Clock(NamedTuple):
    """The clocks that a timer goes by, as arguments for tests."""

    #: Unix seconds. They jump when somebody sets the clock.
    wall: Callable[[], float]
    #: Seconds from any origin that never jump.
    steady: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]


SYSTEM: Final = Clock(time.time, time.monotonic, asyncio.sleep)


class Pace(Protocol):
    """What a run waits for between two ticks."""

    async def next(self) -> None:
        """Wait for the next due time."""


class Interval:
    """Due every so many seconds from the moment it is made."""

    def __init__(self, every: float, clock: Clock) -> None:
        self._every = every
        self._clock = clock
        self._origin = clock.steady()
        self._ticks = 0

    async def next(self) -> None:
        """Wait for the first multiple of the interval that is still to come."""
        now = self._clock.steady()
        passed = math.floor((now - self._origin) / self._every)
        # `passed` alone would repeat a tick for which the loop woke a little early.
        self._ticks = max(self._ticks, passed) + 1
        await self._clock.sleep(max(0.0, self._origin + self._ticks * self._every - now))


class Cron:
    """Due when the local wall clock says what the line says."""

    def __init__(self, line: str, clock: Clock) -> None:
        self._line = line
        self._clock = clock
        self._last = clock.wall()

    async def next(self) -> None:
        """Wait for the next time that fits the line; a clock set forward past it makes it due now, once."""
        seen = self._clock.wall()
        due = self._after(seen)
        while (left := due - seen) > 0:
            await self._clock.sleep(min(left, LOOK))
            before, seen = seen, self._clock.wall()
            if before - seen > STEP_BACK:
                due = self._after(seen)
        self._last = due

    def _after(self, now: float) -> float:
        if self._last - now > STEP_BACK:
            self._last = now
        return following(self._line, max(now, self._last))


def following(line: str, after: float) -> float:
    """Return the first unix second after `after` that fits the line; infinity if none does for fifty years."""
    times = (found.timestamp() for found in CronSim(line, datetime.fromtimestamp(after, LOCAL)))
    # In an hour that comes twice CronSim answers with its first pass, which may lie behind us.
    return next((found for found in times if found > after), math.inf)


def check_cron(line: str) -> str | None:
    """Return what is wrong with a cron line, or None."""
    if len(line) > MAX_CRON:
        return f"a cron line has at most {MAX_CRON} signs"
    try:
        first = next(CronSim(line, datetime(2026, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        return f"not a cron line ({str(error).lower()}); minute, hour, day, month, weekday, for example '*/5 * * * *'"
    return None if first else "no such day comes"


class Local(tzinfo):
    """The time zone of the process, with its changes of summer time.

    `datetime.astimezone()` would fix the offset of one moment, and the file that `zoneinfo` reads need not exist: the
    C library knows the zone in either case.
    """

    def utcoffset(self, when: datetime | None, /) -> timedelta | None:
        """Return the offset at a local time, after `fold` where that time comes twice."""
        if when is None:
            return None
        naive = when.replace(tzinfo=None, microsecond=0)
        return naive - datetime.fromtimestamp(naive.timestamp(), UTC).replace(tzinfo=None)

    def fromutc(self, when: datetime, /) -> datetime:
        """Return the local time, with `fold` set in the second pass of an hour that comes twice."""
        stamp = when.replace(tzinfo=UTC, microsecond=0).timestamp()
        local = datetime.fromtimestamp(stamp)  # noqa: DTZ006 -- naive local time is what is asked for
        return local.replace(tzinfo=self, microsecond=when.microsecond)

    def dst(self, when: datetime | None, /) -> timedelta | None:
        """Return nothing: only the whole offset is needed."""
        return None

    def tzname(self, when: datetime | None, /) -> str | None:
        """Return the zone's short name at that time."""
        return None if when is None else time.strftime("%Z", time.localtime(when.timestamp()))


#: One instance: CronSim recognises the zone by identity when it looks for times that do not exist.
LOCAL: Final = Local()
