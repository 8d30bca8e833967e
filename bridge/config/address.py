"""A route's address: a path, and what the query must say.

Rule 1: a path begins with a slash; it is written as it reads, not percent-encoded; one slash at its end means nothing.
Rule 2: `/-/` is ours. There is no `.` or `..`, no empty segment, no `*` (`{name*}` takes a rest).
Rule 3: of two addresses that both match, the one with a literal where the other has a name wins, then the one that asks
    for more of the query; any other overlap is refused.
"""

import re
from collections.abc import Mapping
from itertools import chain
from typing import Final, NamedTuple, Self

from bridge.errors import TemplateError
from bridge.template import Template, overlap

#: As long as a request's line may be at the gateways in front, several times over.
MAX_LENGTH: Final = 1024

_HOLE: Final = re.compile(r"\{[^{}]*\}")
_SIGNS: Final = {
    "%": "write it as it reads, not percent-encoded",
    "#": "what follows a `#` never reaches a server",
    "\\": "write /",
    "*": "write {name} for a segment or {name*} for the rest",
}


class RouteAddress(NamedTuple):
    """An address, parsed."""

    path: Template
    #: By parameter.
    query: Mapping[str, Template]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address such as `/logs/{file}` or `/events?stream={name}`; raises `TemplateError`."""
        path, mark, query = text.partition("?")
        check_path(path)
        found: dict[str, Template] = {}
        for part in query.split("&") if mark else ():
            name, _, value = part.partition("=")
            if not name or not value or "{" in name:
                raise TemplateError("after the `?` come name=value, joined by `&`", len(path))
            if name in found:
                raise TemplateError(f"the parameter `{name}` stands twice", len(path))
            found[name] = Template.parse(value, rest=False)
        address = cls(Template.parse(trimmed(path)), found)
        if len(set(address.names)) < len(address.names):
            raise TemplateError("a name stands twice", 0)
        return address

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names that a request gives: those of the path, then those of the query."""
        return (*self.path.names, *chain.from_iterable(t.names for t in self.query.values()))

    @property
    def is_literal(self) -> bool:
        """Tell whether it is one single address."""
        return not self.names


def trimmed(path: str) -> str:
    """Return a path without its one trailing slash; the root stays as it is."""
    return path[:-1] if len(path) > 1 and path.endswith("/") else path


def check_path(path: str) -> None:
    """Raise `TemplateError` for a path that no request has, or that is not for routes."""
    if not path.startswith("/"):
        raise TemplateError("a path begins with a slash", 0)
    if len(path) > MAX_LENGTH:
        raise TemplateError(f"a path has at most {MAX_LENGTH} characters", MAX_LENGTH)
    bare = _HOLE.sub("", path)
    for sign, advice in _SIGNS.items():
        if sign in bare:
            raise TemplateError(f"a path cannot hold `{sign}`: {advice}", path.find(sign))
    if not path.isprintable() or " " in path:
        raise TemplateError("a path cannot hold spaces or control characters", 0)
    parts = trimmed(path).split("/")[1:]
    if parts[0] == "-":
        raise TemplateError("what begins with `/-/` is the bridge's own: choose another path", 0)
    if any(part in {".", ".."} for part in parts):
        raise TemplateError("a path cannot hold `.` or `..`: browsers resolve them before they ask", 0)
    if path != "/" and "" in parts:
        raise TemplateError("a path cannot hold an empty segment (`//`)", 0)


def both(a: RouteAddress, b: RouteAddress) -> str | None:
    """Return an address that both match although neither wins, or None."""
    if len(a.query) != len(b.query) or _holes(a) != _holes(b):
        return None
    path = overlap(a.path, b.path)
    if path is None or not a.query:
        return path
    values: dict[str, str] = {}
    for name in {**a.query, **b.query}:
        value = _value(a.query.get(name), b.query.get(name))
        if value is None:
            return None
        values[name] = value
    return f"{path}?{'&'.join(f'{name}={value}' for name, value in values.items())}"


def _value(a: Template | None, b: Template | None) -> str | None:
    """Return a value that both templates take."""
    if a is None or b is None:
        given = a or b
        return given.fill(dict.fromkeys(given.names, "x")) if given is not None else None
    if a.is_literal or b.is_literal:
        literal, other = (a, b) if a.is_literal else (b, a)
        text = literal.fill({})
        return text if other.match(text) is not None else None
    return overlap(a, b)


def _holes(address: RouteAddress) -> int:
    return sum(not template.is_literal for template in address.query.values())
