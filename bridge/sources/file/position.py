"""Where reading stands in a file, and how the file is known again.

A path is no identity: it is renamed, truncated, recreated. Device and inode are none either: ext4 gives the inode of
a deleted file to the next one. So each generation of a file is known by device and inode *and* by a fingerprint: the
bytes at its head and the bytes just before the last one seen. The head alone would not do: programs begin each
generation with the same banner, and a truncated file may have grown past the old offset before it is looked at.
"""

import hashlib
import os
from typing import Final, NamedTuple, Self

import msgspec

#: Bytes of the head that tell generations apart. Longer than the banners that programs write.
HEAD: Final = 512
#: Bytes before the last one seen. A line or two of a log with timestamps is enough; two windows a file are kept.
TAIL: Final = 256


class Identity(NamedTuple):
    """What the system calls a file."""

    device: int
    inode: int


class Signature(NamedTuple):
    """What changes when a file does, as cheaply as the system tells it."""

    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Take the signature from what `stat` gave."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class Position(msgspec.Struct, frozen=True, gc=False):
    """Where the next record begins."""

    offset: int = 0
    #: The number of the line that stands there, from 1; 0 where it is not known.
    line: int = 1
    #: The beginning of this line was given already: what is left of it is a record of its own, if it is not empty.
    is_cut: bool = False
    #: The rest of this line is thrown away.
    is_skipping: bool = False


class Digest(msgspec.Struct, frozen=True, gc=False):
    """A fingerprint without the bytes: what a checkpoint keeps, since logs hold secrets."""

    head: int = 0
    head_hash: str = ""
    tail: int = 0
    tail_hash: str = ""

    def recall(self, fd: int, seen: int) -> "Fingerprint | None":
        """Return the fingerprint if the open file still has it, else None."""
        found = Fingerprint(_read(fd, self.head, 0), _read(fd, self.tail, seen - self.tail))
        return found if found.digest() == self else None


class Fingerprint(NamedTuple):
    """The bytes by which a generation is known: its head, and those before the last one seen."""

    head: bytes = b""
    tail: bytes = b""

    @classmethod
    def take(cls, fd: int, seen: int) -> Self:
        """Read the fingerprint of a file of which `seen` bytes count as seen."""
        return cls(_read(fd, min(HEAD, seen), 0), _read(fd, min(TAIL, seen), max(seen - TAIL, 0)))

    def grow(self, data: bytes, offset: int, seen: int) -> "Fingerprint":
        """Return the fingerprint after `data`, read at `offset`, which is not past `seen`."""
        head = self.head if len(self.head) == HEAD else (self.head[:offset] + data[:HEAD])[:HEAD]
        if len(data) >= TAIL:
            return Fingerprint(head, data[-TAIL:])
        before = self.tail[: max(len(self.tail) - (seen - offset), 0)]
        return Fingerprint(head, (before + data)[-TAIL:])

    def agrees(self, fd: int, seen: int) -> bool:
        """Tell whether the open file still has these bytes. One of which nothing was seen agrees with any."""
        return (
            _read(fd, len(self.head), 0) == self.head and _read(fd, len(self.tail), seen - len(self.tail)) == self.tail
        )

    def digest(self) -> Digest:
        """Return what may be written to disk."""
        return Digest(len(self.head), digest(self.head), len(self.tail), digest(self.tail))


def digest(data: bytes) -> str:
    """Return 64 bits of a hash: enough to tell apart the few generations of one file."""
    return hashlib.blake2b(data, digest_size=8).hexdigest() if data else ""


def _read(fd: int, count: int, offset: int) -> bytes:
    return os.pread(fd, count, max(offset, 0)) if count else b""
