"""The topics as a log."""

import contextlib
from collections.abc import AsyncIterator

import pytest
from aiokafka import errors

from bridge.errors import SourceError
from bridge.position import Part, Position
from bridge.sources.kafka import log as module, reader
from bridge.sources.kafka.ledger import Segment
from bridge.sources.kafka.log import KafkaLog
from bridge.sources.kafka.stand import Stand
from tests.fake_kafka import EPOCH, FakeConsumer, plan, topic

TAG = topic().tag


@pytest.fixture
def log(stand: Stand, consumer: FakeConsumer, monkeypatch: pytest.MonkeyPatch) -> KafkaLog:
    """Give the log of a topic with ten records, of which three are emitted."""

    @contextlib.asynccontextmanager
    async def opened(*_: object) -> AsyncIterator[FakeConsumer]:
        yield consumer

    monkeypatch.setattr(reader, "opened", opened)
    consumer.fill("orders", 0, range(10))
    stand.enter(topic(), {0: 0})
    stand.emitted(["e-1", "e-2", "e-3"], [Segment(Part(TAG, 0), [0, 1, 2])])
    return KafkaLog(plan(), stand)


async def test_a_backlog_ends_where_the_source_stood(log: KafkaLog, stand: Stand) -> None:
    """What is emitted after it was made is not in it."""
    assert log.head == Position({TAG: (3,)}, Part(TAG, 0))
    back, numbered = log.back(), log.numbered(1)
    stand.emitted(["e-4"], [Segment(Part(TAG, 0), [3])])
    assert numbered is not None
    assert [len(batch) async for batch in back.read("")] == [3]
    assert [mark async for batch in numbered.read("1") for mark, _ in batch] == ["2", "3"]


async def test_numbers_that_are_forgotten_have_no_backlog(log: KafkaLog, stand: Stand) -> None:
    """A loss makes all before it forgotten."""
    stand.lost()
    assert log.numbered(2) is None
    assert log.start == log.head


async def test_a_time_is_a_position(log: KafkaLog, consumer: FakeConsumer) -> None:
    """Before the first record that is not older; what goes wrong is told in words."""
    assert await log.at(EPOCH / 1000 + 4) == Position({TAG: (4,)})

    async def fail(_: object) -> dict:
        raise errors.KafkaTimeoutError

    consumer.end_offsets = fail  # type: ignore[method-assign]
    with pytest.raises(SourceError, match="kafka:9092 does not answer"):
        await log.at(0.0)


async def test_a_topic_that_is_not_known_is_waited_for_briefly(log: KafkaLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been made a moment ago, or be gone for good."""
    monkeypatch.setattr(module, "UNKNOWN", 0.001)
    assert await log.reach(log.head)
    assert not await log.reach(Position({"gone": (1,)}))


async def test_a_time_asks_for_nothing_that_was_deleted(log: KafkaLog, stand: Stand) -> None:
    """Its place there is the source's own: nothing of it can be read."""
    stand.enter(topic("gone"), {0: 7})
    stand.see({Part(TAG, 0)}, frozenset())
    assert await log.at(EPOCH / 1000 + 1) == Position({TAG: (1,), topic("gone").tag: (7,)})
