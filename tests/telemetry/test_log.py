"""The log of the process: who says how much it tells, and for how long."""

import io
import itertools
import json
import os
import re
import time

import pytest
import structlog
from jsonschema import Draft202012Validator

from bridge.telemetry import Log
from bridge.telemetry.cap import LINES_PER_SECOND
from tests.support import DEADLINE, running, until
from tests.telemetry.conftest import Written
from tests.telemetry.events import ROOT

log = structlog.get_logger()


def test_machines_get_json(written: Written, stream: io.StringIO):
    """A line a fact, with its keys, its level and its time; a traceback is one key."""
    _, lines = written
    log.debug("hidden")
    log.info("ready", listen=["127.0.0.1:1"])
    log.error("source crashed", source="a\nb", exc_info=ValueError("no\ngood"))
    first, second = lines()
    assert (first["event"], first["level"], first["listen"]) == ("ready", "info", ["127.0.0.1:1"])
    assert (second["source"], second["level"], second["exception"]) == ("a\nb", "error", "ValueError")
    assert stream.getvalue().count("\n") == 2


def test_lines_are_as_their_schema_says(written: Written):
    """`docs/log-line.schema.json` is what a collector may lean on."""
    _, lines = written
    schema = json.loads((ROOT / "docs" / "log-line.schema.json").read_text("utf-8"))
    log.info("ready", listen=["127.0.0.1:1"])
    log.error("source crashed", source="s", exc_info=ValueError("no"))
    for _ in range(20):
        log.warning("source is down", source="s", reason=None)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for line in lines():
        validator.validate(line)
    assert not validator.is_valid({"timestamp": "2026-11-21 10:00:00", "level": "info", "event": "ready"})
    assert not validator.is_valid({"timestamp": "2026-11-21T10:00:00.000Z", "level": "fatal", "event": "ready"})


def test_people_get_colours_on_one_line(stream: io.StringIO):
    """And every level, if they ask for it."""
    mine = Log()
    mine.configure(level="debug", format="pretty", stream=stream)
    log.debug("seen", key="value", odd="a\x1b[2J\nb", exc_info=ValueError("hunter2"))
    mine.reset()
    [line] = stream.getvalue().splitlines()
    text = re.sub(r"\x1b\[[0-9;]*m", "", line)
    assert "seen" in text
    assert r"odd=a\x1b[2J\nb" in text
    assert "raised=ValueError" in text
    assert "hunter2" not in text


def test_by_itself_the_log_is_json_unless_a_terminal_reads_it(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch):
    """`auto` asks the stream."""
    mine = Log()
    mine.configure(stream=stream)
    log.info("for a machine")
    monkeypatch.setattr(stream, "isatty", lambda: True)
    mine.follow("info", "auto")
    log.info("for a person")
    mine.reset()
    machine, person = stream.getvalue().splitlines()
    assert json.loads(machine)["event"] == "for a machine"
    assert "for a person" in person
    assert "{" not in person


def test_the_command_line_beats_the_file(stream: io.StringIO):
    """In level and format, at the start and after each reload."""
    mine = Log()
    mine.configure(level="error", format="json", stream=stream)
    mine.follow("debug", "pretty")
    log.warning("hidden")
    log.error("seen")
    mine.reset()
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["seen"]


def test_a_reload_changes_the_level_and_says_so(written: Written):
    """The file's level holds from then on."""
    mine, lines = written
    mine.follow("warning", "json")
    log.info("hidden")
    mine.follow("debug", "json")
    log.debug("seen")
    assert [(line["event"], line.get("now")) for line in lines()] == [("log level changed", "debug"), ("seen", None)]


async def test_a_level_that_is_asked_for_ends_by_itself(written: Written):
    """So that debug does not stay on by mistake; a line tells of both."""
    mine, lines = written
    mine.ask("debug", 0.2)
    assert mine.level == "debug"
    log.debug("seen")
    status = mine.status()
    assert (status["level"], status["then"]) == ("debug", "info")
    assert str(status["until"]).endswith("Z")
    assert [line["event"] for line in lines()][:2] == ["log level set", "seen"]
    await until(lambda: "log level is over" in [line["event"] for line in lines()])
    log.debug("hidden")
    assert "hidden" not in [line["event"] for line in lines()]
    assert (mine.level, mine.status()["until"]) == ("info", None)


def test_who_silences_the_log_is_told_of_first(written: Written):
    """The line that says so is of a level that is silent from there on."""
    mine, lines = written
    mine.ask("error")
    log.warning("hidden")
    mine.ask("warning")
    assert [(line["event"], line["now"]) for line in lines()] == [
        ("log level set", "error"),
        ("log level set", "warning"),
    ]


def test_a_level_that_is_asked_for_outlasts_a_reload(written: Written):
    """Who looks at something is not cut off by somebody who mends the file."""
    mine, _ = written
    mine.ask("debug", 60)
    mine.follow("error", "json")
    assert (mine.level, mine.status()["then"]) == ("debug", "error")
    mine.ask("warning", 60)
    assert mine.level == "warning"


def test_a_wrong_level_is_refused(written: Written):
    """And changes nothing."""
    mine, _ = written
    with pytest.raises(ValueError, match="is not one of debug, info, warning, error"):
        mine.ask("loud")
    with pytest.raises(ValueError, match="is not one of auto, json, pretty"):
        Log().configure(format="xml")
    assert mine.level == "info"


async def test_what_is_held_back_is_told_within_seconds(written: Written):
    """Though nothing of the cause follows: the flood is over, and its size is known."""
    mine, lines = written
    for _ in range(200):
        log.warning("source is down", source="s")
    told = await until(lambda: [line for line in lines() if line["event"] == "lines held back"])
    assert sum(line["event"] == "source is down" for line in lines()) == LINES_PER_SECOND
    assert [(line["of"], line["source"], line["held_back"], line["level"]) for line in told] == [
        ("source is down", "s", 190, "warning")
    ]
    assert mine.held_back == 190


async def test_a_flood_of_a_source_is_ten_lines_a_second_and_a_number(written: Written):
    """Through the bridge itself: what happened is what is told, line by line or as held back."""
    mine, lines = written
    parts = "sources: {p: {kind: push, capture: {region: headers.region}}}\nroutes: {'/r/{region}': {from: p}}\n"
    async with running(parts) as served:
        begun = time.monotonic()
        for _ in range(2_000):
            served.publish("nowhere")
        took = time.monotonic() - begun
    mine.tell_held()
    said = [line for line in lines() if line["event"] == "events skipped"]
    held = [line.get("held_back", 0) for line in lines() if "events skipped" in {line["event"], line.get("of")}]
    assert len(said) <= LINES_PER_SECOND * (1 + int(took))
    assert len(said) + sum(held) == 2_000


def test_a_log_that_nobody_reads_takes_nothing_with_it(stream: io.StringIO):
    """A closed pipe is no reason to stop serving."""
    mine = Log()
    mine.configure(format="json", stream=stream)
    stream.close()
    log.error("nobody reads this")
    mine.reset()


def test_a_reader_that_stalls_holds_up_nothing_and_is_told_what_it_lost():
    """A pipe is full at some point; the loop waits a moment for it once, and then for none of its lines."""
    read, write = os.pipe()
    with os.fdopen(write, "w", encoding="utf-8") as stream, os.fdopen(read, encoding="utf-8") as reader:
        os.set_blocking(read, False)
        mine = Log(clock=itertools.count(step=1.0).__next__)
        mine.configure(format="json", stream=stream)
        begun = time.monotonic()
        for number in range(2_000):
            log.info("seen", number=number)
        assert time.monotonic() - begun < DEADLINE
        before = reader.readlines()
        log.info("read again")
        log.info("and again")
        after = [json.loads(line) for line in reader]
        lost = mine.held_back
        mine.reset()
    assert len(before) + lost == 2_000
    assert lost > 0
    assert [(line["event"], line.get("lost")) for line in after] == [("read again", lost), ("and again", None)]


def test_before_it_is_configured_nothing_of_the_process_changes():
    """Whoever embeds the bridge has a log of its own."""
    mine, before = Log(), structlog.get_config()
    mine.follow("debug", "json")
    assert structlog.get_config() == before
    assert mine.level == "debug"
