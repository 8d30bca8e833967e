"""Bound what an Avro value may become, before fastavro reads it.

fastavro trusts what it reads. A list in a few bytes can claim 2^62 nulls, which take no byte at all, and a value of a
type that holds itself can be nested until the C stack ends, and the process with it. So nothing is read whose size
and depth are not known to be bounded:

Rule 1: for most schemas that is known without a look at the value (`Extent`): all that repeats takes a byte at least.
Rule 2: any other value is walked first, byte by byte as fastavro will (`walk`), and refused where it goes too far.
"""

from collections.abc import Mapping
from math import inf
from typing import Any, Final, NamedTuple

#: A parsed schema: a name, a union's list, or a mapping with its type.
Parsed = Any

#: Levels of a value. fastavro ended the process between 500 and 5,000, and no page reads a tenth of that.
MAX_DEPTH: Final = 100

#: Bytes that a value may take in memory, or as JSON: some 80,000 small records, or 500,000 numbers. A record in Kafka
#: has 1 MiB at most, unless its broker is told otherwise.
MAX_SIZE: Final = 32 * 1024 * 1024

#: Bytes that a value takes at most, in memory or as JSON: a number, a text (also what a logical type makes of a
#: number), a record, list or map by itself, one of its fields or keys, and a place in a list.
_NUMBER: Final = 48
_TEXT: Final = 128
_CONTAINER: Final = 256
_ENTRY: Final = 96
_PLACE: Final = 16

#: Bytes of JSON that one byte of a text may become: `\u0000`.
_PER_BYTE: Final = 6

#: Bytes of the encoding. What is not here says its size itself.
_WIDTHS: Final[Mapping[str, int]] = {"null": 0, "boolean": 1, "float": 4, "double": 8}

#: Types that hold no other.
SIMPLE: Final = frozenset({*_WIDTHS, "int", "long", "bytes", "string", "enum", "fixed"})

#: A varint of 64 bits has at most this many bytes.
_MAX_VARINT: Final = 10


class Extent(NamedTuple):
    """How much a value of a type can become."""

    #: Bytes that it is encoded in at least.
    width: int
    #: Bytes that it takes at most, without what is in lists, maps and texts.
    weight: int
    #: Bytes that each byte of lists, maps and texts in it takes at most.
    rate: float
    #: Levels.
    depth: int

    def holds(self, size: int) -> bool:
        """Tell whether every value that is encoded in so many bytes stays within the bounds."""
        return self.depth <= MAX_DEPTH and self.weight + self.rate * size <= MAX_SIZE


_ENDLESS: Final = Extent(1, 0, inf, 1)


def _leaf(schema: Parsed) -> int:
    """Return what a value of a simple type takes, beside the bytes of its content."""
    is_number = isinstance(schema, str) or "logicalType" not in schema
    return _NUMBER if is_number and kind(schema) not in {"bytes", "string", "enum", "fixed"} else _TEXT


def kind(schema: Parsed) -> str:
    """Return the type's name: `union` for a list, a full name for a type that is defined elsewhere."""
    if isinstance(schema, str):
        return schema
    return "union" if isinstance(schema, list) else str(schema["type"])


def _simple(schema: Parsed) -> Extent | None:
    """Measure a type that holds no other; None for one that does, or that is defined elsewhere."""
    match kind(schema):
        case "null" | "boolean" | "float" | "double" as name:
            return Extent(_WIDTHS[name], _leaf(schema), 0, 1)
        case "int" | "long":
            return Extent(1, _leaf(schema), 0, 1)
        case "bytes" | "string":
            return Extent(1, _leaf(schema), _PER_BYTE, 1)
        case "enum":
            return Extent(1, _leaf(schema) + _PER_BYTE * max(map(_size, schema["symbols"])), 0, 1)
        case "fixed":
            return Extent(schema["size"], _leaf(schema) + _PER_BYTE * schema["size"], 0, 1)
        case _:
            return None


class Extents:
    """The extents of a schema's types."""

    def __init__(self, named: Mapping[str, Parsed]) -> None:
        self.named = named
        #: By full name. A type that is being measured is endless to itself.
        self._known: dict[str, Extent] = {}
        #: By identity: the schema lives as long as this.
        self._items: dict[int, Extent] = {}

    def of(self, schema: Parsed, level: int = 0) -> Extent:
        """Measure a type."""
        if level > MAX_DEPTH:
            return _ENDLESS
        match kind(schema):
            case "union":
                return self._union(schema, level)
            case "array":
                return self._repeated(schema["items"], 0, level)
            case "map":
                return self._repeated(schema["values"], 1, level)
            case "record" | "error":
                return self._named(schema["name"], schema, level)
            case name:
                return _simple(schema) or self._named(name, self.named[name], level)

    def _named(self, name: str, schema: Parsed, level: int) -> Extent:
        if name not in self._known:
            self._known[name] = _ENDLESS
            is_record = kind(schema) in {"record", "error"}
            self._known[name] = self._record(schema, level) if is_record else self.of(schema, level)
        return self._known[name]

    def _record(self, schema: Parsed, level: int) -> Extent:
        fields = [self.of(field["type"], level + 1) for field in schema["fields"]]
        names = sum(_ENTRY + _PER_BYTE * _size(field["name"]) for field in schema["fields"])
        return Extent(
            sum(field.width for field in fields),
            _CONTAINER + names + sum(field.weight for field in fields),
            max((field.rate for field in fields), default=0),
            1 + max((field.depth for field in fields), default=0),
        )

    def _union(self, schema: Parsed, level: int) -> Extent:
        branches = [self.of(branch, level + 1) for branch in schema]
        return Extent(
            1 + min(branch.width for branch in branches),
            max(branch.weight for branch in branches),
            max(branch.rate for branch in branches),
            max(branch.depth for branch in branches),
        )

    def _repeated(self, schema: Parsed, key: int, level: int) -> Extent:
        """Measure a list of such items (`key` is 0), or a map, whose keys have a byte at least."""
        rate, depth = float(_PER_BYTE * key), 1
        # Item by item a union takes one of its branches, with that one's bytes.
        choices = [(1, branch) for branch in schema] if isinstance(schema, list) else [(0, schema)]
        for prefix, choice in choices:
            item = self.of(choice, level + 1)
            width = key + prefix + item.width
            weight = item.weight + (_ENTRY + _TEXT if key else _PLACE)
            rate = max(rate, item.rate, weight / width if width else inf)
            depth = max(depth, 1 + item.depth)
        return Extent(1, _CONTAINER, rate, depth)

    def item(self, schema: Parsed) -> Extent:
        """Measure a type that a walk meets again and again."""
        known = self._items.get(id(schema))
        if known is None:
            known = self._items[id(schema)] = self.of(schema)
        return known


def _size(text: str) -> int:
    return len(text.encode())


class RefusedError(ValueError):
    """A value is no value of its schema, or goes too far."""


class _Walk:
    """One walk over an encoded value."""

    def __init__(self, extents: Extents, data: bytes) -> None:
        self._extents = extents
        self._data = data
        self._at = 0
        self._left = MAX_SIZE

    def value(self, schema: Parsed, depth: int = 0) -> None:
        """Go over one value."""
        if depth > MAX_DEPTH:
            raise RefusedError(f"it is nested deeper than {MAX_DEPTH} levels")
        match kind(schema):
            case "union":
                self.value(self._choice(schema), depth)
            case "array":
                self._blocks(schema["items"], depth + 1, has_keys=False)
            case "map":
                self._blocks(schema["values"], depth + 1, has_keys=True)
            case "record" | "error":
                self._fields(schema["fields"], depth + 1)
            case name if name in SIMPLE:
                self._simple(schema)
            case name:
                self.value(self._extents.named[name], depth)

    def _simple(self, schema: Parsed) -> None:
        match kind(schema):
            case "int" | "long":
                self._number()
                self._spend(_leaf(schema))
            case "bytes" | "string":
                self._leaf(schema, self._number(), _PER_BYTE)
            case "enum":
                self._spend(_leaf(schema) + _PER_BYTE * _size(self._choice(schema["symbols"])))
            case "fixed":
                self._leaf(schema, schema["size"], _PER_BYTE)
            case name:
                self._leaf(schema, _WIDTHS[name])

    def _fields(self, fields: Parsed, depth: int) -> None:
        self._spend(_CONTAINER)
        for field in fields:
            self._spend(_ENTRY + _PER_BYTE * _size(field["name"]))
            self.value(field["type"], depth)

    def _blocks(self, schema: Parsed, depth: int, *, has_keys: bool) -> None:
        self._spend(_CONTAINER)
        item = self._extents.item(schema)
        while count := self._number():
            if count < 0:  # its size in bytes follows, for who wants to skip it
                count = -count
                self._number()
            if not has_keys and not item.width:
                # Such items are of no byte at all, however many there are.
                self._spend(count * (_PLACE + item.weight))
                continue
            for _ in range(count):
                if has_keys:
                    self._leaf("string", self._number(), _PER_BYTE)
                self._spend(_ENTRY if has_keys else _PLACE)
                self.value(schema, depth)

    def _leaf(self, schema: Parsed, size: int, rate: int = 0) -> None:
        """Go over so many bytes."""
        if not 0 <= size <= len(self._data) - self._at:
            raise RefusedError("it ends too early")
        self._at += size
        self._spend(_leaf(schema) + rate * size)

    def _number(self) -> int:
        """Read a zig-zag varint."""
        value = 0
        for shift in range(0, 7 * _MAX_VARINT, 7):
            if self._at >= len(self._data):
                raise RefusedError("it ends too early")
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004  # the bit that says that more follow
                return (value >> 1) ^ -(value & 1)
        raise RefusedError("a number in it is longer than 64 bits")

    def _choice(self, choices: list[Any]) -> Any:
        index = self._number()
        if not 0 <= index < len(choices):
            raise RefusedError(f"it takes choice {index} of {len(choices)}")
        return choices[index]

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise RefusedError(f"it would take more than {MAX_SIZE // 1024**2} MiB")


def walk(extents: Extents, schema: Parsed, data: bytes) -> None:
    """Go over an encoded value as fastavro will; raise `RefusedError` where it goes too far or ends too early."""
    _Walk(extents, data).value(schema)
