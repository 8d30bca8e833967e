"""One generation of a file: what was once created, is read from its beginning to its end, and never comes back.

A path has many in its life. `Mark` is what a generation leaves in the checkpoint; a generation made from its mark
goes on as if there had been no restart: a restart is only a moment in which every file was closed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from bridge.event import EMPTY, Loss, Message, Reason
from bridge.sources.file.position import Digest, Fingerprint, Identity, Position, Signature

#: No descriptor.
CLOSED = -1


class Home(NamedTuple):
    """The path whose events a generation's lines are, wherever it was moved since."""

    relative: str
    captures: Mapping[str, str] = EMPTY


class Mark(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Where a generation stands, as far as its events were handed over."""

    home: str
    place: str
    device: int
    inode: int
    position: Position
    seen: int = 0
    digest: Digest = Digest()
    floor: int = 0
    gap: Reason | None = None
    mtime_ns: int = 0
    size: int = 0
    is_done: bool = False
    is_link: bool = False
    is_copy: bool = False
    is_muted: bool = False


@dataclass(slots=True, eq=False, kw_only=True)
class Generation:
    """What is known of one generation while it is followed."""

    key: int
    home: Home
    identity: Identity
    #: Where it stands beneath the root, when last seen.
    place: str
    position: Position = field(default_factory=Position)
    #: Bytes looked at from the beginning: not less than the position, more where a line is held.
    seen: int = 0
    #: Covers `seen`.
    fingerprint: Fingerprint = field(default_factory=Fingerprint)
    #: Stands for the fingerprint until the file is open again after a restart.
    digest: Digest | None = None
    #: A held line is not given before the file has grown past this: it was there before we were.
    floor: int = 0
    #: What is announced before its first byte.
    gap: Reason | None = None
    #: Followed under one name only, never recognised under another.
    is_link: bool = False
    #: The copy of a truncated file, complete when it was found: its end is final.
    is_copy: bool = False
    #: Its bytes are passed over: a copy of what was read already, or no text.
    is_muted: bool = False
    #: Its bytes were given as the end of the generation that it is a copy of.
    is_taken: bool = False
    #: Not at its path any more, and read to its end.
    is_done: bool = False
    fd: int = CLOSED
    signature: Signature | None = None
    #: When it was last written and how long it was, as of the last look; 0 if there was none.
    mtime_ns: int = 0
    size: int = 0
    #: Changed so shortly before the last look that another change may have left the same signature.
    is_racy: bool = False
    #: There is more to read than the last look could take.
    has_more: bool = False
    #: When it last grew, and when it left its path, on the monotonic clock.
    grown_at: float = 0.0
    retired_at: float | None = None
    #: The number of walks in a row that did not see it although they should.
    missing: int = 0
    #: Why its bytes are no lines; "" if they are.
    unfit: str = ""

    @property
    def is_drained(self) -> bool:
        """Tell whether every byte seen was handed over, and no more were left."""
        return self.position.offset >= self.seen and not self.has_more

    @property
    def is_read(self) -> bool:
        """Tell whether nothing is left that will be given without more being written."""
        return not self.has_more and (self.position.offset >= self.seen or self.floor >= self.seen)

    @property
    def is_holding(self) -> bool:
        """Tell whether a line without its end, or one that may be continued, waits at the end of the file."""
        return self.floor < self.seen > self.position.offset and not self.has_more

    def is_known_in(self, fd: int, size: int) -> bool:
        """Tell whether another open file holds the bytes that were seen in this one."""
        if not 0 < self.seen <= size:
            return False
        if self.digest is not None:
            return self.digest.recall(fd, self.seen) is not None
        return self.fingerprint.agrees(fd, self.seen)

    def loss(self, reason: Reason, missed: int | None = None) -> Loss:
        """Return a loss in the events of this generation's path."""
        return Loss(reason=reason, missed=missed, captures=self.home.captures)

    def mark(self, position: Position) -> Mark:
        """Return what to write down once everything before `position` was handed over."""
        return Mark(
            home=self.home.relative,
            place=self.place,
            device=self.identity.device,
            inode=self.identity.inode,
            position=position,
            seen=self.seen,
            digest=self.digest or self.fingerprint.digest(),
            floor=self.floor,
            gap=self.gap,
            mtime_ns=self.mtime_ns,
            size=self.size,
            is_done=self.is_done,
            is_link=self.is_link,
            is_copy=self.is_copy,
            is_muted=self.is_muted,
        )

    @classmethod
    def resume(cls, key: int, mark: Mark, home: Home, now: float) -> "Generation":
        """Make the generation that left a mark, closed."""
        return cls(
            key=key,
            home=home,
            grown_at=now,
            identity=Identity(mark.device, mark.inode),
            place=mark.place,
            position=mark.position,
            seen=mark.seen,
            digest=mark.digest,
            floor=mark.floor,
            gap=mark.gap,
            mtime_ns=mark.mtime_ns,
            size=mark.size,
            is_done=mark.is_done,
            is_link=mark.is_link,
            is_copy=mark.is_copy,
            is_muted=mark.is_muted,
        )


@dataclass(slots=True, kw_only=True)
class Step:
    """What the event loop does in one go: hand over a batch or a loss, and with it the marks that follow from it."""

    messages: list[Message] = field(default_factory=list)
    #: The bytes that they were cut from.
    size: int = 0
    loss: Loss | None = None
    #: By the generation's key; None where a mark is to be forgotten.
    marks: dict[int, Mark | None] = field(default_factory=dict)
    #: The generation that a path's events come from, from this step on: (path, key).
    current: tuple[str, int] | None = None
