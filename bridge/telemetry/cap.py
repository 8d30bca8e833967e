"""The bound on the log: ten lines of one cause within any second, and a count of those held back.

Rule 1: a cause is what is said, and of whom: the event, its source, the library that speaks. Values that differ from
    line to line make no causes of their own.
Rule 2: what is held back is counted and told: by the cause's next line, or, where none follows, by `release`.
Rule 3: lines and `held_back` together are what happened, whatever is forgotten.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any, Final, NamedTuple

import structlog

#: Lines within any second of one cause. A fault that repeats is one fact; ten lines show its rhythm.
LINES_PER_SECOND: Final = 10

#: Seconds that this is about.
WINDOW: Final = 1.0

#: Causes that are counted at once. Past it the oldest is forgotten, and what it held back is told among the others.
MAX_CAUSES: Final = 1_000

#: What tells causes apart, beside the event.
WHOSE: Final = ("source", "library")

#: What `release` tells one by one: with the line for the others it stays beneath the cap itself.
MAX_RELEASED: Final = LINES_PER_SECOND - 1


class Held(NamedTuple):
    """What was held back of one cause, or of several."""

    lines: int
    level: str
    #: Of whom and of what; without `of` it is several causes.
    keys: dict[str, Any]


class Cause:
    """The last lines of one cause."""

    __slots__ = ("held", "keys", "level", "times")

    def __init__(self, keys: dict[str, Any]) -> None:
        self.keys = keys
        self.level = "info"
        self.times: deque[float] = deque(maxlen=LINES_PER_SECOND)
        self.held = 0


def nothing() -> None:
    """Stand in for whoever wants to know that a line was held back."""


class Cap:
    """A processor that lets ten lines a second of one cause pass. Any thread may call it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, noticed: Callable[[], None] = nothing) -> None:
        #: Lines held back so far, of all causes.
        self.total = 0
        self._clock = clock
        #: Called with each line that is held back.
        self._noticed = noticed
        # An object that ends while this is held may have something to say.
        self._lock = threading.RLock()
        self._seen: dict[tuple[str, ...], Cause] = {}
        self._forgotten = 0

    def __call__(self, _logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Return the line, with `held_back` where some were; raise `DropEvent` over the cap."""
        now = self._clock()
        with self._lock:
            cause = self._cause(event)
            if len(cause.times) < LINES_PER_SECOND or now - cause.times[0] >= WINDOW:
                cause.times.append(now)
                held, cause.held = cause.held, 0
                if held:
                    event["held_back"] = held
                return event
            cause.held += 1
            cause.level = method
            self.total += 1
        self._noticed()
        raise structlog.DropEvent

    def release(self, *, is_last: bool = False) -> list[Held]:
        """Return what was held back of causes that have been silent for a second, of all if it `is_last`, once."""
        now = self._clock()
        with self._lock:
            causes = [c for c in self._seen.values() if c.held and (is_last or now - c.times[-1] >= WINDOW)]
            causes.sort(key=lambda cause: -cause.held)
            told = [Held(cause.held, cause.level, cause.keys) for cause in causes[:MAX_RELEASED]]
            others = sum(cause.held for cause in causes[MAX_RELEASED:]) + self._forgotten
            if others:
                told.append(Held(others, "warning", {}))
            self._forgotten = 0
            for cause in causes:
                cause.held = 0
            return told

    @property
    def is_holding(self) -> bool:
        """Tell whether something was held back and not told yet."""
        with self._lock:
            return bool(self._forgotten) or any(cause.held for cause in self._seen.values())

    def _cause(self, event: MutableMapping[str, Any]) -> Cause:
        name = (str(event.get("event")), *(str(event.get(key, "")) for key in WHOSE))
        cause = self._seen.get(name)
        if cause is None:
            if len(self._seen) >= MAX_CAUSES:
                self._forgotten += self._seen.pop(next(iter(self._seen))).held
            keys = {key: event[key] for key in WHOSE if key in event}
            cause = self._seen[name] = Cause({"of": event.get("event"), **keys})
        return cause
