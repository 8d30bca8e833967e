"""Read generations: open them within a bound, know them again, cut their bytes into steps."""

import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import Final

from bridge.event import Message
from bridge.sources.file.beneath import Root, close
from bridge.sources.file.generation import CLOSED, Generation, Home, Step
from bridge.sources.file.lines import Record, Splitter
from bridge.sources.file.names import MAGIC, unfit
from bridge.sources.file.position import HEAD, Fingerprint, Position, Signature

#: Bytes of one read: long enough to be cheap, short enough for many files to have their turn.
CHUNK: Final = 256 * 1024

#: A file changed this shortly before a look may change again and keep its times (one tick of the kernel's clock is
#: 4 to 10 ms; network file systems round to a second, but there the size tells).
RACY_NS: Final = 50_000_000


class State(Enum):
    """What a look at a generation finds."""

    SAME = auto()
    #: The bytes already seen are not there any more: truncated, rewritten, or another file with the same inode.
    REWRITTEN = auto()
    #: Not at its place any more, and not open.
    GONE = auto()


class Reader:
    """Everything that touches a file's bytes."""

    def __init__(self, root: Root, splitter: Splitter, descriptors: int) -> None:
        self.root = root
        self.splitter = splitter
        self._descriptors = descriptors
        # The one that was read the longest ago stands first.
        self._open: OrderedDict[Generation, None] = OrderedDict()

    def open(self, gen: Generation) -> State:
        """Open a generation if it is closed, once it is sure to be itself; raises `OSError`."""
        if gen.fd != CLOSED:
            return State.SAME
        try:
            fd = self.root.open(gen.place)
        except FileNotFoundError:
            return State.GONE
        try:
            state = self._recognise(gen, fd)
        except OSError:
            close(fd)
            raise
        if state is not State.SAME:
            close(fd)
            return state
        gen.fd = fd
        self._open[gen] = None
        self._bound()
        return state

    def _recognise(self, gen: Generation, fd: int) -> State:
        status = os.fstat(fd)
        # A remount gives another device number to the same file, so the inode and the content decide.
        if status.st_ino != gen.identity.inode:
            return State.GONE
        if status.st_size < gen.seen:
            return State.REWRITTEN
        found = gen.fingerprint if gen.digest is None else gen.digest.recall(fd, gen.seen)
        if found is None or not found.agrees(fd, gen.seen):
            return State.REWRITTEN
        gen.fingerprint, gen.digest = found, None
        return State.SAME

    def take_over(self, old: Generation, new: Generation) -> None:
        """Give one generation's descriptor to the next, which is the same file."""
        new.fd, old.fd = old.fd, CLOSED
        self._open.pop(old, None)
        if new.fd != CLOSED:
            self._open[new] = None

    def close(self, gen: Generation) -> None:
        """Close a generation's descriptor."""
        if gen.fd != CLOSED:
            close(gen.fd)
            gen.fd = CLOSED
            del self._open[gen]

    def close_all(self) -> None:
        """Close every descriptor."""
        for gen in list(self._open):
            self.close(gen)

    def check(self, gen: Generation) -> State:
        """Open a generation and tell whether the bytes seen are still there; raises `OSError`."""
        state = self.open(gen)
        if state is not State.SAME:
            return state
        size = os.fstat(gen.fd).st_size
        return State.SAME if size >= gen.seen and gen.fingerprint.agrees(gen.fd, gen.seen) else State.REWRITTEN

    def is_same(self, gen: Generation) -> bool:
        """Tell whether a generation is as it was at the last look; raises `OSError`."""
        if gen.is_racy or gen.signature is None:
            return False
        return self.signature(gen) == gen.signature

    def signature(self, gen: Generation) -> Signature:
        """Return the file's signature as it is now; raises `OSError`."""
        return Signature.of(os.fstat(gen.fd) if gen.fd != CLOSED else self.root.status(gen.place))

    def read(self, gen: Generation, now: float, wall: float, *, is_final: bool = False) -> Iterator[Step | State]:
        """Yield the steps of one chunk, or the state that prevents them; raises `OSError`.

        `is_final` gives the held line at the end of the file too. The bytes are read first and the fingerprint is
        compared afterwards: what was truncated in between is noticed, what was read before it is right.
        """
        state = self.open(gen)
        if state is not State.SAME:
            yield state
            return
        self._open.move_to_end(gen)
        at, data, is_short = self._fetch(gen)
        status = os.fstat(gen.fd)
        if self.check(gen) is not State.SAME or (is_short and at.offset + len(data) < gen.seen):
            yield State.REWRITTEN
            return
        gen.position = at
        self._look(gen, status, data, now, wall)
        if gen.is_muted:
            yield self._pass_over(gen, status.st_size)
            return
        end = at.offset + len(data)
        # Of a held line too: that it was there tells later whether the file is still itself.
        yield Step(marks={gen.key: gen.mark(at)})
        yield from self._cut(gen, data, wall, is_end=is_final and end == status.st_size)
        gen.has_more = end < status.st_size
        if is_final and not gen.has_more:
            gen.floor = gen.seen

    def _fetch(self, gen: Generation) -> tuple[Position, bytes, bool]:
        """Read a chunk, or as much as the longest record may need; tell where it begins and whether the file ended."""
        at = gen.position
        data = os.pread(gen.fd, CHUNK, at.offset)
        if len(data) < CHUNK:
            return at, data, True
        if not data.strip(b"\0") and (after := self._after_hole(gen.fd, at)):
            at = Position(after, at.line)
            data = os.pread(gen.fd, CHUNK, after)
            return at, data, len(data) < CHUNK
        if self.splitter.window <= CHUNK or self.splitter.advances(data, at):
            return at, data, False
        data = os.pread(gen.fd, self.splitter.window, at.offset)
        return at, data, len(data) < self.splitter.window

    def _after_hole(self, fd: int, at: Position) -> int:
        """Return where to go on after a hole, which may be of any size; 0 if there is nothing to gain."""
        if at.is_cut or at.is_skipping:
            return 0
        try:
            after = os.lseek(fd, at.offset, os.SEEK_DATA) - HEAD
        except OSError:
            return 0  # no data after it yet, or a file system that does not tell
        return after if after > at.offset + CHUNK else 0

    def _pass_over(self, gen: Generation, size: int) -> Step:
        """Count everything in the file as read."""
        gen.seen, gen.position, gen.has_more = size, Position(size, 0), False
        gen.fingerprint = Fingerprint.take(gen.fd, size)
        return Step(marks={gen.key: gen.mark(gen.position)})

    def _look(self, gen: Generation, status: os.stat_result, data: bytes, now: float, wall: float) -> None:
        """Write down what this look has seen."""
        seen = gen.position.offset + len(data)
        if gen.seen == 0 and (what := unfit(data[:MAGIC])):
            gen.is_muted, gen.unfit = True, what
        if seen > gen.seen:
            gen.grown_at = now
            gen.fingerprint = gen.fingerprint.grow(data, gen.position.offset, gen.seen)
            gen.seen = seen
        gen.signature, gen.mtime_ns, gen.size = Signature.of(status), status.st_mtime_ns, status.st_size
        gen.is_racy = abs(wall * 1e9 - status.st_mtime_ns) < RACY_NS

    def _cut(self, gen: Generation, data: bytes, wall: float, *, is_end: bool) -> Iterator[Step]:
        is_first = True
        while data:
            at = gen.position
            taken = self.splitter.take(data, at, is_end=is_end)
            if taken.position == at and is_first and len(data) >= self.splitter.window:
                taken = self.splitter.take(data, at, is_full=True)
            if taken.position == at:
                return
            is_first = False
            data = data[taken.position.offset - at.offset :]
            gen.position, gen.has_more = taken.position, True
            yield Step(
                messages=messages(gen.home, taken.records, wall),
                size=taken.position.offset - at.offset,
                loss=gen.loss("oversize", 1) if taken.is_lossy else None,
                marks={gen.key: gen.mark(gen.position)},
            )

    def _bound(self) -> None:
        """Close the files that were quiet for longest: they are known again when they grow."""
        while len(self._open) > self._descriptors:
            self.close(next(iter(self._open)))


def messages(home: Home, records: Sequence[Record], wall: float) -> list[Message]:
    """Return the messages of records."""
    relative, captures = home
    return [
        Message(
            payload=payload,
            time=wall,
            subject=relative,
            captures=captures,
            facts={"file": relative, "offset": offset, "line": line},
        )
        for offset, line, payload in records
    ]
