"""Counters of a route: products instead of deliveries, ages in buckets, gaps as they stand in what is written."""

from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from bridge import wire
from bridge.event import Record
from bridge.meter import BUCKETS, Latency, Meter
from bridge.oversize import cut
from bridge.subscription import Subscription


def records(times: Sequence[float]) -> list[Record]:
    """Return records of these times."""
    return [Record(seq, time, b"") for seq, time in enumerate(times, 1)]


def test_what_is_written_counts_once_for_each_subscriber() -> None:
    """Events and bytes are those of all readers together."""
    meter = Meter()
    meter.wrote(b"id: 1\ndata: x\n\n", 1, 10_000)
    assert (meter.events, meter.bytes) == (10_000, 150_000)


def test_gaps_are_read_out_of_what_is_written() -> None:
    """Each gap counts by its reason, for each reader, wherever it stands."""
    meter = Meter()
    slow, evicted = Subscription.gap("slow", 3, None, None), Subscription.gap("evicted", None, "e-1", "e-9")
    meter.tell(slow + wire.encode("e-2", "", "x") + evicted, 3)
    meter.tell(wire.retry(1_000) + evicted)
    meter.tell(cut(b"x" * 100, "", "e-3", 10), 2)
    assert meter.gaps == {"slow": 3, "evicted": 4, "oversize": 2}


@given(st.text())
def test_no_data_looks_like_a_gap(text: str) -> None:
    """Nothing that a producer sends is counted as a gap of ours."""
    meter = Meter()
    meter.tell(wire.encode("e-1", "x", f'{text}\nevent: bridge.gap\ndata: {{"reason":"slow"}}'))
    meter.tell(wire.encode("e-1", "x", 'event: bridge.gap\r\ndata: {"reason":"slow"}'))
    assert not meter.gaps


@pytest.mark.parametrize(
    ("age", "bucket"), [(0.0, 0), (0.001, 0), (0.0011, 1), (1.0, 9), (1.5, 10), (300.0, 15), (301.0, 16), (1e9, 16)]
)
def test_an_age_is_in_the_bucket_whose_bound_it_does_not_pass(age: float, bucket: int) -> None:
    """A bound belongs to its bucket, as `le` says."""
    latency = Latency()
    latency.observe(records([0.0]), age, 7)
    assert latency.counts[bucket] == sum(latency.counts) == 7
    assert latency.total == pytest.approx(7 * age)


def test_a_clock_that_is_ahead_makes_no_negative_age() -> None:
    """An event of the future counts as one without any delay."""
    latency = Latency()
    latency.observe(records([10.0]), 5.0, 1)
    latency.observe(records([10.0, 0.0]), 5.0, 1)
    assert latency.counts[0] == 2
    assert latency.counts[11] == 1
    assert latency.total == 5.0


@given(st.lists(st.floats(0, 400), min_size=1, max_size=50), st.integers(1, 1000))
def test_a_batch_of_one_bucket_counts_as_its_records_do(ages: list[float], readers: int) -> None:
    """Ordered ages are counted as if each were by itself; the sum is that of their bucket."""
    batch, single = Latency(), Latency()
    ages.sort(reverse=True)
    batch.observe(records([-age for age in ages]), 0.0, readers)
    for age in ages:
        single.observe(records([-age]), 0.0, readers)
    assert batch.counts == single.counts
    width = max(300.0, *ages) - 0 if ages[0] > BUCKETS[-1] else ages[0] - ages[-1]
    assert batch.total == pytest.approx(single.total, abs=width * len(ages) * readers + 1e-6)
