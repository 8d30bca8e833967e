"""What a source is.

A source is a frozen pydantic model: its fields are its YAML keys, `run` is its behaviour. State lives in the
locals of `run`, so starting again is calling `run` again. To add a kind: one file here, one line in `KINDS`.

Sources never see the bus: they are handed an `Outlet`. A test needs no bus either: any object with the same
methods will do.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from bridge.event import Loss, Message


class Outlet(Protocol):
    """Where a source hands over what it hears. No method awaits."""

    def emit(self, messages: Sequence[Message]) -> Sequence[str]:
        """Publish a batch, oldest first; return the ids given, one a message.

        On return each event is in its channels: the place to acknowledge or checkpoint is the next line.
        """

    def lose(self, loss: Loss) -> None:
        """Announce a loss, in order between what was emitted before and what comes after."""

    def up(self) -> None:
        """Tell that the source reads again: connected, subscribed, caught up with its list of files."""

    def down(self, reason: str) -> None:
        """Tell that the source cannot read now, in words for a person, and is trying by itself."""

    def subscribers(self) -> int:
        """Count the open streams of all routes that this source feeds."""


class Backlog(Protocol):
    """What a source can read back by itself, from its beginning to where its emitted events go on.

    Made without awaiting, so that its end and the channel's head are one instant: what is emitted later is not in
    it, what was emitted before is.
    """

    def read(self, mark: str) -> AsyncGenerator[Sequence[tuple[str, Message]]]:
        """Yield batches of (mark, message), oldest first, after `mark` ("" for the beginning).

        A mark is of `[A-Za-z0-9.]`, at most 64 characters, and names the place just after its message. Raises
        `SourceError` when the mark is of a generation that is gone. A batch holds some 64 KiB at most.
        """


class Visited(NamedTuple):
    """One event of a run that belongs to one visitor."""

    mark: str
    message: Message
    is_last: bool


def _nothing(*_: object) -> None:
    """Stand in for what a source does not offer."""


@dataclass(slots=True, kw_only=True)
class Place:
    """What the process and a running source give each other beside messages.

    The process fills in the first two; `run` sets the others, when it can offer them, before its first await.
    """

    #: The source's name in the file.
    name: str
    #: The folder for checkpoints of this source alone, made and writable; None where nothing is kept.
    state: Path | None = None
    #: A message of this very moment, which greets a newcomer on a route without `start`.
    present: Callable[[], Message | None] = _nothing
    #: What can be read back for exactly these captures.
    backlog: Callable[[Mapping[str, str]], Backlog | None] = _nothing
    #: The captures of all that exists now (files, empty ones too).
    entries: Callable[[], Sequence[Mapping[str, str]] | None] = _nothing


class Source(BaseModel, ABC):
    """A place where messages come from."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @abstractmethod
    async def run(self, outlet: Outlet, place: Place) -> None:
        """Emit every message, until cancelled or until what it reads is lost (`SourceError`).

        To return means that the source has ended and nothing more will come: its streams end too.
        """

    def names(self) -> frozenset[str]:
        """Return the capture names that every message of this source has."""
        return frozenset()

    def facts(self) -> frozenset[str]:
        """Return the names that the source itself adds to every message."""
        return frozenset()

    @property
    def is_private(self) -> bool:
        """Tell whether each visitor gets a run of their own from `visit`, and `run` only waits."""
        return False

    def visit(self, mark: str, outlet: Outlet) -> AsyncGenerator[Visited]:
        """Yield the events of one visitor's run after `mark` ("" for the beginning), paced by the source.

        Raises `ValueError` at once when the mark is not of a run. Only called where `is_private`.
        """
        raise NotImplementedError

    def is_finished(self, mark: str) -> bool:
        """Tell whether `mark` is that of a run's last event, after which nothing comes."""
        return False
