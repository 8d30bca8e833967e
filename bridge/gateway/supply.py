"""What lies behind an endpoint: the core's route, and what its sources can do for one subscriber alone.

`app` fills it in, so the gateway needs to know no source.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bridge.chain import Where
from bridge.channel import Channel
from bridge.demand import Demand
from bridge.params import Param
from bridge.position import Position
from bridge.route import Route


class Piece(NamedTuple):
    """Frames for one subscriber."""

    frames: bytes
    #: Where a resume would go on after them, in the source's own words.
    mark: str
    is_last: bool = False
    #: Why the stream is closed after these frames, for the client to come back; "" where it goes on.
    bye: str = ""


class Run(NamedTuple):
    """Streams that are made anew for each visitor."""

    #: Yield the run after a mark ("" for its beginning); `ValueError` at once when the mark is not of a run.
    visit: Callable[[str], AsyncGenerator[Piece]]
    #: Tell whether nothing comes after this mark.
    is_finished: Callable[[str], bool]


class Back(NamedTuple):
    """What a source reads back itself: all before the channel's sequence number `cut`."""

    cut: int
    #: Yield it after a mark; `SourceError` when the mark's file is gone.
    read: Callable[[str], AsyncGenerator[Piece]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A log that the route's source reads, and can read again from any place in it."""

    #: Tell where the source stands; None before it knows.
    where: Where
    #: Wait until all before a position has been published; False when it does not come to that.
    reach: Callable[[Position], Awaitable[bool]]
    #: Find the place before the first message that is not older; `SourceError` when the log cannot be asked.
    at: Callable[[float], Awaitable[Position]]
    #: What the log holds for these captures; its marks are positions, and the ids of the events.
    back: Callable[[Mapping[str, str]], Back]
    #: What came after a number of ours; its marks are such numbers. None when they are forgotten.
    numbered: Callable[[Mapping[str, str], int], Back | None]
    #: The ids of the route are positions.
    is_positional: bool
    #: Large events come in parts, each with a number of its own.
    splits: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """A source that works only for who listens, and the names that a route fixes for it."""

    source: str
    demand: Demand
    rules: Mapping[str, Param]
    bind: Mapping[str, str]

    def fault(self, captures: Mapping[str, str]) -> str | None:
        """Return why nobody may ask for these captures; None if one may."""
        for name, rule in self.rules.items():
            if name not in self.bind and (fault := rule.fault(captures[name])):
                return f"{name}: {fault}"
        return None

    def address(self, captures: Mapping[str, str]) -> tuple[str, frozenset[tuple[str, str]]]:
        """Return the address of these captures, as the bus knows it."""
        given = {**self.bind, **captures}
        return self.source, frozenset((name, given[name]) for name in self.rules)

    def has_room(self, captures: Mapping[str, str]) -> bool:
        """Tell whether the source takes one more address, if it is a new one."""
        return self.demand.has_room({**self.bind, **captures})

    def enter(self, captures: Mapping[str, str]) -> None:
        """Note that a stream has opened."""
        self.demand.enter({**self.bind, **captures})

    def leave(self, captures: Mapping[str, str]) -> None:
        """Note that a stream is over."""
        self.demand.leave({**self.bind, **captures})


def _none(_: Mapping[str, str]) -> None:
    """Stand in for a source that cannot be read back."""


def _leave(_: Channel) -> None:
    """Stand in for sources that know nothing of a new channel."""


def _idle() -> None:
    """Stand in for sources that know nothing before they say it."""


def _nothing(_: Mapping[str, str]) -> Sequence[bytes]:
    """Stand in for sources that have no present value."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """A route and its sources, as the gateway may use them."""

    route: Route
    #: Frames that greet a newcomer to a channel of these captures: values of this very moment.
    greet: Callable[[Mapping[str, str]], Sequence[bytes]] = _nothing
    #: Append the same to such a channel, where it is new and yet something is known.
    refill: Callable[[Channel], None] = _leave
    #: Append the same to all channels of a route that is new while its sources run.
    fill: Callable[[], None] = _idle
    #: What is live are changes of what `greet` gives, so whoever lost one needs that anew.
    is_delta: bool = False
    #: Sources that are told who listens.
    asks: tuple[Asking, ...] = ()
    run: Run | None = None
    back: Callable[[Mapping[str, str]], Back | None] = _none
    archive: Archive | None = None

    def fault(self, captures: Mapping[str, str]) -> str | None:
        """Return why no stream of these captures may open, in words for its sender; None if one may."""
        return next((fault for asking in self.asks if (fault := asking.fault(captures))), None)
