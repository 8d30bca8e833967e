"""What a subscriber may ask for."""

import re
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from bridge.params import MAX_CHOICES, MAX_VALUE, Param


def param(**keys: Any) -> Param:
    """Make a rule."""
    return Param.model_validate(keys)


@pytest.mark.parametrize("value", ["EUR", "1", "NO"])
def test_a_value_of_the_list_may_be_asked_for(value: str):
    """A value of the list may be asked for."""
    assert param(**{"in": ["EUR", 1, "NO"]}).fault(value) is None


@pytest.mark.parametrize("value", ["", "eur", "EUR ", "EURUSD", "EUR\n"])
def test_a_value_that_is_not_in_the_list_may_not(value: str):
    """A value that is not in the list may not."""
    assert param(**{"in": ["EUR", "USD"]}).fault(value) == "expected one of EUR, USD"


def test_of_a_long_list_some_are_named():
    """Of a long list some are named."""
    told = param(**{"in": [f"v{n}" for n in range(20)]}).fault("x")
    assert told == "expected one of v0, v1, v2, v3, v4, v5, v6, v7 or 12 more"


@pytest.mark.parametrize(
    ("value", "fits"), [("ab", True), ("abcd", False), ("a", False), ("ab\n", False), ("1ab", False), ("", False)]
)
def test_a_pattern_fits_the_whole_value(value: str, *, fits: bool):
    """A pattern fits the whole value."""
    assert (param(pattern="[a-z]{2,3}").fault(value) is None) is fits


def test_a_value_that_a_pattern_would_take_is_bounded():
    """A value that a pattern would take is bounded."""
    assert param(pattern=".*").fault("x" * MAX_VALUE) is None
    assert param(pattern=".*").fault("x" * (MAX_VALUE + 1)) == "expected 1 to 256 printable characters"


@pytest.mark.parametrize("value", ["1", "9", "5"])
def test_an_integer_within_its_bounds_may_be_asked_for(value: str):
    """An integer within its bounds may be asked for."""
    assert param(type="integer", min=1, max=9).fault(value) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0", "expected an integer from 1 to 9"),
        ("10", "expected an integer from 1 to 9"),
        ("-1", "expected an integer from 1 to 9"),
        ("01", "expected an integer without leading zeros"),
        ("-0", "expected an integer without leading zeros"),
        ("1.0", "expected an integer"),
        ("+1", "expected an integer"),
        ("1e1", "expected an integer"),
        ("--1", "expected an integer"),
        ("\N{SUPERSCRIPT TWO}", "expected an integer"),
        ("\N{ARABIC-INDIC DIGIT ONE}", "expected an integer"),
        ("", "expected 1 to 256 printable characters"),
        ("1" * 200, "expected an integer"),
    ],
)
def test_what_is_no_integer_within_the_bounds_may_not(value: str, words: str):
    """What is no integer within the bounds may not."""
    assert param(type="integer", min=1, max=9).fault(value) == words


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        ({"min": 3}, "2", "expected an integer of 3 or more"),
        ({"max": 3}, "4", "expected an integer up to 3"),
        ({}, "9007199254740992", "expected an integer up to 9007199254740991"),
        ({}, "-9007199254740991", None),
    ],
)
def test_an_integer_without_one_of_its_bounds(keys: dict[str, int], value: str, words: str | None):
    """An integer without one of its bounds."""
    assert param(type="integer", **keys).fault(value) == words


@given(st.integers(-(2**53) + 1, 2**53 - 1))
def test_every_integer_has_just_one_form(number: int):
    """Every integer has just one form."""
    rule = param(type="integer")
    assert rule.fault(str(number)) is None
    assert rule.fault(f"0{number}") is not None


def test_choices_are_those_of_a_list_alone():
    """Choices are those of a list alone."""
    assert param(**{"in": ["a", "b"]}).choices == ("a", "b")
    assert param(pattern="a|b").choices is None


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "expected one of { in: [a, b] }"),
        ({"in": ["a"], "pattern": "a"}, "expected one of { in: [a, b] }"),
        ({"pattern": "a", "min": 1}, "`min` and `max` go with `type: integer`"),
        ({"type": "integer", "min": 2, "max": 1}, "`min` is greater than `max`"),
        ({"in": []}, "expected 1 to 1000 values"),
        ({"in": [str(n) for n in range(MAX_CHOICES + 1)]}, "expected 1 to 1000 values"),
        ({"in": ["a", "a"]}, "a value stands here twice"),
        ({"in": [1, "1"]}, "a value stands here twice"),
        ({"in": [""]}, "a value has 1 to 256 printable characters"),
        ({"in": ["a\nb"]}, "a value has 1 to 256 printable characters"),
        ({"in": [True]}, "Input should be a valid string"),
        ({"pattern": "("}, "not a regular expression of RE2: missing ) (it has"),
        ({"pattern": "[a-z"}, "not a regular expression of RE2: missing ] (it has"),
        ({"pattern": r"(?=a)b"}, "not a regular expression of RE2: invalid perl operator (it has no look-around"),
        ({"pattern": "a" * 1025}, "a pattern has at most 1024 characters"),
        ({"type": "number"}, "Input should be 'integer'"),
    ],
)
def test_what_is_no_rule_is_refused(keys: dict[str, Any], words: str):
    """What is no rule is refused."""
    with pytest.raises(ValidationError, match=r"(?s).*" + re.escape(words)):
        param(**keys)
