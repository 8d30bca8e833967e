"""The ledgers find every kind of loss, and nothing where there is none."""

import json

import pytest

from tests.rolling.eventsource import Dispatched
from tests.rolling.ledger import GAP, Pushed, Recorded


def notices(text):
    """Read `a1 a2 ! b2`: numbers by process, `!` for a gap."""
    made = []
    for word in text.split():
        data = {} if word == "!" else {"by": word[0], "n": int(word[1:])}
        made.append(Dispatched(GAP if word == "!" else "message", json.dumps(data)))
    return made


PUSHED = Pushed({"a": [0, 1, 2, 4], "b": [2, 3, 4, 5]}, end=5)


@pytest.mark.parametrize("heard", ["a0 a1 a2 a4 ! b5", "a0 a1 ! b2 b3 b4 b5", "a0 ! b4 ! a1 a2 ! b5", "! b3 b4 b5"])
def test_what_each_process_took_in_order_with_gaps_between_is_right(heard):
    """The number 3 is missing from what `a` took, so nobody there can have heard it."""
    assert PUSHED.is_over(notices(heard))
    assert PUSHED.faults(notices(heard)) == []


@pytest.mark.parametrize(
    ("heard", "fault"),
    [
        ("a0 a2 ! b5", "('a', [1]) lost without a gap"),
        ("a0 a1 b2 b3 b4 b5", "('a', 1) to ('b', 2) without a gap"),
        ("a1 ! b5", "began with ('a', 1) without a gap"),
        ("a0 a1 a1 ! b5", "('a', 1) after ('a', 1)"),
        ("a0 ! a1 ! b5", "a gap within a"),
        ("a0 ! a2 ! b5", "a gap within a"),
        ("a0 a1", "ended with ('a', 1)"),
        ("", "ended with ('', -1)"),
    ],
)
def test_what_a_page_lost_without_a_word_is_named(heard, fault):
    """So is what it heard twice, and a gap where there was none."""
    assert PUSHED.faults(notices(heard)) == [fault]


RECORDED = Recorded({0: 3, 1: 2})


def records(text):
    """Read `00 10 01`: partition and number."""
    return [Dispatched("message", json.dumps({"partition": int(p), "n": int(n)})) for p, n in text.split()]


def test_each_record_once_is_right_in_whatever_order_of_partitions():
    """Only within a partition there is an order."""
    heard = records("00 10 01 11 02")
    assert RECORDED.is_over(heard)
    assert RECORDED.faults(heard) == []


@pytest.mark.parametrize(
    ("heard", "fault"),
    [
        ("00 10 02 11", "partition 0: lost [1], twice [] of 3, 2 heard"),
        ("00 01 01 02 10 11", "partition 0: lost [], twice [1] of 3, 4 heard"),
        ("00 02 01 10 11", "partition 0: lost [], twice [] of 3, 3 heard"),
        ("10 11", "partition 0: lost [0, 1, 2], twice [] of 3, 0 heard"),
    ],
)
def test_records_that_are_lost_or_heard_twice_are_named(heard, fault):
    """So are those that come in another order."""
    assert RECORDED.faults(records(heard)) == [fault]


def test_a_gap_among_records_is_a_fault():
    """Nothing is missing, so nothing may be said to be."""
    [fault] = RECORDED.faults([*records("00 10 01 11 02"), Dispatched(GAP, '{"reason": "epoch"}')])
    assert "epoch" in fault
