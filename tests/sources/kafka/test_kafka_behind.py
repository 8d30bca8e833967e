"""A consumer's lag, as the library knows it without asking."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.subscription_state import Assignment

from bridge.sources.kafka.consumer import behind


def consumer(*places: tuple[int | None, int | None]) -> Any:
    """Return a consumer that stands at these positions before these ends."""
    parts = [TopicPartition("t", number) for number in range(len(places))]
    assignment = Assignment(parts)
    for part, (position, end) in zip(parts, places, strict=True):
        state = assignment.state_value(part)
        if position is not None:
            state.reset_to(position)
        state.highwater = end
    return SimpleNamespace(_subscription=SimpleNamespace(subscription=SimpleNamespace(assignment=assignment)))


@pytest.mark.parametrize(
    ("places", "lag"),
    [
        ([(5, 12), (3, 3)], 7),
        ([(5, 12), (3, None), (None, 9)], 7),
        ([(12, 5)], 0),
        ([(3, None)], None),
        ([], None),
    ],
)
async def test_a_lag_is_of_all_partitions_whose_end_is_known(
    places: list[tuple[int | None, int | None]], lag: int | None
) -> None:
    """Before the first answer nothing is known, and what has no place yet is not counted."""
    assert behind(consumer(*places)) == lag


async def test_a_consumer_without_partitions_knows_no_lag() -> None:
    """Neither before it has asked for any, nor between two assignments of a group."""
    for subscription in (None, SimpleNamespace(assignment=None)):
        assert behind(SimpleNamespace(_subscription=SimpleNamespace(subscription=subscription))) is None
