"""A Kafka cluster of a test's own, in memory: what a consumer of aiokafka's shows of it, and what it answers."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition, errors
from aiokafka.structs import ConsumerRecord, OffsetAndTimestamp

from bridge.event import Message
from bridge.sources.kafka import metadata
from bridge.sources.kafka.consumer import Reading
from bridge.sources.kafka.link import Options
from bridge.sources.kafka.metadata import Broker, Catalog
from bridge.sources.kafka.plan import Plan
from bridge.sources.kafka.stand import Topic
from bridge.sources.kafka.topics import Selection
from bridge.sources.kafka.values import Values
from tests.tailing import Recorder

#: When the record at offset 0 was written, Unix milliseconds; each comes a second after the one before.
EPOCH = 1_700_000_000_000


def record(topic: str, partition: int, offset: int, **changes: Any) -> ConsumerRecord:
    """Make a record."""
    known: dict[str, Any] = {
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "timestamp": EPOCH + offset * 1000,
        "timestamp_type": 0,
        "key": b"k",
        "value": b"%d" % offset,
        "checksum": None,
        "serialized_key_size": 1,
        "serialized_value_size": 1,
        "headers": (),
    }
    return ConsumerRecord(**{**known, **changes})


@dataclass(eq=False)
class FakeConsumer:
    """Reads logs in memory: an offset without a record is a hole, and at a damaged one it raises."""

    logs: dict[TopicPartition, dict[int, ConsumerRecord]] = field(default_factory=dict)
    firsts: dict[TopicPartition, int] = field(default_factory=dict)
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    damaged: dict[TopicPartition, range] = field(default_factory=dict)
    #: Raised by the next `getmany`, one each.
    errors: list[BaseException] = field(default_factory=list)
    #: Raised by the next `commit`, one each.
    refusals: list[BaseException] = field(default_factory=list)
    places: dict[TopicPartition, int] = field(default_factory=dict)
    stopped: set[TopicPartition] = field(default_factory=set)
    polls: dict[TopicPartition, int] = field(default_factory=dict)
    commits: list[Mapping[TopicPartition, int]] = field(default_factory=list)
    assigned: int = 0

    def __post_init__(self) -> None:
        cluster = SimpleNamespace(_last_successful_refresh_ms=1.0)
        self._client = SimpleNamespace(cluster=cluster, _conns={}, _md_update_fut=None)
        self._coordinator = SimpleNamespace(member_id="m1")
        #: Hears of what the group gives and takes.
        self.listener: Any = None
        self.subscribed: set[str] = set()

    def subscribe(self, topics: Sequence[str], listener: Any) -> None:
        """Join a group for these."""
        self.subscribed, self.listener = set(topics), listener

    def subscription(self) -> set[str]:
        """Return what the group is joined for."""
        return self.subscribed

    def fill(self, topic: str, partition: int, offsets: Iterable[int], **changes: Any) -> TopicPartition:
        """Write records."""
        each = TopicPartition(topic, partition)
        log = self.logs.setdefault(each, {})
        log.update((offset, record(topic, partition, offset, **changes)) for offset in offsets)
        self.firsts.setdefault(each, 0)
        self.ends[each] = max(self.ends.get(each, 0), max(log, default=-1) + 1)
        return each

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Read these."""
        self.places = dict.fromkeys(partitions, -1)
        self.stopped = set()
        self.polls = {}
        self.assigned += 1

    def assignment(self) -> set[TopicPartition]:
        """Return what is read."""
        return set(self.places)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on elsewhere."""
        assert partition in self.places
        self.places[partition] = offset

    def pause(self, *partitions: TopicPartition) -> None:
        """Read these no more."""
        self.stopped.update(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        """Read these again."""
        self.stopped.difference_update(partitions)

    def paused(self) -> set[TopicPartition]:
        """Return what is not read now."""
        return set(self.stopped)

    def highwater(self, partition: TopicPartition) -> int:
        """Return the end of a log."""
        return self.ends[partition]

    def last_poll_timestamp(self, partition: TopicPartition) -> int | None:
        """Return when a partition answered last."""
        return self.polls.get(partition)

    async def position(self, partition: TopicPartition) -> int:
        """Return the next offset."""
        return self.places[partition]

    async def committed(self, partition: TopicPartition) -> int | None:
        """Return what was committed last."""
        return next((each[partition] for each in reversed(self.commits) if partition in each), None)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Keep a place."""
        if self.refusals:
            raise self.refusals.pop(0)
        self.commits.append(offsets)

    async def beginning_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the first offsets."""
        return {each: self.firsts[each] for each in partitions}

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offsets of what will be written next."""
        return {each: self.ends[each] for each in partitions}

    async def offsets_for_times(self, times: Mapping[TopicPartition, int]) -> dict[TopicPartition, Any]:
        """Return the first records that are not older."""
        found = {}
        for each, moment in times.items():
            later = [known for _, known in sorted(self.logs[each].items()) if known.timestamp >= moment]
            found[each] = OffsetAndTimestamp(later[0].offset, later[0].timestamp) if later else None
        return found

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int = 500
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Return what comes next, as aiokafka does: what raises takes with it what came out before."""
        if self.errors:
            raise self.errors.pop(0)
        drained: dict[TopicPartition, list[ConsumerRecord]] = {}
        for each in partitions or sorted(self.places):
            if each in self.stopped or each not in self.places:
                continue
            place, end = self.places[each], self.ends[each]
            if not self.firsts[each] <= place <= end:
                raise errors.OffsetOutOfRangeError({each: place})
            self.polls[each] = self.polls.get(each, 0) + 1
            taken = self._taken(each, place, min(end, place + max_records))
            if taken:
                drained[each] = taken
                max_records -= len(taken)
            if max_records <= 0:
                break
        if timeout_ms and not drained:
            await asyncio.sleep(0.001)
        return drained

    def _taken(self, each: TopicPartition, place: int, end: int) -> list[ConsumerRecord]:
        bad = self.damaged.get(each, range(0))
        if set(range(place, end)) & set(bad) and (place in bad or end - place > 1):
            raise errors.CorruptRecordException(f"Invalid CRC - {each}")
        self.places[each] = end
        return [self.logs[each][offset] for offset in range(place, end) if offset in self.logs[each]]


@dataclass(eq=False)
class FakeLink:
    """Answers what topics there are."""

    topics: dict[str, metadata.Topic] = field(default_factory=dict)
    where: str = "kafka:9092"
    asked: list[Sequence[str] | None] = field(default_factory=list)
    failure: BaseException | None = None

    def make(self, name: str, id: str = "1", *leaders: int, is_internal: bool = False, error: int = 0) -> None:
        """Make a topic, or change it."""
        self.topics[name] = metadata.Topic(name, id, dict(enumerate(leaders or (1,))), is_internal, error)

    async def ask(self, names: Sequence[str] | None) -> Catalog:
        """Return what the cluster knows of these topics, or of all."""
        self.asked.append(names)
        if self.failure is not None:
            raise self.failure
        found = {name: topic for name, topic in self.topics.items() if names is None or name in names}
        return Catalog("cluster", {1: Broker("kafka", 9092)}, found)

    async def prove(self, brokers: Iterable[Broker]) -> dict[Broker, str]:
        """Find nothing wrong."""
        return {}


class Outlet(Recorder):
    """Numbers what it hears, as the bus does."""

    count = 0

    def emit(self, messages: Sequence[Message]) -> Sequence[str]:
        """Keep the messages; return their numbers."""
        super().emit(messages)
        self.count += len(messages)
        return [f"e-{n}" for n in range(self.count - len(messages) + 1, self.count + 1)]


def plan(**changes: Any) -> Plan:
    """Make the plan of a source."""
    known: dict[str, Any] = {
        "name": "k",
        "selection": Selection(["orders"], None),
        "begin": "earliest",
        "options": Options(("kafka:9092",), "sse-bridge", 1.0),
        "reading": Reading(1024, 1024, 0.1, "read_uncommitted"),
        "values": Values("auto", None),
        "readers": 2,
    }
    return Plan(**{**known, **changes})


def topic(name: str = "orders", id: str = "1", **captures: str) -> Topic:
    """Make a topic."""
    return Topic.of(name, id, captures)
