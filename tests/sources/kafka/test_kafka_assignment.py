"""Which partitions are read, from where."""

import pytest

from bridge.event import Loss
from bridge.position import Part, Position
from bridge.sources.kafka.assignment import Assignment
from bridge.sources.kafka.consumer import partition
from bridge.sources.kafka.stand import Stand
from bridge.sources.kafka.survey import Surveyor
from tests.fake_kafka import FakeConsumer, FakeLink, Outlet, plan, topic


class Scene:
    """A cluster with one topic, and what is read of it."""

    def __init__(self, outlet: Outlet, stand: Stand, consumer: FakeConsumer, link: FakeLink, begin: str) -> None:
        self.link = link
        self.plan = plan(begin=begin)
        self.stand = stand
        self.assignment = Assignment(self.plan, outlet, stand, consumer)
        self._surveyor = Surveyor("k", self.plan.selection, link)  # type: ignore[arg-type]

    async def take(self, id: str = "1", *leaders: int) -> None:
        """Let the topic be so, and take that in."""
        self.link.make("orders", id, *leaders)
        await self.look()

    async def look(self) -> None:
        """Take in what there is."""
        await self.assignment.take(await self._surveyor.look(self.stand.topics))


@pytest.fixture
def scene(outlet: Outlet, stand: Stand, consumer: FakeConsumer, link: FakeLink) -> Scene:
    """Give a source that begins at the end of a topic with ten records in each of four partitions."""
    for number in range(4):
        consumer.fill("orders", number, range(10))
    return Scene(outlet, stand, consumer, link, "latest")


TAG = topic().tag


async def test_the_first_look_decides_where_to_begin(scene: Scene, consumer: FakeConsumer) -> None:
    """All that is there begins as the source says."""
    await scene.take("1", 1, 1)
    assert consumer.places == {partition("orders", 0): 10, partition("orders", 1): 10}
    assert scene.stand.start == scene.stand.head == Position({TAG: (10, 10)})


async def test_k14_partitions_that_are_added_are_read_whole(
    scene: Scene, consumer: FakeConsumer, outlet: Outlet
) -> None:
    """Where the others are does not change."""
    await scene.take("1", 1)
    await scene.take("1", 1, 1)
    assert consumer.places == {partition("orders", 0): 10, partition("orders", 1): 0}
    assert scene.stand.start == Position({TAG: (10,)})
    assert not outlet.losses


async def test_nothing_is_assigned_anew_when_nothing_changed(scene: Scene, consumer: FakeConsumer) -> None:
    """What was fetched meanwhile stays."""
    await scene.take("1", 1)
    await scene.take("1", 1)
    assert consumer.assigned == 1


async def test_k12_a_topic_made_anew_is_read_from_its_beginning(
    scene: Scene, consumer: FakeConsumer, outlet: Outlet
) -> None:
    """And that is announced."""
    await scene.take("1", 1)
    await scene.take("2", 1)
    assert consumer.places == {partition("orders", 0): 0}
    assert outlet.heard == [Loss(reason="source_reset")]
    assert scene.stand.start == scene.stand.head == Position({topic(id="2").tag: (0,)})


async def test_k12_a_topic_made_anew_without_a_leader_is_not_read_as_the_old_one(
    scene: Scene, consumer: FakeConsumer, outlet: Outlet
) -> None:
    """Its records have the same offsets."""
    await scene.take("1", 1)
    await scene.take("2", -1)
    assert consumer.places == {}
    assert not outlet.heard
    await scene.take("2", 1)
    assert consumer.places == {partition("orders", 0): 0}
    assert outlet.heard == [Loss(reason="source_reset")]


async def test_k04_a_partition_without_a_leader_waits_where_it_is(scene: Scene, consumer: FakeConsumer) -> None:
    """It is not asked for, since aiokafka would ask for its leader without a pause; it goes on where it was."""
    await scene.take("1", 1, 1)
    scene.stand.move(Part(TAG, 1), 15)
    await scene.take("1", 1, -1)
    assert consumer.places.keys() == {partition("orders", 0)}
    await scene.take("1", 1, 1)
    assert consumer.places[partition("orders", 1)] == 15


async def test_a_partition_without_a_leader_at_the_first_look_begins_as_the_others_did(
    scene: Scene, consumer: FakeConsumer, outlet: Outlet
) -> None:
    """No position before that tells of it, so the start is there."""
    await scene.take("1", 1, -1)
    await scene.take("1", 1, 1)
    assert consumer.places[partition("orders", 1)] == 10
    assert scene.stand.start == Position({TAG: (10, 10)})
    assert not outlet.losses


async def test_k15_the_place_is_kept_beyond_what_has_no_record(scene: Scene, consumer: FakeConsumer) -> None:
    """Marks of transactions at the end would otherwise be missed when they are deleted."""
    await scene.take("1", 1)
    consumer.places[partition("orders", 0)] = 12
    await scene.assignment.keep_place()
    assert scene.stand.next == {Part(TAG, 0): 12}
    consumer.places[partition("orders", 0)] = 11
    await scene.assignment.keep_place()
    assert scene.stand.next == {Part(TAG, 0): 12}


async def test_rewind_goes_back_to_what_was_emitted(scene: Scene, consumer: FakeConsumer) -> None:
    """What came out in between was thrown away."""
    await scene.take("1", 1)
    consumer.places[partition("orders", 0)] = 99
    await scene.assignment.rewind()
    assert consumer.places == {partition("orders", 0): 10}


async def test_k12_a_topic_that_is_deleted_is_not_there(scene: Scene) -> None:
    """So nobody asks for it; a partition without a leader is there."""
    await scene.take("1", 1, -1)
    assert scene.stand.seen == {Part(TAG, 0), Part(TAG, 1)}
    scene.link.topics.clear()
    await scene.look()
    assert scene.stand.away == {Part(TAG, 0)}
    assert not scene.stand.seen
