"""Read Avro values (Apache Avro 1.12, binary encoding) with fastavro, as JSON that people expect:

* bytes and fixed are base64, a decimal is a text with all its digits, so that no browser rounds it;
* a timestamp is RFC 3339 in UTC, a local one without its `Z`; date and time are ISO 8601, a uuid is RFC 9562; a moment
  that no calendar has stays the number that it is;
* a union is the value of its branch, an enum its symbol; NaN and the infinities, which JSON lacks, are null.

A schema is cut down first to what reading needs, since fastavro refuses more than reading asks for: a field's default
of the wrong type, which older registries took, or a decimal without a precision, which the specification says to
ignore. What is built from it is bounded (`extent.py`).
"""

import base64
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from io import BytesIO
from typing import Any, Final, cast

import fastavro
import orjson
from fastavro.read import LOGICAL_READERS
from fastavro.schema import SchemaParseException, UnknownType

from bridge.sources.kafka.extent import MAX_SIZE, Extents, RefusedError, walk

#: Levels of a schema as it is written. Types that refer to others by name nest without.
MAX_LEVELS: Final = 64

#: Digits of a decimal; other systems end at 38 or 76.
MAX_DIGITS: Final = 1_000

#: Bytes of a `fixed`.
MAX_FIXED: Final = 1024 * 1024

_PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})

#: A record has no bytes of its own, so a value reads the same as a record's only field; as such any schema is one that
#: fastavro parses once, and may refer to other schemas' types. Its name has no namespace, which they would inherit.
_ROOT: Final = "bridge__root"
_FIELD: Final = "value"

#: What fastavro raises at a schema that is none, and at a value that is none of its schema.
_NO_SCHEMA: Final = (SchemaParseException, UnknownType, LookupError, TypeError, ValueError, AttributeError)
_NO_VALUE: Final = (EOFError, LookupError, ArithmeticError, TypeError, ValueError)


class AvroError(ValueError):
    """A schema or a value is not what it should be, in words that hold nothing of it."""


class Schema:
    """A schema that values are read with."""

    def __init__(self, text: str, references: Sequence[str] = ()) -> None:
        """Take in a schema, and those it refers to, which come each after those that it refers to itself.

        Raises `AvroError`.
        """
        named: dict[str, Any] = {}
        try:
            for reference in references:
                fastavro.parse_schema(_cut(orjson.loads(reference)), named)
            root = {"type": "record", "name": _ROOT, "fields": [{"name": _FIELD, "type": _cut(orjson.loads(text))}]}
            self._parsed = fastavro.parse_schema(root, named)
        except UnknownType:
            raise AvroError("the schema refers to a type that it does not define") from None
        except _NO_SCHEMA:
            raise AvroError("the schema is not one that can be read") from None
        self._extents = Extents(named)
        self._extent = self._extents.of(self._parsed)

    def is_safe(self, size: int) -> bool:
        """Tell whether every value of so many bytes stays within bounds, so that it need not be walked."""
        return self._extent.holds(size)

    def check(self, data: bytes) -> None:
        """Walk over a value, which takes about a microsecond for each value in it; raises `AvroError`."""
        try:
            walk(self._extents, self._parsed, data)
        except RefusedError as error:
            raise AvroError(f"the payload is no value of its schema: {error}") from None

    def read(self, data: bytes) -> bytes:
        """Return a value, which is safe or checked, as JSON; raises `AvroError`."""
        stream = BytesIO(data)
        try:
            value = cast("Mapping[str, object]", fastavro.schemaless_reader(stream, self._parsed, None))[_FIELD]
            json = orjson.dumps(value, default=_plain)
        except _NO_VALUE:
            raise AvroError("the payload is no value of its schema") from None
        if stream.tell() != len(data):
            raise AvroError("the payload goes on after the value: it was written with another schema")
        if len(json) > MAX_SIZE:
            raise AvroError("the payload is too large as JSON")
        return json


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError


def _cut(schema: object, level: int = 0) -> Any:
    """Return a schema with nothing but what reading needs; raises `TypeError` or `ValueError` where it is none."""
    if level > MAX_LEVELS:
        raise ValueError
    match schema:
        case str():
            return schema
        case [_, *_]:
            return [_cut(branch, level + 1) for branch in schema]
        case {"type": dict() | list() as inner}:
            return _cut(inner, level + 1)
        case {"type": str(name), **keys} if name in _PRIMITIVES:
            return _logical(keys, {"type": name})
        case {"type": str(name), **keys}:
            # A name alone, as some write it: {"type": "com.example.Order"}.
            return _COMPLEX[name](keys, level) if name in _COMPLEX else name
        case _:
            raise TypeError


def _record(keys: Mapping[Any, Any], level: int) -> dict[str, object]:
    return _named(keys, {"type": "record", "fields": [_field(field, level + 1) for field in keys["fields"]]})


def _enum(keys: Mapping[Any, Any], _level: int) -> dict[str, object]:
    match keys["symbols"]:
        case [str(), *rest] as symbols if all(isinstance(symbol, str) for symbol in rest):
            return _named(keys, {"type": "enum", "symbols": symbols})
        case _:
            raise TypeError


def _fixed(keys: Mapping[Any, Any], _level: int) -> dict[str, object]:
    size = keys["size"]
    if not isinstance(size, int) or not 0 <= size <= MAX_FIXED:
        raise ValueError
    return _logical(keys, _named(keys, {"type": "fixed", "size": size}))


def _array(keys: Mapping[Any, Any], level: int) -> dict[str, object]:
    return {"type": "array", "items": _cut(keys["items"], level + 1)}


def _map(keys: Mapping[Any, Any], level: int) -> dict[str, object]:
    return {"type": "map", "values": _cut(keys["values"], level + 1)}


_COMPLEX: Final[Mapping[str, Callable[[Mapping[Any, Any], int], dict[str, object]]]] = {
    "record": _record,
    "error": _record,
    "enum": _enum,
    "fixed": _fixed,
    "array": _array,
    "map": _map,
}


def _field(field: object, level: int) -> dict[str, object]:
    match field:
        case {"name": str(name), "type": type}:
            return {"name": name, "type": _cut(type, level)}
        case _:
            raise TypeError


def _named(keys: Mapping[Any, Any], cut: dict[str, object]) -> dict[str, object]:
    name, namespace = keys.get("name"), keys.get("namespace")
    if not isinstance(name, str) or not isinstance(namespace, str | None):
        raise TypeError
    return {**cut, "name": name} if namespace is None else {**cut, "name": name, "namespace": namespace}


def _logical(keys: Mapping[Any, Any], cut: dict[str, object]) -> dict[str, object]:
    """Add the logical type, if it is one that we show and fits its type; any other is ignored, as specified."""
    logical = keys.get("logicalType")
    if f"{cut['type']}-{_PREFIX}{logical}" not in _READERS:
        return cut
    if logical == "uuid" and cut.get("size", 16) != 16:  # noqa: PLR2004  # a UUID's bytes
        return cut
    if logical == "decimal":
        scale, precision = keys.get("scale", 0), keys.get("precision")
        if not isinstance(scale, int) or not isinstance(precision, int) or not 0 <= scale <= precision <= MAX_DIGITS:
            return cut
        cut = {**cut, "scale": scale}
    return {**cut, "logicalType": f"{_PREFIX}{logical}"}


#: Before the names of our own logical types: fastavro knows readers by name, in one table for the whole process.
_PREFIX: Final = "json-"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DATE: Final = _EPOCH.toordinal()
_DAY: Final = 86_400
#: Bytes that never hold more than MAX_DIGITS digits, each of which is 3.32 bits.
_MAX_DECIMAL: Final = MAX_DIGITS * 332 // 800
_EXACT: Final = Context(prec=MAX_DIGITS)


def _moment(per_second: int, digits: int, zone: str) -> Callable[[int, object, object], str | int]:
    def text(value: int, _writer: object, _reader: object = None) -> str | int:
        seconds, part = divmod(value, per_second)
        try:
            whole = (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]
        except OverflowError:
            return value
        return f"{whole}.{part:0{digits}}{zone}"

    return text


def _clock(per_second: int, digits: int) -> Callable[[int, object, object], str | int]:
    def text(value: int, _writer: object, _reader: object = None) -> str | int:
        seconds, part = divmod(value, per_second)
        if not 0 <= seconds < _DAY:
            return value
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{part:0{digits}}"

    return text


def _date(value: int, _writer: object, _reader: object = None) -> str | int:
    try:
        return date.fromordinal(_EPOCH_DATE + value).isoformat()
    except (OverflowError, ValueError):
        return value


def _decimal(value: bytes, writer: Mapping[str, int], _reader: object = None) -> str:
    if len(value) > _MAX_DECIMAL:
        raise ValueError
    unscaled = Decimal(int.from_bytes(value, "big", signed=True))
    return f"{unscaled.scaleb(-writer['scale'], _EXACT):f}"


def _uuid(value: bytes, _writer: object, _reader: object = None) -> str:
    return str(uuid.UUID(bytes=value))


_READERS: Final[Mapping[str, Callable[..., object]]] = {
    f"{type}-{_PREFIX}{logical}": reader
    for type, logical, reader in (
        ("long", "timestamp-millis", _moment(10**3, 3, "Z")),
        ("long", "timestamp-micros", _moment(10**6, 6, "Z")),
        ("long", "timestamp-nanos", _moment(10**9, 9, "Z")),
        ("long", "local-timestamp-millis", _moment(10**3, 3, "")),
        ("long", "local-timestamp-micros", _moment(10**6, 6, "")),
        ("long", "local-timestamp-nanos", _moment(10**9, 9, "")),
        ("int", "time-millis", _clock(10**3, 3)),
        ("long", "time-micros", _clock(10**6, 6)),
        ("int", "date", _date),
        ("bytes", "decimal", _decimal),
        ("fixed", "decimal", _decimal),
        ("fixed", "uuid", _uuid),
    )
}
LOGICAL_READERS.update(_READERS)
