"""What the log says and what `docs/logs.md` says of it."""

import re
from typing import NamedTuple

from tests.telemetry.events import ROOT, calls, said

ROW = re.compile(r"\| (`{1,2})(?P<event>.+?)\1 \| (?P<level>[a-z, ]+) \| (?P<keys>[^|]*) \| (?P<meaning>[^|]+) \|")

#: Keys that are written to no call: what an error is told with, and what says more than one thing at once.
OWN = {"exc_info"}
SPREAD = {
    "events skipped": {"events", "routes", "reasons"},
    "lines held back": {"of", "held_back"},
    "a library says": {"library", "detail"},
    "the Kafka client says": {"withheld"},
    "configuration applied": {"sources", "routes", "server", "limits"},
}


class Row(NamedTuple):
    """One event, as it is documented."""

    event: str
    levels: frozenset[str]
    keys: frozenset[str]
    meaning: str


def rows() -> list[Row]:
    """Return the table of the documentation."""
    text = (ROOT / "docs" / "logs.md").read_text("utf-8")
    return [
        Row(
            found["event"],
            frozenset(found["level"].split(", ")),
            frozenset(re.findall(r"`(\w+)`", found["keys"])),
            found["meaning"],
        )
        for found in map(ROW.fullmatch, text.splitlines())
        if found is not None
    ]


def test_each_line_of_the_log_is_documented():
    """And none that is not there any more; in alphabetical order, each once."""
    documented = [row.event for row in rows()]
    assert documented == sorted(said())


def test_levels_are_as_documented():
    """Of an event that has several, each."""
    told = {row.event: row.levels for row in rows()}
    for call in calls():
        assert call.level in told[call.event] or call.level == "log", call


def test_keys_are_as_documented():
    """All that a call gives, and nothing else."""
    given = {event: set(SPREAD.get(event, ())) for event in said()}
    for call in calls():
        given[call.event] |= call.keys - OWN
    for row in rows():
        assert row.keys - {"exception", "traceback"} == given[row.event], row.event


def test_each_has_a_meaning():
    """In a sentence."""
    assert all(row.meaning.rstrip().endswith(".") for row in rows())
