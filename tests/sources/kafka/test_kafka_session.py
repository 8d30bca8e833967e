"""One connection's life without a group."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import errors

from bridge.event import Loss
from bridge.position import Part, Position
from bridge.sources.kafka import session as module
from bridge.sources.kafka.metadata import Broker
from bridge.sources.kafka.session import Session
from bridge.sources.kafka.stand import Stand
from bridge.sources.kafka.topics import Selection
from bridge.sources.kafka.trouble import LostError
from tests.fake_kafka import FakeConsumer, FakeLink, Outlet, plan, topic
from tests.support import until


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    monkeypatch.setattr(module, "EVERY", 0.005)
    monkeypatch.setattr(module, "WAIT", 1)


@pytest.fixture
def session(outlet: Outlet, stand: Stand, consumer: FakeConsumer, link: FakeLink) -> Session:
    """Give a session over a topic with three records."""
    consumer.fill("orders", 0, range(3))
    link.make("orders")
    return Session(plan(), outlet, stand, link, consumer)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def running(session: Session) -> AsyncIterator["asyncio.Task[None]"]:
    """Let it read; at the end nothing of it is left."""
    before = asyncio.all_tasks()

    async def run() -> None:
        await session.begin()
        await session.run()

    task = asyncio.create_task(run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert asyncio.all_tasks() == before


async def test_it_reads_and_is_up(session: Session, consumer: FakeConsumer, outlet: Outlet) -> None:
    """And goes on as records come."""
    async with running(session):
        await until(lambda: len(outlet.messages) == 3 and outlet.states)
        consumer.fill("orders", 0, [3])
        await until(lambda: len(outlet.messages) == 4)
    assert outlet.states == ["up"]
    assert session.was_up


async def test_k14_partitions_and_k13_topics_that_come_later(
    session: Session, consumer: FakeConsumer, link: FakeLink, outlet: Outlet
) -> None:
    """Until there is one it is down, and says which it waits for."""
    del link.topics["orders"]
    async with running(session):
        await until(lambda: outlet.states)
        link.make("orders")
        await until(lambda: len(outlet.messages) == 3)
        consumer.fill("orders", 1, [0])
        link.make("orders", "1", 1, 1)
        await until(lambda: len(outlet.messages) == 4)
    assert "unknown topic orders" in outlet.states[0]
    assert outlet.states[1:] == ["up"]


async def test_k12_what_was_fetched_of_a_topic_made_anew_is_not_emitted_as_the_old_one(
    session: Session, consumer: FakeConsumer, link: FakeLink, outlet: Outlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its offsets go on where the old one's ended; the connection is another one."""
    monkeypatch.setattr(module, "EVERY", 1000)
    async with running(session):
        await until(lambda: len(outlet.messages) == 3)
        link.make("orders", "2")
        consumer._client._conns = {1: object()}
        consumer.fill("orders", 0, range(5), value=b"new")
        await until(lambda: len(outlet.messages) == 8)
    assert outlet.heard[3] == Loss(reason="source_reset")
    assert outlet.texts[3:] == [b"new"] * 5
    assert Position.parse(outlet.messages[-1].position).offsets == {topic(id="2").tag: (5,)}


async def test_no_topic_is_asked_for_without_a_reason(
    session: Session, link: FakeLink, outlet: Outlet, monkeypatch
) -> None:
    """While the connections are the same, what is fetched is of the topics that are known."""
    monkeypatch.setattr(module, "EVERY", 1000)
    async with running(session):
        await until(lambda: len(outlet.messages) == 3)
        asked = len(link.asked)
        session._consumer.fill("orders", 0, range(3, 9))
        await until(lambda: len(outlet.messages) == 9)
    assert len(link.asked) == asked


async def test_k10_out_of_range_never_hangs(
    session: Session, consumer: FakeConsumer, outlet: Outlet, stand: Stand
) -> None:
    """It goes on at what is left, and says what is not."""
    async with running(session):
        await until(lambda: len(outlet.messages) == 3)
        each = consumer.fill("orders", 0, range(3, 20))
        consumer.firsts[each] = 18
        consumer.places[each] = 3
        consumer.errors = [errors.OffsetOutOfRangeError({each: 3})]
        await until(lambda: outlet.losses)
        await until(lambda: stand.next and max(stand.next.values()) == 20)


async def test_k24_a_topic_that_may_not_be_read_is_down(
    session: Session, consumer: FakeConsumer, outlet: Outlet
) -> None:
    """In words; the session goes on."""
    consumer.errors = [errors.TopicAuthorizationFailedError("orders")]
    async with running(session) as task:
        await until(lambda: outlet.states)
        assert not task.done()
    assert outlet.states == ["not authorised to read the topic orders"]


async def test_k01_a_cluster_that_does_not_answer_ends_the_session(
    session: Session, consumer: FakeConsumer, link: FakeLink, outlet: Outlet, stand: Stand
) -> None:
    """And the place is kept, beyond what has no record."""
    async with running(session) as task:
        await until(lambda: outlet.states == ["up"])
        each = min(consumer.places)
        consumer.ends[each] = 5
        await until(lambda: consumer.places[each] == 5)
        link.failure = LostError("kafka:9092 refuses connections")
        await until(task.done)
        assert isinstance(task.exception(), LostError)
    assert list(stand.next.values()) == [5]


async def test_k29_partitions_that_do_not_answer_are_told_with_the_cause(
    session: Session, consumer: FakeConsumer, link: FakeLink, outlet: Outlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two is told; when none answers the connections are made anew."""
    consumer.fill("orders", 1, [0])
    link.make("orders", "1", 1, 1)
    silent: list[Any] = []
    pulse = session._assignment.pulse
    monkeypatch.setattr(pulse, "stalled", lambda: silent)

    async def prove(_: object) -> dict[Broker, str]:
        return {Broker("kafka", 9092): "advertised listener: the name of kafka:9092 cannot be resolved"}

    monkeypatch.setattr(link, "prove", prove)
    async with running(session) as task:
        await until(lambda: outlet.states == ["up"])
        silent += [max(consumer.places)]
        await until(lambda: len(outlet.states) == 2)
        assert outlet.states[1].startswith("partition 1 of orders: advertised listener: the name of kafka:9092")
        silent.clear()
        await until(lambda: outlet.states[-1] == "up")
        silent += sorted(consumer.places)
        await until(task.done)
        assert "and 1 other partitions" in str(task.exception())


async def test_while_a_registry_is_waited_for_nothing_stalls(session: Session, outlet: Outlet, monkeypatch) -> None:
    """The outlet knows why nothing comes."""
    rests: list[int] = []
    monkeypatch.setattr(session._assignment.pulse, "rest", lambda: rests.append(1))
    async with running(session):
        await until(lambda: outlet.states == ["up"])
        assert not rests
        session._emission.is_waiting = True
        await until(lambda: rests)


async def test_k12_a_topic_made_anew_without_a_leader_costs_the_others_nothing(
    outlet: Outlet, stand: Stand, consumer: FakeConsumer, link: FakeLink
) -> None:
    """What was fetched of them together with the look that found it is fetched again."""
    consumer.fill("orders", 0, range(3))
    consumer.fill("other", 0, [0])
    link.make("orders")
    link.make("other")
    session = Session(plan(selection=Selection(["orders", "other"], None)), outlet, stand, link, consumer)  # type: ignore[arg-type]
    async with running(session):
        await until(lambda: len(outlet.messages) == 4)
        link.make("other", "2", -1)
        await until(lambda: len(consumer.places) == 1)
        consumer._client._conns = {1: object()}
        consumer.fill("orders", 0, range(3, 6))
        await until(lambda: stand.next[Part(topic().tag, 0)] == 6)
    assert [each.facts["offset"] for each in outlet.messages if each.facts["topic"] == "orders"] == list(range(6))
