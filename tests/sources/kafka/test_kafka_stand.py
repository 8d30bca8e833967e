"""Where a source stands."""

import asyncio

import pytest

from bridge.position import Part, Position
from bridge.sources.kafka import stand as module
from bridge.sources.kafka.ledger import Segment
from bridge.sources.kafka.stand import Stand
from tests.fake_kafka import topic

ORDERS = topic()
PART = Part(ORDERS.tag, 0)


def emit(stand: Stand, part: Part, *offsets: int) -> list[str]:
    """Emit records; return their positions."""
    texts = stand.texts(part, offsets)
    stand.emitted([f"e-{n}" for n in range(1, len(offsets) + 1)], [Segment(part, offsets)])
    return list(texts)


def test_a_position_stands_just_after_its_message(stand: Stand) -> None:
    """And the head after the last that was emitted."""
    stand.enter(ORDERS, {0: 5, 1: 7})
    texts = emit(stand, Part(ORDERS.tag, 1), 7, 8)
    assert Position.parse(texts[0]) == Position({ORDERS.tag: (5, 8)}, Part(ORDERS.tag, 1))
    assert texts[1] == str(stand.head)
    assert stand.next == {PART: 5, Part(ORDERS.tag, 1): 9}


def test_a_batch_that_was_not_emitted_is_not_passed(stand: Stand) -> None:
    """What failed in between is read again."""
    stand.enter(ORDERS, {0: 0})
    stand.texts(PART, [0, 1, 2])
    assert stand.head == Position({ORDERS.tag: (0,)})
    stand.settle()
    assert emit(stand, PART, 0) == [f"p_{ORDERS.tag}.1-0"]


def test_k12_a_topic_made_anew_is_another_log(stand: Stand) -> None:
    """Its positions have another name, and those of the old one are gone."""
    stand.enter(ORDERS, {0: 0, 1: 0})
    emit(stand, PART, 0)
    anew = topic(id="2")
    stand.enter(anew, {0: 0})
    assert anew.tag != ORDERS.tag
    assert stand.head == Position({anew.tag: (0,)})
    assert stand.origins.keys() == {Part(anew.tag, 0)}


def test_k14_a_new_partition_joins_the_position(stand: Stand) -> None:
    """The places of the others stay."""
    stand.enter(ORDERS, {0: 3})
    stand.enter(ORDERS, {1: 0})
    assert stand.head == Position({ORDERS.tag: (3, 0)})


def test_many_partitions_fit_no_id(stand: Stand) -> None:
    """Then no message has a position, also when partitions go away again."""
    stand.enter(ORDERS, dict.fromkeys(range(15), 0))
    assert stand.is_positional
    stand.enter(topic("more"), dict.fromkeys(range(15), 10**9))
    assert not stand.is_positional
    assert emit(stand, PART, 0) == [""]
    stand.enter(topic("more", id="2"), {0: 0})
    assert not stand.is_positional


def test_in_a_group_there_are_no_positions() -> None:
    """Nobody has all of the records."""
    stand = Stand(is_positional=False)
    stand.enter(ORDERS, {0: 0})
    assert emit(stand, PART, 0) == [""]


def test_a_loss_moves_the_start(stand: Stand) -> None:
    """What was emitted before is not whole, and the numbers before are forgotten."""
    stand.enter(ORDERS, {0: 0})
    emit(stand, PART, 0, 1)
    stand.move(PART, 9)
    stand.lost()
    assert stand.start == stand.head == Position({ORDERS.tag: (9,)}, PART)
    assert stand.ledger.after(2) is None


async def test_reach_waits_for_what_another_replica_has_read(stand: Stand) -> None:
    """It is over as soon as that is emitted here."""
    stand.enter(ORDERS, {0: 0})
    there = Position({ORDERS.tag: (2,)}, PART)
    assert await stand.reach(stand.head, 0)
    waiting = asyncio.create_task(stand.reach(there, 30))
    await asyncio.sleep(0)
    emit(stand, PART, 0)
    await asyncio.sleep(0)
    assert not waiting.done()
    emit(stand, PART, 1)
    assert await waiting
    assert not stand._waiting


async def test_reach_has_an_end(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """In time, and in the number of those who wait."""
    stand.enter(ORDERS, {0: 0})
    there = Position({ORDERS.tag: (2,)}, PART)
    assert not await stand.reach(there, 0.001)
    assert not stand._waiting
    monkeypatch.setattr(module, "MAX_WAITING", 0)
    assert not await stand.reach(there, 30)


def test_k12_a_topic_that_is_not_there_is_away_and_then_gone(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a grace; positions keep it, and when it comes back it goes on where it was."""
    stand.enter(ORDERS, {0: 5})
    stand.see({PART}, frozenset())
    assert (stand.away, stand.gone) == (frozenset(), frozenset())
    stand.see(frozenset(), frozenset())
    assert (stand.away, stand.gone) == ({PART}, frozenset())
    monkeypatch.setattr(module, "GRACE", 0.0)
    stand.see(frozenset(), frozenset())
    assert (stand.away, stand.gone) == (frozenset(), {PART})
    assert stand.head == Position({ORDERS.tag: (5,)})
    stand.see({PART}, frozenset())
    assert (stand.away, stand.gone) == (frozenset(), frozenset())


def test_k24_a_topic_that_may_not_be_seen_is_away_for_as_long_as_that_lasts(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not gone: what it has is owed."""
    monkeypatch.setattr(module, "GRACE", 0.0)
    stand.enter(ORDERS, {0: 5})
    stand.see(frozenset(), {"orders"})
    assert (stand.away, stand.gone) == ({PART}, frozenset())
