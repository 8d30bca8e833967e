"""Durations and sizes."""

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, ValidationError

from bridge.units import Duration, Size, duration_text, seconds, size, size_text


class Model(BaseModel):
    """As configuration has them."""

    every: Duration = 15.0
    most: Size = 1024


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("15s", 15.0), ("250ms", 0.25), ("1h30m", 5_400.0), ("1.5m", 90.0), ("2d", 172_800.0), ("0s", 0.0)),
        *(("1m30s500ms", 90.5), ("15", None), ("s", None), ("", None), ("-1s", None), ("+1s", None), ("1 s", None)),
        *((" 1s", None), ("1s\n", None), ("1S", None), ("1w", None), ("1e3s", None), (".5s", None), ("1.s", None)),
        *(("٣s", None), ("1_000s", None), ("9" * 13 + "s", None), ("9" * 5_000 + "s", None), ("infs", None)),
    ],
)
def test_a_duration_has_a_unit(text, expected):
    """And a bounded number of digits."""
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("1B", 1), ("4MiB", 4 << 20), ("64KiB", 65_536), ("1GiB", 1 << 30), ("1.5KiB", 1_536), ("1kB", 1_000)),
        *(("2MB", 2_000_000), ("3GB", 3 * 10**9), ("0B", 0), ("10", None), ("10mb", None), ("10K", None), ("", None)),
        *(("-1B", None), ("1 B", None), ("1B\n", None), ("9" * 13 + "B", None), ("1e3B", None), ("1KB", None)),
    ],
)
def test_a_size_has_a_unit(text, expected):
    """Binary and decimal ones."""
    assert size(text) == expected


@given(st.integers(0, 10**12))
def test_a_duration_is_read_as_it_is_written(milliseconds):
    """To the millisecond."""
    assert seconds(duration_text(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=0.0005)


@given(st.integers(0, 10**12 - 1) | st.integers(0, 1_000).map(lambda count: count << 20))
def test_a_size_is_read_as_it_is_written(value):
    """To the byte."""
    assert size(size_text(value)) == value


def test_texts_are_as_short_as_they_can_be():
    """The largest units first."""
    assert [duration_text(value) for value in (0, 0.25, 15, 90, 5_400, 90_061)] == [
        *("0s", "250ms", "15s", "1m30s", "1h30m", "1d1h1m1s"),
    ]
    assert [size_text(value) for value in (0, 1, 1_500, 65_536, 4 << 20, 1 << 30)] == [
        *("0B", "1B", "1500B", "64KiB", "4MiB", "1GiB"),
    ]


@pytest.mark.parametrize("value", [15, 15.0, "15", None, True, [], "fifteen seconds"])
def test_a_bare_number_is_refused_with_an_example(value):
    """A reader could not know what 15 means."""
    with pytest.raises(ValidationError, match="for example 15s or 1h30m"):
        Model(every=value)
    with pytest.raises(ValidationError, match="for example 4MiB or 64KiB"):
        Model(most=value)


def test_models_read_and_write_units():
    """Numbers in Python, texts in JSON, and a pattern in the schema."""
    model = Model.model_validate({"every": "1m", "most": "2KiB"})
    assert (model.every, model.most) == (60.0, 2_048)
    assert model.model_dump(mode="json") == {"every": "1m", "most": "2KiB"}
    schema = Model.model_json_schema()["properties"]
    assert schema["every"]["type"] == schema["most"]["type"] == "string"
    assert schema["every"]["pattern"].startswith("^(")
