"""What is read back: after a position, or after a number of ours."""

import time
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from bridge.errors import SourceError
from bridge.event import EMPTY, Loss, Message
from bridge.position import BEGINNING, Part, Position, Writer
from bridge.sources.kafka.consumer import partition
from bridge.sources.kafka.decoder import Undecodable
from bridge.sources.kafka.ledger import Run
from bridge.sources.kafka.message import Origin, Record, messages
from bridge.sources.kafka.plan import Plan
from bridge.sources.kafka.reader import Piece, Reader, Turns, paced
from bridge.sources.kafka.scene import Scene
from bridge.sources.kafka.values import ReadValue

#: Bytes of payloads in one batch, unless one record has more.
PIECE: Final = 64 * 1024

Item = tuple[str, Message | Loss]


class Marks:
    """The position that a read-back has come to, as text."""

    def __init__(self, offsets: Mapping[Part, int]) -> None:
        self._writer = Writer(Position.of(offsets.items()))

    def after(self, part: Part, offsets: Sequence[int]) -> Sequence[str]:
        """Return the place after each record; raises `SourceError` where it fits no id."""
        return [_fitting(text) for text in self._writer.steps(part, offsets)]

    def beyond(self, part: Part, end: int) -> str:
        """Return the place after what is lost of a partition."""
        before = self._writer.position
        offsets = dict(_offsets(before)) | {part: max(end, before.next(part))}
        self._writer = Writer(Position.of(offsets.items()))
        return _fitting(str(self._writer.position))


class Batch:
    """What is passed on at once."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._size = 0

    def add(self, item: Item) -> bool:
        """Put an item in; tell whether that is enough."""
        self.items.append(item)
        self._size += len(item[1].payload) if isinstance(item[1], Message) else 0
        return self._size >= PIECE

    def taken(self) -> Sequence[Item]:
        """Take all out."""
        items, self.items, self._size = self.items, [], 0
        return items


class LogBacklog:
    """The log up to where the source stood when this was made; its marks are positions."""

    def __init__(self, plan: Plan, turns: Turns, scene: Scene) -> None:
        self._plan = plan
        self._turns = turns
        self._scene = scene

    def read(self, mark: str) -> AsyncGenerator[Sequence[Item]]:
        """Yield batches of (position, message) after a position; raises `SourceError`."""
        return paced(self._read(mark))

    async def _read(self, mark: str) -> AsyncGenerator[Sequence[Item]]:
        place = Position.parse(mark) if mark not in {"", BEGINNING} else None
        if place is None and mark not in {"", BEGINNING}:
            raise SourceError("not a place in these topics")
        if place is not None and self._is_read(place):
            return
        async with self._turns.consumer() as consumer:
            offsets, losses = await self._begin(consumer, place)
            marks = Marks(offsets)
            if losses:
                text = _fitting(str(Position.of(offsets.items())))
                yield [(text, loss) for loss in losses]
            partitions = self._scene.partitions()
            ends = {each: self._scene.head.next(part) for each, part in partitions.items()}
            ranges = {each: (offsets[part], ends[each]) for each, part in partitions.items()}
            ranges = {each: both for each, both in ranges.items() if both[0] < both[1]}
            reader = Reader(self._plan, consumer, ranges)
            while not reader.is_done:
                for piece in await reader.take():
                    read = await self._plan.values.reading(piece.records)
                    for batch in _batches(self._items(marks, partitions[piece.partition], piece, read)):
                        yield batch
            if topic := self._scene.owed(offsets):
                raise SourceError(f"the topic {topic} cannot be read now")

    def _is_read(self, place: Position) -> bool:
        """Tell whether nothing is left to read, so that nobody needs to be asked."""
        head = self._scene.head
        return place.offsets.keys() == head.offsets.keys() and place.is_behind(head) and head.is_behind(place)

    async def _begin(self, consumer: Any, place: Position | None) -> tuple[Mapping[Part, int], Sequence[Loss]]:
        """Return where to begin in each partition, and what is lost before that."""
        partitions = self._scene.partitions()
        firsts = await consumer.beginning_offsets(list(partitions))
        if place is None:
            return {**self._scene.beside(None), **{part: firsts[each] for each, part in partitions.items()}}, ()
        ends = await consumer.end_offsets(list(partitions))
        losses = [*self._scene.lost(place)]
        offsets = {**self._scene.beside(place)}
        for each, part in partitions.items():
            wanted = place.next(part)
            offsets[part] = wanted if firsts[each] <= wanted <= ends[each] else firsts[each]
            captures = self._scene.origins[part].captures
            if wanted > ends[each]:
                losses.append(Loss(reason="source_reset", captures=captures))
            elif wanted < min(firsts[each], self._scene.head.next(part)):
                missed = firsts[each] - wanted if part not in self._scene.holed else None
                losses.append(Loss(reason="evicted", missed=missed, captures=captures))
        return offsets, losses

    def _items(self, marks: Marks, part: Part, piece: Piece, read: ReadValue) -> Iterator[Item]:
        origin = self._scene.origins[part]
        if piece.loss is not None:
            yield marks.beyond(part, piece.end), self._scene.told(part, piece.loss)
        texts = marks.after(part, [record.offset for record in piece.records]) if piece.records else ()
        made = messages(piece.records, origin, texts, time.time(), read)
        yield from zip(texts, _items(made, origin), strict=True)


class NumberedBacklog:
    """What was emitted after a number of ours; its marks are such numbers."""

    def __init__(self, plan: Plan, turns: Turns, scene: Scene, runs: Sequence[Run]) -> None:
        self._plan = plan
        self._turns = turns
        self._scene = scene
        self._runs = runs

    def read(self, mark: str) -> AsyncGenerator[Sequence[Item]]:
        """Yield batches of (number, message) after a number, in the order in which they were emitted."""
        return paced(self._read(mark))

    async def _read(self, mark: str) -> AsyncGenerator[Sequence[Item]]:
        after = int(mark) if mark else -1
        runs = [run for each in self._runs if (run := each.after(after)) is not None]
        if not runs:
            return
        async with self._turns.consumer() as consumer:
            reader = Reader(self._plan, consumer, self._ranges(runs))
            held: dict[Any, deque[Record]] = defaultdict(deque)
            for run in runs:
                loss = self._loss(run)
                if loss is not None:
                    yield [(str(run.number + run.length - 1), loss)]
                    continue
                batch = Batch()
                async with aclosing(self._run(reader, held, run)) as items:
                    async for item in items:
                        if batch.add(item):
                            yield batch.taken()
                if batch.items:
                    yield batch.taken()

    def _loss(self, run: Run) -> Loss | None:
        """Return what a run is if it cannot be read; raises `SourceError` where it cannot be read now."""
        origin = self._scene.origins.get(run.part)
        if not run.length:
            return Loss(reason="undecodable", missed=1, captures=origin.captures if origin is not None else EMPTY)
        if origin is None or run.part in self._scene.gone:
            # Its topic was made anew since, or deleted.
            return Loss(reason="source_reset", missed=run.length)
        if run.part in self._scene.away:
            raise SourceError(f"the topic {origin.topic} cannot be read now")
        return None

    def _ranges(self, runs: Sequence[Run]) -> Mapping[Any, tuple[int, int]]:
        ranges: dict[Any, tuple[int, int]] = {}
        known = {part: each for each, part in self._scene.partitions().items()}
        for run in [run for run in runs if run.length and run.part in known]:
            each, end = known[run.part], run.offset + run.length
            first, last = ranges.get(each, (run.offset, end))
            ranges[each] = min(first, run.offset), max(last, end)
        return ranges

    def _partition(self, run: Run) -> Any:
        origin = self._scene.origins[run.part]
        return partition(origin.topic, origin.partition)

    async def _run(self, reader: Reader, held: dict[Any, deque[Record]], run: Run) -> AsyncGenerator[Item]:
        """Yield one run's messages; what comes beyond it is held for the runs that follow."""
        each, origin = self._partition(run), self._scene.origins[run.part]
        end = run.offset + run.length
        now = time.time()
        while True:
            records = held[each]
            due: list[Record] = []
            while records and records[0].offset < end:
                due.append(records.popleft())
            read = await self._plan.values.reading(due)
            items = _items(messages(due, origin, [""] * len(due), now, read), origin)
            for record, item in zip(due, items, strict=True):
                if record.offset >= run.offset:
                    yield str(run.number + record.offset - run.offset), item
            if records or reader.places[each] >= end:
                return
            for piece in await reader.take(each):
                held[piece.partition].extend(piece.records)
                if piece.loss is not None:
                    yield str(max(run.number - 1, 0)), self._scene.told(run.part, piece.loss)


def _offsets(position: Position) -> Iterator[tuple[Part, int]]:
    for tag, offsets in position.offsets.items():
        for number, offset in enumerate(offsets):
            yield Part(tag, number), offset


def _fitting(text: str) -> str:
    if not text:
        raise SourceError("a place in so many partitions fits no id")
    return text


def _items(made: Sequence[Message | Undecodable], origin: Origin) -> Sequence[Message | Loss]:
    loss = Loss(reason="undecodable", missed=1, captures=origin.captures)
    return [each if isinstance(each, Message) else loss for each in made]


def _batches(items: Iterator[Item]) -> Iterator[Sequence[Item]]:
    """Cut what is read back into batches of bounded size."""
    batch = Batch()
    for item in items:
        if batch.add(item):
            yield batch.taken()
    if batch.items:
        yield batch.taken()
