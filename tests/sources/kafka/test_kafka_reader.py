"""Reading the log back: bounded, and given up in time."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from aiokafka import errors

from bridge.errors import SourceError
from bridge.event import Loss
from bridge.sources.kafka import reader as module
from bridge.sources.kafka.backlog import LogBacklog
from tests.fake_kafka import FakeConsumer, plan
from tests.sources.kafka.test_kafka_backlog import ZERO, Turns, at, places, read, scene


class Batches:
    """Yields numbers, and notes when that is over."""

    def __init__(self) -> None:
        self.is_over = asyncio.Event()

    async def read(self) -> AsyncGenerator[int]:
        """Yield them."""
        try:
            for number in range(100):
                yield number
        finally:
            self.is_over.set()


@pytest.fixture
def turns(consumer: FakeConsumer) -> Turns:
    """Give turns over two partitions with records 0 to 9 each."""
    consumer.fill("orders", 0, range(10))
    consumer.fill("orders", 1, range(10))
    return Turns(consumer)


@pytest.mark.parametrize("bound", ["IDLE", "LONGEST"])
async def test_a_slow_client_gives_its_turn_away(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    """While nobody asks for more; when somebody does, the reading is over, and begins again from the last mark."""
    monkeypatch.setattr(module, bound, 0.01)
    batches = Batches()
    paced = module.paced(batches.read())
    assert await anext(paced) == 0
    await asyncio.wait_for(batches.is_over.wait(), 5)
    with pytest.raises(SourceError, match="too slow"):
        await anext(paced)


async def test_a_client_that_keeps_up_gets_all() -> None:
    """And at the end nothing is left that would run later."""
    batches = Batches()
    assert [number async for number in module.paced(batches.read())] == list(range(100))
    assert batches.is_over.is_set()


async def test_a_client_that_leaves_ends_it_at_once() -> None:
    """Its turn is free when that is done."""
    batches = Batches()
    paced = module.paced(batches.read())
    await anext(paced)
    await paced.aclose()
    assert batches.is_over.is_set()


async def test_a_slow_client_and_one_that_waits(consumer: FakeConsumer, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one turn: the second gets it although the first never comes back."""
    monkeypatch.setattr(module, "IDLE", 0.01)
    consumer.fill("orders", 0, range(10))
    consumer.fill("orders", 1, range(10))

    class Opened:
        async def __aenter__(self) -> FakeConsumer:
            return consumer

        async def __aexit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(module, "opened", lambda *_: Opened())
    turns = module.Turns(plan(readers=1))
    slow, other = (LogBacklog(plan(), turns, scene()).read("") for _ in range(2))
    await anext(slow)
    await asyncio.wait_for(anext(other), 5)
    await other.aclose()
    await slow.aclose()


@pytest.mark.parametrize("end", [0, 3])
async def test_k12_a_log_that_is_cut_while_it_is_read_is_given_up(
    turns: Turns, consumer: FakeConsumer, monkeypatch: pytest.MonkeyPatch, end: int
) -> None:
    """Whoever begins again from the last mark is told once."""
    monkeypatch.setattr(module, "BATCH", 5)
    first, _ = sorted(consumer.logs)
    items = []

    async def read_on() -> None:
        async for batch in LogBacklog(plan(), turns, scene(10, 0)).read(at(0, 0)):  # type: ignore[arg-type]
            items.extend(batch)
            consumer.ends[first] = end

    with pytest.raises(SourceError, match="ends before"):
        await read_on()
    assert places(items) == [(0, n) for n in range(5)]
    again = await read(turns, items[-1][0], scene(end, 0))
    assert places(again) == [Loss(reason="source_reset"), *((0, n) for n in range(end))]


async def test_k15_in_a_partition_with_holes_what_goes_is_not_counted(
    turns: Turns, consumer: FakeConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A difference of offsets is no count of records there."""
    monkeypatch.setattr(module, "BATCH", 2)
    first, _ = sorted(consumer.logs)
    items = []
    async for batch in LogBacklog(plan(), turns, scene(10, 0, ZERO)).read(""):  # type: ignore[arg-type]
        items += batch
        consumer.firsts[first] = 7
    assert places(items)[2:] == [Loss(reason="evicted"), (0, 7), (0, 8), (0, 9)]


async def test_k24_a_topic_that_may_not_be_read_holds_up_no_other(consumer: FakeConsumer) -> None:
    """The others are read first, and then it is given up."""
    denied, other = consumer.fill("orders", 0, range(3)), consumer.fill("other", 0, range(3))
    consumer.errors = [errors.TopicAuthorizationFailedError("orders")]
    reading = module.Reader(plan(), consumer, {denied: (0, 3), other: (0, 3)})
    pieces = await reading.take()
    assert [(piece.partition, len(piece.records)) for piece in pieces] == [(other, 3)]
    for only in ((), (denied,)):
        with pytest.raises(SourceError, match="not authorised to read the topic orders"):
            await reading.take(*only)
