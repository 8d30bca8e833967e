"""Say seldom what happens often: a fault that repeats must not fill the disk with its own log."""

from collections.abc import Callable
from typing import Final

#: Seconds between two lines of one cause.
PAUSE: Final = 10.0


class Seldom:
    """Lets one line of each cause through every `PAUSE` seconds, and counts those between.

    Causes are few and named in the code (an event's name, an exception's class), so the table stays small.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._said: dict[str, float] = {}
        self._withheld: dict[str, int] = {}

    def withheld(self, cause: str) -> int | None:
        """Return how often this cause was kept quiet since its last line, or None to keep quiet now."""
        now = self._clock()
        last = self._said.get(cause)
        if last is not None and now - last < PAUSE:
            self._withheld[cause] = self._withheld.get(cause, 0) + 1
            return None
        self._said[cause] = now
        return self._withheld.pop(cause, 0)
