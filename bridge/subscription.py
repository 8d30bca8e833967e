"""A subscription: one subscriber's cursor over one channel.

There is no queue per subscriber. The channel is the buffer and a cursor is all that a subscriber adds, so replay and
live are the same read: who resumes starts with an older cursor, and who reads too slowly sees its cursor fall off
the log's end, and is told.

Nothing here awaits: a cursor opened at one instant and the channel's head of that instant have no seam.

    open(...)   sets the cursor, and tells what to say first
    read(...)   gives the next frames, until the cursor is at the head
    leave(...)  takes the cursor back from the pump, which moves all that are at the head together
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal

from bridge import chain, wire
from bridge.chain import Where, nowhere
from bridge.channel import Channel
from bridge.event import Reason, Record
from bridge.eventid import EventId
from bridge.position import MAX_TEXT, Position
from bridge.want import Replay, Want

__all__ = ["EventId", "Replay", "Start", "Subscription", "Want"]

#: `start` of a route: a word, or the last N events.
Start = Literal["live", "earliest", "snapshot"] | int


class Subscription:
    """One subscriber's cursor."""

    __slots__ = (
        "_cut",
        "_epoch",
        "_evicted",
        "_is_between",
        "_is_whole",
        "_ordinal",
        "_seen",
        "_start",
        "_where",
        "channel",
        "delivered",
        "left",
        "missed",
        "slow",
        "told",
    )

    def __init__(
        self,
        channel: Channel,
        epoch: str,
        *,
        start: Start,
        slow: Literal["gap", "disconnect"],
        where: Where = nowhere,
    ) -> None:
        self.channel = channel
        self._epoch = epoch
        self._where = where
        self._start = start
        #: The route's policy for one that falls off the log's end.
        self.slow = slow
        self._ordinal = channel.next
        self._seen = 0  # while in a snapshot: the last sequence number read from it
        self._cut = 0  # the snapshot's last sequence number; 0 when there is none to read
        self._is_whole = False  # the snapshot is that of a newcomer, not what a resume finds in the table
        self._evicted = 0  # keys that had left the table when the snapshot began
        self._is_between = True  # the last record read was no part of an event whose id is still to come
        #: Events read so far, and events that this subscriber was told to have missed.
        self.delivered = self.missed = 0
        #: Gaps and notices read so far.
        self.told = 0
        #: What a resume may still read before it must come back; None when it may go on for ever.
        self.left: Replay | None = None

    def open(self, want: Want, *, head: int, replay: Replay) -> bytes:
        """Set the cursor; return the frames that stand first: a gap if something was lost, then the id to resume from.

        `head` is the process's newest sequence number, so an id above it is not ours.
        """
        if want.last_event_id:
            return self._resume(want.last_event_id, head, replay)
        if want.since is not None:
            return self._since(want.since, head)
        start = want.last if want.last is not None else self._start
        if start == "snapshot":
            return self._snapshot(head)
        if start == "live":
            self._ordinal = self.channel.next
            return self._begin(head)
        self._ordinal = self.channel.first if start == "earliest" else self.channel.last(int(start))
        return self._begin(head)

    def join(self, seq: int) -> bool:
        """Set the cursor just after a sequence number; False if something after it is already lost."""
        if seq < self.channel.lost_through:
            return False
        self._go_after(seq)
        return True

    def seek(self, position: Position, replay: Replay | None) -> bool:
        """Set the cursor just after a position; False where the channel cannot tell what lies after it."""
        log = self._where()
        ordinal = chain.find(self.channel, position, log) if log is not None else None
        if ordinal is None:
            return False
        self._ordinal, self._cut, self.left = ordinal, 0, replay
        return True

    def unseen(self, seen: Position) -> Iterator[tuple[Position, bytes]] | None:
        """Read what the channel keeps and a position lacks; None where it has not all of that.

        Yields the place reached, and a frame that says it. At the end the cursor is at the head, or slow.
        """
        log = self._where()
        if log is None or not chain.covers(self.channel, seen, log):
            return None
        self._ordinal, self._cut = self.channel.first, 0
        return self._unseen(seen)

    def rewind(self, *, is_lossy: bool) -> bytes:
        """Set the cursor to the oldest kept; return the gap that tells so, where something was lost."""
        self._ordinal, self._cut = self.channel.first, 0
        return self.gap("evicted", None, None, _id(self.channel.oldest)) if is_lossy else b""

    def _unseen(self, seen: Position) -> Iterator[tuple[Position, bytes]]:
        while self._ordinal < self.channel.next and not self.is_slow:
            seen, frame = chain.unseen(self.channel, self._ordinal, seen)
            self._ordinal += 1
            yield seen, frame

    @property
    def is_at_head(self) -> bool:
        """Tell whether there is nothing to read now."""
        return not self._cut and self._ordinal == self.channel.next

    @property
    def is_in_table(self) -> bool:
        """Tell whether what comes next is read from the table of keys."""
        return self._cut > 0

    @property
    def is_slow(self) -> bool:
        """Tell whether the log, or the table for a resume, has lost what this cursor had not read."""
        if self._cut:
            return not self._is_whole and self.channel.lost_through > self._seen
        return self._ordinal < self.channel.first

    @property
    def is_spent(self) -> bool:
        """Tell whether a resume has met its bound, between two events, and must come back for the rest."""
        return self.left is not None and self._is_between and (self.left.events <= 0 or self.left.bytes <= 0)

    def count_missed(self) -> int:
        """Count what the log has evicted before this cursor read it, as missed; return the number."""
        missed = self.channel.missed(self._ordinal)
        self.missed += missed
        return missed

    def read(self, limit: int) -> bytes:
        """Return the next frames, some `limit` bytes (one frame at least), and move on; b"" at the head."""
        gap = self._fall() if self.is_slow else b""
        if self._cut:
            return gap or self._read_snapshot(limit)
        records = self._within(self.channel.read(self._ordinal, limit))
        self._ordinal += len(records)
        return gap + self._take(records)

    def _within(self, records: list[Record]) -> list[Record]:
        """Cut the records where a resume meets its bound of events."""
        if self.left is None or len(records) <= self.left.events:
            return records
        ends = (at for at, record in enumerate(records, 1) if chain.moves(record))
        return records[: next(islice(ends, max(self.left.events - 1, 0), None), len(records))]

    def leave(self, ordinal: int, events: int) -> None:
        """Take the cursor back from the pump, which delivered `events` up to the ordinal."""
        self._ordinal = ordinal
        self.delivered += events

    def _take(self, records: Sequence[Record]) -> bytes:
        data = b"".join([record.frame for record in records])
        events = sum(not record.is_control for record in records)
        self.delivered += events
        self.told += len(records) - events
        if self.left is not None:
            self._is_between = not records or records[-1].is_control or chain.moves(records[-1])
            # A resume that reached the head is a live subscriber like any other.
            left = Replay(self.left.events - sum(map(chain.moves, records)), self.left.bytes - len(data))
            self.left = None if self.is_at_head else left
        return data

    def _read_snapshot(self, limit: int) -> bytes:
        records = self._within(self.channel.snapshot(self._seen, self._cut, limit))
        if not records:
            self._cut = 0
            table = self.channel.table
            is_torn = self._is_whole and table is not None and table.evicted > self._evicted
            self.told += is_torn
            gap = self.gap("evicted", None, None, None) if is_torn else b""
            return gap + self.read(limit)
        self._seen = records[-1].seq
        return self._take(records)

    def _resume(self, text: str, head: int, replay: Replay) -> bytes:
        self.left = replay
        channel = self.channel
        found = EventId.parse(text)
        if found is None or found.mark or found.epoch != self._epoch or found.seq > head:
            return self._restart("epoch", None, text, head)
        if found.seq == 0 and self._start == "snapshot" and channel.next:
            # Cut before the first record of a snapshot, or between its id and the gap that was to tell of it.
            return self._restart("evicted", None, text, head)
        if found.seq < channel.lost_through:
            missed = channel.missed(0) if found.seq < channel.origin else None
            return self._restart("evicted", missed, text, head)
        self._go_after(found.seq)
        return wire.cursor(str(EventId(self._epoch, found.seq)))

    def _go_after(self, seq: int) -> None:
        """Set the cursor just after a sequence number; nothing after it may be lost."""
        channel = self.channel
        self._ordinal, self._cut = channel.locate(seq), 0
        if channel.table is not None and (oldest := channel.oldest) is not None and seq < oldest.seq - 1:
            # What left the log since then is still the latest of its key, so the table gives it.
            self._seen, self._cut, self._is_whole = seq, oldest.seq - 1, False

    def _restart(self, reason: Reason, missed: int | None, text: str, head: int) -> bytes:
        """Go on with the oldest kept, or with the whole table where the route starts with that, and say so."""
        if self._start == "snapshot":
            self.left = None  # a snapshot begins anew, and is paced by the peer as on a first connect
            return self.gap(reason, missed, text, None, snapshot=True) + self._snapshot(head, told=True)
        self._ordinal = self.channel.first
        return self.gap(reason, missed, text, _id(self.channel.oldest)) + self._begin(head)

    def _since(self, time: float, head: int) -> bytes:
        channel = self.channel
        self._ordinal = channel.since(time)
        gap = self.gap("evicted", None, None, None) if channel.lost_since >= time else b""
        return gap + self._begin(head)

    def _snapshot(self, head: int, *, told: bool = False) -> bytes:
        channel = self.channel
        self._begin_snapshot(head)
        gap = b""
        if channel.table is not None and channel.table.evicted and not told:
            gap = self.gap("evicted", None, None, None, snapshot=True)
        # The id before the first record: who is cut here asks for the snapshot again.
        return gap + self._cursor(0)

    def _begin_snapshot(self, cut: int) -> None:
        # Live events go on where the log ends now. Should it lose some before the snapshot is read, the cursor is slow.
        self._seen, self._cut, self._is_whole, self._ordinal = 0, cut, True, self.channel.next
        self._evicted = self.channel.table.evicted if self.channel.table is not None else 0

    def _begin(self, head: int) -> bytes:
        log = self._where()
        place = chain.before(self.channel, self._ordinal, log) if log is not None else None
        if place is not None and len(text := str(place)) <= MAX_TEXT:
            return wire.cursor(text)
        return self._cursor(head if self.is_at_head else self.channel.seq_before(self._ordinal))

    def _cursor(self, seq: int) -> bytes:
        return wire.cursor(str(EventId(self._epoch, seq)))

    def _fall(self) -> bytes:
        channel = self.channel
        # Of a table only the latest is known, not how many there were.
        missed = None if self._cut else self.count_missed()
        self.told += 1
        self._ordinal, self._cut = channel.first, 0
        if self._start == "snapshot" and (newest := channel.newest) is not None:
            self._begin_snapshot(newest.seq)
            # The id first: who is cut right after the gap has thrown away what it had, and must not resume behind it.
            return self._cursor(0) + self.gap("slow", missed, None, None, snapshot=True)
        return self.gap("slow", missed, None, _id(channel.oldest))

    @staticmethod
    def gap(reason: Reason, missed: int | None, after: str | None, to: str | None, *, snapshot: bool = False) -> bytes:
        """Encode `bridge.gap`: what was lost lies after the id `from` and before the id `to`, where those are known."""
        known = after if after is not None and wire.is_id(after) else None
        return wire.control("gap", {"reason": reason, "missed": missed, "from": known, "to": to, "snapshot": snapshot})


def _id(record: Record | None) -> str | None:
    return wire.id_of(record.frame) or None if record is not None and not record.is_control else None
