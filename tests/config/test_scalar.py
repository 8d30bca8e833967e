"""What a scalar means."""

import math

import pytest
from hypothesis import given, strategies as st

from bridge.config.scalar import MAX_DIGITS, ScalarError, fill, resolve


@pytest.mark.parametrize(
    "text",
    [
        "NO",
        "no",
        "on",
        "off",
        "yes",
        "y",
        "12:30",
        "017",
        "0x1F",
        "0o17",
        "1_000",
        "2026-11-21",
        ".inf",
        ".nan",
        "+",
        "1e",
    ],
)
def test_what_yaml_1_1_bent_is_text(text: str) -> None:
    """Norway, sexagesimals, octals and dates stay what they look like."""
    assert resolve(text, is_plain=True) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, None) for text in ("", "~", "null", "NULL")),
        *((text, True) for text in ("true", "True", "TRUE")),
        *((text, False) for text in ("false", "False", "FALSE")),
        *(("0", 0), ("-17", -17), ("+4", 4)),
        *(("1.5", 1.5), (".5", 0.5), ("2.", 2.0), ("1e3", 1000.0)),
    ],
)
def test_the_core_types(text: str, value: object) -> None:
    """null, booleans, decimal integers and floats are the only types beside text."""
    found = resolve(text, is_plain=True)
    assert found == value
    assert type(found) is type(value)


def test_what_is_quoted_is_text() -> None:
    """Quotes make a text of anything."""
    assert resolve("17", is_plain=False) == "17"
    assert resolve("null", is_plain=False) == "null"


@pytest.mark.parametrize("text", ["1" * (MAX_DIGITS + 1), "-" + "9" * 5000, "1e400", "-1e999"])
def test_a_number_that_nobody_means_is_refused(text: str) -> None:
    """A number too long or too large is refused without being shown."""
    with pytest.raises(ScalarError) as caught:
        resolve(text, is_plain=True)
    assert text not in str(caught.value)


@given(st.text())
def test_any_text_has_a_meaning_or_is_refused(text: str) -> None:
    """Whatever a scalar is, it is finite, or an error."""
    try:
        found = resolve(text, is_plain=True)
    except ScalarError:
        return
    assert not isinstance(found, float) or math.isfinite(found)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("${HOST}", "example.org"),
        ("http://${HOST}:${PORT:-80}/", "http://example.org:80/"),
        ("${EMPTY:-else}", "else"),
        ("${EMPTY}", ""),
        ("${NONE:-}", ""),
        ("${NONE:-a:-b}", "a:-b"),
        ("${NESTED}", "${HOST}"),
        ("$${HOST}", "${HOST}"),
        ("$HOST", "$HOST"),
        (r"^\d{4}$", r"^\d{4}$"),
        ("{name}", "{name}"),
    ],
)
def test_variables_are_filled_in_once(text: str, filled: str) -> None:
    """A variable is filled in, its default where it is unset or empty, and what it holds is not looked at again."""
    assert fill(text, {"HOST": "example.org", "EMPTY": "", "NESTED": "${HOST}"}).text == filled


def test_it_is_told_which_variables_were_filled_in() -> None:
    """Each variable is named, and whether its default was taken; an escaped one is none."""
    filled = fill("${HOST}${EMPTY:-1}${NONE:-2}$${X}${HOST:-3}", {"HOST": "h", "EMPTY": ""})
    assert filled == ("h12${X}h", (("HOST", False), ("EMPTY", True), ("NONE", True), ("HOST", False)))


@pytest.mark.parametrize("text", ["${NONE}", "${}", "${a b}", "${A-b}", "${"])
def test_an_unset_or_malformed_variable_is_refused(text: str) -> None:
    """A variable without value or default is an error that says what to write."""
    with pytest.raises(ScalarError, match=":-default"):
        fill(text, {})
