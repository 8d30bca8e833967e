"""A file's values with their places, so that an error can point at what it means.

    bytes --parse--> Node --merge--> Node --validate--> model

A `Node` is one value: a scalar, a list or a mapping. It is never changed; merging makes new mappings that share the
values, and each value keeps the place where somebody wrote it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple, Self, cast

Scalar = str | int | float | bool | None
Style = Literal["plain", "quoted", "block", "flow"]

#: Keys that begin so are the user's own: notes, anchors. They are ignored everywhere but in a payload.
OWN: Final = "x-"


class Mark(NamedTuple):
    """A place in a file, counted from 1."""

    file: str
    line: int
    column: int


class Variable(NamedTuple):
    """An environment variable that a text names."""

    name: str
    #: The variable was unset or empty, so the default beside its name was taken.
    is_default: bool


@dataclass(frozen=True, slots=True)
class Node:
    """One value and its place."""

    value: "Scalar | tuple[Node, ...] | Mapping[str, Node]"
    mark: Mark
    #: Where the key stands, if this is the value of one.
    key: Mark
    #: The keys that lead here in the file: `profiles.board.heartbeat`.
    path: str = ""
    style: Style = "plain"
    #: The environment variables that were filled in.
    variables: "tuple[Variable, ...]" = ()
    #: What stands in the file could not be read, which is told already: an empty text takes its place.
    is_faulty: bool = False

    @property
    def mapping(self) -> "Mapping[str, Node]":
        """Return the mapping's own pairs; empty where this is no mapping."""
        return self.value if isinstance(self.value, Mapping) else {}

    @property
    def is_mapping(self) -> bool:
        """Tell whether this is a mapping, be it empty."""
        return isinstance(self.value, Mapping)

    @property
    def items(self) -> "tuple[Node, ...]":
        """Return the list's items; empty where this is no list."""
        return self.value if isinstance(self.value, tuple) else ()

    @property
    def text(self) -> str | None:
        """Return the text; None where this is no text."""
        return self.value if isinstance(self.value, str) else None

    @property
    def has_faulty(self) -> bool:
        """Tell whether this, or anything in it, could not be read."""
        return self.is_faulty or any(node.has_faulty for node in (*self.mapping.values(), *self.items))

    @property
    def filled(self) -> "frozenset[Variable]":
        """Return the variables that were filled in here, or anywhere in it."""
        inner = (*self.mapping.values(), *self.items)
        return frozenset(self.variables).union(*(node.filled for node in inner))

    @property
    def origin(self) -> str:
        """Name the layer that the value comes from: `defaults`, `profile board`, or "" for where it is used."""
        head, _, rest = self.path.partition(".")
        if head == "profiles":
            return f"profile {rest.partition('.')[0]}"
        return head if head == "defaults" else ""

    def at(self, *keys: str) -> "Node | None":
        """Return the value that some keys lead to."""
        node: Node | None = self
        for key in keys:
            node = node.mapping.get(key) if node is not None else None
        return node

    def under(self, key: Mark) -> Self:
        """Return the same value as that of a key which stands elsewhere."""
        return replace(self, key=key)

    def with_mapping(self, pairs: "Mapping[str, Node]") -> Self:
        """Return this mapping with other pairs."""
        return replace(self, value=pairs)

    def without(self, *keys: str) -> Self:
        """Return this mapping without some keys."""
        return self.with_mapping({key: node for key, node in self.mapping.items() if key not in keys})

    def only(self, *keys: str) -> Self:
        """Return this mapping with some keys alone."""
        return self.with_mapping({key: node for key, node in self.mapping.items() if key in keys})

    def plain(self) -> object:
        """Return the value as JSON has it, without the keys that are the user's own."""
        if isinstance(self.value, Mapping):
            return {key: node.plain() for key, node in self.value.items() if not _is_own(key, self)}
        if isinstance(self.value, tuple):
            return [node.plain() for node in self.value]
        return cast("object", self.value)

    def nulls(self, told: "Sequence[Node]") -> "Iterator[Node]":
        """Yield what has a key and no value, but for what was `told` already.

        A payload is the user's data, where null is a value like others.
        """
        if any(self is node for node in told):
            return
        if self.value is None:
            yield self
        for key, node in self.mapping.items():
            if key != "payload" and not _is_own(key, self):
                yield from node.nulls(told)
        for node in self.items:
            yield from node.nulls(told)


def _is_own(key: str, parent: Node) -> bool:
    return key.startswith(OWN) and ".payload" not in parent.path


def join(path: str, key: str | int) -> str:
    """Return the path of a key, or of a list's item, beneath another."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    shown = shorten(key)
    return f"{path}.{shown}" if path else shown


#: A key longer than this is no key of ours, and one line must stay one line.
_MAX_SHOWN: Final = 80


def shorten(key: str) -> str:
    """Return a key fit for one line of an error: no control characters, no endless text."""
    text = key if key.isprintable() else key.encode("unicode_escape").decode("ascii")
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
