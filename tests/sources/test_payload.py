"""Texts and mappings with holes."""

import json
import time

import pytest
from pydantic_core import PydanticCustomError

from bridge.sources.payload import MAX_TEXT, check_form, check_payload, moment, render, values

NOW = 1_732_180_000.25
KNOWN = values("iso", 7, NOW, 3)


@pytest.fixture
def utc_zone(monkeypatch):
    """Run in UTC, whatever the machine's zone."""
    monkeypatch.setenv("TZ", "UTC0")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ("Message {n}", "Message 7"),
        ("{time}", "2024-11-21T09:06:40.250Z"),
        ("{n}{n}", "77"),
        ("{{n}} {{{n}}}", "{n} {7}"),
        ("{ms}", "1732180000250"),
        ("", ""),
        ("line\nbreak {subscribers}", "line\nbreak 3"),
    ],
)
def test_a_text_is_filled(payload, said):
    """Holes may stand twice and touch; doubled braces are braces."""
    assert render(check_payload(payload), KNOWN) == said


def test_a_value_that_is_one_hole_keeps_its_type():
    """Numbers stay numbers; beside other text they are text."""
    payload = {
        "timestamp": "{time}",
        "users_online": "{subscribers}",
        "n": "{n}",
        "ms": "{ms}",
        "text": "n={n}",
        "escaped": "{{n}}",
        "spaced": " {n}",
        "server_status": "running",
    }
    assert json.loads(render(check_payload(payload), values("unix", 0, NOW, 3))) == {
        "timestamp": 1732180000.25,
        "users_online": 3,
        "n": 0,
        "ms": 1732180000250,
        "text": "n=0",
        "escaped": "{n}",
        "spaced": " 0",
        "server_status": "running",
    }


def test_the_status_page_gets_its_shape():
    """Byte for byte what the page of the status example reads, its keys in their order."""
    payload = {"timestamp": "{time}", "users_online": "{subscribers}", "server_status": "running"}
    said = render(check_payload(payload), values("unix", 0, NOW, 3))
    assert said == '{"timestamp":1732180000.25,"users_online":3,"server_status":"running"}'


def test_mappings_and_lists_nest():
    """Everything that JSON has may stand in a payload."""
    payload = {"a": [1, 2.5, True, None, {"n": ["{n}"]}], "b": {}}
    assert json.loads(render(check_payload(payload), KNOWN)) == {"a": [1, 2.5, True, None, {"n": [7]}], "b": {}}


def deep(levels: int) -> object:
    """Nest lists."""
    value: object = "x"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (5, "expected a text or a mapping"),
        (None, "expected a text or a mapping"),
        (["{n}"], "expected a text or a mapping"),
        ("{subscriber}", "the hole {subscriber} is not known"),
        ("{subscriber}", "did you mean {subscribers}?"),
        ("{path*}", "a hole holds one of {time}, {n}, {ms}, {subscribers}"),
        ("{}", "a hole holds one of"),
        ("a } b", "a lone } in column 3: write }}"),
        ("{ n", "a lone { in column 1"),
        ({"a": {"b": ["{x}"]}}, "at a.b[0]: the hole {x} is not known"),
        ({"a": {"n": None}}, 'at a: write the hole in quotes: "{n}"'),
        ({"time": None}, 'write the hole in quotes: "{time}"'),
        ({1: "x"}, "a key must be a text"),
        ({"a": float("nan")}, "JSON has no such number"),
        ({"a": float("-inf")}, "JSON has no such number"),
        ({"a": 2**63}, "at a: a number beyond 64 bits"),
        ({"a": b"x"}, "expected a value that JSON has"),
        ({"a": [0] * 1_001}, "at most 1000 values"),
        ({"a": deep(20)}, "16 levels"),
        ({"a": deep(5_000)}, "16 levels"),
        ("x" * (MAX_TEXT + 1), "a text of more than"),
    ],
)
def test_a_bad_payload_is_refused(payload, words):
    """The reason says where it stands and what to write instead."""
    with pytest.raises(PydanticCustomError) as caught:
        check_payload(payload)
    assert words in caught.value.message()


def test_a_json_text_is_not_repeated_in_its_error():
    """Somebody wrote JSON where braces are holes; what stands in it may be secret."""
    with pytest.raises(PydanticCustomError) as caught:
        check_payload('{"password": "hunter2"}')
    assert "hunter2" not in caught.value.message()
    assert "as a mapping" in caught.value.message()


@pytest.mark.usefixtures("utc_zone")
@pytest.mark.parametrize(
    ("form", "wall", "said"),
    [
        ("iso", 0.0, "1970-01-01T00:00:00.000Z"),
        ("iso", NOW, "2024-11-21T09:06:40.250Z"),
        ("unix", NOW, 1732180000.25),
        ("unix", 1.23456, 1.235),
        ("clock12", 66_792.0, "6:33:12 PM"),
        ("clock12", 0.0, "12:00:00 AM"),
        ("clock12", 43_200.0, "12:00:00 PM"),
        ("clock12", 3_599.0, "12:59:59 AM"),
        ("%H:%M", 66_792.0, "18:33"),
        ("%-d.%-m.%Y %% %Z", 0.0, "1.1.1970 % UTC"),
    ],
)
def test_a_moment_has_the_form_asked_for(form, wall, said):
    """Noon is 12 PM, midnight 12 AM."""
    assert moment(check_form(form), wall) == said


@pytest.mark.parametrize("form", ["", "isso", "HH:MM", "%", "%Q", "%H:%", "%s", "%H\x00", "%Y" * 100])
def test_a_bad_form_is_refused(form):
    """Only directives that Python promises."""
    with pytest.raises(PydanticCustomError, match="expected iso, unix, clock12 or a pattern"):
        check_form(form)


def test_a_misspelt_form_gets_the_nearest():
    """As every other word of the language."""
    with pytest.raises(PydanticCustomError, match="did you mean clock12"):
        check_form("clock21")
