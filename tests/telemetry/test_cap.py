"""The bound on the log: ten lines within any second of one cause, and all others counted."""

import ast
import random
from collections import Counter

import pytest
import structlog

from bridge.telemetry.cap import LINES_PER_SECOND, MAX_CAUSES, MAX_RELEASED, Cap
from tests.telemetry.events import said


class Now:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.time


def passes(cap: Cap, event: str = "source is down", level: str = "info", **keys: object) -> dict[str, object] | None:
    """Return the line as it leaves, or None where it is held back."""
    try:
        return dict(cap(None, level, {"event": event, **keys}))
    except structlog.DropEvent:
        return None


def test_ten_lines_a_second_of_one_cause_pass():
    """The first line of a later second says how many were held back, once."""
    now = Now()
    cap = Cap(now)
    assert sum(passes(cap) is not None for _ in range(1_000)) == LINES_PER_SECOND
    now.time += 1
    assert passes(cap) == {"event": "source is down", "held_back": 990}
    assert passes(cap) == {"event": "source is down"}
    now.time += 3_600
    assert passes(cap) == {"event": "source is down"}
    assert cap.total == 990


def test_no_second_has_more_than_ten_wherever_it_begins():
    """The window slides: ten at the end of one second and ten at the beginning of the next would be twenty at once."""
    now, draw = Now(), random.Random(7)
    cap, passed = Cap(now), list[float]()
    for _ in range(5_000):
        now.time += draw.uniform(0, 0.02)
        if passes(cap) is not None:
            passed.append(now.time)
    assert all(sum(begin <= time < begin + 1 for time in passed) <= LINES_PER_SECOND for begin in passed)


@pytest.mark.parametrize("event", said())
def test_a_flood_of_each_cause_is_ten_lines_a_second_and_none_is_lost(event: str):
    """Lines and what is told as held back are together what happened."""
    now = Now()
    cap = Cap(now)
    lines, told, begun = Counter[int](), 0, now.time
    for number in range(3_000):
        if (line := passes(cap, event, source="s", number=number)) is not None:
            lines[int(now.time - begun)] += 1
            told += int(str(line.get("held_back", 0)))
        now.time += 0.001
    now.time += 1
    told += sum(held.lines for held in cap.release())
    assert max(lines.values()) <= LINES_PER_SECOND
    assert lines.total() + told == 3_000
    assert cap.total == told


def test_causes_are_capped_apart():
    """By what is said, of which source and by which library: a noisy one hides no other."""
    cap = Cap(Now())
    for _ in range(50):
        passes(cap, source="noisy", other=object())
    assert passes(cap, source="noisy") is None
    assert passes(cap, source="quiet") is not None
    assert passes(cap, "something else", source="noisy") is not None
    assert passes(cap, source="noisy", library="aiokafka") is not None


def test_what_a_flood_held_back_is_told_though_no_line_follows():
    """Once the cause has been silent for a second: before that its next line will tell."""
    now = Now()
    cap = Cap(now)
    for _ in range(30):
        passes(cap, "source is down", "warning", source="s")
    assert cap.is_holding
    assert cap.release() == []
    now.time += 1
    [held] = cap.release()
    assert held == (20, "warning", {"of": "source is down", "source": "s"})
    assert cap.release() == []
    assert not cap.is_holding


def test_at_the_end_all_is_told_at_once():
    """Nobody waits for the second to be over."""
    cap = Cap(Now())
    for _ in range(11):
        passes(cap)
    assert [held.lines for held in cap.release(is_last=True)] == [1]


def test_many_causes_are_told_within_the_cap_itself():
    """The largest one by one, all others in one line."""
    now = Now()
    cap = Cap(now)
    for number in range(100):
        for _ in range(LINES_PER_SECOND + 1 + number):
            passes(cap, source=f"s{number}")
    now.time += 1
    told = cap.release()
    assert len(told) == MAX_RELEASED + 1
    assert told[0].keys["source"] == "s99"
    assert told[-1].keys == {}
    assert sum(held.lines for held in told) == sum(range(1, 101)) == cap.total


def test_causes_are_bounded_and_what_is_forgotten_is_told():
    """However many there are, what is remembered of them stays small."""
    now = Now()
    cap = Cap(now)
    for _ in range(25):
        passes(cap, "the first")
    for number in range(10 * MAX_CAUSES):
        assert passes(cap, f"cause {number}") is not None
    assert len(cap._seen) <= MAX_CAUSES
    assert [(held.lines, held.keys) for held in cap.release()] == [(15, {})]


def test_events_are_words_of_the_code():
    """What is said never holds a value: each would be a cause of its own."""
    assert all(isinstance(ast.literal_eval(repr(event)), str) and "{" not in event for event in said())
