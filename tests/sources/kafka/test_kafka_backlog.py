"""What is read back."""

import contextlib
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from bridge.errors import SourceError
from bridge.event import Loss, Message
from bridge.position import BEGINNING, Part, Position
from bridge.sources.kafka import backlog as module, reader
from bridge.sources.kafka.backlog import LogBacklog, NumberedBacklog
from bridge.sources.kafka.emission import Emission
from bridge.sources.kafka.ledger import Run
from bridge.sources.kafka.message import Origin
from bridge.sources.kafka.scene import Scene
from bridge.sources.kafka.stand import Stand
from bridge.sources.kafka.values import Values
from tests.fake_kafka import FakeConsumer, Outlet, plan, topic

ORDERS = topic()
ZERO, ONE = Part(ORDERS.tag, 0), Part(ORDERS.tag, 1)


class Turns:
    """Gives the consumer of a test at once."""

    def __init__(self, consumer: FakeConsumer) -> None:
        self._consumer = consumer
        self.taken = 0

    @contextlib.asynccontextmanager
    async def consumer(self) -> AsyncIterator[FakeConsumer]:
        """Give it."""
        self.taken += 1
        yield self._consumer


@pytest.fixture
def turns(consumer: FakeConsumer) -> Turns:
    """Give turns over two partitions with records 0 to 9 each."""
    consumer.fill("orders", 0, range(10))
    consumer.fill("orders", 1, range(10))
    return Turns(consumer)


def scene(zero: int = 10, one: int = 10, *holed: Part) -> Scene:
    """Stand somewhere in the topic."""
    head = Position({ORDERS.tag: (zero, one)})
    return Scene(head, {part: Origin("orders", part.number, {}) for part in (ZERO, ONE)}, frozenset(holed))


def at(zero: int, one: int) -> str:
    """Write a position in the topic."""
    return str(Position({ORDERS.tag: (zero, one)}))


async def read(
    turns: Turns, mark: str, where: Scene | None = None, **changes: object
) -> list[tuple[str, Message | Loss]]:
    """Read the log back."""
    backlog = LogBacklog(plan(**changes), turns, where or scene())  # type: ignore[arg-type]
    return [item async for batch in backlog.read(mark) for item in batch]


def places(items: list[tuple[str, Message | Loss]]) -> list[object]:
    """Return partition and offset of each message, and the losses."""
    return [each if isinstance(each, Loss) else (each.facts["partition"], each.facts["offset"]) for _, each in items]


ALL = [(number, offset) for number in (0, 1) for offset in range(10)]


@pytest.mark.parametrize("mark", ["", BEGINNING])
async def test_all_up_to_the_head(turns: Turns, mark: str) -> None:
    """What came after the head is not of it."""
    assert places(await read(turns, mark)) == ALL
    assert places(await read(turns, mark, scene(3, 0))) == [(0, 0), (0, 1), (0, 2)]


async def test_from_any_mark_on_all_that_follows_is_read_once(turns: Turns) -> None:
    """Marks only grow, and each message carries its own."""
    items = await read(turns, "")
    for number, (mark, message) in enumerate(items):
        assert message.position == mark
        assert places(await read(turns, mark)) == ALL[number + 1 :]
    positions = [Position.parse(mark) for mark, _ in items]
    assert all(one.is_behind(other) for one, other in pairwise(positions))


async def test_at_the_head_nobody_is_asked(turns: Turns) -> None:
    """Most who come back missed nothing."""
    assert await read(turns, at(10, 10)) == []
    assert turns.taken == 0


async def test_another_replica_may_be_ahead(turns: Turns) -> None:
    """Where it is, there is nothing to read; its mark stays."""
    items = await read(turns, at(2, 10), scene(4, 5))
    assert places(items) == [(0, 2), (0, 3)]
    assert Position.parse(items[-1][0]) == Position({ORDERS.tag: (4, 10)}, ZERO)


async def test_k11_what_was_deleted_is_counted(turns: Turns, consumer: FakeConsumer) -> None:
    """In each partition; the mark is the place after it."""
    first, second = sorted(consumer.logs)
    consumer.firsts.update({first: 5, second: 3})
    items = await read(turns, at(1, 4))
    assert places(items)[0] == Loss(reason="evicted", missed=4)
    assert items[0][0] == at(5, 4)
    assert places(items)[1:] == [*((0, n) for n in range(5, 10)), *((1, n) for n in range(4, 10))]
    assert places(await read(turns, at(1, 4), scene(10, 10, ZERO)))[0] == Loss(reason="evicted")
    assert places(await read(turns, ""))[0] == (0, 5)


async def test_k12_a_position_of_an_earlier_topic(turns: Turns) -> None:
    """The topic is another one: it is read whole."""
    old = str(Position({topic(id="0").tag: (7, 7)}))
    assert places(await read(turns, old)) == [Loss(reason="source_reset"), *ALL]


async def test_a_position_beyond_the_end_is_of_another_log(turns: Turns) -> None:
    """It was cut short: that partition is read whole."""
    assert places(await read(turns, at(99, 10))) == [Loss(reason="source_reset"), *ALL[:10]]


async def test_a_partition_that_the_position_does_not_know_is_read_whole(turns: Turns) -> None:
    """It was added later."""
    assert places(await read(turns, str(Position({ORDERS.tag: (10,)})))) == ALL[10:]


@pytest.mark.parametrize("mark", ["x", "p", "e-1", "p_AAAA.1-5"])
async def test_what_is_no_position_is_refused(turns: Turns, mark: str) -> None:
    """Nothing is read for it."""
    with pytest.raises(SourceError):
        await read(turns, mark)
    assert turns.taken == 0


async def test_k15_it_ends_although_the_last_offsets_have_no_record(turns: Turns, consumer: FakeConsumer) -> None:
    """Compacted ones, or marks of transactions; and a partition may have none at all."""
    first, second = sorted(consumer.logs)
    for offset in (3, 8, 9):
        del consumer.logs[first][offset]
    consumer.logs[second].clear()
    assert places(await read(turns, "")) == [(0, n) for n in (0, 1, 2, 4, 5, 6, 7)]


async def test_k10_retention_may_be_quicker(turns: Turns, consumer: FakeConsumer, monkeypatch) -> None:
    """What goes while it is read is a loss in its place."""
    monkeypatch.setattr(reader, "BATCH", 2)
    first, _ = sorted(consumer.logs)
    backlog = LogBacklog(plan(), turns, scene(10, 0))  # type: ignore[arg-type]
    items = []
    async for batch in backlog.read(""):
        items += batch
        if len(items) == 2:
            consumer.firsts[first] = 7
    assert places(items) == [(0, 0), (0, 1), Loss(reason="evicted", missed=5), (0, 7), (0, 8), (0, 9)]
    assert items[2][0] == at(7, 0)


async def test_k22_damage_is_a_loss_in_its_place(turns: Turns, consumer: FakeConsumer) -> None:
    """The other partition loses nothing."""
    first, _ = sorted(consumer.logs)
    consumer.damaged[first] = range(4, 6)
    items = await read(turns, "")
    assert places(items)[:5] == [*ALL[:4], Loss(reason="undecodable", missed=2)]
    assert sorted(each for each in places(items) if isinstance(each, tuple)) == ALL[:4] + ALL[6:]


async def test_k18_a_value_that_is_none_is_a_loss_in_its_place(turns: Turns, consumer: FakeConsumer) -> None:
    """As it is when it comes live."""
    consumer.fill("orders", 0, [2], value=b"{")
    items = await read(turns, "", values=Values("json", None))
    assert places(items)[:4] == [(0, 0), (0, 1), Loss(reason="undecodable", missed=1), (0, 3)]


async def test_batches_are_small(turns: Turns, consumer: FakeConsumer) -> None:
    """Some 64 KiB, so that memory is that of one reader's."""
    consumer.fill("orders", 0, range(10), value=b"x" * (module.PIECE // 2))
    backlog = LogBacklog(plan(), turns, scene(10, 0))  # type: ignore[arg-type]
    assert [len(batch) async for batch in backlog.read("")] == [2] * 5


async def test_a_log_that_does_not_answer_is_given_up(turns: Turns, consumer: FakeConsumer, monkeypatch) -> None:
    """Within the time that a broker has to answer."""
    monkeypatch.setattr(reader, "WAIT", 1)
    consumer.getmany = _nothing
    with pytest.raises(SourceError, match="does not answer"):
        await read(turns, "", options=plan().options.__class__(("k:1",), "c", -2.0))


async def _nothing(*_: object, **__: object) -> dict:
    return {}


async def test_a_read_back_has_an_end(turns: Turns, monkeypatch) -> None:
    """Others wait for their turn; the reader goes on from its mark."""
    monkeypatch.setattr(reader, "LONGEST", -1.0)
    with pytest.raises(SourceError, match="too long"):
        await read(turns, "")


async def numbered(turns: Turns, stand: Stand, after: int) -> list[tuple[str, Message | Loss]]:
    """Read back what was emitted after a number."""
    runs = stand.ledger.after(after)
    assert runs is not None
    where = Scene(stand.head, stand.origins, frozenset())
    backlog = NumberedBacklog(plan(), turns, where, list(runs))  # type: ignore[arg-type]
    return [item async for batch in backlog.read(str(after)) for item in batch]


async def test_by_numbers_the_order_is_that_in_which_they_were_emitted(
    turns: Turns, stand: Stand, outlet: Outlet, consumer: FakeConsumer, monkeypatch
) -> None:
    """Each keeps the number that it had, from any of them on."""
    monkeypatch.setattr(reader, "BATCH", 3)
    stand.enter(ORDERS, {0: 0, 1: 0})
    sending = Emission("k", outlet, stand, Values("auto", None))
    first, second = sorted(consumer.logs)
    parts = {first: ZERO, second: ONE}
    for each, begin, end in [(first, 0, 4), (second, 0, 7), (first, 4, 5), (second, 7, 10), (first, 5, 10)]:
        await sending.emit({each: [consumer.logs[each][at] for at in range(begin, end)]}, parts)
    emitted = places([("", message) for message in outlet.messages])
    for after in range(21):
        items = await numbered(turns, stand, after)
        assert places(items) == emitted[after:]
        assert [mark for mark, _ in items] == [str(n) for n in range(after + 1, 21)]


async def test_by_numbers_what_is_gone_is_told(turns: Turns, consumer: FakeConsumer) -> None:
    """Records that were compacted are missed by nobody; a topic that was made anew is."""
    first, _ = sorted(consumer.logs)
    del consumer.logs[first][1]
    gone = Part("gone", 0)
    runs = [Run(1, ZERO, 0, 3), Run(4, gone, 0, 2), Run(6, ONE, 0, 1)]
    backlog = NumberedBacklog(plan(), turns, scene(), runs)  # type: ignore[arg-type]
    items = [item async for batch in backlog.read("0") for item in batch]
    assert places(items) == [(0, 0), (0, 2), Loss(reason="source_reset", missed=2), (1, 0)]
    assert [mark for mark, _ in items] == ["1", "3", "5", "6"]


async def test_turns_are_taken(monkeypatch) -> None:
    """Some read at a time, some wait for a while, and more are sent away."""

    @contextlib.asynccontextmanager
    async def opened(*_: object) -> AsyncIterator[None]:
        yield None

    monkeypatch.setattr(reader, "opened", opened)
    monkeypatch.setattr(reader, "TURN", 0.01)
    turns = reader.Turns(plan(readers=1))
    async with turns.consumer():
        with pytest.raises(SourceError, match="other streams"):
            async with turns.consumer():
                pass
        monkeypatch.setattr(reader, "MAX_WAITING", 0)
        with pytest.raises(SourceError, match="too many"):
            async with turns.consumer():
                pass
    monkeypatch.setattr(reader, "MAX_WAITING", 1)
    async with turns.consumer():
        pass


async def test_k18_by_numbers_what_could_not_be_read_is_told_again(
    turns: Turns, stand: Stand, outlet: Outlet, consumer: FakeConsumer
) -> None:
    """In its place between the events, as it was told live."""
    first, _ = sorted(consumer.logs)
    consumer.fill("orders", 0, [2, 9], value=b"{")
    stand.enter(ORDERS, {0: 0})
    await Emission("k", outlet, stand, Values("json", None)).emit(
        {first: list(consumer.logs[first].values())}, {first: ZERO}
    )
    loss = Loss(reason="undecodable", missed=1)
    items = await numbered(turns, stand, 1)
    assert places(items) == [(0, 1), loss, *((0, n) for n in range(3, 9)), loss]
    assert [mark for mark, _ in items] == ["2", "2", "3", "4", "5", "6", "7", "8", "8"]
    assert places(await numbered(turns, stand, 8)) == [loss]


async def test_by_numbers_batches_are_small_and_come_as_they_are_read(
    turns: Turns, consumer: FakeConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run is no unit of memory."""
    monkeypatch.setattr(reader, "BATCH", 2)
    first, _ = sorted(consumer.logs)
    consumer.fill("orders", 0, range(10), value=b"x" * (module.PIECE // 2))
    backlog = NumberedBacklog(plan(), turns, scene(), [Run(1, ZERO, 0, 10)])  # type: ignore[arg-type]
    seen = [(len(batch), consumer.places[first]) async for batch in backlog.read("0")]
    assert seen == [(2, 2), (2, 4), (2, 6), (2, 8), (2, 10)]
