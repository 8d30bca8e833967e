"""Kafka's faults around offsets, K10 to K16: what is gone, made anew, left out, or not there yet."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from bridge.errors import SourceError
from bridge.event import Loss, Message
from bridge.position import Position
from bridge.sources.base import Log, Place
from bridge.sources.kafka import stand
from bridge.sources.kafka.follow import STAND
from bridge.sources.kafka.stand import Stand
from tests.kafka import Broker
from tests.kafka_source import counted, listening, of, places
from tests.support import DEADLINE

pytestmark = pytest.mark.live


async def first_offset(kafka: Broker, topic: str, wanted: int) -> None:
    """Wait until the topic's only partition begins there."""
    async with AIOKafkaConsumer(bootstrap_servers=kafka.address) as consumer, asyncio.timeout(DEADLINE):
        part = TopicPartition(topic, 0)
        while (await consumer.beginning_offsets([part]))[part] != wanted:
            await asyncio.sleep(0.05)


def kept(place: Place) -> Stand:
    """Return where a source stands."""
    return place.kept[STAND]


async def back(log: Log, mark: str, items: list[Message | Loss]) -> None:
    """Read the log back into `items`, which has what came before an error."""
    async for batch in log.back().read(mark):
        items += [item for _, item in batch]


async def test_k10_what_retention_took_while_the_broker_was_out_of_reach_is_announced(kafka, talk, topic, kafka_net):
    """Offsets 10 to 59 are gone when the source comes back: it says so, with the count, and goes on at 60."""
    await talk.create(topic)
    async with listening(kafka_net.address, topic) as heard:
        await talk.numbers(topic, range(10))
        await heard.payloads(10)
        kafka_net.cut()
        await talk.numbers(topic, range(10, 60))
        await talk.configure(topic, retention_ms=1)
        await first_offset(kafka, topic, 60)
        await talk.configure(topic, retention_ms=-1)
        await talk.numbers(topic, range(60, 65))
        kafka_net.mend()
        assert await heard.payloads(15) == counted(range(10), range(60, 65))
    assert heard.heard[10] == Loss(reason="evicted", missed=50)
    assert len(heard.losses) == 1


async def test_k10_a_run_that_begins_at_an_offset_out_of_range_goes_on(kafka, talk, topic):
    """What a run left behind for the next one is below the first offset by then."""
    await talk.create(topic)
    await talk.numbers(topic, range(20))
    place = Place(name="k")
    async with listening(kafka.address, topic, place=place) as heard:
        await heard.payloads(20)
    await talk.numbers(topic, range(20, 50))
    await talk.cut(topic, {0: 40})
    async with listening(kafka.address, topic, place=place) as heard:
        assert await heard.payloads(10) == counted(range(40, 50))
    assert heard.losses == [Loss(reason="evicted", missed=20)]


async def test_k11_deleted_records_are_announced_for_each_partition(talk, topic, kafka_net):
    """DeleteRecords on one of three partitions is a gap of what was not read there; the others lose nothing."""
    await talk.create(topic, partitions=3)
    async with listening(kafka_net.address, topic) as heard:
        for partition in range(3):
            await talk.numbers(topic, range(5), partition=partition)
        await heard.payloads(15)
        kafka_net.cut()
        for partition in range(3):
            await talk.numbers(topic, range(5, 20), partition=partition)
        await talk.cut(topic, {1: 12, 2: 5})
        kafka_net.mend()
        await heard.payloads(15 + 15 + 8 + 15)
    assert heard.losses == [Loss(reason="evicted", missed=7)]
    assert of(heard.messages, 0) == of(heard.messages, 2) == counted(range(20))
    assert of(heard.messages, 1) == counted(range(5), range(12, 20))


async def test_k11_deleting_what_was_read_loses_nothing(kafka, talk, topic):
    """A source that has read everything does not mind that it is deleted."""
    await talk.create(topic)
    async with listening(kafka.address, topic) as heard:
        await talk.numbers(topic, range(10))
        await heard.payloads(10)
        await talk.cut(topic, {0: 10})
        await talk.numbers(topic, range(10, 20))
        assert await heard.payloads(20) == counted(range(20))
    assert not heard.losses


async def test_k12_a_topic_made_anew_is_read_from_its_beginning(kafka, talk, topic):
    """Offsets restart under a source that is connected: it says that the topic is another one."""
    await talk.create(topic)
    async with listening(kafka.address, topic) as heard:
        await talk.numbers(topic, range(10))
        await heard.payloads(10)
        await talk.recreate(topic)
        await talk.numbers(topic, range(100, 105))
        assert await heard.payloads(15) == counted(range(10), range(100, 105))
    assert heard.heard[10] == Loss(reason="source_reset")
    assert len(heard.losses) == 1


async def test_k12_a_topic_made_anew_and_grown_past_the_old_offset_is_told_apart(talk, topic, kafka_net):
    """Its offsets alone do not show it: record 10 of the new topic is not what comes after record 9 of the old."""
    await talk.create(topic)
    async with listening(kafka_net.address, topic) as heard:
        await talk.numbers(topic, range(10))
        await heard.payloads(10)
        kafka_net.cut()
        await talk.recreate(topic)
        await talk.numbers(topic, range(100, 130))
        kafka_net.mend()
        assert await heard.payloads(40) == counted(range(10), range(100, 130))
    assert heard.heard[10] == Loss(reason="source_reset")
    assert len(heard.losses) == 1


async def test_k12_a_topic_that_is_deleted_and_stays_away_is_told(kafka, talk, topic):
    """The source says in words which topic is not there, and reads it once it is."""
    await talk.create(topic)
    async with listening(kafka.address, topic) as heard:
        await talk.numbers(topic, range(3))
        await heard.payloads(3)
        await talk.delete(topic)
        reason = await heard.goes_down()
        assert topic in reason
        await talk.create(topic)
        await talk.numbers(topic, range(5, 8))
        assert await heard.payloads(6) == counted(range(3), range(5, 8))


async def test_k12_a_deleted_topic_keeps_nobody_from_reading_the_others_back(kafka, talk, topic):
    """Neither from a place, nor from a time."""
    other = f"{topic}-other"
    await talk.create(topic, other)
    place = Place(name="k")
    async with listening(kafka.address, topic, other, place=place) as heard:
        await talk.numbers(topic, range(3))
        await talk.numbers(other, range(10, 13))
        await heard.payloads(6)
        before = Position.parse(heard.messages[0].position)
        await talk.delete(other)
        await heard.until(lambda: kept(place).away)
        log = place.log
        at_once = []
        with pytest.raises(SourceError, match=f"{other} cannot be read now"):
            await back(log, "", at_once)
        assert [each.payload for each in at_once] == counted(range(3))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stand, "GRACE", 0.0)
            later = []
            await back(log, str(before), later)
            assert later[0] == Loss(reason="source_reset")
            assert (await log.at(0.0)).is_behind(log.head)


async def test_k13_a_topic_that_is_not_there_yet_is_read_when_it_appears(kafka, talk, topic):
    """Until then the source is down, and its reason names the topic."""
    async with listening(kafka.address, topic) as heard:
        reason = await heard.goes_down()
        assert topic in reason
        assert "topic" in reason
        await talk.create(topic)
        await talk.numbers(topic, range(3))
        assert await heard.payloads(3) == counted(range(3))
        await heard.comes_up()
    assert not heard.losses


async def test_k13_a_topic_that_is_not_there_does_not_hold_up_the_others(kafka, talk, topic):
    """What exists is read while what does not is waited for."""
    await talk.create(topic)
    await talk.numbers(topic, range(3))
    missing = f"{topic}-missing"
    async with listening(kafka.address, topic, missing) as heard:
        assert await heard.payloads(3) == counted(range(3))
        await talk.create(missing)
        await talk.numbers(missing, range(10, 13))
        assert await heard.payloads(6) == counted(range(3), range(10, 13))


async def test_k13_a_topic_of_a_pattern_is_picked_up_when_it_appears(kafka, talk, topic):
    """A new topic whose name fits is read from its first record on."""
    await talk.create(f"{topic}.a")
    await talk.numbers(f"{topic}.a", range(3))
    async with listening(kafka.address, pattern=rf"{topic}\..*") as heard:
        await heard.payloads(3)
        await talk.create(f"{topic}.b", f"{topic}x")
        await talk.numbers(f"{topic}x", range(90, 93))
        await talk.numbers(f"{topic}.b", range(10, 13))
        assert await heard.payloads(6) == counted(range(3), range(10, 13))


@pytest.mark.parametrize("begin", ["earliest", "latest"])
async def test_k14_added_partitions_are_read_from_their_beginning(kafka, talk, topic, begin):
    """What was produced to a new partition before the source knew of it is not lost, wherever the source began."""
    await talk.create(topic)
    async with listening(kafka.address, topic, begin=begin) as heard:
        await heard.comes_up()
        await talk.numbers(topic, range(3))
        await heard.payloads(3)
        await talk.add_partitions(topic, 3)
        await talk.numbers(topic, range(10, 13), partition=1)
        await talk.numbers(topic, range(20, 23), partition=2)
        await heard.payloads(9)
    assert of(heard.messages, 1) == counted(range(10, 13))
    assert of(heard.messages, 2) == counted(range(20, 23))
    assert not heard.losses


async def test_k15_holes_of_compaction_are_no_loss(kafka, talk, topic):
    """A compacted topic lacks offsets, tombstones are deletions, and nothing is announced as lost."""
    await talk.create(topic, cleanup_policy="compact", segment_ms=50, min_cleanable_dirty_ratio=0.001)
    for number in range(20):
        await talk.send(topic, b"%d" % number, b"k%d" % (number % 4))
    await talk.send(topic, None, b"k0")
    async with AIOKafkaConsumer(bootstrap_servers=kafka.address) as consumer, asyncio.timeout(DEADLINE):
        part = TopicPartition(topic, 0)
        consumer.assign([part])
        while True:
            # The cleaner leaves the newest segment alone, so there must be one more.
            last = await talk.send(topic, b"last", b"last")
            await asyncio.sleep(0.1)
            await consumer.seek_to_beginning(part)
            if (await consumer.getone()).offset >= 16:
                break
    async with listening(kafka.address, topic) as heard:
        await heard.until(lambda: heard.messages and places(heard.messages)[-1] == (0, last))
    assert not heard.losses
    kept = {each.key: each for each in heard.messages}
    assert kept["k0"].is_tombstone
    assert [kept[key].payload for key in ("k1", "k2", "k3")] == counted(17, 18, 19)


async def test_k16_aborted_transactions_are_not_seen_and_leave_no_gap(kafka, talk, topic):
    """`read_committed` passes over aborted records and the markers, which take offsets too."""
    await talk.create(topic)
    await talk.transactions(topic)
    async with listening(kafka.address, topic, isolation="read_committed") as heard:
        assert await heard.payloads(8) == counted(range(3), range(6, 9), range(9, 11))
        await talk.numbers(topic, range(20, 22))
        assert (await heard.payloads(10))[8:] == counted(20, 21)
    assert not heard.losses


async def test_k16_an_uncommitted_reader_sees_what_was_aborted(kafka, talk, topic):
    """`read_uncommitted` gives all records, and no marker as one."""
    await talk.create(topic)
    await talk.transactions(topic)
    async with listening(kafka.address, topic, isolation="read_uncommitted") as heard:
        assert await heard.payloads(11) == counted(range(11))
    assert not heard.losses


async def test_k16_an_open_transaction_holds_back_what_comes_after_it(kafka, talk, topic):
    """Records after an open transaction come once it is decided, in the order of their offsets."""
    await talk.create(topic)
    producer = await talk.another(transactional_id=topic)
    async with listening(kafka.address, topic, isolation="read_committed") as heard:
        await heard.comes_up()
        async with producer.transaction():
            await talk.numbers(topic, range(3), by=producer)
            await talk.numbers(topic, range(3, 6))
            assert not heard.messages
        assert await heard.payloads(6) == counted(range(6))
