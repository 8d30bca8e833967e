"""JSON as every reader takes it."""

import pytest

from bridge.sources.strict import NotJsonError, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, null, true, "\\u00e9"]}', {"a": [1, 2.5, None, True, "é"]}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ("18446744073709551615", 2**64 - 1),
        ('"\\ud83d\\ude00"', "\U0001f600"),
    ],
)
def test_json_is_parsed(text, value):
    """Of two members with one name the last one counts."""
    assert parse(text) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NaN", "line 1, column 1"),
        ("[1,\n Infinity]", "line 2, column 2"),
        ("1e400", "infinity"),
        ("9" * 5_000, "infinity"),
        ('"\\ud800"', "surrogate"),
        ("[" * 100_000, "nested too deeply"),
        ("{'a': 1}", "line 1, column 2"),
        ("", "line 1"),
    ],
)
def test_what_only_lenient_parsers_take_is_refused_with_its_place(text, words):
    """No NaN, no infinity, no half of a character."""
    with pytest.raises(NotJsonError, match=words):
        parse(text)


def test_one_line_of_several_is_named_by_its_number():
    """And not as the first."""
    with pytest.raises(NotJsonError, match="line 7, column 2"):
        parse("[tru]", 7)
