"""The table of a keyed channel: the latest record per key, which outlives the log.

It is read in ascending sequence, a part at a time, from wherever a reader left off: so a snapshot is neither copied
for a reader nor kept alive by a slow one.
"""

from bisect import bisect_right
from collections.abc import Iterator

from bridge.bounds import cost
from bridge.event import Record


class Table:
    """The latest record per key, in ascending sequence, bounded by count and bytes."""

    __slots__ = ("_by_seq", "_order", "_seqs", "bytes", "evicted")

    def __init__(self, *, evicted: int = 0) -> None:
        self._seqs: dict[str, int] = {}
        self._by_seq: dict[int, Record] = {}
        # All sequence numbers in order, superseded ones included until there are as many as live ones: so a reader
        # goes on from where it was with a binary search, and pins nothing while it waits.
        self._order: list[int] = []
        self.bytes = 0
        #: How many keys had to leave for the bounds.
        self.evicted = evicted

    def __iter__(self) -> Iterator[Record]:
        return iter(self._by_seq.values())

    def __len__(self) -> int:
        return len(self._seqs)

    def __contains__(self, seq: int) -> bool:
        return seq in self._by_seq

    def has(self, key: str) -> bool:
        """Tell whether the key has a latest record."""
        return key in self._seqs

    def put(self, record: Record) -> Record | None:
        """Make the record its key's latest, or forget the key if it is a tombstone; return the one it replaces."""
        key = record.key or ""
        old = self._remove(key)
        if not record.is_tombstone:
            self._seqs[key] = record.seq
            self._by_seq[record.seq] = record
            self._order.append(record.seq)
            self.bytes += cost(record)
            if len(self._order) > 2 * len(self._by_seq) + 64:
                self._order = [seq for seq in self._order if seq in self._by_seq]
        return old

    def evict(self) -> Record | None:
        """Remove and return the key whose latest record is the oldest."""
        record = next(iter(self._by_seq.values()), None)
        if record is not None:
            self._remove(record.key or "")
            self.evicted += 1
        return record

    def after(self, seq: int, through: int) -> Iterator[Record]:
        """Yield the records after `seq`, up to `through`, ascending."""
        order = self._order
        for index in range(bisect_right(order, seq), len(order)):
            if order[index] > through:
                return
            if (record := self._by_seq.get(order[index])) is not None:
                yield record

    def _remove(self, key: str) -> Record | None:
        seq = self._seqs.pop(key, None)
        if seq is None:
            return None
        record = self._by_seq.pop(seq)
        self.bytes -= cost(record)
        return record


def fit(records: Iterator[Record], limit: int) -> list[Record]:
    """Take the records that fit `limit` bytes together; one at least."""
    out: list[Record] = []
    for record in records:
        limit -= len(record.frame)
        if limit < 0 and out:
            break
        out.append(record)
    return out
