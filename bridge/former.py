"""Routes that were removed: for a while their addresses answer, since a file may lack them by a slip.

Whoever asks for such a stream is told to come back (200, `retry`, close). Where its sources still run, a route keeps
its channels and is handed what is published: put back in time, it has lost nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bridge.bus import Bus
from bridge.config.model import RouteSpec
from bridge.gateway.endpoint import Endpoint

#: Addresses that are remembered: as many as a file of a sensible size has routes. A generated file that has others each
#: time must not grow the process; the oldest are forgotten, and answer 404 before their time.
MOST: Final = 1_000


@dataclass(slots=True)
class Former:
    """One of them."""

    spec: RouteSpec
    endpoint: Endpoint
    #: When it is forgotten, in the loop's seconds.
    until: float
    #: It still has its channels, and is handed what is published.
    is_attached: bool = True


class Formers:
    """All of them, by the path as the file had it, the oldest first."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._all: dict[str, Former] = {}

    @property
    def endpoints(self) -> list[Endpoint]:
        """Return their addresses."""
        return [former.endpoint for former in self._all.values()]

    @property
    def attached(self) -> dict[str, Former]:
        """Return those that still have their channels."""
        return {path: former for path, former in self._all.items() if former.is_attached}

    @property
    def due(self) -> float | None:
        """Return when the first one is forgotten."""
        return min((former.until for former in self._all.values()), default=None)

    def enter(self, path: str, former: Former) -> None:
        """Remember a route that was removed."""
        self.forget(path)
        self._all[path] = former
        while len(self._all) > MOST:
            self.forget(next(iter(self._all)))

    def take(self, path: str) -> Former | None:
        """Return a route that is put back, or whose path another one has now, and remember it no longer."""
        return self._all.pop(path, None)

    def detach(self, is_lost: Callable[[Former], bool]) -> None:
        """Give up the channels of those of which something is lost: a source of theirs runs no more."""
        for former in self.attached.values():
            if is_lost(former):
                self._let_go(former)

    def forget(self, path: str) -> None:
        """Remember a route no longer."""
        former = self.take(path)
        if former is not None and former.is_attached:
            self._let_go(former)

    def expire(self, now: float) -> bool:
        """Forget those whose time is over; tell whether there were any."""
        over = [path for path, former in self._all.items() if former.until <= now]
        for path in over:
            self.forget(path)
        return bool(over)

    def _let_go(self, former: Former) -> None:
        former.is_attached = False
        self._bus.detach(former.endpoint.supply.route)
