"""Where to begin."""

import pytest
from pydantic import TypeAdapter, ValidationError

from bridge.position import MAX_OFFSET
from bridge.sources.kafka import begin
from bridge.sources.kafka.begin import Offsets, Since, at, offsets
from tests.fake_kafka import EPOCH, FakeConsumer

NOW = EPOCH / 1000 + 10


@pytest.fixture
def both(consumer: FakeConsumer) -> list[object]:
    """Give two partitions: records 0 to 9, of which the first two are gone; and one without records."""
    zero = consumer.fill("orders", 0, range(10))
    consumer.firsts[zero] = 2
    return [zero, consumer.fill("orders", 1, [])]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("latest", [10, 0]),
        ("earliest", [2, 0]),
        (Since(since="4s"), [6, 0]),
        (Since(since="100d"), [0, 0]),
        (Since(since="0.5s"), [10, 0]),
        (Offsets(offsets={"orders": {"0": 5}}), [5, 0]),
        (Offsets(offsets={"orders": {"0": 99}, "other": {"1": 1}}), [10, 0]),
    ],
)
async def test_where_to_begin(consumer: FakeConsumer, both: list, where: begin.Begin, expected: list[int]) -> None:
    """At the end, at the beginning, by time, by name; never beyond the end."""
    found = await offsets(where, consumer, both, NOW)
    assert [found[each] for each in both] == expected


async def test_nobody_is_asked_for_nothing(consumer: FakeConsumer) -> None:
    """There may be no new partition."""
    assert await offsets("latest", consumer, [], NOW) == {}


async def test_a_time_is_a_place(consumer: FakeConsumer, both: list) -> None:
    """Before the first record that is not older, the end where none is; also before 1970."""
    assert list((await at(consumer, both, EPOCH / 1000 + 3.5)).values()) == [4, 0]
    assert list((await at(consumer, both, -5.0)).values()) == [0, 0]


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"orders": {}},
        {"orders": {"a": 1}},
        {"orders": {"01": 1}},
        {"orders": {"0": -1}},
        {"orders": {"0": MAX_OFFSET + 1}},
        {"orders": {str(n): 1 for n in range(begin.MAX_NAMED + 1)}},
    ],
)
def test_offsets_that_are_none_are_refused(value: dict) -> None:
    """With the form that is expected."""
    with pytest.raises(ValidationError, match=r"for example|expected offsets"):
        Offsets(offsets=value)


@pytest.mark.parametrize("value", ["0s", "5000d", 5, "x"])
def test_times_that_are_none_are_refused(value: object) -> None:
    """It is a duration with a unit."""
    with pytest.raises(ValidationError):
        TypeAdapter(Since).validate_python({"since": value})
