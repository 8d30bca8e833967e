"""The canonical form."""

import orjson
import pytest
from hypothesis import given, strategies as st

from bridge.sources.http.canonical import MAX_DEPTH, canonical, digest, text_digest
from bridge.sources.http.reply import ReplyError
from tests.documents import documents


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1, "b": 2}', '{"b":2,"a":1}'),
        ("1", "1.0"),
        ("1", "1e0"),
        ("0", "-0.0"),
        ("100", "1E2"),
        ("9223372036854775808", "9223372036854775808.0"),
        ('"\\u00e9"', '"é"'),
        ('{"a": 1, "a": 2}', '{"a": 2}'),
    ],
)
def test_what_means_the_same_has_one_form(one, other):
    """However it is written."""
    assert digest(orjson.loads(one)) == digest(orjson.loads(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("[1, 2]", "[2, 1]"),
        ("1", "true"),
        ("0", "false"),
        ("0", "null"),
        ('"1"', "1"),
        ("{}", "[]"),
        ("9007199254740993", "9007199254740992"),
        ("0.1", "0.10000000000000002"),
        ('{"a": null}', "{}"),
    ],
)
def test_what_differs_has_two_forms(one, other):
    """Integers of 64 bits are exact, true is not 1, and the order of a list counts."""
    assert digest(orjson.loads(one)) != digest(orjson.loads(other))


def test_a_text_is_never_the_same_as_json():
    """A page that turns from a text into JSON has changed."""
    assert text_digest("1") != digest(1)


def test_the_form_is_bounded_in_depth():
    """In words, not with a RecursionError."""
    fine: object = 1
    for _ in range(MAX_DEPTH):
        fine = [fine]
    assert canonical(fine)
    with pytest.raises(ReplyError, match="nested too deeply"):
        canonical({"a": fine})


@given(documents, st.randoms())
def test_neither_order_nor_spelling_of_numbers_counts(value, random):
    """Shuffled keys and floats for integers make no other form."""

    def spelled(each: object) -> object:
        if isinstance(each, dict):
            pairs = list(each.items())
            random.shuffle(pairs)
            return {name: spelled(member) for name, member in pairs}
        if isinstance(each, list):
            return [spelled(member) for member in each]
        return float(each) if type(each) is int else each

    assert canonical(spelled(value)) == canonical(value)
    assert orjson.loads(canonical(value)) == value
