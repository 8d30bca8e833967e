"""What was fetched goes to the outlet."""

import pytest
from structlog.testing import capture_logs

from bridge.event import Loss, Message
from bridge.position import Part, Position
from bridge.sources.kafka.emission import Emission
from bridge.sources.kafka.stand import Stand
from bridge.sources.kafka.values import Values
from tests.fake_kafka import FakeConsumer, Outlet, record, topic

TAG = topic().tag
ZERO, ONE = Part(TAG, 0), Part(TAG, 1)


@pytest.fixture
def parts(stand: Stand, consumer: FakeConsumer) -> dict:
    """Give two partitions, from whose beginning is read."""
    stand.enter(topic(), {0: 0, 1: 0})
    return {consumer.fill("orders", number, []): Part(TAG, number) for number in (0, 1)}


def emission(outlet: Outlet, stand: Stand, decode: str = "auto") -> Emission:
    """Make the way to the outlet."""
    return Emission("k", outlet, stand, Values(decode, None))


async def test_a_fetch_is_one_batch_in_the_order_of_its_partitions(outlet: Outlet, stand: Stand, parts: dict) -> None:
    """The order in which they were answered says nothing."""
    zero, one = parts
    fetched = {one: [record("orders", 1, 0)], zero: [record("orders", 0, 0), record("orders", 0, 1)]}
    await emission(outlet, stand).emit(fetched, parts)
    assert [each.position for each in outlet.messages] == [f"p_{TAG}.1.0-0", f"p_{TAG}.2.0-0", f"p_{TAG}.2.1-1"]
    assert stand.next == {ZERO: 2, ONE: 1}
    assert [tuple(run) for run in stand.ledger.after(0)] == [(1, ZERO, 0, 2), (3, ONE, 0, 1)]


async def test_k18_a_poisoned_record_is_a_loss_in_its_place(outlet: Outlet, stand: Stand, parts: dict) -> None:
    """What came before it is emitted before, and the place moves on."""
    zero, _ = parts
    records = [record("orders", 0, at, value=value) for at, value in enumerate([b"1", b"{", b"2", b"}"])]
    with capture_logs() as lines:
        await emission(outlet, stand, "json").emit({zero: records}, parts)
    heard = [(each.reason, each.missed) if isinstance(each, Loss) else each.payload for each in outlet.heard]
    assert heard == [b"1", ("undecodable", 1), b"2", ("undecodable", 1)]
    places = [Position.parse(each.position) for each in outlet.heard]
    assert [place.offset for place in places if place is not None] == [0, 1, 2, 3]
    assert stand.next[ZERO] == 4
    assert [(line["topic"], line["partition"], line["offset"]) for line in lines] == [
        ("orders", 0, 1),
        ("orders", 0, 3),
    ]
    assert "{" not in str(lines[0]["reason"])


async def test_k15_offsets_that_are_missing_are_noted(outlet: Outlet, stand: Stand, parts: dict) -> None:
    """A count of what was lost would not be one of records there."""
    zero, one = parts
    sent = emission(outlet, stand)
    await sent.emit({zero: [record("orders", 0, 0)], one: [record("orders", 1, 3)]}, parts)
    assert stand.holed == {ONE}
    await sent.emit({zero: [record("orders", 0, 1), record("orders", 0, 3)]}, parts)
    assert stand.holed == {ZERO, ONE}


async def test_a_batch_that_fails_is_not_passed(outlet: Outlet, stand: Stand, parts: dict, monkeypatch) -> None:
    """The next run reads it again."""
    zero, _ = parts

    def fail(_: object) -> list[str]:
        raise RuntimeError

    monkeypatch.setattr(outlet, "emit", fail)
    with pytest.raises(RuntimeError):
        await emission(outlet, stand).emit({zero: [record("orders", 0, 0)]}, parts)
    assert stand.next[ZERO] == 0


async def test_nothing_fetched_is_nothing_emitted(outlet: Outlet, stand: Stand, parts: dict) -> None:
    """An answer may hold no record."""
    await emission(outlet, stand).emit({next(iter(parts)): []}, parts)
    assert outlet.heard == []
    assert not any(isinstance(each, Message) for each in outlet.heard)
