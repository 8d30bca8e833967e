"""A ledger: what was produced to Kafka against what each subscriber saw, over two bridges and a broker that is killed.

The bridges are two processes with the same file, as two replicas are. A subscriber drops its connection at random and
comes back with its last id to one of the two, whichever: an id is a place in the topic, so both know it.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Final

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer

from tests.e2e.programs import Bridge, bridge
from tests.kafka import Broker
from tests.kafka_client import Talk
from tests.kafka_source import yaml
from tests.support import Served, running, until

pytestmark = pytest.mark.live

PARTITIONS: Final = 3
RECORDS: Final = 100_000
BATCH: Final = 250
CODECS: Final = ("gzip", "snappy", "lz4", "zstd")

#: Seconds between two batches of a partition: all is produced in some seven seconds.
PAUSE: Final = 0.05

SUBSCRIBERS: Final = 3
#: Seconds that a connection lasts, at random.
SHORTEST, LONGEST = 0.1, 1.5

#: Seconds for all of it on a busy machine.
PATIENCE: Final = 90.0

HEAD: Final = 'server: { listen: "${LISTEN}", admin: "${ADMIN}", drain: 0s }\n'

DATA: Final = re.compile(rb"^data: (\d)-(\d+)$", re.MULTILINE)
ID: Final = re.compile(rb"^id: (.+)$", re.MULTILINE)


class Ledger:
    """What one subscriber saw."""

    def __init__(self) -> None:
        #: The numbers that each partition's records bear, as they came.
        self.seen: list[list[int]] = [[] for _ in range(PARTITIONS)]
        self.gaps: list[bytes] = []
        self.connections = 0
        self.last_id = ""

    @property
    def count(self) -> int:
        """Return how many records came."""
        return sum(map(len, self.seen))

    def enter(self, stream: bytes) -> None:
        """Enter what one connection brought; the half block at its end is not an event yet."""
        whole = stream[: stream.rfind(b"\n\n") + 2]
        for partition, number in DATA.findall(whole):
            self.seen[int(partition)].append(int(number))
        self.gaps += [block for block in whole.split(b"\n\n") if b"event: bridge.gap" in block]
        if ids := ID.findall(whole):
            self.last_id = ids[-1].decode()


async def subscribe(bridges: list[Bridge], path: str, ledger: Ledger, random: Random) -> None:
    """Read, drop the connection at random, and come back to either bridge with the last id, until all is seen."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
        # A gap is a failure, and there is no sense in waiting for what it took.
        while ledger.count < RECORDS and not ledger.gaps:
            stream = bytearray()
            headers = {"Last-Event-ID": ledger.last_id} if ledger.last_id else {}
            url = random.choice(bridges).url + path
            with suppress(TimeoutError):
                async with (
                    asyncio.timeout(random.uniform(SHORTEST, LONGEST)),
                    session.get(url, headers=headers) as response,
                ):
                    assert response.status == 200
                    ledger.connections += 1
                    async for piece in response.content.iter_any():
                        stream += piece
            ledger.enter(bytes(stream))
            await asyncio.sleep(random.uniform(0, 0.2))


async def produce(producers: list[AIOKafkaProducer], topic: str, partition: int, count: int) -> None:
    """Produce numbered records to one partition, a batch of each codec in turn."""
    for round, first in enumerate(range(0, count, BATCH)):
        producer = producers[round % len(producers)]
        batch = producer.create_batch()
        for number in range(first, min(first + BATCH, count)):
            assert batch.append(key=b"%d" % partition, value=b"%d-%d" % (partition, number), timestamp=None)
        batch.close()
        await (await producer.send_batch(batch, topic, partition=partition))
        await asyncio.sleep(PAUSE)


@asynccontextmanager
async def replicas(routes: Path, free_ports: Callable[[], int]) -> AsyncIterator[list[Bridge]]:
    """Run two bridges with one file."""
    async with (
        bridge(routes, free_ports(), free_ports()) as one,
        bridge(routes, free_ports(), free_ports()) as two,
    ):
        yield [one, two]


async def test_each_subscriber_sees_every_record_once_over_two_bridges_and_a_killed_broker(
    kafka: Broker, talk: Talk, topic: str, tmp_path: Path, free_ports: Callable[[], int]
) -> None:
    """100,000 records, three partitions, four codecs, a SIGKILL of the broker on the way: none missed, none twice."""
    await talk.create(topic, partitions=PARTITIONS)
    producers = [await talk.another(compression_type=codec, enable_idempotence=True) for codec in CODECS]
    routes = tmp_path / "routes.yaml"
    # Who falls behind what the route keeps is sent away, and comes back with the last id: nobody is to miss anything.
    routes.write_text(HEAD + yaml(kafka.address, topic, begin="earliest").replace("start:", "slow: disconnect, start:"))
    ledgers = [Ledger() for _ in range(SUBSCRIBERS)]
    shares = [RECORDS // PARTITIONS + (number < RECORDS % PARTITIONS) for number in range(PARTITIONS)]
    async with replicas(routes, free_ports) as bridges, asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for number, ledger in enumerate(ledgers):
            group.create_task(subscribe(bridges, "/k", ledger, Random(number)))
        for partition, share in enumerate(shares):
            group.create_task(produce(producers, topic, partition, share))
        await until(lambda: min(ledger.count for ledger in ledgers) > RECORDS // 4)
        await asyncio.to_thread(kafka.kill)
        await asyncio.to_thread(kafka.start)
    for ledger in ledgers:
        assert not ledger.gaps
        assert ledger.seen == [list(range(share)) for share in shares]
        assert ledger.connections > 5
        assert ledger.last_id.startswith("p_")


async def ids(served: Served, count: int) -> list[str]:
    """Read the first events of the route `/k`; return their ids."""
    client = await served.open("/k")
    await client.until(lambda: len(client.events) >= count)
    return [block.id or "" for block in client.events]


async def test_an_id_of_a_topic_that_was_made_anew_is_told_on_another_bridge(kafka, talk, topic):
    """The new topic has more records than the old one had, so offsets alone would fit: the gap says `source_reset`."""
    await talk.create(topic)
    await talk.numbers(topic, range(10))
    async with running(yaml(kafka.address, topic, begin="earliest")) as one:
        known = await ids(one, 10)
    await talk.recreate(topic)
    await talk.numbers(topic, range(100, 120))
    async with running(yaml(kafka.address, topic, begin="earliest")) as two:
        client = await two.open("/k", id=known[4])
        await client.until(lambda: client.data[-1:] == ["119"])
        assert [gap["reason"] for gap in client.gaps] == ["source_reset"]
        assert client.data == [str(number) for number in range(100, 120)]


@pytest.mark.parametrize("begin", ["earliest", "latest"])
async def test_records_that_were_deleted_under_an_old_id_are_counted_on_another_bridge(kafka, talk, topic, begin):
    """The id is of record 9 and the log begins at 50: forty are missed, and the rest comes once."""
    await talk.create(topic)
    await talk.numbers(topic, range(60))
    async with running(yaml(kafka.address, topic, begin="earliest")) as one:
        known = await ids(one, 60)
    await talk.cut(topic, {0: 50})
    async with running(yaml(kafka.address, topic, begin=begin)) as two:
        await until(lambda: two.bridge.health.sources["k"].state == "up")
        client = await two.open("/k", id=known[9])
        await client.until(lambda: client.data[-1:] == ["59"])
        assert client.data == [str(number) for number in range(50, 60)]
        [gap] = client.gaps
        assert (gap["reason"], gap["missed"]) == ("evicted", 40)
        await talk.numbers(topic, range(60, 65))
        await client.until(lambda: client.data[-1:] == ["64"])
        assert client.data == [str(number) for number in range(50, 65)]


async def test_a_bridge_that_began_at_the_end_serves_ids_from_before_it_began(kafka, talk, topic):
    """It reads the topic back for who asks, and goes on live without a hole or a repeat."""
    await talk.create(topic, partitions=PARTITIONS)
    for partition in range(PARTITIONS):
        await talk.numbers(topic, range(1000 * partition, 1000 * partition + 500), partition=partition)
    async with running(yaml(kafka.address, topic, begin="earliest")) as one:
        known = await ids(one, 1_500)
    async with running(yaml(kafka.address, topic, begin="latest")) as two:
        await until(lambda: two.bridge.health.sources["k"].state == "up")
        client = await two.open("/k", id=known[99])
        for partition in range(PARTITIONS):
            await talk.numbers(topic, range(1000 * partition + 500, 1000 * partition + 600), partition=partition)
        await client.until(lambda: len(client.data) >= 1_700)
        assert not client.gaps
        assert len(set(client.data)) == len(client.data) == 1_700
        for partition in range(PARTITIONS):
            own = [int(text) for text in client.data if int(text) // 1000 == partition]
            assert own == sorted(own)
