"""Streams over a log that the source can read again from any place: a Kafka topic.

Who brings a position gets what lies after it, wherever that still is: in the channel, in the channel but in another
order (the id is of another replica), or in the log alone. Then the channel goes on without a seam. While the source
does not know where it stands, or the log cannot be read, the stream is open and waits: nothing is skipped.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Final, NamedTuple

from bridge import wire
from bridge.chain import Positions
from bridge.errors import SourceError
from bridge.gateway.connection import BATCH
from bridge.gateway.supply import Archive, Back, Piece
from bridge.position import BEGINNING, MAX_TEXT, Position
from bridge.subscription import EventId, Replay, Start, Subscription, Want

#: Seconds between two looks at a source that does not know yet where it stands.
GLANCE: Final = 0.1

#: Seconds before a log that could not be read is tried again, and the longest wait.
FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 30.0

#: What stands first on a stream, and what a task writes before the channel goes on; None where it does at once.
Opened = tuple[bytes, AsyncGenerator[Piece] | None]


class Now(NamedTuple):
    """What a stream over a log needs to know of the process when it opens."""

    epoch: str
    #: The newest sequence number.
    head: int
    replay: Replay


def open_archive(archive: Archive, want: Want, cursor: Subscription, start: Start | None, now: Now) -> Opened | None:
    """Return how a stream begins; None where the channel can serve it as any other."""
    if want.last_event_id:
        return _resume(Reader(archive, cursor, now.replay), want.last_event_id, start, now)
    reader = Reader(archive, cursor, None)
    if want.since is not None:
        # A position means nothing on a route whose ids are numbers.
        is_kept = not archive.is_positional or _reaches(cursor, want.since)
        return None if is_kept else (b"", reader.since(want.since))
    if want.last is None and start == "earliest" and archive.is_positional:
        return wire.cursor(BEGINNING), reader.read()
    return None


def _resume(reader: "Reader", id: str, start: Start | None, now: Now) -> Opened | None:
    archive, cursor = reader.archive, reader.cursor
    if archive.is_positional and id == BEGINNING:
        return wire.cursor(id), reader.read()
    place = Position.parse(id) if archive.is_positional else None
    if place is not None:
        reader.place = place
        return wire.cursor(id), None if cursor.seek(place, now.replay) else reader.read()
    found = EventId.parse(id)
    if found is not None and not found.mark and found.epoch == now.epoch and found.seq <= now.head:
        is_kept = found.seq >= cursor.channel.lost_through
        back = None if is_kept else archive.numbered(cursor.channel.captures, found.seq)
        if back is None:
            return None
        # The source knows the number of an event, not those of its parts: the rest of one may be missing.
        gap = Subscription.gap("oversize", None, id, None) if archive.splits else b""
        return gap + wire.cursor(id), reader.numbered(back, now.epoch, found.seq)
    if archive.is_positional and start == "earliest":
        return Subscription.gap("epoch", None, id, None) + wire.cursor(BEGINNING), reader.read()
    return None


def _reaches(cursor: Subscription, time: float) -> bool:
    """Tell whether the channel's memory reaches back to a time."""
    channel = cursor.channel
    return channel.lost_since < time and channel.oldest is not None and channel.oldest.time < time


def _fits(head: Position) -> bool:
    """Tell whether every place up to here has room in an id."""
    return len(str(head)) + len("-zzz") <= MAX_TEXT


def _moved(piece: Piece, id: str) -> bytes:
    """Return the frames with the place after them: where the last of it is not for this stream, or is a gap."""
    frames, told = piece.frames, f"id: {id}\n".encode()
    is_last = frames.rfind(told) > frames.rfind(b"\n\n", 0, -2)
    return frames if is_last else frames + told + b"\n"


class Reader:
    """Reads on from a place until the cursor can go on in the channel."""

    def __init__(self, archive: Archive, cursor: Subscription, replay: Replay | None) -> None:
        self.archive = archive
        self.cursor = cursor
        #: All before it has been read; None for the log's beginning.
        self.place: Position | None = None
        #: What is left of a resume; None where it has no bound.
        self._left = replay
        self._delay = FIRST_DELAY
        self._is_joined = False

    async def read(self) -> AsyncGenerator[Piece]:
        """Yield what lies after the place; at the end the cursor is set, or a piece has said goodbye."""
        while True:
            log = await self._known()
            place = self.place
            if place is not None:
                if not place.is_behind(log.head) and await self.archive.reach(place):
                    continue  # more has been published while it waited
                if self.cursor.seek(place, self._left):
                    return
            kept = self.cursor.unseen(place) if place is not None else None
            pieces = self._kept(kept) if kept is not None else self._back()
            async with aclosing(pieces):
                async for piece in pieces:
                    yield piece
                    if piece.bye:
                        return
            if self._is_joined:
                self.cursor.left = self._left
                return

    async def since(self, time: float) -> AsyncGenerator[Piece]:
        """Yield what is not older than a time."""
        while self.place is None:
            log = await self._known()
            if not _fits(log.head):
                yield Piece(self.cursor.rewind(is_lossy=True), "")
                return
            try:
                self.place = await self.archive.at(time)
            except SourceError:
                await self._pause()
        yield Piece(wire.cursor(str(self.place)), "")
        async with aclosing(self.read()) as pieces:
            async for piece in pieces:
                yield piece

    async def numbered(self, back: Back, epoch: str, number: int) -> AsyncGenerator[Piece]:
        """Yield what came after a number of ours that the channel has forgotten."""
        while True:
            try:
                async with aclosing(back.read(str(number))) as pieces:
                    async for piece in pieces:
                        number = int(piece.mark)
                        yield self._counted(_moved(piece, f"{epoch}-{number}"))
                        if self._is_spent:
                            return
            except SourceError:
                await self._pause()
            else:
                if self.cursor.join(back.cut):
                    self.cursor.left = self._left
                    return
            later = self.archive.numbered(self.cursor.channel.captures, number)
            if later is None:
                yield Piece(Subscription.gap("evicted", None, None, None), "")
                return
            back = later

    async def _known(self) -> Positions:
        while (log := self.archive.where()) is None:  # noqa: ASYNC110 -- a source has no say in who waits for it
            await asyncio.sleep(GLANCE)
        return log

    async def _pause(self) -> None:
        await asyncio.sleep(self._delay)
        self._delay = min(self._delay * 2, LONGEST_DELAY)

    async def _kept(self, kept: Iterator[tuple[Position, bytes]]) -> AsyncGenerator[Piece]:
        """Yield what the channel keeps, in an order that is not this client's."""
        frames: list[bytes] = []
        size = 0
        for self.place, frame in kept:
            frames.append(frame)
            size += len(frame)
            if size >= BATCH:
                yield self._counted(b"".join(frames))
                frames, size = [], 0
                if self._is_spent:
                    return
        if size:
            yield self._counted(b"".join(frames))
        self._is_joined = not self.cursor.is_slow

    async def _back(self) -> AsyncGenerator[Piece]:
        """Yield what the log itself still has."""
        self._is_joined = False
        log = self.archive.where()
        if log is None:
            return
        if not _fits(log.head):
            # So many partitions that ids are numbers: what the channel has is all that can be told apart.
            yield self._counted(self.cursor.rewind(is_lossy=self.place is not None))
            self._is_joined = True
            return
        # Made without awaiting: its end, the head and the channel's newest record are of one instant.
        back, head = self.archive.back(self.cursor.channel.captures), log.head
        try:
            async with aclosing(back.read(str(self.place) if self.place is not None else "")) as pieces:
                async for piece in pieces:
                    self.place = Position.parse(piece.mark) or self.place
                    yield self._counted(_moved(piece, piece.mark))
                    if self._is_spent:
                        return
        except SourceError:
            await self._pause()
            return
        self._delay = FIRST_DELAY
        self._is_joined = (self.place is None or self.place.is_behind(head)) and self.cursor.join(back.cut)

    @property
    def _is_spent(self) -> bool:
        return self._left is not None and (self._left.events <= 0 or self._left.bytes <= 0)

    def _counted(self, frames: bytes) -> Piece:
        """Return a piece that says goodbye when a resume has met its bound; the client comes back for the rest."""
        if self._left is not None:
            events = frames.count(b"\nid: ") + frames.startswith(b"id: ")
            self._left = Replay(self._left.events - events, self._left.bytes - len(frames))
        return Piece(frames, "", bye="replay_bound" if self._is_spent else "")
