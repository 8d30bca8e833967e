"""Read a file back, from its beginning or from a mark to where its live events go on.

The end is a record's end of the live stream, and the same splitter cuts both, so what is read back and what comes live
never overlap and never miss a byte. Memory is one piece at a time, paced by the reader.

A mark is `<inode>h<length>h<hash>.<check>.<offset>`: the generation by its inode and its head, a check of the bytes
just before the offset, and the offset after the message. The check is there because programs begin each generation
with the same banner, and a truncated file keeps its inode.
"""

import os
import re
import time
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

from bridge.errors import SourceError
from bridge.event import Loss, Message
from bridge.sources.file.begin import MAX_COUNTED, number
from bridge.sources.file.beneath import close
from bridge.sources.file.generation import Home, Mark
from bridge.sources.file.lines import Splitter
from bridge.sources.file.position import HEAD, Position, digest
from bridge.sources.file.reader import messages

#: Bytes of one batch, unless one record has more.
PIECE: Final = 64 * 1024
#: Bytes before an offset that its check covers.
CHECKED: Final = 64

#: Hex digits of the head's hash in a mark, which has 64 characters at most.
_HASH: Final = 12
_MARK: Final = re.compile(
    r"(?P<inode>[0-9a-f]{1,16})h(?P<length>[0-9a-f]{1,3})h(?P<hash>[0-9a-f]{0,12})"
    r"\.(?P<check>[0-9a-f]{1,8})\.(?P<offset>[0-9]{1,19})",
    re.ASCII,
)
_GONE: Final = "this generation of the file is gone"

T = TypeVar("T")


class Worker(Protocol):
    """Runs a function in the source's thread."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]:
        """Return what the function returns."""
        ...


class Shelf:
    """Descriptors that backlogs share: a thousand readers of one file hold one."""

    def __init__(self, worker: Worker, open_key: Callable[[int], int]) -> None:
        self.worker = worker
        self._open_key = open_key
        self._held: dict[int, tuple[int, int]] = {}

    async def take(self, key: int) -> int:
        """Return the descriptor of a generation; raises `SourceError`."""
        if key not in self._held:
            try:
                fd = await self.worker(lambda: self._open_key(key))
            except OSError as error:
                raise SourceError(error.strerror or _GONE) from error
            if key in self._held:
                close(fd)  # another reader was quicker
            else:
                self._held[key] = (fd, 0)
        fd, count = self._held[key]
        self._held[key] = (fd, count + 1)
        return fd

    def give_back(self, key: int) -> None:
        """Close the descriptor if this was its last reader."""
        fd, count = self._held.pop(key)
        if count > 1:
            self._held[key] = (fd, count - 1)
        else:
            close(fd)


class Piece(NamedTuple):
    """What one visit to the file brings."""

    batch: Sequence[tuple[str, Message | Loss]]
    position: Position


class FileBacklog:
    """The backlog of one generation as it stood when this was made."""

    def __init__(self, shelf: Shelf, splitter: Splitter, home: Home, found: tuple[int, Mark]) -> None:
        self._shelf = shelf
        self._splitter = splitter
        self._home = home
        self._key, self._mark = found
        self._end = self._mark.position.offset

    async def read(self, mark: str) -> AsyncGenerator[Sequence[tuple[str, Message | Loss]]]:
        """Yield batches of (mark, message) after `mark`; raises `SourceError` when its generation is gone."""
        fd = await self._shelf.take(self._key)
        try:
            position = await self._shelf.worker(lambda: self._start(fd, mark))
            while position.offset < self._end:
                at = position
                piece = await self._shelf.worker(lambda at=at: self._piece(fd, at))  # type: ignore[misc]
                position = piece.position
                if piece.batch:
                    yield piece.batch
        except OSError as error:
            raise SourceError(error.strerror or _GONE) from error
        finally:
            self._shelf.give_back(self._key)

    def _start(self, fd: int, mark: str) -> Position:
        self._verify(fd)
        if not mark:
            return Position()
        found = _MARK.fullmatch(mark)
        if found is None:
            raise SourceError("not a mark of a file")
        length, offset = int(found["length"], 16), int(found["offset"])
        head = os.pread(fd, min(length, HEAD), 0)
        if int(found["inode"], 16) != self._mark.inode or digest(head)[:_HASH] != found["hash"]:
            raise SourceError(_GONE)
        before = os.pread(fd, min(offset, CHECKED), max(offset - CHECKED, 0))
        if f"{zlib.crc32(before):x}" != found["check"]:
            raise SourceError(_GONE)
        line = number(fd, offset) if offset <= MAX_COUNTED else 0
        return Position(offset, line, is_cut=bool(before) and not before.endswith(b"\n"))

    def _verify(self, fd: int) -> None:
        """Raise `SourceError` unless the file still holds what was there when this was made."""
        if os.fstat(fd).st_size < self._mark.seen or self._mark.digest.recall(fd, self._mark.seen) is None:
            raise SourceError(_GONE)

    def _piece(self, fd: int, at: Position) -> Piece:
        """Read and cut one piece. What was read is used only if the file is itself afterwards."""
        before = os.pread(fd, min(at.offset, CHECKED), max(at.offset - CHECKED, 0))
        data = os.pread(fd, min(PIECE, self._end - at.offset), at.offset)
        if not self._splitter.advances(data, at):
            data = os.pread(fd, min(self._splitter.window, self._end - at.offset), at.offset)
        head = os.pread(fd, HEAD, 0)
        self._verify(fd)
        is_end = at.offset + len(data) >= self._end
        wall = time.time()
        batch: list[tuple[str, Message | Loss]] = []
        start = at.offset
        rest = data
        while rest:
            taken = self._splitter.take(rest, at, is_end=is_end)
            if taken.position == at:
                taken = self._splitter.take(rest, at, is_end=is_end, is_full=not batch)
            if taken.position == at:
                break
            # A line that was thrown away stands after the last record, so that one's mark is the place before it: who
            # is cut there comes back to the line, and is told of it again.
            end = taken.lost_at if taken.is_lossy else taken.position.offset
            items: list[Message | Loss] = [*messages(self._home, taken.records, wall)]
            ends = [*(start for start, _, _ in taken.records[1:]), end][: len(items)]
            if taken.is_lossy:
                items.append(Loss(reason="oversize", missed=1))
                ends.append(end)
            marks = self._marks(ends, head, before + data, start - len(before))
            batch += zip(marks, items, strict=True)
            rest = rest[taken.position.offset - at.offset :]
            at = taken.position
        if at.offset == start:
            # Only a CR, which may belong to a line's end, stands before the end.
            at = Position(self._end)
        return Piece(batch, at)

    def _marks(self, ends: Sequence[int], head: bytes, data: bytes, offset: int) -> Sequence[str]:
        """Return the marks of records that end there and were cut from `data`, which begins at `offset`."""
        inode = f"{self._mark.inode:x}"
        whole = f"{inode}h{len(head):x}h{digest(head)[:_HASH]}" if len(head) == HEAD else ""
        marks = []
        for at in ends:
            known = head[:at]
            generation = whole if at >= HEAD and whole else f"{inode}h{len(known):x}h{digest(known)[:_HASH]}"
            check = zlib.crc32(data[max(at - CHECKED - offset, 0) : at - offset])
            marks.append(f"{generation}.{check:x}.{at}")
        return marks
