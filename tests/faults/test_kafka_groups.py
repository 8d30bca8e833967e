"""Kafka's faults of consumer groups: K05 to K09, K23, K30."""

import asyncio
from collections import Counter

import pytest
from aiokafka import AIOKafkaConsumer

from tests.kafka_source import counted, listening, places, yaml
from tests.support import running, until

pytestmark = pytest.mark.live


def times(*heard):
    """Count how often each record was heard."""
    return Counter(place for each in heard for place in places(each.messages))


async def spread(talk, topic, first, count=20, partitions=4):
    """Produce `count` records to each partition."""
    for partition in range(partitions):
        await talk.numbers(topic, range(first, first + count), partition=partition)


async def test_k05_a_second_member_takes_its_share_and_nothing_is_missed(kafka, talk, topic):
    """Two sources in one group: after the rebalance each reads part of the partitions, together all."""
    await talk.create(topic, partitions=4)
    async with listening(kafka.address, topic, group=topic) as one:
        await spread(talk, topic, 0)
        await one.payloads(80)
        async with listening(kafka.address, topic, group=topic) as two:
            await two.comes_up()
            # Whoever reads them: after the rebalance both get some.
            for round in range(1, 200):
                await spread(talk, topic, round * 20)
                await one.until(lambda n=round: len(times(one, two)) == (n + 1) * 80)
                if len({partition for partition, _ in places(two.messages)}) == 2:
                    break
            assert len(times(one, two)) == (round + 1) * 80
    assert not one.losses
    assert not two.losses


async def test_k05_the_partitions_of_a_member_that_leaves_are_taken_over(kafka, talk, topic):
    """What one member had read and committed is not read again by the other."""
    await talk.create(topic, partitions=4)
    async with listening(kafka.address, topic, group=topic) as one:
        await one.comes_up()
        async with listening(kafka.address, topic, group=topic) as two:
            await two.comes_up()
            await spread(talk, topic, 0)
            await one.until(lambda: len(times(one, two)) == 80)
        await spread(talk, topic, 20)
        await one.until(lambda: len(times(one, two)) == 160)
    assert max(times(one, two).values()) == 1


async def test_k06_the_partitions_of_a_member_that_vanishes_are_taken_over(kafka, talk, topic, kafka_net):
    """A member goes without a word: once its session has ended the source reads what it did not."""
    await talk.create(topic, partitions=2)
    other = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka_net.address, group_id=topic, session_timeout_ms=1_000, heartbeat_interval_ms=200
    )  # fmt: skip
    await other.start()
    try:
        await until(lambda: len(other.assignment()) == 2)
        async with listening(kafka.address, topic, group=topic) as heard:
            await until(lambda: len(other.assignment()) == 1)
            kafka_net.stall()
            await spread(talk, topic, 0, partitions=2)
            await heard.payloads(40)
            kafka_net.cut()
    finally:
        kafka_net.mend()
        await other.stop()
    assert set(times(heard).values()) == {1}


async def test_k07_a_subscriber_that_reads_nothing_does_not_cost_the_membership(kafka, talk, topic):
    """A slow client is a cursor that lags: the source polls on, and stays a member of its group."""
    await talk.create(topic)
    # All connections of our own are there before the bridge is.
    await talk.send(topic, b"x")
    await talk.groups()
    async with running(yaml(kafka.address, topic, group=topic, begin="earliest")) as served:
        await until(lambda: served.bridge.health.sources["k"].state == "up")
        slow = await served.open("/k", receive=4_096)
        before = await talk.members(topic)
        for _ in range(5):
            await asyncio.gather(*[talk.send(topic, b"x" * 20_000) for _ in range(50)])
        await until(lambda: served.bridge.intakes["k"].inlet.messages == 251)
        assert await talk.members(topic) == before
        assert len(slow.events) < 251


async def test_k08_two_sources_with_one_name_do_not_fence_each_other(kafka, talk, topic):
    """No source is a static member, so replicas with the same file share the group, and both stay up."""
    await talk.create(topic, partitions=2)
    async with (
        listening(kafka.address, topic, group=topic) as one,
        listening(kafka.address, topic, group=topic) as two,
    ):
        await one.comes_up()
        await two.comes_up()
        for round in range(200):
            await spread(talk, topic, round * 5, count=5, partitions=2)
            await one.until(lambda n=round: len(times(one, two)) == (n + 1) * 10)
            if one.messages and two.messages:
                break
        assert one.messages
        assert two.messages
    assert set(one.states) == set(two.states) == {"up"}


async def test_k08_a_second_process_under_the_same_member_name_is_told(kafka, talk, topic):
    """Two files with one `member`: one of the two is down and says why, and nothing is read over and over."""
    await talk.create(topic, partitions=2)
    keys = {"group": topic, "member": "bridge-0"}
    async with listening(kafka.address, topic, **keys) as one:
        await one.comes_up()
        async with listening(kafka.address, topic, **keys) as two:
            for round in range(10):
                await spread(talk, topic, round * 20, partitions=2)
                await one.until(lambda n=round: len(times(one, two)) == (n + 1) * 40)
            await one.until(lambda: any("bridge-0" in state for each in (one, two) for state in each.states))
    # A member's last second before its commit may be read again by the other.
    assert len(one.messages) + len(two.messages) <= 2 * 400


async def test_k09_rebalances_while_records_flow_lose_nothing(kafka, talk, topic):
    """Members come and go, so commits meet a generation that is over: every record is heard, and no one falls."""
    await talk.create(topic, partitions=4)
    others = []
    async with listening(kafka.address, topic, group=topic) as heard:
        await heard.comes_up()
        for round in range(3):
            async with listening(kafka.address, topic, group=topic) as other:
                others.append(other)
                await spread(talk, topic, round * 40)
                await other.comes_up()
                await spread(talk, topic, round * 40 + 20)
        await heard.until(lambda: len(times(heard, *others)) == 480)
    assert {state for each in (heard, *others) for state in each.states} == {"up"}
    assert not heard.losses


async def test_k23_a_group_without_a_coordinator_waits_for_one(kafka, talk, topic):
    """The broker that coordinates is away and comes back: the group goes on where it had committed."""
    await talk.create(topic, partitions=2)
    async with listening(kafka.address, topic, group=topic) as heard:
        await spread(talk, topic, 0, partitions=2)
        await heard.payloads(40)
        await asyncio.to_thread(kafka.kill)
        await heard.goes_down()
        await asyncio.to_thread(kafka.start)
        await heard.comes_up(2)
        await spread(talk, topic, 20, partitions=2)
        await heard.until(lambda: len(times(heard)) == 80)
    assert not heard.losses


async def test_k30_two_replicas_without_a_group_each_get_every_record(kafka, talk, topic):
    """A source needs no group, so a second replica takes nothing from the first."""
    await talk.create(topic, partitions=3)
    async with listening(kafka.address, topic) as one, listening(kafka.address, topic) as two:
        await spread(talk, topic, 0, partitions=3)
        await one.payloads(60)
        await two.payloads(60)
        assert times(one) == times(two)
        assert sorted(one.texts) == sorted(two.texts) == sorted(counted(range(20)) * 3)
