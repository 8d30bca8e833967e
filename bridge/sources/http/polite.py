"""When to ask an address again, so that whoever answers never suffers from us.

Rule 1: two polls are never closer than nine tenths of `every`, measured between their starts. A reply that was slower
    than that takes the next slot, and what was missed is not made up for.
Rule 2: a reply is fresh for its `Cache-Control: max-age` less its `Age` (RFC 9111, 4.2), an hour at most, and is not
    asked for again before, unless the source ignores that.
Rule 3: 429 and 503 may say when (`Retry-After`, RFC 9110, 10.2.3); any other failure waits longer and longer, and so
    do these where they say nothing.
Rule 4: all waits are lengths of time by the steady clock. The wall clock is read for a date in `Retry-After` alone.

Nothing here reads a clock or draws a number by itself.
"""

import math
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from bridge.sources.schedule import Clock
from bridge.sources.web.patience import DIGITS, LONGEST_WORD, seconds

#: How far `every` is stretched and shrunk, so that bridges which started together drift apart.
JITTER: Final = 0.1

#: Seconds after a first failure, where `every` is shorter: a restart takes about as long.
FIRST_DELAY: Final = 1.0

#: Seconds between two attempts in the end, where `every` is shorter: soon enough for a person who repairs a server,
#: seldom enough for a server that is being repaired.
LONGEST_DELAY: Final = 300.0

#: Seconds: as often as a cron line of five fields comes at most.
CRON_PERIOD: Final = 60.0

#: Doublings after which any wait is at its longest; more would only overflow.
MAX_DOUBLINGS: Final = 16

#: The statuses with which a server asks to be left alone for a while.
BUSY: Final = frozenset({429, 503})

_MAX_AGE: Final = re.compile(r"\s*max-age\s*=\s*(\"?)([0-9]+)\1\s*", re.ASCII | re.IGNORECASE)
_REFUSED: Final = re.compile(r"\s*no-(?:store|cache)\s*", re.ASCII | re.IGNORECASE)
_QUOTED: Final = re.compile(r'="[^"]*,[^"]*"')

#: Draws a number between two.
Uniform = Callable[[float, float], float]


class Chance(NamedTuple):
    """Time and chance, as arguments for tests."""

    clock: Clock
    uniform: Uniform


def fresh_for(cache_control: str, age: str = "") -> float:
    """Return for how many seconds a reply is fresh, from its two headers; 0 where it does not say."""
    # A list of field names in quotes may hold commas, and words that look like a directive.
    directives = _QUOTED.sub("", cache_control).split(",")
    if any(map(_REFUSED.fullmatch, directives)):
        return 0.0
    # Of several the shortest: asking too early is a small fault, showing what is stale a larger one.
    ages = [seconds(found[2]) for each in directives if (found := _MAX_AGE.fullmatch(each))]
    spent = seconds(age.strip()) if DIGITS.fullmatch(age.strip()) else 0.0
    return min(max(min(ages, default=0.0) - spent, 0.0), LONGEST_WORD)


class Polite:
    """Says how long to wait; `every` is 0 where a cron line gives the times."""

    def __init__(self, every: float, uniform: Uniform) -> None:
        self._every = every
        self._uniform = uniform

    def slot(self, started: float, now: float) -> float:
        """Return when the slot after a poll is that has `started`; the times are the steady clock's."""
        if not self._every:
            return now
        passed = max(0, math.floor((now - started) / self._every))
        due = started + self._every * (passed + 1 + self._uniform(-JITTER, JITTER))
        return max(due, now)

    def stale(self, now: float, fresh: float) -> float:
        """Return when to ask for a reply anew that is fresh for so many seconds."""
        # A little later than that: whoever shares a cache with us would ask at the same instant.
        return now + fresh + self._uniform(0, JITTER * min(fresh, self._every or FIRST_DELAY))

    def again(self, now: float, failures: int, asked: float | None) -> float:
        """Return when to try again after so many failures in a row; `asked` is what the server asks for, in seconds."""
        shortest = max(self._every, FIRST_DELAY)
        if asked is not None:
            # Not a moment earlier than it said; and who says 0 is not asked more often than one that works.
            return now + max(asked, shortest) * (1 + self._uniform(0, JITTER))
        delay: float = min(shortest * 2.0 ** min(failures - 1, MAX_DOUBLINGS), max(shortest, LONGEST_DELAY))
        return now + delay * (1 + self._uniform(-JITTER, JITTER))


class Turnstile:
    """Lets addresses be asked for the first time: `burst` of them at once, then as many in each period.

    So who asks for one value after another costs the server no more than twice what a full house does. The period is
    `every`; a second where that is shorter, and a minute for a cron line.
    """

    def __init__(self, burst: int, every: float) -> None:
        self._period = max(every, FIRST_DELAY) if every else CRON_PERIOD
        self._step = self._period / burst
        self._filled = -math.inf

    def wait(self, now: float) -> float:
        """Return the seconds after which to ask again; 0 lets one pass (the generic cell rate algorithm)."""
        filled = max(self._filled, now)
        wait = filled - now - self._period + self._step
        # What is less than a microsecond is the arithmetic's.
        if wait > 1e-6:  # noqa: PLR2004
            return wait
        self._filled = filled + self._step
        return 0.0
