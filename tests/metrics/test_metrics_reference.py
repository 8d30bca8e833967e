"""The catalogue, and what is written of it: names by the field's practice, and a page that is up to date."""

import re
from typing import Any

import pytest

from bridge.metrics import reference
from bridge.metrics.catalogue import SECTIONS
from bridge.metrics.metric import Metric

ALL = [(section.label, metric) for section in SECTIONS for metric in section.metrics]


def test_the_reference_is_up_to_date() -> None:
    """`make fix` writes it anew."""
    assert reference.PATH.read_text("utf-8") == reference.reference()


@pytest.mark.parametrize(("label", "metric"), ALL, ids=[metric.name for _, metric in ALL])
def test_names_are_as_the_field_has_them(label: str, metric: Metric[Any]) -> None:
    """Base units, no suffix that a kind adds by itself, and one line of help that ends like a sentence."""
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", metric.name)
    assert not metric.name.endswith(("_total", "_info", "_bucket", "_count", "_sum"))
    assert not re.search(r"milli|kilo|mega|_ms\b|_mb\b|minutes", metric.name)
    assert metric.label not in {label, "le"} or not metric.label
    assert metric.help.endswith(".")
    assert "\n" not in metric.help + metric.means
    assert metric.means.endswith(".")


def test_no_name_stands_twice() -> None:
    """Each family is one metric's."""
    names = [metric.family for _, metric in ALL]
    assert len(names) == len(set(names))
