"""What a configuration may say of an event: names, paths, and texts with holes.

A name is a capture, or a fact that the source vouches for; a capture wins. A path looks inside: `data.customer.id`,
`data.items.0`, `headers.region`, `key`, `subject`. Compiled once, run for each event; no code, no I/O.
"""

from collections.abc import Callable, Sequence
from typing import Final

import orjson

from bridge.event import Event

#: Reads a value out of an event as text; None where it is missing, null or no scalar.
Find = Callable[[Event], str | None]

#: Digits of a list's index: more would be a number that no list has.
MAX_INDEX_DIGITS: Final = 9


class Scope(dict[str, object]):
    """The names that a hole may use, looked up in an event when asked for."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self._event = event

    def __missing__(self, name: str) -> object:
        value = self._event.captures.get(name)
        return self._event.facts[name] if value is None else value


def looks_inside(path: str) -> bool:
    """Tell whether the path needs the data parsed."""
    return path.startswith("data.")


def find(path: str) -> Find:
    """Compile a name or a path. Numbers read as JSON writes them."""
    root, *rest = path.split(".")
    if root == "data" and rest:
        return lambda event: _scalar(event.data, rest)
    if root == "headers" and rest:
        name = ".".join(rest)
        return lambda event: event.headers.get(name)
    if root == "key":
        return lambda event: event.key
    if root == "subject":
        return lambda event: event.subject

    def named(event: Event) -> str | None:
        value = event.captures.get(root)
        if value is not None:
            return value
        fact = event.facts.get(root)
        return None if fact is None else str(fact)

    return named


def _scalar(value: object, path: Sequence[str]) -> str | None:
    for name in path:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and name.isascii() and len(name) <= MAX_INDEX_DIGITS:
            value = value[int(name)] if int(name) < len(value) else None
        else:
            return None
    if isinstance(value, str):
        return value
    return None if value is None or isinstance(value, dict | list) else orjson.dumps(value).decode()
