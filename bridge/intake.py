"""A source with its door to the bus, and how a route reads it back for one subscriber alone."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from bridge.bus import Bus
from bridge.chain import Positions
from bridge.config.model import SourceSpec
from bridge.errors import SourceError
from bridge.gateway.supply import Archive, Back, Piece
from bridge.inlet import Inlet
from bridge.position import Position
from bridge.route import Route
from bridge.sources.base import Backlog, Log, Place
from bridge.subscription import EventId


@dataclass(frozen=True, slots=True)
class Intake:
    """A source with its door to the bus and what it offers while it runs."""

    spec: SourceSpec
    inlet: Inlet
    place: Place


class Readback:
    """What a route's one source reads back of itself, as frames of the route."""

    def __init__(self, route: Route, intake: Intake, bus: Bus) -> None:
        self._route = route
        self._intake = intake
        self._bus = bus

    def back(self, captures: Mapping[str, str]) -> Back | None:
        """Return the backlog of a channel of one file; None where several are merged in it."""
        backlog = self._intake.place.backlog({**self._route.feeds[self._intake.place.name].bind, **captures})
        if backlog is None:
            return None
        cut = self._bus.seq
        return self._frames(captures, backlog, lambda mark: str(EventId(self._bus.epoch, cut, mark)))

    def _frames(self, captures: Mapping[str, str], backlog: Backlog, name: Callable[[str], str]) -> Back:
        """Return what a backlog gives, as it stands now; `name` makes an id of a mark."""

        async def read(mark: str) -> AsyncGenerator[Piece]:
            inlet = self._intake.inlet
            async with aclosing(inlet.read_back(backlog, mark, self._route, captures, name)) as found:
                async for at, frames in found:
                    yield Piece(frames, at)

        return Back(self._bus.seq, read)


class LogReadback(Readback):
    """The same of a source that is a log: from any place in it."""

    @property
    def archive(self) -> Archive:
        """Return it as the gateway uses it."""
        return Archive(
            where=self.where,
            reach=self._reach,
            at=self._at,
            back=self._back,
            numbered=self._numbered,
            is_positional=self._route.terms.is_positional,
            splits=self._route.terms.oversize == "split",
        )

    def where(self) -> Positions | None:
        """Tell where the source stands; None before it knows."""
        return self._intake.place.log

    def _back(self, captures: Mapping[str, str]) -> Back:
        return self._frames(captures, self._log().back(), str)

    def _numbered(self, captures: Mapping[str, str], number: int) -> Back | None:
        log = self._intake.place.log
        backlog = log.numbered(number) if log is not None else None
        return None if backlog is None else self._frames(captures, backlog, lambda mark: f"{self._bus.epoch}-{mark}")

    async def _reach(self, position: Position) -> bool:
        return await self._log().reach(position)

    async def _at(self, time: float) -> Position:
        return await self._log().at(time)

    def _log(self) -> Log:
        if self._intake.place.log is None:
            raise SourceError("the source does not know its place in the log yet")
        return self._intake.place.log
