"""What a test asks of a broker: topics, records of every kind, quotas and rights.

Everything goes through aiokafka's own client; where it has no call, a request is written out as the protocol has it
(https://kafka.apache.org/protocol).
"""

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, Self

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.types import Array, Boolean, Float64, Int16, Int32, Schema, String
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from tests.kafka import Broker
from tests.network import Net

#: Seconds for one answer of a broker on a busy machine.
PATIENCE: Final = 30.0

#: Where the checksum of a record batch stands, and where what it is of begins (format version 2).
CRC_AT: Final = 17
CRC_FROM: Final = 21

#: Numbers of the protocol: a resource that is a topic, a name taken literally, the right to read, denied.
TOPIC, LITERAL, READ, DENY = 2, 3, 3, 2

_numbers = itertools.count(1)

Header = tuple[str, bytes | None]


class AlterClientQuotasResponse(Response):
    """The answer of version 0."""

    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "entries",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("entity", Array(("entity_type", String("utf-8")), ("entity_name", String("utf-8")))),
            ),
        ),
    )


class AlterClientQuotasStruct(RequestStruct):
    """The request of version 0."""

    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = AlterClientQuotasResponse
    SCHEMA = Schema(
        (
            "entries",
            Array(
                ("entity", Array(("entity_type", String("utf-8")), ("entity_name", String("utf-8")))),
                ("ops", Array(("key", String("utf-8")), ("value", Float64), ("remove", Boolean))),
            ),
        ),
        ("validate_only", Boolean),
    )


class AlterClientQuotas(Request[AlterClientQuotasStruct]):
    """Set or remove the quota of all clients."""

    API_KEY = 49

    def __init__(self, rate: float | None) -> None:
        self._rate = rate

    def build(self, request_struct_class: type[AlterClientQuotasStruct]) -> AlterClientQuotasStruct:
        """Write it out."""
        operation = ("consumer_byte_rate", self._rate or 0.0, self._rate is None)
        return request_struct_class([([("client-id", None)], [operation])], False)  # noqa: FBT003 - fields, in their order


class Talk:
    """A producer and an administrator, connected to one cluster."""

    def __init__(self, stack: AsyncExitStack, address: str) -> None:
        self._stack = stack
        self._address = address
        self.admin = AIOKafkaAdminClient(bootstrap_servers=address)
        self.producer = self._producer()

    @classmethod
    @asynccontextmanager
    async def to(cls, address: str) -> AsyncIterator[Self]:
        """Connect."""
        async with AsyncExitStack() as stack:
            talk = cls(stack, address)
            stack.push_async_callback(talk.admin.close)
            await talk.admin.start()
            await stack.enter_async_context(talk.producer)
            yield talk

    def _producer(self, **options: Any) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self._address, max_request_size=33_554_432, retry_backoff_ms=20, **options
        )

    async def another(self, **options: Any) -> AIOKafkaProducer:
        """Connect one more producer: with a codec, or with transactions."""
        return await self._stack.enter_async_context(self._producer(**options))

    async def create(self, *topics: str, partitions: int = 1, replicas: int = 1, **config: str | int) -> None:
        """Make topics; underscores of `config` stand for dots."""
        told = {key.replace("_", "."): str(value) for key, value in config.items()}
        made = [NewTopic(name, partitions, replicas, topic_configs=told) for name in topics]
        answer = await self.admin.create_topics(made)
        for _, code, why in answer.topic_errors:
            assert not code, why
        for topic in topics:
            await self._settled(topic, partitions)

    async def delete(self, *topics: str) -> None:
        """Delete topics, and wait until the broker knows them no more."""
        answer = await self.admin.delete_topics(list(topics))
        assert not any(code for _, code in answer.topic_error_codes)
        for topic in topics:
            await self._settled(topic, 0)

    async def recreate(self, topic: str, partitions: int = 1) -> None:
        """Delete a topic and make it anew."""
        await self.delete(topic)
        await self.create(topic, partitions=partitions)
        # What the producer knew of it is of no use any more.
        await self.producer.client.force_metadata_update()

    async def add_partitions(self, topic: str, total: int) -> None:
        """Give a topic more partitions."""
        await self.admin.create_partitions({topic: NewPartitions(total)})
        await self._settled(topic, total)
        await self.producer.client.force_metadata_update()

    async def configure(self, topic: str, **config: str | int) -> None:
        """Set a topic's options anew; underscores of `config` stand for dots."""
        told = {key.replace("_", "."): str(value) for key, value in config.items()}
        for answer in await self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, told)]):
            assert not any(code for code, *_ in answer.resources)

    async def cut(self, topic: str, before: Mapping[int, int]) -> None:
        """Delete the records of partitions that lie before an offset."""
        wanted = {TopicPartition(topic, number): RecordsToDelete(offset) for number, offset in before.items()}
        await self.admin.delete_records(wanted)

    async def _settled(self, topic: str, partitions: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                [known] = await self.admin.describe_topics([topic])
                led = [each for each in known["partitions"] if not each["error_code"] and each["leader"] >= 0]
                if len(led) == partitions and bool(known["error_code"]) == (partitions == 0):
                    return
                await asyncio.sleep(0.01)

    async def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        *,
        partition: int = 0,
        headers: Sequence[Header] = (),
        time: int | None = None,
    ) -> int:
        """Produce one record; return its offset."""
        async with asyncio.timeout(PATIENCE):
            sent = await self.producer.send_and_wait(
                topic, value, key, partition=partition, headers=list(headers), timestamp_ms=time
            )
        return int(sent.offset)

    async def numbers(
        self, topic: str, numbers: Iterable[int], *, partition: int = 0, by: AIOKafkaProducer | None = None
    ) -> None:
        """Produce records that say nothing but a number."""
        producer = by or self.producer
        async with asyncio.timeout(PATIENCE):
            sent = [await producer.send(topic, b"%d" % each, partition=partition) for each in numbers]
            await asyncio.gather(*sent)

    async def transactions(self, topic: str) -> None:
        """Produce 0 to 10: committed, aborted, committed, and the last two without a transaction."""
        producer = await self.another(transactional_id=topic)
        async with producer.transaction():
            await self.numbers(topic, range(3), by=producer)
        await producer.begin_transaction()
        await self.numbers(topic, range(3, 6), by=producer)
        await producer.abort_transaction()
        async with producer.transaction():
            await self.numbers(topic, range(6, 9), by=producer)
        await self.numbers(topic, range(9, 11))

    async def raw(self, topic: str, batch: bytes, partition: int = 0) -> None:
        """Produce a batch as it is, byte for byte."""
        request = ProduceRequest(None, -1, 10_000, [(topic, [(partition, batch)])])
        await self.producer.partitions_for(topic)
        client = self.producer.client
        answer = await client.send(client.cluster.leader_for_partition(TopicPartition(topic, partition)), request)
        [(_, [(_, code, *_)])] = answer.topics
        assert not code, for_code(code)

    async def members(self, group: str) -> list[str]:
        """Name the members of a consumer group."""
        [answer] = await self.admin.describe_consumer_groups([group])
        [described] = answer.to_object()["groups"]
        return [member["member_id"] for member in described["members"]]

    async def groups(self) -> set[str]:
        """Name all consumer groups."""
        return {name for name, *_ in await self.admin.list_consumer_groups()}

    @asynccontextmanager
    async def throttled(self, bytes_a_second: float) -> AsyncIterator[None]:
        """Let no client read faster than so many bytes a second."""
        await self._ask(AlterClientQuotas(bytes_a_second))
        try:
            yield
        finally:
            await self._ask(AlterClientQuotas(None))

    async def deny(self, user: str, topic: str) -> None:
        """Take the right to read a topic from a user."""
        await self._ask(CreateAclsRequest(TOPIC, topic, LITERAL, f"User:{user}", "*", READ, DENY))

    async def allow(self, user: str, topic: str) -> None:
        """Give it back."""
        await self._ask(DeleteAclsRequest(TOPIC, topic, LITERAL, f"User:{user}", "*", READ, DENY))

    async def _ask(self, request: Request[Any]) -> None:
        answer = await self.admin._send_to_controller(request)
        for entry in answer.to_object().popitem()[1]:
            assert not entry["error_code"], entry["error_message"]


def batch(key: bytes | None = None, value: bytes | None = b"x", headers: Sequence[Header] = (), time: int = 1) -> bytes:
    """Build a batch of one record, as a producer sends it."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=1 << 20,
    )  # fmt: skip
    builder.append(0, timestamp=time, key=key, value=value, headers=list(headers))
    return bytes(builder.build())


def patched(whole: bytes, old: bytes, new: bytes) -> bytes:
    """Put other bytes of the same length into a batch, and make its checksum right."""
    assert len(old) == len(new)
    assert old in whole
    whole = whole.replace(old, new)
    return whole[:CRC_AT] + struct.pack(">I", calc_crc32c(whole[CRC_FROM:])) + whole[CRC_FROM:]


@pytest.fixture
async def talk(kafka: Broker) -> AsyncIterator[Talk]:
    """Connect to the shared broker."""
    async with Talk.to(kafka.address) as connected:
        yield connected


@pytest.fixture
async def kafka_net(kafka: Broker) -> AsyncIterator[Net]:
    """Stand between a source and the shared broker's listener PROXIED."""
    async with Net.to(kafka.ports["PROXIED"], kafka.ports["PROXY"]) as between:
        yield between


@pytest.fixture
def topic() -> str:
    """Give a name that no other test uses."""
    return f"orders-{next(_numbers)}"
