"""How long to wait before the next attempt at a connection."""

from collections.abc import Callable
from typing import Final

#: Seconds before the first new attempt, and the longest wait: a server is back within seconds or within hours.
FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 30.0

#: A connection of this many seconds was a success: the failures before it are forgotten. A server that was only started
#: again is back at once, whatever came before; one that keeps ending connections does so sooner.
STABLE_AFTER: Final = 10.0


class Backoff:
    """Doubles the wait with each failure; `uniform` draws the jitter."""

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._uniform = uniform
        self._delay = FIRST_DELAY

    def next(self, lasted: float = 0.0) -> float:
        """Return the seconds to wait after a connection that was up for so long."""
        if lasted >= STABLE_AFTER:
            self._delay = FIRST_DELAY
        delay, self._delay = self._delay, min(self._delay * 2, LONGEST_DELAY)
        # Half fixed, half drawn: replicas do not return in step, and none hammers.
        return delay / 2 + self._uniform(0, delay / 2)
