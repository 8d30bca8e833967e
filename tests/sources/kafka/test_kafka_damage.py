"""A way around records that cannot be read."""

import pytest
from aiokafka import errors

from bridge.sources.kafka import damage
from bridge.sources.kafka.damage import around, suspects
from tests.fake_kafka import FakeConsumer


async def read(consumer: FakeConsumer, each: object) -> tuple[list[int], int | None]:
    """Read around; return the offsets, and the end of the damage."""
    offsets, end = [], None
    async for records, behind in around(consumer, each):
        offsets += [record.offset for record in records]
        end = behind
    return offsets, end


@pytest.mark.parametrize("bad", [range(5, 6), range(5, 8), range(5, 700), range(3), range(5, 1000)])
async def test_k22_the_end_of_a_damaged_batch_is_found(consumer: FakeConsumer, bad: range) -> None:
    """However long it is; what lies before is read, and the consumer stands behind it."""
    each = consumer.fill("orders", 0, range(1000))
    consumer.damaged[each] = bad
    consumer.assign([each])
    consumer.seek(each, 0)
    assert await read(consumer, each) == (list(range(bad.start)), bad.stop)
    assert consumer.places[each] == bad.stop


async def test_k22_what_fell_over_on_the_way_is_read_again(consumer: FakeConsumer) -> None:
    """One damaged answer is no damaged log."""
    each = consumer.fill("orders", 0, range(3))
    consumer.errors = [errors.CorruptRecordException("x")] * (damage.TRIES - 1)
    consumer.assign([each])
    consumer.seek(each, 0)
    assert await read(consumer, each) == ([0, 1, 2], None)


async def test_care_has_an_end(consumer: FakeConsumer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One record at a time is slow."""
    monkeypatch.setattr(damage, "MAX_CAREFUL", 10)
    each = consumer.fill("orders", 0, range(1000))
    consumer.assign([each])
    consumer.seek(each, 0)
    assert await read(consumer, each) == (list(range(10)), None)


async def test_only_what_has_something_unread_is_suspect(consumer: FakeConsumer) -> None:
    """An idle partition would have to be waited for."""
    zero, one, other = (consumer.fill("orders", number, range(3)) for number in range(3))
    consumer.assign([zero, one])
    consumer.seek(zero, 0)
    consumer.seek(one, 3)
    assert await suspects(consumer, [zero, one, other]) == [zero]
