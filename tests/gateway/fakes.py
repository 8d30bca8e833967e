"""Sources that do as a test says."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from pydantic import ConfigDict

from bridge.errors import SourceError
from bridge.event import Message
from bridge.sources.base import Backlog, Outlet, Place, Source


class Log:
    """A log that a source has, and reads back: generations of lines, the last of which grows."""

    def __init__(self, batch: int = 4) -> None:
        self.generations: list[list[str]] = [[]]
        self.first = 0  # the number of the oldest generation that is left
        self.batch = batch
        self.outlet: Outlet | None = None
        #: Cleared, it holds readers before their next batch.
        self.flows = asyncio.Event()
        self.flows.set()
        self.readers = 0

    def write(self, *lines: str, is_live: bool = True) -> None:
        """Write lines, which the running source emits."""
        self.generations[-1] += lines
        if is_live and self.outlet is not None:
            self.outlet.emit([Message(payload=line, time=0.0) for line in lines])

    def rotate(self, keep: int) -> None:
        """Begin a new generation, and keep so many."""
        self.generations.append([])
        gone = max(len(self.generations) - keep, 0)
        self.first += gone
        del self.generations[:gone]

    @property
    def end(self) -> tuple[int, int]:
        """Return where the log ends: a generation and a place in it."""
        return self.first + len(self.generations) - 1, len(self.generations[-1])


class Tail:
    """What of a log was there when it was made."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._end = log.end

    async def read(self, mark: str) -> AsyncIterator[Sequence[tuple[str, Message]]]:
        """Yield batches; a mark is a generation and a place in it."""
        log = self._log
        log.readers += 1
        try:
            generation, at = map(int, mark.split(".")) if mark else (log.first, 0)
            while (generation, at) < self._end:
                await log.flows.wait()
                await asyncio.sleep(0)
                if generation < log.first:
                    raise SourceError("that generation is gone")
                lines = log.generations[generation - log.first]
                last = self._end[1] if generation == self._end[0] else len(lines)
                batch = lines[at : min(at + log.batch, last)]
                if batch:
                    yield [(f"{generation}.{at + n}", Message(payload=t, time=0.0)) for n, t in enumerate(batch, 1)]
                at += len(batch)
                if at >= last and generation < self._end[0]:
                    generation, at = generation + 1, 0
        finally:
            log.readers -= 1


class Logging(Source):
    """A source over a log."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    log: Any

    async def run(self, outlet: Outlet, place: Place) -> None:
        """Offer the log."""
        log: Log = self.log
        log.outlet = outlet

        def backlog(_: Mapping[str, str]) -> Backlog:
            return Tail(log)

        place.backlog = backlog
        outlet.up()
        await asyncio.Event().wait()


class Ending(Source):
    """A source that ends when it is told."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    over: Any

    async def run(self, outlet: Outlet, place: Place) -> None:
        """Wait for the end."""
        outlet.up()
        await self.over.wait()
