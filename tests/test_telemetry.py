"""The log: one line a fact, and never a flood."""

import json

import pytest
import structlog

from bridge import telemetry
from bridge.telemetry import LINES_PER_SECOND, MAX_CAUSES, Cap


class Now:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.time


def passes(cap: Cap, event: str = "source is down", **keys: object) -> dict[str, object] | None:
    """Return the line as it leaves, or None where it is held back."""
    try:
        return dict(cap(None, "info", {"event": event, **keys}))
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


def test_seconds_of_flood_each_have_their_lines():
    """What was held back in each is told in the next."""
    now = Now()
    cap = Cap(now)
    told = 0
    for _ in range(5):
        lines = [line for _ in range(100) if (line := passes(cap)) is not None]
        assert len(lines) == LINES_PER_SECOND
        told += sum(line.get("held_back", 0) for line in lines)
        now.time += 1
    assert told == 4 * 90


def test_causes_are_capped_apart():
    """By what is said and of which source: a noisy one hides no other."""
    cap = Cap(Now())
    for _ in range(50):
        passes(cap, source="noisy", other=object())
    assert passes(cap, source="noisy") is None
    assert passes(cap, source="quiet") is not None
    assert passes(cap, "something else", source="noisy") is not None


def test_causes_are_bounded():
    """However many there are, what is remembered of them stays small."""
    cap = Cap(Now())
    for number in range(10 * MAX_CAUSES):
        assert passes(cap, f"cause {number}") is not None
    assert len(cap._seen) <= MAX_CAUSES


@pytest.fixture
def _undone():
    """Leave the process' log as it was."""
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("_undone")
def test_machines_get_json(capsys):
    """A line a fact, with its keys, its level and its time; a traceback is one key."""
    telemetry.configure()
    log = structlog.get_logger()
    log.debug("hidden")
    log.info("ready", listen=["127.0.0.1:1"])
    log.error("source crashed", source="s", exc_info=ValueError("no\ngood"))
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["event"], first["level"], first["listen"]) == ("ready", "info", ["127.0.0.1:1"])
    assert first["timestamp"].endswith("Z")
    assert (second["source"], second["level"]) == ("s", "error")
    assert "ValueError: no\ngood" in second["exception"]


@pytest.mark.usefixtures("_undone")
def test_people_get_colours(capsys):
    """And every level, if they ask for it."""
    telemetry.configure(level="debug", pretty=True)
    structlog.get_logger().debug("seen", key="value")
    assert "seen" in capsys.readouterr().err


@pytest.mark.usefixtures("_undone")
def test_the_configured_log_is_capped(capsys):
    """A fault that repeats writes ten lines a second, or twenty where the second ends in between."""
    telemetry.configure(pretty=False)
    for _ in range(200):
        structlog.get_logger().warning("source is down", source="s")
    assert 10 <= len(capsys.readouterr().err.splitlines()) <= 20
