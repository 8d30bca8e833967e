"""What lies behind an endpoint: the core's route, and what its sources can do for one subscriber alone.

`app` fills it in, so the gateway needs to know no source.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bridge.chain import Where
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


def _none(_: Mapping[str, str]) -> None:
    """Stand in for a source that cannot be read back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """A route and its sources, as the gateway may use them."""

    route: Route
    #: Frames that greet a newcomer: values of this very moment.
    greet: Callable[[], Sequence[bytes]] = tuple
    run: Run | None = None
    back: Callable[[Mapping[str, str]], Back | None] = _none
    archive: Archive | None = None
