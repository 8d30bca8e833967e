"""The shape of a line: one document, whatever its keys hold."""

import json
import re

import pytest

from bridge.secret import Secret
from bridge.telemetry.line import FIRST, MAX_FRAMES, MAX_ITEMS, MAX_TEXT, bounded, plain, shape, timestamp

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def shaped(**keys: object) -> dict[str, object]:
    """Return a line as it is written."""
    return shape(None, "warning", {"event": "it happened", **keys})


def raised() -> BaseException:
    """Return an error that holds what a peer sent, raised some calls deep."""

    def deeper(left: int) -> None:
        if left:
            deeper(left - 1)
        raise ValueError("token=hunter2\nand a second line")

    try:
        deeper(30)
    except ValueError as error:
        return error
    raise AssertionError


def test_each_line_begins_alike():
    """Time, level and event come first, then the keys as they were given."""
    line = shaped(source="s", reason="it broke")
    assert list(line) == [*FIRST, "source", "reason"]
    assert STAMP.fullmatch(str(line["timestamp"]))
    assert (line["level"], line["event"]) == ("warning", "it happened")


def test_time_is_utc_to_the_millisecond():
    """As RFC 3339 writes it, with Z."""
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1_763_721_600.1234) == "2025-11-21T10:40:00.123Z"


def test_keys_cannot_stand_in_for_what_every_line_has():
    """A key of the same name is dropped rather than believed."""
    assert STAMP.fullmatch(str(shaped(timestamp="yesterday", level="info")["timestamp"]))


def test_an_error_is_told_without_its_words():
    """They repeat what was parsed; class and place are what one looks for."""
    line = shaped(exc_info=raised())
    assert line["exception"] == "ValueError"
    frames = line["traceback"]
    assert isinstance(frames, list)
    assert len(frames) == MAX_FRAMES
    assert re.fullmatch(r"tests/telemetry/test_line\.py:\d+ deeper", frames[-1])
    assert "hunter2" not in json.dumps(line)


def test_an_error_tells_what_it_came_from():
    """Each by its class; the system's own words are told."""
    try:
        try:
            raise FileNotFoundError(2, "No such file or directory", "/secret/place")
        except OSError as error:
            raise RuntimeError("words") from error
    except RuntimeError as error:
        line = shaped(exc_info=error)
    assert line["exception"] == "RuntimeError from FileNotFoundError: No such file or directory"


def test_the_error_that_is_handled_is_meant_by_true():
    """As `log.exception` has it, and as the tuple of `sys.exc_info`."""
    told = list[object]()
    try:
        {}["words"]
    except KeyError as error:
        told = [shaped(exc_info=each)["exception"] for each in (True, (type(error), error, None))]
    assert told == ["KeyError"] * 2
    assert "exception" not in shaped(exc_info=None)
    assert "exception" not in shaped(exc_info=(None, None, None))


def test_a_group_of_errors_names_its_parts():
    """A task group's failure says nothing by its own name."""
    group = ExceptionGroup("words", [ValueError("a"), KeyError("b"), ValueError("c")])
    assert shaped(exc_info=group)["exception"] == "ExceptionGroup of KeyError, ValueError"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (2**100, "101 bits"),
        (b"\0secret", "7 bytes"),
        (ValueError("words"), "ValueError"),
        (OSError(13, "Permission denied"), "PermissionError: Permission denied"),
        (("a", {"b": [1]}), ["a", {"b": [1]}]),
        (Secret("hunter2"), "Secret(hidden)"),
        ({"deep": {"deep": {"deep": {"deep": 1}}}}, {"deep": {"deep": {"deep": "{'deep': 1}"}}}),
    ],
)
def test_values_are_as_json_has_them(value: object, told: object):
    """What JSON does not have becomes a text, bytes and errors without what they hold."""
    assert bounded(value) == told
    json.dumps(bounded(value), allow_nan=False)


def test_values_are_bounded():
    """A line stays a line: long texts and lists are cut."""
    text = bounded("x" * 100_000)
    assert isinstance(text, str)
    assert len(text) == MAX_TEXT + 1
    assert len(json.dumps(bounded([["y" * 100] * 1_000] * 1_000))) < 400_000
    items = bounded(list(range(1_000)))
    assert isinstance(items, list)
    assert len(items) == MAX_ITEMS


def test_what_a_terminal_would_obey_is_shown_to_people():
    """Escapes, line ends and marks that turn text around stand there as themselves."""
    line = plain(None, "info", {"event": "e", "topic": "a\x1b[31m\nb\u202ec ä", "exception": "ValueError"})
    assert line["topic"] == r"a\x1b[31m\nb\u202ec ä"
    assert line["raised"] == "ValueError"
    assert "exception" not in line
