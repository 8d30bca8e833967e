"""How a source stood in its topics when something was to be read back."""

import pytest

from bridge.errors import SourceError
from bridge.event import Loss, Message
from bridge.position import Part, Position
from bridge.sources.kafka.backlog import LogBacklog, NumberedBacklog
from bridge.sources.kafka.ledger import Run
from bridge.sources.kafka.message import Origin
from bridge.sources.kafka.scene import Scene
from tests.fake_kafka import FakeConsumer, plan, topic
from tests.sources.kafka.test_kafka_backlog import Turns, places

ORDERS, OTHER = topic(), topic("other", shop="b")
HERE, THERE, LATE = Part(ORDERS.tag, 0), Part(OTHER.tag, 0), Part(ORDERS.tag, 1)
RUNS = [Run(1, HERE, 0, 2), Run(3, THERE, 0, 2), Run(5, HERE, 2, 1)]


@pytest.fixture
def turns(consumer: FakeConsumer) -> Turns:
    """Give turns over a topic with three records; a consumer that is asked for another one fails."""
    consumer.fill("orders", 0, range(3))
    return Turns(consumer)


def scene(**changes: frozenset[Part]) -> Scene:
    """Stand at the end of one topic, and at offset 5 of another."""
    origins = {HERE: Origin("orders", 0, {}), THERE: Origin("other", 0, OTHER.captures)}
    head = Position({ORDERS.tag: (3,), OTHER.tag: (5,)})
    return Scene(head, origins, frozenset(), **{"seen": frozenset({HERE}), **changes})


def at(here: int, there: int) -> str:
    """Write a position in both."""
    return str(Position({ORDERS.tag: (here,), OTHER.tag: (there,)}))


async def read(turns: Turns, where: Scene, mark: str, items: list[tuple[str, Message | Loss]]) -> None:
    """Read the log back into `items`, which has what came before an error."""
    async for batch in LogBacklog(plan(), turns, where).read(mark):  # type: ignore[arg-type]
        items += batch


async def test_k12_a_deleted_topic_keeps_nothing_from_being_read(turns: Turns) -> None:
    """What was missed of it is told; the place moves to where the source was in it, so that the stream goes on."""
    where, items = scene(gone=frozenset({THERE})), []
    await read(turns, where, at(1, 4), items)
    assert places(items) == [Loss(reason="source_reset", captures={"shop": "b"}), (0, 1), (0, 2)]
    assert items[0][0] == at(1, 5)
    items.clear()
    await read(turns, where, at(1, 5), items)
    assert places(items) == [(0, 1), (0, 2)]


async def test_k24_a_topic_that_cannot_be_read_now_is_read_last(turns: Turns) -> None:
    """All else comes first; the place in it is kept, and the reader comes back for it."""
    where, items = scene(away=frozenset({THERE})), []
    with pytest.raises(SourceError, match="the topic other cannot be read now"):
        await read(turns, where, at(0, 4), items)
    assert places(items) == [(0, 0), (0, 1), (0, 2)]
    assert Position.parse(items[-1][0]) == Position({ORDERS.tag: (3,), OTHER.tag: (4,)}, HERE)
    items.clear()
    with pytest.raises(SourceError):
        await read(turns, where, "", items)
    assert places(items) == [(0, 0), (0, 1), (0, 2)]


async def test_a_topic_of_which_nothing_is_missed_need_not_be_read(turns: Turns) -> None:
    """Whether it can be is no matter then."""
    items: list[tuple[str, Message | Loss]] = []
    await read(turns, scene(away=frozenset({THERE})), at(2, 5), items)
    assert places(items) == [(0, 2)]


async def test_a_partition_that_is_not_entered_yet_keeps_its_place(turns: Turns) -> None:
    """It had no leader when this process began; the reader stays ahead of the head, and so waits for it."""
    origins = {HERE: Origin("orders", 0, {})}
    where = Scene(Position({ORDERS.tag: (3,)}), origins, frozenset(), frozenset({HERE, LATE}))
    items: list[tuple[str, Message | Loss]] = []
    await read(turns, where, str(Position({ORDERS.tag: (2, 500)})), items)
    assert places(items) == [(0, 2)]
    assert Position.parse(items[-1][0]) == Position({ORDERS.tag: (3, 500)}, HERE)


async def test_a_topic_of_which_nothing_is_entered_yet_is_no_other_one(turns: Turns) -> None:
    """None of its partitions has a leader."""
    items: list[tuple[str, Message | Loss]] = []
    where = scene(seen=frozenset({HERE, Part("late", 0)}), gone=frozenset({THERE}))
    await read(turns, where, str(Position({ORDERS.tag: (2,), OTHER.tag: (5,), "late": (7,)})), items)
    assert places(items) == [(0, 2)]
    assert Position.parse(items[-1][0]).next(Part("late", 0)) == 7


async def numbered(turns: Turns, where: Scene, items: list[tuple[str, Message | Loss]]) -> None:
    """Read back what was emitted, by numbers, into `items`."""
    async for batch in NumberedBacklog(plan(), turns, where, RUNS).read("0"):  # type: ignore[arg-type]
        items += batch


async def test_by_numbers_a_deleted_topic_is_told(turns: Turns) -> None:
    """With the count of what was emitted of it; one that cannot be read now is waited for, since the order counts."""
    items: list[tuple[str, Message | Loss]] = []
    await numbered(turns, scene(gone=frozenset({THERE})), items)
    assert places(items) == [(0, 0), (0, 1), Loss(reason="source_reset", missed=2), (0, 2)]
    items.clear()
    with pytest.raises(SourceError, match="the topic other cannot be read now"):
        await numbered(turns, scene(away=frozenset({THERE})), items)
    assert places(items) == [(0, 0), (0, 1)]
