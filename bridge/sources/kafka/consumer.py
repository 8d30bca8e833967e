"""aiokafka's consumer: made from the keys, and closed for good.

What the library keeps to itself, and we need, is touched here alone.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition, errors as kafka  # type: ignore[import-untyped]  # it has no types

from bridge.sources.kafka.link import Options
from bridge.sources.kafka.login import Arguments
from bridge.sources.kafka.runs import hasten
from bridge.sources.kafka.trouble import FAILURES, LostError, words

#: Seconds for a consumer to close in order. A broker that is gone must not hold up the end of the process.
CLOSE: Final = 3.0

#: Seconds without a word after which a group gives a member up.
SESSION: Final = 10.0

#: Brokers that a reason names.
NAMED: Final = 3

#: Milliseconds before aiokafka asks again after an error. Its own 100 make some twenty log lines a second.
BACKOFF: Final = 250

#: Bytes of one fetch of a read-back, and of each partition in it: several run at a time, and each is paced by a client.
BACK_FETCH: Final = 4 * 1024 * 1024
BACK_PARTITION: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Reading:
    """What the keys say about the way of reading."""

    max_bytes: int
    partition_bytes: int
    wait: float
    isolation: Literal["read_uncommitted", "read_committed"]
    group: str | None = None
    member: str | None = None

    @property
    def back(self) -> "Reading":
        """Return how the log is read back."""
        partition = min(self.partition_bytes, BACK_PARTITION)
        return replace(self, max_bytes=min(self.max_bytes, BACK_FETCH), partition_bytes=partition, group=None)


@contextlib.asynccontextmanager
async def opened(options: Options, arguments: Arguments, reading: Reading) -> AsyncIterator[Any]:
    """Connect a consumer, and close it whatever happens; raises `SourceError` in words."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=list(options.brokers),
        client_id=options.client_id,
        group_id=reading.group,
        group_instance_id=reading.member,
        enable_auto_commit=False,
        # Where a partition has no place to go on, we say so ourselves: the library would pass over it in silence.
        auto_offset_reset="none",
        fetch_max_bytes=reading.max_bytes,
        max_partition_fetch_bytes=reading.partition_bytes,
        fetch_max_wait_ms=round(reading.wait * 1000),
        isolation_level=reading.isolation,
        request_timeout_ms=round(options.timeout * 1000),
        retry_backoff_ms=BACKOFF,
        session_timeout_ms=round(SESSION * 1000),
        **arguments,
    )
    starting = asyncio.ensure_future(consumer.start())
    where = ", ".join(options.brokers[:NAMED])
    try:
        try:
            # Cancelled in the midst of it, aiokafka would leave a connection open. It ends by itself in time.
            await asyncio.shield(starting)
        except FAILURES as error:
            raise LostError(words(error, where)) from error
        hasten(consumer)
        try:
            yield consumer
        except kafka.KafkaError as error:
            raise LostError(words(error, where)) from error
    finally:
        await _close(consumer, starting)


async def _close(consumer: Any, starting: "asyncio.Future[None]") -> None:
    if not starting.done():
        await asyncio.wait([starting], timeout=CLOSE)
        starting.cancel()
    transports = [c._writer.transport for c in consumer._client._conns.values() if c._writer is not None]  # noqa: SLF001
    # In a task of its own: while brokers are gone, the library's `stop` may end with a CancelledError half done.
    stopping = asyncio.ensure_future(consumer.stop())
    await asyncio.wait([stopping], timeout=CLOSE)
    stopping.cancel()
    tasks = _tasks(consumer)
    for task in tasks:
        task.cancel()
    closing = asyncio.ensure_future(consumer._client.close())  # noqa: SLF001
    await asyncio.wait([stopping, closing, *tasks], timeout=CLOSE)
    # What is still there waits for a peer that does not answer.
    closing.cancel()
    for transport in transports:
        transport.abort()
    await asyncio.gather(starting, stopping, closing, *tasks, return_exceptions=True)


def _tasks(consumer: Any) -> list["asyncio.Future[Any]"]:
    """Return the tasks that a consumer has not ended."""
    fetcher, coordinator, client = consumer._fetcher, consumer._coordinator, consumer._client  # noqa: SLF001
    held = [client._sync_task]  # noqa: SLF001
    if fetcher is not None:
        held += [fetcher._fetch_task, *fetcher._pending_tasks]  # noqa: SLF001
    if coordinator is not None:
        names = ("_reset_committed_task", "_coordination_task", "_heartbeat_task", "_commit_refresh_task")
        held += [getattr(coordinator, name, None) for name in names]
    return [task for task in held if task is not None and not task.done()]


class Way(NamedTuple):
    """How a consumer came to what it fetched: when it last learned who leads, and over which connections it is."""

    learned: float
    connections: tuple[object, ...]
    #: It is about to learn anew: an answer to a fetch was an error.
    is_uncertain: bool

    @classmethod
    def of(cls, consumer: Any) -> Self:
        """Return it as it is now; what was fetched later over another one may be of another topic."""
        client = consumer._client  # noqa: SLF001
        learned = client.cluster._last_successful_refresh_ms  # noqa: SLF001
        return cls(learned, tuple(client._conns.values()), client._md_update_fut is not None)  # noqa: SLF001


def member(consumer: Any) -> str:
    """Return the id that the group gave the consumer; another one each time that it had to ask anew."""
    id: str = consumer._coordinator.member_id  # noqa: SLF001
    return id


def behind(consumer: Any) -> int | None:
    """Return how many offsets lie between where it reads and the partitions' ends; None before the first answer.

    As of the last fetch, and without asking anybody. Offsets of compacted records and of transactions' ends count.
    """
    subscription = consumer._subscription.subscription  # noqa: SLF001
    assignment = subscription.assignment if subscription is not None else None
    if assignment is None:
        return None
    states = [assignment.state_value(each) for each in assignment.tps]
    known = [state for state in states if state.highwater is not None and state.has_valid_position]
    return sum(max(state.highwater - state.position, 0) for state in known) if known else None


def partition(topic: str, number: int) -> Any:
    """Return a partition's name as the library has it."""
    return TopicPartition(topic, number)
