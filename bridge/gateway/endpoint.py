"""From an address to a route.

Rule 1: a literal segment beats a name beats a rest; on one path, a route that asks for a query beats one that does not.
Rule 2: a path is matched as decoded by `path.decode`: an encoded slash is part of a rest, never of a name.
Rule 3: matching never redirects and takes time linear in the path.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import chain
from typing import Final, NamedTuple

from bridge.gateway.path import SLASH, trimmed
from bridge.gateway.supply import Supply
from bridge.template import LITERAL, REST, Template

#: What `nearest` compares of a path: a 16 KiB path must not cost more than a mistyped one.
COMPARED: Final = 128

#: How many routes `nearest` compares letter by letter, after a cheap look at all of them.
CLOSEST: Final = 8


Captures = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Retry:
    """How long a client waits before it reconnects."""

    #: Seconds.
    delay: float
    #: Send just that, instead of a value drawn from [delay, 1.25 delay].
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What an idle stream sends."""

    #: Seconds.
    every: float
    #: As `bridge.heartbeat` events instead of comments.
    visible: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """Where and how a route's channels are listed."""

    path: str
    #: The key of the list in the answer.
    key: str = "channels"
    #: The text of one entry; without it an entry is an object with the channel's path and captures.
    name: Template | None = None


def _nothing() -> None:
    """Stand in for a source that cannot say what exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A route as the gateway sees it: an address, its manners, and what lies behind."""

    path: Template
    #: What the query must say, by parameter.
    query: Mapping[str, Template] = field(default_factory=dict[str, Template])
    #: What lies behind; only streams look inside.
    supply: Supply
    #: Origins that may read the streams; ("*",) for all, () for none but our own.
    cors: tuple[str, ...] = ()
    retry: Retry
    heartbeat: Heartbeat | None = None
    listing: Listing | None = None
    #: The captures of all that exists at the source, None where that cannot be known.
    entries: Callable[[], Sequence[Captures] | None] = _nothing
    #: The captures of the channels that hold something.
    channels: Callable[[], Sequence[Captures]] = tuple
    #: Only what asks for a stream is for this route; the rest of its path is the application's.
    shared: bool = False
    #: Answer 204, "never come back".
    gone: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names that an address gives: those of the path, then those of the query."""
        return (*self.path.names, *chain.from_iterable(t.names for t in self.query.values()))

    @property
    def text(self) -> str:
        """Return the address as the configuration writes it."""
        query = "&".join(f"{name}={template.text}" for name, template in self.query.items())
        return f"{self.path.text}?{query}" if query else self.path.text


class Found(NamedTuple):
    """What an address leads to."""

    endpoint: Endpoint
    captures: Captures


class Router:
    """Matches addresses with endpoints; `base` is the path under which an ingress shows us ("" for none)."""

    def __init__(self, endpoints: Sequence[Endpoint], base: str = "") -> None:
        self.base = base
        self.endpoints = tuple(sorted(endpoints, key=_rank))
        self._literal: dict[str, list[Endpoint]] = {}
        self._open: list[tuple[Template, Endpoint]] = []
        for endpoint in self.endpoints:
            template = Template.parse(trimmed(endpoint.path.text))
            if template.is_literal:
                self._literal.setdefault(template.fill({}), []).append(endpoint)
            else:
                self._open.append((template, endpoint))
        self._listings = {trimmed(e.listing.path): e for e in self.endpoints if e.listing}

    def match(self, path: str, query: Mapping[str, str]) -> Found | None:
        """Return the route of a decoded path and query, and what its names stand for."""
        path = trimmed(path)
        for endpoint in self._literal.get(path, ()):
            if (captures := _asked(endpoint, query)) is not None:
                return Found(endpoint, captures)
        for template, endpoint in self._open:
            taken = _taken(template, path)
            if taken is not None and (captures := _asked(endpoint, query)) is not None:
                return Found(endpoint, taken | captures)
        return None

    def listing(self, path: str) -> Endpoint | None:
        """Return the route whose channels are listed at this path."""
        return self._listings.get(trimmed(path))

    def nearest(self, path: str) -> str | None:
        """Return the route whose address looks most like this path, as the configuration writes it.

        One that has this very path and asks for another query is the nearest.
        """
        if (there := self._beside(trimmed(path))) is not None:
            return there.text
        path = path[:COMPARED]
        parts = path.split("/")
        likely = sorted(self.endpoints, key=lambda e: -_likeness(e.path, parts))[:CLOSEST]
        return max((e.text for e in likely), key=lambda text: _ratio(text, path), default=None)

    def _beside(self, path: str) -> Endpoint | None:
        """Return the first route of a path, whatever its query."""
        open_ = (endpoint for template, endpoint in self._open if _taken(template, path) is not None)
        return next(chain(self._literal.get(path, ()), open_), None)


def _rank(endpoint: Endpoint) -> tuple[object, ...]:
    holes = sum(not template.is_literal for template in endpoint.query.values())
    return endpoint.path.specificity, -len(endpoint.query), holes, endpoint.text


def _taken(template: Template, path: str) -> dict[str, str] | None:
    """Match the path; a name that would hold an encoded slash does not match."""
    captures = template.match(path)
    if captures is None or SLASH not in path:
        return captures
    if any(SLASH in captures[name] for name in _single(template)):
        return None
    return {name: value.replace(SLASH, "/") for name, value in captures.items()}


def _single(template: Template) -> Iterator[str]:
    holes = chain.from_iterable(segment.holes for segment in template.segments)
    return (hole.name for hole in holes if not hole.is_rest)


def _asked(endpoint: Endpoint, query: Mapping[str, str]) -> dict[str, str] | None:
    """Return what the query's names stand for, or None if it does not ask for this route."""
    captures: dict[str, str] = {}
    for name, template in endpoint.query.items():
        # Of a parameter that stands twice the first counts, as URLSearchParams.get has it.
        value = query.get(name)
        found = None if value is None else template.match(value)
        if found is None:
            return None
        captures |= found
    return captures


def _likeness(template: Template, parts: Sequence[str]) -> float:
    """Count the segments that agree: 1 for a literal, a half for a hole, less for another length."""
    score = -0.1 * abs(len(template.segments) - len(parts))
    for segment, part in zip(template.segments, parts, strict=False):
        if segment.kind == LITERAL:
            score += segment.literals[0] == part
        elif segment.kind == REST or part:
            score += 0.5
    return score


def _ratio(text: str, path: str) -> float:
    return SequenceMatcher(None, text[:COMPARED], path, autojunk=False).ratio()
