r"""Cut bytes into records: lines, or lines that belong together. Pure: bytes and a position in, records out.

Rule 1: a line ends at LF; one CR before it is dropped with it. A CR elsewhere stays: progress bars write it many times
    a second, and the wire's encoder makes it safe. VT, FF, NEL, LS and PS end nothing.
Rule 2: what has no LF yet is not given, until the caller says that no more will come.
Rule 3: NULs at the beginning of a line are dropped: a writer that does not append leaves a hole of them after a
    truncation. So is the byte order mark of UTF-8 at the beginning of a file.
Rule 4: a line above the limit is cut in pieces (never within a character of UTF-8) or thrown away whole.
Rule 5: lines that belong together are joined with LF while they stay within the limit.
Rule 6: nothing is kept between two calls but the position, so what is read back after a restart, or by a subscriber
    who wants the beginning, is cut in the same places.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from bridge.sources.file.position import Position

#: One record: the offset of its first byte, the number of its first line, its bytes without the line's end.
Record = tuple[int, int, bytes]

#: Records in one batch: what a subscriber's turn of the loop must bear, and what a crash may repeat.
BATCH: Final = 500

_BOM: Final = b"\xef\xbb\xbf"
# The bytes of one UTF-8 character after its first.
_CONTINUATIONS: Final = 3


class Taken(NamedTuple):
    """What could be cut from the data."""

    records: Sequence[Record]
    #: Where the next record begins; the same as before if there was nothing to give.
    position: Position
    #: A line above the limit was thrown away, just after these records: the offset where it begins; else -1.
    lost_at: int = -1

    @property
    def is_lossy(self) -> bool:
        """Tell whether a line was thrown away."""
        return self.lost_at >= 0


class Splitter(NamedTuple):
    """How lines are cut and joined."""

    #: The longest record, bytes.
    limit: int = 1024 * 1024
    #: Throw a longer line away instead of cutting it.
    skips: bool = False
    #: Tell whether a line continues the one before; None where each line is a record.
    continues: Callable[[bytes], bool] | None = None

    @property
    def window(self) -> int:
        """Return how many bytes show for certain whether a line is too long: the limit, CR and LF."""
        return self.limit + 2

    def advances(self, data: bytes, at: Position) -> bool:
        """Tell whether `take` would give anything."""
        if self.continues is None and not at.is_skipping:
            return b"\n" in data or len(data) >= self.window
        return self.take(data, at).position != at

    def take(self, data: bytes, at: Position, *, is_end: bool = False, is_full: bool = False) -> Taken:
        """Cut a batch of records from `data`, which begins at `at`.

        `is_end` says that no more will come for now: a last line without its end is given too. `is_full` says that
        more cannot be shown at once: lines that might still be joined with what follows are given.
        """
        if self.continues is None:
            return self._lines(data, at, BATCH, is_end=is_end)
        lines = self._lines(data, at, -1, is_end=is_end)
        return self._join(lines, at, self.continues, is_whole=is_end or is_full or lines.position.is_cut)

    def _lines(self, data: bytes, at: Position, batch: int, *, is_end: bool) -> Taken:
        if at.is_skipping:
            return self._skip(data, at)
        parts = data.split(b"\n", batch)
        rest = parts.pop()
        is_plain = not (at.is_cut or at.offset == 0 or b"\0" in data or b"\r" in data)
        if not is_plain or len(data) > self.limit:
            return self._careful(parts, rest, at, is_last=b"\n" not in rest, is_end=is_end)
        records: list[Record] = []
        offset, line = at.offset, at.line
        # A line that is not known stays so.
        step = 1 if line else 0
        for part in parts:
            records.append((offset, line, part))
            offset += len(part) + 1
            line += step
        if is_end and rest and b"\n" not in rest:
            records.append((offset, line, rest))
            return Taken(records, Position(offset + len(rest), line, is_cut=True))
        return Taken(records, Position(offset, line)) if records else Taken((), at)

    def _careful(self, parts: Sequence[bytes], rest: bytes, at: Position, *, is_last: bool, is_end: bool) -> Taken:
        """Cut as `_lines` does, with an eye on every rule."""
        records: list[Record] = []
        for part in parts:
            text, offset = _trim(part, at)
            text = text.removesuffix(b"\r")
            if len(text) > self.limit:
                return self._over(text, offset, at, records, end=at.offset + len(part) + 1)
            if text or not at.is_cut:
                records.append((offset, at.line, text))
            at = Position(at.offset + len(part) + 1, at.line + 1 if at.line else 0)
        text, offset = _trim(rest, at)
        if not is_last or not text:
            # A hole may be endless: its NULs are passed over as they come.
            return Taken(records, Position(offset, at.line, is_cut=at.is_cut) if is_last else at)
        # A CR at the very end may belong to the line's end.
        if len(text.removesuffix(b"\r")) > self.limit:
            return self._over(text, offset, at, records, end=None)
        if is_end and text != b"\r":
            text = text.removesuffix(b"\r")
            records.append((offset, at.line, text))
            return Taken(records, Position(offset + len(text), at.line, is_cut=True))
        return Taken(records, Position(offset, at.line, is_cut=at.is_cut))

    def _over(self, text: bytes, offset: int, at: Position, records: list[Record], end: int | None) -> Taken:
        """Cut one piece from a line above the limit, or begin to skip it; `end` is where the next line begins."""
        if self.skips and not at.is_cut:
            if end is None:
                return Taken(records, Position(offset + len(text), at.line, is_skipping=True), at.offset)
            return Taken(records, Position(end, at.line + 1 if at.line else 0), at.offset)
        cut = _boundary(text, self.limit)
        records.append((offset, at.line, text[:cut]))
        return Taken(records, Position(offset + cut, at.line, is_cut=True))

    def _skip(self, data: bytes, at: Position) -> Taken:
        found = data.find(b"\n")
        if found < 0:
            return Taken((), Position(at.offset + len(data), at.line, is_skipping=True))
        return Taken((), Position(at.offset + found + 1, at.line + 1 if at.line else 0))

    def _join(self, lines: Taken, at: Position, continues: Callable[[bytes], bool], *, is_whole: bool) -> Taken:
        """Join the lines that belong together. The last ones wait, since more may follow, unless `is_whole`."""
        records: list[Record] = []
        group: list[bytes] = []
        first, size = (at.offset, at.line), 0
        # What is left of a cut line stands alone: its first part is gone already.
        is_alone = at.is_cut
        for offset, line, text in lines.records:
            if group and (is_alone or size + len(text) >= self.limit or not continues(text)):
                records.append((*first, b"\n".join(group)))
                group, size, is_alone = [], 0, False
                if len(records) == BATCH:
                    return Taken(records, Position(offset, line))
            if not group:
                first = (offset, line)
            group.append(text)
            size += len(text) + 1
        if group and (is_whole or lines.is_lossy):
            records.append((*first, b"\n".join(group)))
            group = []
        if group:
            return Taken(records, Position(*first, is_cut=at.is_cut and not records))
        return Taken(records, lines.position, lines.lost_at)


def _trim(part: bytes, at: Position) -> tuple[bytes, int]:
    """Drop what stands before a line's text; return the text and where it begins."""
    if at.is_cut:
        return part, at.offset
    text = part.lstrip(b"\0") if part[:1] == b"\0" else part
    if at.offset == 0 and text.startswith(_BOM):
        text = text[len(_BOM) :]
    return text, at.offset + len(part) - len(text)


def _boundary(text: bytes, limit: int) -> int:
    """Return where to cut, `limit` at most and not within a character."""
    for cut in range(limit, max(limit - _CONTINUATIONS, 1) - 1, -1):
        if text[cut] & 0xC0 != 0x80:  # noqa: PLR2004  # 10xxxxxx is a byte within a character
            return cut
    return limit
