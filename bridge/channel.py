"""A channel: one route's log for one set of captures, and its latest record per key.

Rule 1: nothing here knows the time, awaits, or does I/O; callers pass `now`.
Rule 2: sequence numbers only grow. They have holes, since one sequence numbers the whole process; so a place in the
    log is an *ordinal* (0 for the first record ever appended), and `locate` turns a sequence number into one.
Rule 3: the log is bounded by count, bytes and age, whichever is met first; the newest event always stays, be it
    alone above the bytes. What leaves unseen is remembered as `lost_through`, so that a late reader is told.
Rule 4: with keys, the latest record of each key outlives the log, in a table with bounds of its own. A record that
    left the log but is still its key's latest is not lost.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from operator import attrgetter
from typing import Final

from bridge.bounds import AGE_MARKS, MAX_CONTROLS, MAX_TRAILING, NOTHING, OVERHEAD, Bounds, Budget, Lost, cost
from bridge.event import Record
from bridge.table import Table, fit

#: A list this short is trimmed at once: moving its slots costs less than thinking about it.
SHORT_LOG: Final = 4_096

_seq: Final = attrgetter("seq")
_time: Final = attrgetter("time")


class Channel:
    """One log, and the table of its keys where the route has a `key`."""

    __slots__ = (
        "_bounds",
        "_budget",
        "_controls",
        "_log",
        "_log_bytes",
        "_marks",
        "_newest_event",
        "_start",
        "captures",
        "events",
        "first",
        "is_ended",
        "lag",
        "lost_since",
        "lost_through",
        "origin",
        "table",
        "wake",
    )

    def __init__(
        self,
        captures: Mapping[str, str],
        bounds: Bounds,
        budget: Budget,
        *,
        is_keyed: bool = False,
        lost: Lost = NOTHING,
    ) -> None:
        self.captures = captures
        self._bounds = bounds
        self._budget = budget
        self._log: list[Record] = []
        self._start = 0  # index in `_log` of the oldest kept; those before it are about to be trimmed
        self._log_bytes = 0
        self._marks: deque[tuple[float, int]] = deque()  # (time, ordinal): all before the ordinal came by then
        self._controls: deque[int] = deque(maxlen=MAX_CONTROLS)
        self._newest_event = -1  # its ordinal
        # Of an earlier channel of this name keys may have been lost, so no snapshot of this one is whole.
        self.table = Table(evicted=int(lost.since > NOTHING.since)) if is_keyed else None
        #: The ordinal of the oldest record kept.
        self.first = 0
        #: Events ever appended, control records not among them.
        self.events = 0
        #: The highest sequence number that can no longer be given.
        self.lost_through = lost.through
        #: The sequence number of the first record ever appended here; 0 where an earlier channel of the name had more.
        self.origin = 0
        #: The newest time among what can no longer be given, for `since`.
        self.lost_since = lost.since
        #: Seconds by which the newest event was late: from its own time to its arrival here.
        self.lag = 0.0
        #: Nothing more will come.
        self.is_ended = False
        #: Called when the channel grows or ends; set while somebody listens.
        self.wake: Callable[[], None] | None = None

    @property
    def next(self) -> int:
        """Return the ordinal that the next record will get."""
        return self.first + len(self._log) - self._start

    @property
    def newest(self) -> Record | None:
        """Return the newest record kept."""
        return self._log[-1] if len(self._log) > self._start else None

    @property
    def newest_event(self) -> Record | None:
        """Return the newest event kept; control records are none."""
        return self.at(self._newest_event) if self._newest_event >= self.first else None

    @property
    def oldest(self) -> Record | None:
        """Return the oldest record kept in the log."""
        return self._log[self._start] if len(self._log) > self._start else None

    @property
    def bytes(self) -> int:
        """Return what this channel keeps, in bytes."""
        return self._log_bytes + (self.table.bytes if self.table is not None else 0)

    @property
    def spare(self) -> int:
        """Return what this channel could give back, in bytes: all but its newest event."""
        if self.newest is None:
            return 0
        return self.bytes - sum(cost(self.at(at)) for at in range(self._last_to_keep(), self.next))

    def append(self, records: Sequence[Record], now: float) -> None:
        """Add the newest records, oldest first, evict what is over the bounds, and wake the pump. Never awaits."""
        before, begin = self.bytes, self.next
        if begin == 0 and self.lost_through == 0:
            self.origin = records[0].seq
        size = events = 0
        for ordinal, record in enumerate(records, begin):
            size += len(record.frame)
            if record.is_control:
                self._controls.append(ordinal)
            else:
                events += 1
                self._newest_event = ordinal
        self.events += events
        self._log_bytes += size + OVERHEAD * len(records)
        self._log += records
        self.lag = max(now - records[-1].time, 0.0)
        if self.table is not None:
            self._update(self.table, records)
        self._mark(now)
        # What has just come stays until more comes: the pump has not given it to anybody yet.
        self._evict(now, begin if self.wake is not None else self.next)
        self._budget.used += self.bytes - before
        if self.wake is not None:
            self.wake()

    def end(self) -> None:
        """Tell the readers that nothing more will come."""
        self.is_ended = True
        if self.wake is not None:
            self.wake()

    def locate(self, seq: int) -> int:
        """Return the ordinal of the first kept record after the sequence number."""
        return self.first + bisect_right(self._log, seq, self._start, key=_seq) - self._start

    def since(self, time: float) -> int:
        """Return the ordinal of the first kept event that is not older than `time` (Unix seconds)."""
        kept = enumerate(islice(self._log, self._start, None), self.first)
        return next((ordinal for ordinal, record in kept if record.time >= time), self.next)

    def last(self, count: int) -> int:
        """Return the ordinal from which `count` events follow, or of the oldest kept."""
        ordinal = self.next
        while count > 0 and ordinal > self.first:
            ordinal -= 1
            count -= not self.at(ordinal).is_control
        return ordinal

    def seq_before(self, ordinal: int) -> int:
        """Return a sequence number before that ordinal's record and not before what was lost ahead of it."""
        if ordinal > self.first:
            return self.at(ordinal - 1).seq
        # Not what was lost last: a resume from there would read from the table what this cursor steps over.
        return self.oldest.seq - 1 if self.oldest is not None else self.lost_through

    def read(self, ordinal: int, limit: int) -> list[Record]:
        """Return the records from the ordinal on that fit `limit` bytes together; one at least."""
        # By index: to skip to a place in a long log with `islice` would walk there.
        return fit(map(self._log.__getitem__, range(ordinal - self.first + self._start, len(self._log))), limit)

    def missed(self, ordinal: int) -> int:
        """Count the events from the ordinal on that the log no longer has."""
        controls = sum(1 for at in self._controls if ordinal <= at < self.first)
        return max(self.first - ordinal - controls, 0)

    def snapshot(self, after: int, through: int, limit: int) -> list[Record]:
        """Return the latest records per key after a sequence number, up to another, that fit `limit` bytes together."""
        return fit(self.table.after(after, through), limit) if self.table is not None else []

    def holds(self, key: str) -> bool:
        """Tell whether the table has a key."""
        return self.table is not None and self.table.has(key)

    def expire(self, now: float) -> None:
        """Evict what is too old; for channels that nothing is appended to."""
        before = self.bytes
        if self.next > (self._marks[-1][1] if self._marks else 0):
            self._mark(now)  # what came after the last mark would otherwise stay until the channel grows again
        self._evict(now, self.next)
        if self.table is not None:
            self._fit(self.table)
        self._budget.used += self.bytes - before

    def rebound(self, bounds: Bounds, now: float) -> None:
        """Keep to other bounds from now on."""
        self._bounds = bounds
        self.expire(now)

    def shrink(self, size: int) -> None:
        """Evict the oldest until `size` bytes are free, for the budget of the process; the newest stays."""
        before = self.bytes
        while self.bytes > max(before - size, 0) and self.first < self._last_to_keep():
            self._drop_until(self.first + 1)
        while self.table and self.bytes > max(before - size, 0):
            self._forget(self.table)
        self._trim()
        self._budget.used += self.bytes - before

    def close(self) -> None:
        """Give back what the channel holds of the budget."""
        self._budget.used -= self.bytes

    def discard(self) -> None:
        """Close it, and note all that it keeps as lost."""
        self.close()
        if kept := [*self._log[self._start :], *(self.table or ())]:
            self.lost_through = max(self.lost_through, *map(_seq, kept))
            self.lost_since = max(self.lost_since, *map(_time, kept))

    def at(self, ordinal: int) -> Record:
        """Return a record that is kept."""
        return self._log[ordinal - self.first + self._start]

    def _update(self, table: Table, records: Sequence[Record]) -> None:
        oldest = self._log[self._start].seq
        for record in records:
            if record.is_control:
                continue
            old = table.put(record)
            if old is not None and old.seq < oldest:
                self._lose(old)
        self._fit(table)

    def _fit(self, table: Table) -> None:
        while len(table) > self._bounds.keys or (table.bytes > self._bounds.bytes and len(table) > 1):
            self._forget(table)

    def _forget(self, table: Table) -> None:
        gone = table.evict()
        oldest = self.oldest
        if gone is not None and (oldest is None or gone.seq < oldest.seq):
            self._lose(gone)

    def _mark(self, now: float) -> None:
        if not self._marks or now - self._marks[-1][0] >= self._bounds.age / AGE_MARKS:
            self._marks.append((now, self.next))

    def _evict(self, now: float, before: int) -> None:
        """Drop what is over the bounds, of what stands before that ordinal."""
        bounds = self._bounds
        keep_from = self.next - bounds.events
        horizon = now - bounds.age
        last = min(self._last_to_keep(), before)
        while self._marks and self._marks[0][0] <= horizon:
            keep_from = max(keep_from, self._marks[0][1])
            if self._marks[0][1] > last:
                break  # the newest is too old, but stays; the mark waits for the one that comes after it
            self._marks.popleft()
        self._drop_until(min(keep_from, last))
        while self._log_bytes > bounds.bytes and self.first < last:
            self._drop_until(self.first + 1)
        self._trim()

    def _last_to_keep(self) -> int:
        """Return the ordinal of the newest event, or of the newest record where no event is kept."""
        newest = self.next - 1
        is_near = self.first <= self._newest_event and newest - self._newest_event <= MAX_TRAILING
        return self._newest_event if is_near else newest

    def _drop_until(self, ordinal: int) -> None:
        for _ in range(ordinal - self.first):
            record = self._log[self._start]
            self._start += 1
            self.first += 1
            self._log_bytes -= len(record.frame) + OVERHEAD
            if self.table is None or record.seq not in self.table:
                self._lose(record)

    def _lose(self, record: Record) -> None:
        self.lost_through = max(self.lost_through, record.seq)
        self.lost_since = max(self.lost_since, record.time)

    def _trim(self) -> None:
        # Trimming moves every slot, so a long log is trimmed only when a sixteenth of it has gone.
        if self._start and (len(self._log) <= SHORT_LOG or self._start > len(self._log) >> 4):
            del self._log[: self._start]
            self._start = 0
