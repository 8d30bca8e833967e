"""How much an Avro value can become, known beforehand or found by a walk."""

import json
import time
from typing import Any
from unittest.mock import patch

import fastavro
import pytest
from hypothesis import given, strategies as st

from bridge.sources.kafka import extent
from bridge.sources.kafka.extent import MAX_DEPTH, MAX_SIZE, Extents, RefusedError, walk
from tests.registry import avro
from tests.sources.kafka.test_avro import Typed, typed, zigzag

TREE = {
    "type": "record",
    "name": "T",
    "fields": [{"name": "v", "type": "int"}, {"name": "n", "type": {"type": "array", "items": "T"}}],
}
WIDE = {"type": "record", "name": "W", "fields": [{"name": f"field{n}", "type": "null"} for n in range(1_000)]}


def extents(schema: Any) -> tuple[Extents, Any]:
    """Return the extents of a schema, and the schema as fastavro parses it."""
    named: dict[str, Any] = {}
    parsed = fastavro.parse_schema(schema, named)
    return Extents(named), parsed


def is_safe(schema: Any, size: int) -> bool:
    """Tell whether no value of so many bytes needs a walk."""
    known, parsed = extents(schema)
    return known.of(parsed).holds(size)


def refusal(schema: Any, data: bytes) -> str:
    """Return why a walk refuses a value."""
    with pytest.raises(RefusedError) as caught:
        walk(*extents(schema), data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("schema", "size"),
    [
        ("int", MAX_SIZE),
        ("string", 4 * 1024 * 1024),
        ({"type": "array", "items": "double"}, 1024 * 1024),
        ({"type": "array", "items": ["null", "double"]}, 256 * 1024),
        ({"type": "map", "values": "string"}, 64 * 1024),
        ({"type": "record", "name": "R", "fields": [{"name": "a", "type": ["null", "string"]}]}, 1024 * 1024),
    ],
)
def test_what_records_hold_is_safe_without_a_walk(schema: Any, size: int) -> None:
    """Most topics never pay for one."""
    assert is_safe(schema, size)


@pytest.mark.parametrize(
    ("schema", "size"),
    [
        (TREE, 1),
        ({"type": "array", "items": "null"}, 1),
        ({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}, 1),
        ({"type": "array", "items": WIDE}, 1),
        ({"type": "map", "values": WIDE}, 1_000),
        ("string", MAX_SIZE),
    ],
)
def test_what_may_grow_needs_a_walk(schema: Any, size: int) -> None:
    """Types that hold themselves, lists of nothing, and much that stands for one byte."""
    assert not is_safe(schema, size)


def chain(levels: int) -> list[Any]:
    """Return types of which each holds the one before."""
    first: list[Any] = [{"type": "record", "name": "R0", "fields": []}]
    return first + [
        {"type": "record", "name": f"R{n}", "fields": [{"name": "r", "type": f"R{n - 1}"}]} for n in range(1, levels)
    ]


@pytest.mark.parametrize(("levels", "is_shallow"), [(50, True), (MAX_DEPTH + 5, False), (5_000, False)])
def test_a_chain_of_names_is_as_deep_as_it_reads(levels: int, *, is_shallow: bool) -> None:
    """No type in it holds itself, and still the value would end the process."""
    types = chain(levels)
    named: dict[str, Any] = {}
    for each in types:
        fastavro.parse_schema(each, named)
    last = named[f"R{levels - 1}"]
    assert Extents(named).of(last).holds(0) == is_shallow
    if not is_shallow:
        with pytest.raises(RefusedError, match="nested deeper"):
            walk(Extents(named), last, b"")


def test_types_that_share_others_are_measured_once() -> None:
    """Where each holds the one before twice, the paths through them double with each, and the work does not."""
    named: dict[str, Any] = {}
    fastavro.parse_schema({"type": "record", "name": "R0", "fields": []}, named)
    for n in range(1, 90):
        fields = [{"name": name, "type": f"R{n - 1}"} for name in "ab"]
        fastavro.parse_schema({"type": "record", "name": f"R{n}", "fields": fields}, named)
    began = time.monotonic()
    assert not Extents(named).of("R89").holds(0)
    with pytest.raises(RefusedError, match="MiB"):
        walk(Extents(named), "R89", b"")
    assert time.monotonic() - began < 10


def test_a_walk_tells_what_is_wrong() -> None:
    """In words that hold nothing of the value."""
    assert refusal("long", b"\xff" * 11) == "a number in it is longer than 64 bits"
    assert refusal("long", b"") == "it ends too early"
    assert refusal(["null", "int"], zigzag(-1)) == "it takes choice -1 of 2"
    assert refusal({"type": "array", "items": "null"}, zigzag(2**40)) == "it would take more than 32 MiB"
    assert refusal(TREE, b"\0\2" * 200) == "it is nested deeper than 100 levels"


def test_a_tree_of_moderate_size_is_walked_well() -> None:
    """Types that hold themselves are not refused as such."""
    value: dict[str, Any] = {"v": 0, "n": []}
    for _ in range(40):
        value = {"v": 1, "n": [value, {"v": 2, "n": []}]}
    walk(*extents(TREE), avro(TREE, value))


def test_a_block_may_tell_its_size() -> None:
    """As a writer may put it: the number below zero, then the bytes."""
    walk(*extents({"type": "array", "items": "int"}), zigzag(-2) + zigzag(2) + b"\2\4\0")


@given(typed(), st.integers(0, 4_000), st.integers(1, 4))
def test_what_is_safe_is_never_refused_for_its_size(drawn: Typed, size: int, depth: int) -> None:
    """The two ways to know agree, with bounds so small that they matter."""
    schema, value, _ = drawn
    data = avro(schema, value)
    with patch.object(extent, "MAX_SIZE", size), patch.object(extent, "MAX_DEPTH", depth):
        if is_safe(schema, len(data)):
            walk(*extents(schema), data)


@given(typed())
def test_a_weight_is_never_less_than_the_json(drawn: Typed) -> None:
    """So a bound on the one is a bound on the other."""
    schema, value, said = drawn
    data = avro(schema, value)
    known, parsed = extents(schema)
    measured = known.of(parsed)
    text = json.dumps(said, separators=(",", ":"), ensure_ascii=False)
    assert len(text.encode()) <= measured.weight + measured.rate * len(data)
    assert measured.width <= len(data)
