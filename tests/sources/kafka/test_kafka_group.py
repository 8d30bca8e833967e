"""One connection's life in a group."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import errors
from structlog.testing import capture_logs

from bridge.event import Loss
from bridge.sources.kafka import group as module
from bridge.sources.kafka.consumer import Reading
from bridge.sources.kafka.group import GroupSession
from bridge.sources.kafka.stand import Stand
from bridge.sources.kafka.trouble import ConflictError, LostError
from tests.fake_kafka import FakeConsumer, FakeLink, Outlet, plan
from tests.support import until


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    monkeypatch.setattr(module, "EVERY", 0.005)
    monkeypatch.setattr(module, "WAIT", 1)
    monkeypatch.setattr(module, "COMMIT", 0.005)


class Group:
    """A group that a test moves."""

    def __init__(self, outlet: Outlet, consumer: FakeConsumer, link: FakeLink, **changes: Any) -> None:
        reading = Reading(1024, 1024, 0.1, "read_uncommitted", "g", "m" if changes.pop("is_named", False) else None)
        stand = Stand(is_positional=False)
        made = plan(reading=reading, **changes)
        self.session = GroupSession(made, outlet, stand, link, consumer)  # type: ignore[arg-type]
        self.consumer = consumer

    async def give(self, *offsets: int) -> None:
        """Give the first partitions of the topic, from these places."""
        for number, each in enumerate(sorted(self.consumer.logs)[: len(offsets)]):
            self.consumer.places[each] = offsets[number]
        await self.consumer.listener.on_partitions_assigned(self.consumer.assignment())

    async def take(self) -> None:
        """Take all partitions away."""
        await self.consumer.listener.on_partitions_revoked(self.consumer.assignment())
        self.consumer.places = {}

    @contextlib.asynccontextmanager
    async def joined(self) -> AsyncIterator["asyncio.Task[None]"]:
        """Read; at the end nothing is left."""
        before = asyncio.all_tasks()
        await self.session.begin()
        task = asyncio.create_task(self.session.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert asyncio.all_tasks() == before


@pytest.fixture
def group(outlet: Outlet, consumer: FakeConsumer, link: FakeLink) -> Group:
    """Give a group for a topic with two partitions of ten records."""
    consumer.fill("orders", 0, range(10))
    consumer.fill("orders", 1, range(10))
    link.make("orders", "1", 1, 1)
    return Group(outlet, consumer, link)


async def test_what_was_emitted_is_committed(group: Group, consumer: FakeConsumer, outlet: Outlet) -> None:
    """Afterwards, and once; messages have no positions."""
    async with group.joined():
        await group.give(0, 7)
        await until(lambda: outlet.states)
        await until(lambda: consumer.commits)
        assert len(outlet.messages) == 13
        assert {message.position for message in outlet.messages} == {""}
        assert list(consumer.commits[-1].values()) == [10, 10]
        commits = len(consumer.commits)
        await asyncio.sleep(0.02)
        assert len(consumer.commits) == commits
    assert outlet.states == ["up"]


async def test_k05_what_is_taken_is_committed_before(
    group: Group, consumer: FakeConsumer, outlet: Outlet, monkeypatch
) -> None:
    """So that the next one goes on where we were."""
    monkeypatch.setattr(module, "COMMIT", 1000)
    async with group.joined():
        await group.give(0)
        await until(lambda: len(outlet.messages) == 10)
        await group.take()
        assert [list(each.values()) for each in consumer.commits] == [[10]]
        await group.give(10)
    assert outlet.states == ["up"]


async def test_k09_a_commit_that_comes_too_late_is_no_failure(
    group: Group, consumer: FakeConsumer, outlet: Outlet
) -> None:
    """The group has moved on, and reads that again; what is still ours is committed the next time."""
    async with group.joined() as task:
        await group.give(0)
        with capture_logs() as lines:
            await until(lambda: len(outlet.messages) == 10)
            consumer.refusals = [errors.CommitFailedError("late"), errors.IllegalGenerationError("late")]
            consumer.fill("orders", 0, [10])
            await until(lambda: consumer.commits and list(consumer.commits[-1].values()) == [11])
        assert not task.done()
    assert lines


async def test_k23_a_group_without_a_coordinator_is_told(group: Group, outlet: Outlet, monkeypatch) -> None:
    """After a while; until then it may be electing one."""
    monkeypatch.setattr(type(group.session._plan), "stall", 0.02)
    async with group.joined() as task:
        await until(lambda: outlet.states)
        assert outlet.states == ["the group g does not take us in"]
        await group.give(0)
        await until(lambda: outlet.states[-1] == "up")
        assert not task.done()


async def test_a_partition_without_a_place_begins_as_the_source_says(
    group: Group, consumer: FakeConsumer, outlet: Outlet
) -> None:
    """And its place is kept, also where nothing comes."""
    async with group.joined():
        await group.give(-1)
        consumer.errors = [errors.NoOffsetForPartitionError(min(consumer.places))]
        await until(lambda: len(outlet.messages) == 10)
        await until(lambda: consumer.commits)


async def test_k10_out_of_range_never_hangs(group: Group, consumer: FakeConsumer, outlet: Outlet) -> None:
    """It goes on at what is left."""
    consumer.firsts[min(consumer.logs)] = 6
    async with group.joined():
        await group.give(2)
        await until(lambda: len(outlet.messages) == 4)
    assert outlet.heard[0] == Loss(reason="evicted", missed=4)


async def test_k22_damage_is_passed_over_from_where_we_were(
    group: Group, consumer: FakeConsumer, outlet: Outlet
) -> None:
    """Of a partition of which nothing was emitted yet, that is what the group knows."""
    first, second = sorted(consumer.logs)
    consumer.damaged[second] = range(4, 5)
    consumer.commits = [{first: 8, second: 3}]
    async with group.joined():
        await group.give(8, 3)
        await until(lambda: outlet.losses)
        await until(lambda: len(outlet.messages) == 2 + 1 + 5)


async def test_k14_a_partition_that_is_given_before_it_is_known(
    group: Group, consumer: FakeConsumer, link: FakeLink, outlet: Outlet, monkeypatch
) -> None:
    """The group may be quicker than our look at the topics."""
    monkeypatch.setattr(module, "EVERY", 1000)
    async with group.joined():
        consumer.fill("orders", 2, range(3))
        link.make("orders", "1", 1, 1, 1)
        await group.give(10, 10, 0)
        await until(lambda: len(outlet.messages) == 3)


async def test_topics_that_come_later_join(outlet: Outlet, consumer: FakeConsumer, link: FakeLink) -> None:
    """Until there is one, it is down."""
    group = Group(outlet, consumer, link)
    async with group.joined():
        await until(lambda: outlet.states)
        assert "unknown topic orders" in outlet.states[0]
        consumer.fill("orders", 0, range(3))
        link.make("orders")
        await until(lambda: consumer.subscribed == {"orders"})
        await group.give(0)
        await until(lambda: len(outlet.messages) == 3)


async def test_a_cluster_that_does_not_answer_ends_the_session(
    group: Group, consumer: FakeConsumer, link: FakeLink
) -> None:
    """Also while the group makes up its mind, when the library waits without end."""

    async def wait(*_: object, **__: object) -> dict:
        await asyncio.Event().wait()
        return {}

    consumer.getmany = wait  # type: ignore[method-assign]
    async with group.joined() as task:
        await asyncio.sleep(0.01)
        link.failure = LostError("gone")
        await until(task.done)
        assert isinstance(task.exception(), LostError)


async def test_k08_who_is_thrown_out_at_once_has_been_replaced(
    outlet: Outlet, consumer: FakeConsumer, link: FakeLink
) -> None:
    """It does not ask for its name again, which would throw the other one out."""
    consumer.fill("orders", 0, range(3))
    link.make("orders")
    group = Group(outlet, consumer, link, is_named=True)
    async with group.joined() as task:
        await group.give(0)
        await until(lambda: outlet.states)
        consumer._coordinator.member_id = ""
        leaving = asyncio.create_task(group.take())
        await until(task.done)
        assert isinstance(task.exception(), ConflictError)
        assert "the member m" in str(task.exception())
        assert not leaving.done()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)


async def test_k06_who_is_thrown_out_after_a_silence_comes_back(
    outlet: Outlet, consumer: FakeConsumer, link: FakeLink, monkeypatch
) -> None:
    """The group gave it up: nobody has its name."""
    monkeypatch.setattr(module, "SESSION", 0.0)
    consumer.fill("orders", 0, range(3))
    link.make("orders")
    group = Group(outlet, consumer, link, is_named=True)
    async with group.joined() as task:
        await group.give(0)
        await until(lambda: len(outlet.messages) == 3)
        consumer._coordinator.member_id = ""
        await group.take()
        await group.give(3)
        assert not task.done()
