"""Read the log back with a consumer of its own: bounded in number, in time, and in bytes at a time.

A read-back ends where the source stood when it was made. Offsets need not have a record (compacted ones, marks of
transactions), so a partition is at its end when the consumer's position is, and not when a record has been seen there.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from aiokafka import errors as kafka  # type: ignore[import-untyped]  # it has no types

from bridge.errors import SourceError
from bridge.event import Loss
from bridge.sources.kafka.consumer import opened
from bridge.sources.kafka.damage import DAMAGE, around, suspects
from bridge.sources.kafka.message import Record
from bridge.sources.kafka.plan import Plan

#: Read-backs that wait for their turn. More at once is a stampede, and they come again.
MAX_WAITING: Final = 256

#: Seconds that one waits for its turn, and that one read-back takes at most, so that those who wait get theirs. Whoever
#: is cut there goes on from where it was.
TURN: Final = 30.0
LONGEST: Final = 300.0

#: Seconds that a batch may take to be passed on. A client that is slower gives its turn away, and comes back.
IDLE: Final = 10.0

#: Records that are taken from the consumer at a time.
BATCH: Final = 200

#: Milliseconds of one wait for records.
WAIT: Final = 500


T = TypeVar("T")


class Piece(NamedTuple):
    """Records of one partition; or what is lost of it, and where it goes on."""

    partition: Any
    records: Sequence[Record]
    loss: Loss | None = None
    end: int = 0


class Turns:
    """The consumers of one source's read-backs, some at a time."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._free = asyncio.Semaphore(plan.readers)
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def consumer(self) -> AsyncIterator[Any]:
        """Give a consumer when it is one's turn; raises `SourceError`."""
        if self._waiting >= MAX_WAITING:
            raise SourceError("too many streams read the topics back at once")
        self._waiting += 1
        try:
            async with asyncio.timeout(TURN):
                await self._free.acquire()
        except TimeoutError as error:
            raise SourceError("other streams are being read back") from error
        finally:
            self._waiting -= 1
        try:
            plan = self._plan
            async with opened(plan.options, await plan.options.arguments(), plan.reading.back) as consumer:
                yield consumer
        finally:
            self._free.release()


async def paced(batches: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """Yield what is read back; end it, and so its turn, when nobody asks for more in time. Raises `SourceError`."""
    loop = asyncio.get_running_loop()
    closing: list[asyncio.Task[None]] = []
    end = loop.time() + LONGEST
    try:
        async for batch in batches:
            # Nothing runs here while a batch is passed on.
            timer = loop.call_at(
                min(loop.time() + IDLE, end), lambda: closing.append(loop.create_task(batches.aclose()))
            )
            try:
                yield batch
            finally:
                timer.cancel()
            if closing:
                raise SourceError("the client was too slow to be read for")
    finally:
        await asyncio.gather(*closing)
        await batches.aclose()


class Reader:
    """Reads ranges of partitions through one consumer."""

    def __init__(self, plan: Plan, consumer: Any, ranges: Mapping[Any, tuple[int, int]]) -> None:
        self._consumer = consumer
        self._patience = plan.stall
        self._left = {each: end for each, (_, end) in ranges.items()}
        #: Where the consumer is in each partition.
        self.places = {each: first for each, (first, _) in ranges.items()}
        #: Topics that we may not read: the others are read first.
        self._denied: set[str] = set()
        self._deadline = time.monotonic() + LONGEST
        consumer.assign(list(ranges))
        for each, first in self.places.items():
            consumer.seek(each, first)

    @property
    def is_done(self) -> bool:
        """Tell whether all is read."""
        return not self._left

    async def take(self, *only: Any) -> Sequence[Piece]:
        """Return the next pieces, of these partitions or of all; raises `SourceError`."""
        began = time.monotonic()
        if began > self._deadline:
            raise SourceError("to read the topics back took too long")
        while True:
            wanted = [each for each in only or self._left if each in self._left and each.topic not in self._denied]
            if self._denied and not wanted:
                raise SourceError(f"not authorised to read the topic {min(self._denied)}")
            pieces = await self._fetch(wanted)
            if await self._moves() or pieces:
                return pieces
            if time.monotonic() - began > self._patience:
                raise SourceError("Kafka does not answer")

    async def _fetch(self, wanted: Sequence[Any]) -> Sequence[Piece]:
        if not wanted:
            return ()
        try:
            fetched = await self._consumer.getmany(*wanted, timeout_ms=WAIT, max_records=BATCH)
        except kafka.OffsetOutOfRangeError as error:
            return await self._evicted(error.args[0])
        except kafka.TopicAuthorizationFailedError as error:
            self._denied.add(str(error.args[0]))
            return ()
        except DAMAGE:
            return await self._careful(wanted)
        return [Piece(each, self._cut(each, fetched[each])) for each in sorted(fetched)]

    async def _moves(self) -> bool:
        """Look where the consumer is; what is read to its end is left no more. Return whether it has moved."""
        before = dict(self.places)
        for each, end in list(self._left.items()):
            self.places[each] = await self._consumer.position(each)
            if self.places[each] >= end:
                del self._left[each]
                self._consumer.pause(each)
        return before != self.places

    def _cut(self, each: Any, records: Sequence[Record]) -> Sequence[Record]:
        end = self._left.get(each, 0)
        return records if records[-1].offset < end else [record for record in records if record.offset < end]

    async def _evicted(self, offsets: Mapping[Any, int]) -> list[Piece]:
        """Go on at what is left: retention was quicker."""
        firsts = await self._consumer.beginning_offsets(list(offsets))
        pieces: list[Piece] = []
        for each, offset in offsets.items():
            if offset >= firsts[each]:
                # Cut short, or made anew: whoever begins again from there is told.
                raise SourceError(f"the topic {each.topic} ends before the place that is read")
            first = min(firsts[each], self._left[each])
            self._consumer.seek(each, first)
            pieces.append(Piece(each, (), Loss(reason="evicted", missed=first - offset), first))
        return pieces

    async def _careful(self, wanted: Sequence[Any]) -> list[Piece]:
        """Read around damage."""
        pieces: list[Piece] = []
        # What came out of other partitions together with it was thrown away with it.
        for each in self._left:
            self._consumer.seek(each, self.places[each])
        for each in await suspects(self._consumer, wanted):
            at = self.places[each]
            async for records, behind in around(self._consumer, each):
                if behind is None:
                    pieces.append(Piece(each, self._cut(each, records)))
                    at = records[-1].offset + 1
                else:
                    end = min(behind, self._left[each])
                    pieces.append(Piece(each, (), Loss(reason="undecodable", missed=end - at), end))
        return pieces
