"""What a source is.

A source is a frozen pydantic model: its fields are its YAML keys, `run` is its behaviour. State lives in the
locals of `run`, so starting again is calling `run` again. To add a kind: one file here, one line in `KINDS`.

Sources never see the bus: they are handed an `Outlet`. A test needs no bus either: any object with the same
methods will do.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from bridge.demand import Demand
from bridge.event import Loss, Message
from bridge.params import Param
from bridge.position import Position
from bridge.secret import masked


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

    def address(self, captures: Mapping[str, str], error: str | None, *, is_over: bool = False) -> None:
        """Tell who listens to one of several addresses that it cannot be read now, in words, or can again (None).

        Of a source whose subscribers choose the address; `captures` are all the names that they give. One that
        `is_over` has ended: nothing more will come for those who listen now.
        """

    def subscribers(self) -> int:
        """Count the open streams of all routes that this source feeds."""


class Backlog(Protocol):
    """What a source can read back by itself, from its beginning to where its emitted events go on.

    Made without awaiting, so that its end and the channel's head are one instant: what is emitted later is not in
    it, what was emitted before is.
    """

    def read(self, mark: str) -> AsyncGenerator[Sequence[tuple[str, Message | Loss]]]:
        """Yield batches of (mark, message), oldest first, after `mark` ("" for the beginning).

        A mark names the place just after its message. That of a file is of `[A-Za-z0-9.]`, at most 64 characters;
        that of a log (`Log`) is said there. A loss stands where something is missing; its mark is the place after
        what was lost. Raises `SourceError` when the mark is of a generation that is gone. A batch holds some 64 KiB
        at most, and is never empty.
        """


class Log(Protocol):
    """A partitioned log that a source reads, and can read again from any place: what `Message.position` names.

    A source offers it in `Place.log` as long as it knows where it stands.
    """

    @property
    def start(self) -> Position:
        """Where this process began to read, or went on after a loss: all messages since then have been emitted."""

    @property
    def head(self) -> Position:
        """Where it stands: just after the last message emitted."""

    def back(self) -> Backlog:
        """Return all that the log still has up to this instant's head; its marks are positions, as text.

        Messages of several partitions come in any order that keeps each partition's own. A mark stands for
        everything read so far, so it only grows. What lies before the log's first offset is told with a `Loss`
        (`evicted`, or `source_reset` where the log was made anew). Raises `SourceError` when the log cannot be read.
        """

    def numbered(self, number: int) -> Backlog | None:
        """Return what came after the event with that number of ours, up to this instant; None when it is forgotten.

        Its marks are those numbers, as text: what is read back keeps the id that it had. For routes whose ids are a
        sequence.
        """

    async def reach(self, position: Position) -> bool:
        """Wait until all before the position has been emitted; False when that does not happen within seconds.

        A client that comes over from a faster replica knows more than this one has read.
        """

    async def at(self, time: float) -> Position:
        """Return the place before the first message that is not older than `time` (Unix seconds).

        Raises `SourceError` when the log cannot be asked now.
        """


class Visited(NamedTuple):
    """One event of a run that belongs to one visitor."""

    mark: str
    message: Message
    is_last: bool


def _nothing(*_: object) -> None:
    """Stand in for what a source does not offer."""


def _none(_: Mapping[str, str]) -> Sequence[Message]:
    """Stand in for a source that has no present value."""
    return ()


@dataclass(slots=True, kw_only=True)
class Place:
    """What the process and a running source give each other beside messages.

    The process fills in the first three; `run` sets the others, when it can offer them, before its first await.
    """

    #: The source's name in the file.
    name: str
    #: The folder for checkpoints of this source alone, made and writable; None where nothing is kept.
    state: Path | None = None
    #: Which addresses open streams listen to; None for a source that does not ask (`is_asked`).
    demand: Demand | None = None
    #: What greets a newcomer to a channel of these captures, on a route without `start`: the values of this moment.
    present: Callable[[Mapping[str, str]], Sequence[Message]] = _none
    #: What can be read back for exactly these captures.
    backlog: Callable[[Mapping[str, str]], Backlog | None] = _nothing
    #: The captures of all that exists now (files, empty ones too).
    entries: Callable[[], Sequence[Mapping[str, str]] | None] = _nothing
    #: The log that the source reads; None for other sources, and before it knows its place there.
    log: Log | None = None
    #: How many messages are there that were not emitted yet, where the source knows: a consumer's lag.
    behind: Callable[[], int | None] = _nothing
    #: What the admin port shows of the source beside its state: values of JSON, no secret, no query of an address.
    detail: Callable[[], Mapping[str, object]] = dict
    #: What a run leaves to the next one in this process: where it stood. A new process begins without.
    kept: dict[str, object] = field(default_factory=dict[str, object])


class Source(BaseModel, ABC):
    """A place where messages come from."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @abstractmethod
    async def run(self, outlet: Outlet, place: Place) -> None:
        """Emit every message, until cancelled or until what it reads is lost (`SourceError`).

        To return means that the source has ended and nothing more will come: its streams end too.
        """

    def follows(self, before: "Source") -> bool:
        """Tell whether a run may go on from where a run of `before`, of the same kind, stood in this process.

        That is from its `Place.kept` and its checkpoints. Where it may, nothing between the two is lost that is not
        told; where it may not, the channels are told that something may be.
        """
        return False

    def differs(self, before: "Source", *but: str) -> bool:
        """Tell whether a key other than these, or than a secret, says something else than `before`."""
        names = [name for name in type(self).model_fields if name not in but]
        return type(self) is not type(before) or any(
            masked(getattr(self, name)) != masked(getattr(before, name)) for name in names
        )

    def names(self) -> frozenset[str]:
        """Return the capture names that every message of this source has."""
        return frozenset()

    def facts(self) -> frozenset[str]:
        """Return the names that the source itself adds to every message."""
        return frozenset()

    def rules(self) -> Mapping[str, Param]:
        """Return the names that its subscribers give, each with the rule for its values."""
        return {}

    @property
    def is_asked(self) -> bool:
        """Tell whether it wants to know which addresses are listened to (`Place.demand`)."""
        return False

    @property
    def at_most(self) -> int:
        """Return how many different addresses may be listened to at the same time."""
        return 1

    @property
    def is_delta(self) -> bool:
        """Tell whether its messages are changes of one document, useless without it: `present` is the whole of it."""
        return False

    @property
    def longest(self) -> int | None:
        """Return how many bytes one message has at most, where the keys say that."""
        return None

    @property
    def is_log(self) -> bool:
        """Tell whether its messages carry positions and it offers a `Log`, so that ids of routes may be positions."""
        return False

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
