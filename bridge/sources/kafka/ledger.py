"""Which number of ours each record had: for routes whose ids are a sequence.

A position that does not fit an id (many partitions) is remembered here instead, under the number that the event got.
Records of a partition mostly follow each other, and so do their numbers: a run of them is one entry, whatever its
length.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from bridge.position import Part

#: Records that are remembered: some minutes of a busy topic, a day of a quiet one. At worst, when each record is a run,
#: 20 MB.
MAX_RECORDS: Final = 100_000


class Run(NamedTuple):
    """Records of one partition whose numbers and offsets follow each other; or, without length, one that was refused.

    That one has no number of its own: it was told as lost just before the event that has the run's.
    """

    number: int
    part: Part
    offset: int
    length: int

    def after(self, number: int) -> "Run | None":
        """Return what comes after a number; None when nothing does."""
        seen = number - self.number + 1
        if seen <= 0:
            return self
        if seen >= self.length:
            return None
        return Run(self.number + seen, self.part, self.offset + seen, self.length - seen)


class Segment(NamedTuple):
    """Records of one partition in a batch."""

    part: Part
    offsets: Sequence[int]


class Ledger:
    """The newest records, in the order in which they were emitted."""

    def __init__(self, limit: int = MAX_RECORDS) -> None:
        self._limit = limit
        self._runs: deque[Run] = deque()
        self._records = 0
        #: Numbers below this one are forgotten.
        self._floor = 0
        self._newest = 0

    def add(self, ids: Sequence[str], segments: Sequence[Segment]) -> None:
        """Enter a batch: the ids that it was given, and where its records stand."""
        if not ids:
            return
        numbers = _numbers(ids)
        first = 0
        for part, offsets in segments:
            self._segment(part, offsets, numbers[first : first + len(offsets)])
            first += len(offsets)
        self._newest = numbers[-1]
        self._trim()

    def _trim(self) -> None:
        while self._records > self._limit:
            gone = self._runs.popleft()
            self._records -= gone.length or 1
            self._floor = gone.number + (gone.length or 1) - 1

    def _segment(self, part: Part, offsets: Sequence[int], numbers: Sequence[int]) -> None:
        length = len(offsets)
        if offsets[-1] - offsets[0] == length - 1 == numbers[-1] - numbers[0]:
            self._enter(Run(numbers[0], part, offsets[0], length))
            return
        for offset, number in zip(offsets, numbers, strict=True):
            self._enter(Run(number, part, offset, 1))

    def refuse(self, part: Part, offset: int) -> None:
        """Enter a record that was told as lost after what was entered last."""
        self._enter(Run(self._newest + 1, part, offset, 0))
        self._trim()

    def forget(self) -> None:
        """Forget all: something was lost here, and a reader of what came before must hear of it."""
        self._runs.clear()
        self._records = 0
        self._floor = self._newest + 1

    def after(self, number: int) -> Iterator[Run] | None:
        """Return what came after a number; None when that is forgotten."""
        if number < self._floor:
            return None
        return iter([run for each in self._runs if (run := each.after(number)) is not None])

    def _enter(self, run: Run) -> None:
        self._records += run.length or 1
        last = self._runs[-1] if self._runs else None
        if last is not None and _continues(last, run):
            self._runs[-1] = last._replace(length=last.length + run.length)
        else:
            self._runs.append(run)


def _continues(last: Run, run: Run) -> bool:
    follows = last.number + last.length == run.number and last.offset + last.length == run.offset
    # A run without end could never be forgotten.
    return follows and last.part == run.part and 0 < last.length < MAX_RECORDS // 100 and run.length > 0


def _numbers(ids: Sequence[str]) -> Sequence[int]:
    """Return the numbers at the ends of ids, without reading each where they follow each other."""
    first, last = number(ids[0]), number(ids[-1])
    if last - first == len(ids) - 1:
        return range(first, last + 1)
    return [number(id) for id in ids]


def number(id: str) -> int:
    """Return the number at the end of an id of ours."""
    return int(id.rpartition("-")[2])
