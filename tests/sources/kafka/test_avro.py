"""Avro as JSON, and what is neither."""

import base64
import contextlib
import datetime as dt
import json
import math
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from bridge.sources.kafka.avro import AvroError, Schema
from tests.registry import avro

MOMENT = dt.datetime(2026, 11, 21, 10, 0, 0, 123_456, tzinfo=dt.UTC)
UUID = uuid.UUID("12345678-1234-4678-9234-567812345678")


def schema(value: Any, references: Sequence[Any] = ()) -> Schema:
    """Return a schema that is given as Python's value."""
    return Schema(json.dumps(value), [json.dumps(reference) for reference in references])


def shown(written: Any, value: Any) -> Any:
    """Return what a value becomes."""
    return json.loads(schema(written).read(avro(written, value)))


def outcome(reader: Schema, data: bytes) -> Any:
    """Return what a payload becomes, or the words with which it is refused, read as a record is."""
    try:
        if not reader.is_safe(len(data)):
            reader.check(data)
        return json.loads(reader.read(data))
    except AvroError as error:
        return error


def zigzag(number: int) -> bytes:
    """Encode a number in as many bytes as it takes."""
    number = number << 1 if number >= 0 else ((-number - 1) << 1) | 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


@pytest.mark.parametrize(
    ("written", "value", "said"),
    [
        ("null", None, None),
        ("boolean", True, True),
        ("int", -1, -1),
        ("long", 2**63 - 1, 2**63 - 1),
        ("double", 0.1, 0.1),
        ("float", 0.5, 0.5),
        ("double", math.nan, None),
        ("double", math.inf, None),
        ("string", "a\0 é 🦉", "a\0 é 🦉"),
        ("bytes", b"\xff\0", "/wA="),
        ({"type": "fixed", "name": "F", "size": 2}, b"\xff\0", "/wA="),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", "B"),
        ({"type": "array", "items": "int"}, [1, 2], [1, 2]),
        ({"type": "map", "values": "int"}, {"a": 1, "": 2}, {"a": 1, "": 2}),
        (["null", "string"], None, None),
        (["null", "string"], "a", "a"),
        ({"type": "long", "logicalType": "timestamp-millis"}, MOMENT, "2026-11-21T10:00:00.123Z"),
        ({"type": "long", "logicalType": "timestamp-micros"}, MOMENT, "2026-11-21T10:00:00.123456Z"),
        ({"type": "long", "logicalType": "timestamp-nanos"}, 1_000_000_001, "1970-01-01T00:00:01.000000001Z"),
        ({"type": "long", "logicalType": "local-timestamp-millis"}, 1, "1970-01-01T00:00:00.001"),
        ({"type": "long", "logicalType": "local-timestamp-micros"}, -1, "1969-12-31T23:59:59.999999"),
        ({"type": "int", "logicalType": "date"}, dt.date(2026, 11, 21), "2026-11-21"),
        ({"type": "int", "logicalType": "time-millis"}, dt.time(23, 5, 9, 7_000), "23:05:09.007"),
        ({"type": "long", "logicalType": "time-micros"}, dt.time(0, 0, 0, 7), "00:00:00.000007"),
        ({"type": "string", "logicalType": "uuid"}, UUID, str(UUID)),
        ({"type": "string", "logicalType": "uuid"}, "not-one", "not-one"),
        ({"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}, UUID.bytes, str(UUID)),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, Decimal("-1.50"), "-1.50"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, Decimal(0), "0.00"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 40}, Decimal(10**39), "1" + "0" * 39),
        # What no calendar has stays a number.
        ({"type": "long", "logicalType": "timestamp-millis"}, 2**62, 2**62),
        ({"type": "long", "logicalType": "timestamp-micros"}, -(2**62), -(2**62)),
        ({"type": "int", "logicalType": "date"}, 2**31 - 1, 2**31 - 1),
        ({"type": "int", "logicalType": "time-millis"}, 86_400_000, 86_400_000),
    ],
)
def test_a_value_is_what_people_expect(written: Any, value: Any, said: Any) -> None:
    """Each type has a form that a page can show as it is."""
    assert shown(written, value) == said


@pytest.mark.parametrize(
    "written",
    [
        {"type": "bytes", "logicalType": "decimal"},
        {"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3},
        {"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": -1},
        {"type": "bytes", "logicalType": "decimal", "precision": 10**9, "scale": 10**9},
        {"type": "bytes", "logicalType": "decimal", "precision": "2"},
        {"type": "bytes", "logicalType": "uuid"},
        {"type": "bytes", "logicalType": ["decimal"]},
    ],
)
def test_a_logical_type_that_does_not_fit_is_ignored(written: Any) -> None:
    """As the specification says: the type beneath it counts."""
    assert json.loads(schema(written).read(avro("bytes", b"\1"))) == "AQ=="


@pytest.mark.parametrize("size", [4, 17])
def test_a_uuid_of_another_size_is_bytes(size: int) -> None:
    """Only sixteen bytes are one."""
    written = {"type": "fixed", "name": "U", "size": size, "logicalType": "uuid"}
    assert json.loads(schema(written).read(b"\0" * size)) == base64.b64encode(b"\0" * size).decode()


def test_a_record_keeps_the_order_of_its_fields() -> None:
    """And nests, with names of its namespace."""
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "x", "type": "int"}]}
    written = {
        "type": "record",
        "name": "Order",
        "namespace": "com.example",
        "doc": "an order",
        "fields": [
            {"name": "z", "type": inner, "default": {"x": 1}},
            {"name": "a", "type": ["null", "com.example.Inner"], "default": None},
            {"name": "b", "type": {"type": "Inner"}},
        ],
    }
    data = b"\2\2\4\6"
    assert schema(written).read(data) == b'{"z":{"x":1},"a":{"x":2},"b":{"x":3}}'


@pytest.mark.parametrize("default", ["x", 5, None, {"a": 1}])
def test_a_default_of_the_wrong_type_does_no_harm(default: Any) -> None:
    """Older registries took them, and a reader has no use for one."""
    written = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "boolean", "default": default}]}
    assert schema(written).read(b"\1") == b'{"a":true}'


def test_schemas_refer_to_others() -> None:
    """Those come first; a union of them at the top is how several types share a topic."""
    one = {"type": "record", "name": "a.One", "fields": [{"name": "x", "type": "int"}]}
    two = {"type": "record", "name": "a.Two", "fields": [{"name": "one", "type": "a.One"}]}
    assert schema(["a.One", "a.Two"], [one, two]).read(b"\2\4") == b'{"one":{"x":2}}'
    assert schema({"type": "array", "items": "a.Two"}, [one, two]).read(b"\2\4\0") == b'[{"one":{"x":2}}]'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "7",
        "[]",
        "{}",
        '"unheard.Of"',
        '{"type": 7}',
        '{"type": "record", "name": "R"}',
        '{"type": "record", "fields": []}',
        '{"type": "record", "name": "R", "fields": [7]}',
        '{"type": "record", "name": "R", "fields": [{"name": "a"}]}',
        '{"type": "record", "name": "R", "fields": [{"name": 7, "type": "int"}]}',
        '{"type": "record", "name": 7, "fields": []}',
        '{"type": "record", "name": "R", "namespace": 7, "fields": []}',
        '{"type": "record", "name": "R", "fields": {"a": "int"}}',
        '{"type": "enum", "name": "E", "symbols": []}',
        '{"type": "enum", "name": "E", "symbols": ["A", 7]}',
        '{"type": "enum", "name": "E", "symbols": "AB"}',
        '{"type": "enum", "name": "E"}',
        '{"type": "fixed", "name": "F", "size": -1}',
        '{"type": "fixed", "name": "F", "size": "4"}',
        '{"type": "fixed", "name": "F", "size": 1e3}',
        '{"type": "fixed", "name": "F", "size": 99999999}',
        '{"type": "fixed", "name": "F"}',
        '{"type": "array"}',
        '{"type": "map"}',
        '{"type": "array", "items": "unheard.Of"}',
        "[" * 900 + '"int"' + "]" * 900,
        "[" * 100_000,
        '{"type":' * 66 + '"int"' + "}" * 66,
    ],
)
def test_what_is_no_schema_is_refused(text: str) -> None:
    """In words that hold nothing of it."""
    with pytest.raises(AvroError, match="the schema") as caught:
        Schema(text)
    assert "unheard" not in str(caught.value)


HOSTILE: dict[str, tuple[Any, bytes]] = {
    "nothing": ("int", b""),
    "an endless number": ("long", b"\xff" * 100_000),
    "a text past the end": ("string", zigzag(2**62) + b"a"),
    "a text of less than nothing": ("string", zigzag(-5) + b"abc"),
    "bytes of less than nothing": ("bytes", zigzag(-1) + b"abc"),
    "a text that is no UTF-8": ("string", zigzag(2) + b"\xff\xfe"),
    "half a double": ("double", b"abc"),
    "half a fixed": ({"type": "fixed", "name": "F", "size": 4}, b"ab"),
    "a list past the end": ({"type": "array", "items": "int"}, zigzag(2**60) + b"\0"),
    "a list of less than nothing": ({"type": "array", "items": "int"}, zigzag(-(2**60)) + zigzag(8) + b"\0"),
    "a list of the least number": ({"type": "array", "items": "int"}, b"\xff" * 9 + b"\1\0"),
    "nulls without number": ({"type": "array", "items": "null"}, zigzag(2**40) + b"\0"),
    "nulls of less than nothing": ({"type": "array", "items": "null"}, zigzag(-(2**62)) + zigzag(8) + b"\0"),
    "a map past the end": ({"type": "map", "values": "null"}, zigzag(2**60) + b"\0"),
    "a choice that is none": (["null", "int"], zigzag(5)),
    "a symbol that is none": ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, zigzag(7)),
    "a value and more": ("int", b"\2\2"),
    "a number of five hundred bytes": (
        {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        zigzag(500) + b"\x7f" * 500,
    ),
    "a list that holds itself": (
        {"type": "record", "name": "L", "fields": [{"name": "n", "type": ["null", "L"]}]},
        b"\2" * 1_000_000 + b"\0",
    ),
    "a tree that holds itself": (
        {"type": "record", "name": "T", "fields": [{"name": "n", "type": {"type": "array", "items": "T"}}]},
        b"\2" * 1_000_000 + b"\0" * 1_000_000,
    ),
    "a record of itself": ({"type": "record", "name": "R", "fields": [{"name": "r", "type": "R"}]}, b""),
    "records of nothing": (
        {"type": "array", "items": {"type": "record", "name": "R", "fields": [{"name": "n", "type": "null"}]}},
        zigzag(2**50) + b"\0",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_k18_a_hostile_payload_is_refused(name: str) -> None:
    """It costs neither the process nor its memory: fastavro never reads what is not bounded."""
    written, data = HOSTILE[name]
    said = outcome(schema(written), data)
    assert isinstance(said, AvroError)
    assert str(said).startswith("the payload")


#: A type and a value of it, each time with names that no other type has.
Typed = tuple[Any, Any, Any]


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


def fresh(draw: st.DrawFn) -> str:
    """Draw a name that no other type has."""
    return f"n{draw(st.uuids()).hex}"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def plain(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Typed]:
    """Draw a value of a type that needs no more than its name, and is in JSON what it is in Python."""
    return values.map(lambda value: (name, value, value))


@st.composite
def fixed(draw: st.DrawFn) -> Typed:
    """Draw some bytes of a fixed size."""
    data = draw(st.binary(max_size=4))
    return {"type": "fixed", "name": fresh(draw), "size": len(data)}, data, base64.b64encode(data).decode()


@st.composite
def enum(draw: st.DrawFn) -> Typed:
    """Draw a symbol."""
    symbols = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    symbol = draw(st.sampled_from(symbols))
    return {"type": "enum", "name": fresh(draw), "symbols": symbols}, symbol, symbol


SIMPLE: st.SearchStrategy[Typed] = st.one_of(
    plain("null", st.none()),
    plain("boolean", st.booleans()),
    plain("int", st.integers(-(2**31), 2**31 - 1)),
    plain("long", st.integers(-(2**63), 2**63 - 1)),
    plain("string", TEXTS),
    st.floats().map(lambda real: ("double", real, real if math.isfinite(real) else None)),
    st.binary().map(lambda data: ("bytes", data, base64.b64encode(data).decode())),
    fixed(),
    enum(),
)


def typed(depth: int = 3) -> st.SearchStrategy[Typed]:
    """Draw a type, a value, and what the value becomes."""
    if not depth:
        return SIMPLE
    kinds = st.sampled_from(["array", "map", "record", "union"])
    return SIMPLE | kinds.flatmap(lambda kind: compound(kind, depth - 1))


@st.composite
def compound(draw: st.DrawFn, kind: str, depth: int) -> Typed:
    """Draw a type that holds others."""
    inner, value, said = draw(typed(depth))
    match kind:
        case "array":
            count = draw(st.integers(0, 3))
            return {"type": "array", "items": inner}, [value] * count, [said] * count
        case "map":
            keys = draw(st.lists(TEXTS, max_size=3, unique=True))
            return {"type": "map", "values": inner}, dict.fromkeys(keys, value), dict.fromkeys(keys, said)
        case "union":
            # With its branch said, since fastavro's writer guesses by the value.
            written = {"type": "record", "name": fresh(draw), "fields": [{"name": "v", "type": inner}]}
            return ["null", written], {"v": value}, {"v": said}
        case _:
            names = draw(st.lists(NAMES, max_size=3, unique=True))
            fields = [{"name": name, "type": inner if i == 0 else "string"} for i, name in enumerate(names)]
            filled = {name: value if i == 0 else name for i, name in enumerate(names)}
            expected = {name: said if i == 0 else name for i, name in enumerate(names)}
            return {"type": "record", "name": fresh(draw), "fields": fields}, filled, expected


@given(typed())
def test_what_is_written_is_what_is_read(drawn: Typed) -> None:
    """Any value of any type comes out as it went in, and a walk over it ends well."""
    written, value, said = drawn
    reader, data = schema(written), avro(written, value)
    reader.check(data)
    assert json.loads(reader.read(data)) == said


@given(typed(), st.data())
def test_k18_a_value_that_is_cut_is_refused(drawn: Typed, data: st.DataObject) -> None:
    """Nothing that ends early, or goes on, is taken for a value."""
    written, value, _ = drawn
    reader, whole = schema(written), avro(written, value)
    for part in (whole[: data.draw(st.integers(0, len(whole) - 1))], whole + b"\0") if whole else (b"\0",):
        with pytest.raises(AvroError):
            reader.read(part)


@given(typed(), st.binary(max_size=64))
def test_k18_garbage_is_read_or_refused(drawn: Typed, garbage: bytes) -> None:
    """Whatever the bytes are, there is JSON or there are words."""
    said = outcome(schema(drawn[0]), garbage)
    assert not isinstance(said, AvroError) or str(said).startswith("the payload")


KEYS = st.sampled_from(["type", "name", "fields", "items", "values", "symbols", "size", "logicalType", "precision"])
WORDS = st.sampled_from(["record", "enum", "fixed", "array", "map", "int", "bytes", "decimal", "uuid", "a", "a.b"])
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | WORDS,
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)


@given(ODD)
def test_any_json_is_a_schema_or_refused(value: Any) -> None:
    """No schema, however odd, ends otherwise."""
    with contextlib.suppress(AvroError):
        schema(value)
