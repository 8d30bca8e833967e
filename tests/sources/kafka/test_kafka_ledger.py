"""Which number each record had."""

from hypothesis import given, strategies as st

from bridge.position import Part
from bridge.sources.kafka.ledger import Ledger, Run, Segment, number

A, B = Part("aaaa", 0), Part("aaaa", 1)


def ids(*numbers: int) -> list[str]:
    """Write ids."""
    return [f"epoch-{n}" for n in numbers]


def after(ledger: Ledger, at: int) -> list[Run] | None:
    """Return what came after a number."""
    runs = ledger.after(at)
    return None if runs is None else list(runs)


def test_records_that_follow_each_other_are_one_run() -> None:
    """Also over batches."""
    ledger = Ledger()
    ledger.add(ids(1, 2, 3), [Segment(A, [10, 11, 12])])
    ledger.add(ids(4, 5), [Segment(A, [13, 14])])
    assert after(ledger, 0) == [Run(1, A, 10, 5)]
    assert after(ledger, 3) == [Run(4, A, 13, 2)]
    assert after(ledger, 5) == []


def test_another_partition_hole_or_number_begins_a_run() -> None:
    """Each tells its own offsets."""
    ledger = Ledger()
    ledger.add(ids(1, 2, 3, 4), [Segment(A, [0, 1]), Segment(B, [7, 9])])
    ledger.add(ids(6, 8), [Segment(A, [2, 3])])
    assert after(ledger, 0) == [Run(1, A, 0, 2), Run(3, B, 7, 1), Run(4, B, 9, 1), Run(6, A, 2, 1), Run(8, A, 3, 1)]


def test_the_oldest_are_forgotten() -> None:
    """Who is just behind what was dropped still has everything after it; who is before has not."""
    ledger = Ledger(limit=3)
    for n in range(1, 7):
        ledger.add(ids(n * 2), [Segment(A, [n * 10])])
    assert after(ledger, 5) is None
    assert after(ledger, 6) == [Run(8, A, 40, 1), Run(10, A, 50, 1), Run(12, A, 60, 1)]


def test_after_a_loss_all_before_is_forgotten() -> None:
    """Whoever comes back to it must hear of the loss."""
    ledger = Ledger()
    ledger.add(ids(1, 2), [Segment(A, [0, 1])])
    ledger.forget()
    assert after(ledger, 2) is None
    ledger.add(ids(3), [Segment(A, [9])])
    assert after(ledger, 2) is None
    assert after(ledger, 3) == []


def test_nothing_is_entered_for_nothing() -> None:
    """A batch may be empty."""
    ledger = Ledger()
    ledger.add([], [])
    assert after(ledger, 0) == []
    assert number("a-b-12") == 12


@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 3), st.booleans(), st.integers(1, 3)), min_size=1, max_size=8), max_size=8
    ),
    st.integers(0, 60),
)
def test_what_comes_out_is_what_went_in(batches: list[list[tuple[int, bool, int]]], at: int) -> None:
    """Number by number, whatever the runs are."""
    ledger = Ledger()
    told: list[tuple[int, Part, int]] = []
    n, offsets = 0, {A: 0, B: 0}
    for batch in batches:
        given_ids, segments = [], []
        for step, is_b, skip in batch:
            part = B if is_b else A
            n += step
            offsets[part] += skip
            told.append((n, part, offsets[part]))
            given_ids.append(f"e-{n}")
            segments.append(Segment(part, [offsets[part]]))
        ledger.add(given_ids, segments)
    runs = after(ledger, at) or []
    found = [(run.number + k, run.part, run.offset + k) for run in runs for k in range(run.length)]
    assert found == [each for each in told if each[0] > at]


def test_a_record_that_was_refused_stands_between_two_numbers() -> None:
    """Whoever has not seen the event after it may not have heard of it."""
    ledger = Ledger()
    ledger.add(ids(1, 2), [Segment(A, [0, 1])])
    ledger.refuse(A, 2)
    ledger.refuse(A, 3)
    ledger.add(ids(3), [Segment(A, [4])])
    refused = [Run(3, A, 2, 0), Run(3, A, 3, 0)]
    assert after(ledger, 1) == [Run(2, A, 1, 1), *refused, Run(3, A, 4, 1)]
    assert after(ledger, 2) == [*refused, Run(3, A, 4, 1)]
    assert after(ledger, 3) == []


def test_records_that_were_refused_are_forgotten_too() -> None:
    """A topic may have nothing else; who stands before one that was forgotten must hear of a loss."""
    ledger = Ledger(limit=2)
    ledger.add(ids(1), [Segment(A, [0])])
    for offset in range(1, 5):
        ledger.refuse(A, offset)
    assert after(ledger, 1) is None
    assert after(ledger, 2) == []
