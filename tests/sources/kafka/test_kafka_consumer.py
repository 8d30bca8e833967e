"""The library's consumer: what of it is used beside what is promised, and its end."""

import asyncio
import gc

import pytest
from aiokafka import AIOKafkaConsumer

from bridge.sources.kafka import consumer as module
from bridge.sources.kafka.consumer import Reading, Way, member, opened, partition
from bridge.sources.kafka.link import Options
from bridge.sources.kafka.login import client_arguments
from bridge.sources.kafka.trouble import LostError

READING = Reading(1024 * 1024, 1024, 0.1, "read_uncommitted")


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take a connection and say nothing."""
    await reader.read()
    writer.close()


async def test_the_library_has_what_we_use_of_it() -> None:
    """A newer version may not."""
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
    way = Way.of(consumer)
    assert (way.connections, way.is_uncertain) == ((), False)
    consumer._client._md_update_fut = asyncio.get_running_loop().create_future()
    assert Way.of(consumer).is_uncertain
    assert module._tasks(consumer) == []
    await consumer.stop()


def test_a_read_back_takes_less_at_once_and_is_in_no_group() -> None:
    """Several run at a time."""
    back = Reading(1 << 30, 1 << 30, 0.1, "read_committed", "g", "m").back
    assert (back.max_bytes, back.partition_bytes) == (module.BACK_FETCH, module.BACK_PARTITION)
    assert (back.group, back.isolation) == (None, "read_committed")
    assert READING.back.partition_bytes == 1024


async def test_k03_nobody_there_is_told_in_words() -> None:
    """And nothing is left open."""
    with pytest.raises(LostError):
        async with opened(Options(("127.0.0.1:1",), "c", 1.0), client_arguments(None, None), READING):
            pass
    gc.collect()


async def test_k29_a_start_that_is_cancelled_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that says nothing holds up the end no longer than is said."""
    monkeypatch.setattr(module, "CLOSE", 0.05)
    before = asyncio.all_tasks()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        options = Options((f"127.0.0.1:{server.sockets[0].getsockname()[1]}",), "c", 30.0)

        async def connect() -> None:
            async with opened(options, client_arguments(None, None), READING):
                pass

        task = asyncio.create_task(connect())
        while not server.sockets or len(asyncio.all_tasks() - before) < 3:
            await asyncio.sleep(0.001)
        task.cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
    gc.collect()


def test_names() -> None:
    """Ours of theirs."""
    assert partition("orders", 1) == ("orders", 1)
    assert callable(member)
