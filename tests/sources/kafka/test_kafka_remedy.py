"""What is done where a partition cannot be read on."""

import pytest
from aiokafka import errors
from structlog.testing import capture_logs

from bridge.event import Loss
from bridge.position import Part, Position
from bridge.sources.kafka import remedy as module
from bridge.sources.kafka.assignment import Assignment
from bridge.sources.kafka.emission import Emission
from bridge.sources.kafka.remedy import Remedy
from bridge.sources.kafka.stand import Stand
from bridge.sources.kafka.survey import Surveyor
from tests.fake_kafka import FakeConsumer, FakeLink, Outlet, plan, topic

TAG = topic().tag
ZERO = Part(TAG, 0)


@pytest.fixture
async def remedy(outlet: Outlet, stand: Stand, consumer: FakeConsumer, link: FakeLink) -> Remedy:
    """Give what deals with two partitions, each with records 0 to 9, that are read from their beginning."""
    consumer.fill("orders", 0, range(10))
    consumer.fill("orders", 1, range(10))
    link.make("orders", "1", 1, 1)
    made = plan()
    assignment = Assignment(made, outlet, stand, consumer)
    surveyor = Surveyor("k", made.selection, link)  # type: ignore[arg-type]
    await assignment.take(await surveyor.look({}))
    return Remedy("k", stand, consumer, assignment, Emission("k", outlet, stand, made.values))


def zero(consumer: FakeConsumer) -> object:
    """Return the first partition as the library names it."""
    return min(consumer.places)


async def test_k10_evicted_records_are_counted(
    remedy: Remedy, consumer: FakeConsumer, outlet: Outlet, stand: Stand
) -> None:
    """It goes on at the first that is left; all before that is not whole."""
    each = zero(consumer)
    consumer.firsts[each] = 7
    await remedy.out_of_range({each: 0})
    assert outlet.heard == [Loss(reason="evicted", missed=7)]
    assert consumer.places[each] == 7
    assert stand.start == stand.head == Position({TAG: (7, 0)})


async def test_k15_in_a_log_with_holes_nobody_knows_how_many(
    remedy: Remedy, consumer: FakeConsumer, outlet: Outlet, stand: Stand
) -> None:
    """A difference of offsets is no count of records there."""
    each = zero(consumer)
    stand.holed.add(ZERO)
    consumer.firsts[each] = 7
    await remedy.out_of_range({each: 0})
    assert outlet.heard == [Loss(reason="evicted")]


async def test_an_offset_beyond_the_end_is_of_another_log(
    remedy: Remedy, consumer: FakeConsumer, outlet: Outlet, stand: Stand
) -> None:
    """It was cut short, or restored from a copy: all that is there is read."""
    each = zero(consumer)
    stand.move(ZERO, 99)
    await remedy.out_of_range({each: 99})
    assert outlet.heard == [Loss(reason="source_reset")]
    assert consumer.places[each] == stand.next[ZERO] == 0


async def test_an_offset_that_is_in_range_again_is_read_on(
    remedy: Remedy, consumer: FakeConsumer, outlet: Outlet
) -> None:
    """A new leader may lag behind for a moment."""
    each = zero(consumer)
    await remedy.out_of_range({each: 4})
    assert consumer.places[each] == 4
    assert not outlet.heard


async def test_a_partition_that_is_not_ours_any_more_is_left_alone(remedy: Remedy, consumer: FakeConsumer) -> None:
    """The error may come late."""
    await remedy.out_of_range({("other", 0): 4})
    assert list(consumer.places.values()) == [0, 0]


async def test_k22_damage_costs_no_record_around_it(remedy: Remedy, consumer: FakeConsumer, outlet: Outlet) -> None:
    """What came out of other partitions in the fetch that raised is read again."""
    first, second = sorted(consumer.places)
    consumer.damaged[second] = range(4, 6)
    with pytest.raises(errors.CorruptRecordException) as raised:
        await consumer.getmany()
    assert consumer.places[first] == 10
    with capture_logs() as lines:
        await remedy.damaged(raised.value)
    told = [(line["topic"], line["partition"], line["offset"], line["records"]) for line in lines]
    assert told == [(second.topic, 1, 4, 2)]
    heard = [
        each if isinstance(each, Loss) else (each.facts["partition"], each.facts["offset"]) for each in outlet.heard
    ]
    loss = Loss(reason="undecodable", missed=2)
    assert heard == [*((0, at) for at in range(10)), *((1, at) for at in range(4)), loss]
    assert consumer.places[second] == 6


async def test_k20_a_record_that_an_old_broker_cut_is_told(
    remedy: Remedy, consumer: FakeConsumer, outlet: Outlet
) -> None:
    """The library has passed over it."""
    remedy.oversize(errors.RecordTooLargeError("%s=%s %s", zero(consumer), 4, 1024))
    remedy.oversize(errors.RecordTooLargeError("?"))
    assert outlet.heard == [Loss(reason="oversize", missed=1)] * 2


async def test_k24_a_topic_that_may_not_be_read_is_tried_again(
    remedy: Remedy, consumer: FakeConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then it is not asked for, and nobody says that all is well."""
    remedy.deny("orders")
    assert remedy.is_denied
    assert consumer.stopped == set(consumer.places)
    remedy.retry()
    assert consumer.stopped
    monkeypatch.setattr(module, "DENIED", -1.0)
    remedy.retry()
    assert not consumer.stopped
    assert not remedy.is_denied
