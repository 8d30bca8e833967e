"""Where to begin in a file that is there at the first start."""

import os
from collections.abc import Iterator
from typing import Final, Literal

from bridge.sources.file.position import Position

#: Bytes of one look back.
BLOCK: Final = 64 * 1024
#: How far back `last` goes at most, so that a start is quick whatever N is.
MAX_BACK: Final = 64 * 1024 * 1024
#: Bytes in which lines are counted, so that a start over gigabytes of logs is quick; past them numbers are unknown.
MAX_COUNTED: Final = 256 * 1024 * 1024

#: Where to begin: at the end, at the beginning, or N lines before the end.
Begin = Literal["end", "beginning"] | int


class Beginner:
    """Finds positions, and counts the lines before them while that is cheap."""

    def __init__(self, begin: Begin, longest: int) -> None:
        self.begin = begin
        self._longest = longest
        self._budget = MAX_COUNTED

    def position(self, fd: int, size: int) -> Position:
        """Return where to begin in an open file of `size` bytes.

        A last line without its end counts as not there yet: the end is before it, and so are the last N lines.
        """
        if self.begin == "beginning":
            return Position()
        wanted = 0 if self.begin == "end" else self.begin
        back = max(MAX_BACK, self._longest) if wanted else self._longest
        offset = _back(fd, size, wanted, back)
        if offset is None:
            # In the midst of a line of endless length.
            return Position(size, 0, is_skipping=True)
        return Position(offset, self._number(fd, offset))

    def _number(self, fd: int, offset: int) -> int:
        if offset > self._budget:
            return 0
        self._budget -= offset
        return number(fd, offset)


def number(fd: int, offset: int) -> int:
    """Return the number of the line that begins at `offset`, by counting those before it."""
    step = 16 * BLOCK
    return 1 + sum(os.pread(fd, min(step, offset - at), at).count(b"\n") for at in range(0, offset, step))


def _back(fd: int, size: int, wanted: int, back: int) -> int | None:
    """Return the offset after the line end that `wanted` others follow, at most `back` bytes before `size`."""
    offset = None
    for end in _line_ends(fd, size, max(size - back, 0)):
        offset = end + 1
        if not wanted:
            return offset
        wanted -= 1
    return 0 if size <= back else offset


def _line_ends(fd: int, size: int, first: int) -> Iterator[int]:
    """Yield the offsets of line ends from the last to the first."""
    at = size
    while at > first:
        start = max(at - BLOCK, first)
        block = os.pread(fd, at - start, start)
        found = block.rfind(b"\n")
        while found >= 0:
            yield start + found
            found = block.rfind(b"\n", 0, found)
        at = start
