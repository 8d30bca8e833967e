"""A partitioned log in memory, as a broker keeps it, and sources that read it, each in an order of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Self

from pydantic import ConfigDict

from bridge.errors import SourceError
from bridge.event import Loss, Message
from bridge.position import Part, Position, Writer, tag
from bridge.sources.base import Backlog, Outlet, Place, Source


class Topic:
    """Partitions of texts, of which the oldest may be gone."""

    def __init__(self, partitions: int = 3) -> None:
        self.partitions: list[list[str]] = [[] for _ in range(partitions)]
        self.first = [0] * partitions
        self.tag = tag("topic", "1")
        #: Cleared, it holds those who read back before their next message.
        self.flows = asyncio.Event()
        self.flows.set()
        #: Those who read back now, and how often somebody began to.
        self.readers = 0
        self.reads = 0
        #: The log cannot be read.
        self.is_down = False

    def write(self, partition: int, *texts: str) -> None:
        """Append to a partition."""
        self.partitions[partition] += texts

    def forget(self, partition: int, below: int) -> None:
        """Let retention take what is older."""
        self.first[partition] = below

    def part(self, number: int) -> Part:
        """Return a partition as positions name it."""
        return Part(self.tag, number)

    def message(self, partition: int, offset: int, position: str) -> Message:
        """Return one message."""
        text = self.partitions[partition][offset]
        captures = {"name": text.partition(" ")[0]}
        return Message(payload=text, time=float(offset), subject="topic", captures=captures, position=position)


class Numbered:
    """What came after a number, in the order in which it came."""

    def __init__(self, reader: "Reader", after: int) -> None:
        self._reader = reader
        self._entries = [entry for entry in reader.ledger if entry[0] > after]

    async def read(self, mark: str) -> AsyncIterator[Sequence[tuple[str, Message | Loss]]]:
        """Yield it one by one."""
        for number, partition, offset in self._entries:
            if number > int(mark):
                await asyncio.sleep(0)
                yield [(str(number), self._reader.topic.message(partition, offset, ""))]


class Whole:
    """What the topic has up to where a reader stands."""

    def __init__(self, topic: Topic, head: Position) -> None:
        self._topic = topic
        self._head = head

    async def read(self, mark: str) -> AsyncIterator[Sequence[tuple[str, Message | Loss]]]:
        """Yield it partition by partition, after a position."""
        topic = self._topic
        at = Position.parse(mark) if mark else Position({})
        assert at is not None
        if topic.is_down:
            raise SourceError("the log is down")
        topic.readers += 1
        topic.reads += 1
        try:
            for number in range(len(topic.partitions)):
                part = topic.part(number)
                if mark and at.next(part) < topic.first[number]:
                    lost = topic.first[number] - at.next(part)
                    at = at.after(part, topic.first[number] - 1)
                    yield [(str(at), Loss(reason="evicted", missed=lost))]
                for offset in range(max(at.next(part), topic.first[number]), self._head.next(part)):
                    await topic.flows.wait()
                    await asyncio.sleep(0)
                    if topic.is_down:
                        raise SourceError("the log went down")
                    at = at.after(part, offset)
                    yield [(str(at), topic.message(number, offset, str(at)))]
        finally:
            topic.readers -= 1


class Reader:
    """Where one source stands: the `Log` that it offers."""

    def __init__(self, topic: Topic, outlet: Outlet, *, begin: Sequence[int], fits: bool) -> None:
        self.topic = topic
        self.start = Position({topic.tag: tuple(begin)})
        #: What was emitted: the number that it got, its partition, its offset.
        self.ledger: list[tuple[int, int, int]] = []
        self._outlet = outlet
        self._fits = fits
        self._writer = Writer(self.start)
        self._moved = asyncio.Event()

    @property
    def head(self) -> Position:
        """Tell where it stands."""
        return self._writer.position

    def emit(self, *partitions: int) -> list[str]:
        """Read the next message of each of these partitions in turn; return the ids."""
        messages, places = [], []
        for number in partitions:
            offset = self.head.next(self.topic.part(number))
            text = self._writer.step(self.topic.part(number), offset)
            messages.append(self.topic.message(number, offset, text if self._fits else ""))
            places.append((number, offset))
        ids = list(self._outlet.emit(messages))
        self.ledger += [(int(id.rpartition("-")[2]), *place) for id, place in zip(ids, places, strict=True)]
        self._moved.set()
        return ids

    def back(self) -> Backlog:
        """Return all up to here."""
        return Whole(self.topic, self.head)

    def numbered(self, number: int) -> Backlog | None:
        """Return what came after a number."""
        return Numbered(self, number) if self.ledger and number >= self.ledger[0][0] - 1 else None

    async def reach(self, position: Position) -> bool:
        """Wait until it is there, if the topic has as much."""
        ends = Position({self.topic.tag: tuple(map(len, self.topic.partitions))})
        while not position.is_behind(self.head):
            if not position.is_behind(ends):
                return False
            self._moved.clear()
            await self._moved.wait()
        return True

    async def at(self, time: float) -> Position:
        """Return where messages of that time begin: their offset is their time."""
        return Position({self.topic.tag: tuple(min(int(time), len(each)) for each in self.topic.partitions)})


class Reading(Source):
    """A source over a topic; a test says what it reads next."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    topic: Any
    begin: Any = None
    fits: bool = True
    is_late: bool = False

    def names(self) -> frozenset[str]:
        """Return the first word."""
        return frozenset({"name"})

    @property
    def is_log(self) -> bool:
        """Tell that it is one."""
        return True

    async def run(self, outlet: Outlet, place: Place) -> None:
        """Offer the log."""
        if not self.is_late:
            self.offer(outlet, place)
        outlet.up()
        await asyncio.Event().wait()

    def offer(self, outlet: Outlet, place: Place) -> Self:
        """Know where it stands."""
        begin = self.begin or [len(each) for each in self.topic.partitions]
        place.log = Reader(self.topic, outlet, begin=begin, fits=self.fits)
        return self


Emit = Callable[..., list[str]]
