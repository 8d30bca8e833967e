"""Texts with holes: `plants/{plant}/{file}.log`, `/logs/{path*}`, `order.{device}`.

Rule 1: a `{name}` stands for a part of one segment, never empty, never across a `/`; `{name*}` stands for the rest
    of the path and may hold slashes. There is one rest at most, with no other hole in its segment.
Rule 2: the shortest match wins, and two holes never touch, so a match is unique.
Rule 3: matching takes time linear in the text. There is no regular expression and no backtracking, so neither a
    path nor a configuration can make it slow.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, Self

from bridge.errors import TemplateError

#: What may stand between braces.
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)

#: Names in one template; a path with more is a mistake, and a channel's name would grow without bound.
MAX_NAMES: Final = 16

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]|[^{}]+")

LITERAL, NAMED, REST = 0, 1, 2


class Hole(NamedTuple):
    """A place that a value fills."""

    name: str
    is_rest: bool = False


class Segment(NamedTuple):
    """What stands between two slashes: literals and holes in turn, a literal (maybe empty) at both ends."""

    literals: tuple[str, ...]
    holes: tuple[Hole, ...]

    @property
    def kind(self) -> int:
        """Return LITERAL, NAMED or REST: the order in which segments win."""
        if not self.holes:
            return LITERAL
        return REST if self.holes[0].is_rest else NAMED

    def match(self, text: str, found: dict[str, str]) -> bool:
        """Match the whole text, adding to `found`."""
        first, *inner, last = self.literals if self.holes else (self.literals[0], "")
        if not self.holes:
            return text == first
        end = len(text) - len(last)
        if end <= len(first) or not (text.startswith(first) and text.endswith(last)):
            return False
        start = len(first)
        for hole, literal in zip(self.holes, inner, strict=False):
            at = text.find(literal, start + 1, end)
            if at < 0:
                return False
            found[hole.name] = text[start:at]
            start = at + len(literal)
        found[self.holes[-1].name] = text[start:end]
        return start < end


class Template(NamedTuple):
    """A text with holes, parsed."""

    text: str
    segments: tuple[Segment, ...]
    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, *, rest: bool = True) -> Self:
        """Read the text, or raise `TemplateError` with the column; `rest` allows `{name*}`."""
        segments: list[Segment] = []
        literals, holes = [""], list[Hole]()
        names: list[str] = []
        for column, token in _tokens(text):
            if isinstance(token, Hole):
                if token.is_rest and any(segment.kind == REST for segment in segments):
                    raise TemplateError("a second {name*}: one takes the rest already", column)
                _check(token, column, (holes, literals), names, rest=rest)
                holes.append(token)
                literals.append("")
                names.append(token.name)
                continue
            head, *tails = token.split("/")
            literals[-1] += head
            for tail in tails:
                segments.append(Segment(tuple(literals), tuple(holes)))
                literals, holes = [tail], []
        segments.append(Segment(tuple(literals), tuple(holes)))
        return cls(text, tuple(segments), tuple(names))

    @property
    def is_literal(self) -> bool:
        """Tell whether there is no hole at all."""
        return not self.names

    @property
    def prefix(self) -> str:
        """Return the literal text before the first hole."""
        parts: list[str] = []
        for segment in self.segments:
            parts.append(segment.literals[0])
            if segment.holes:
                break
        return "/".join(parts)

    @property
    def specificity(self) -> tuple[int, ...]:
        """Return a sort key: segment by segment, a literal beats a name beats a rest."""
        return tuple(segment.kind for segment in self.segments)

    def match(self, text: str) -> dict[str, str] | None:
        """Return what the holes stand for, or None if the text as a whole does not match."""
        found: dict[str, str] = {}
        parts = text.split("/")
        at = next((i for i, s in enumerate(self.segments) if s.kind == REST), None)
        if at is not None:
            after = len(self.segments) - at - 1
            end = len(parts) - after
            if end <= at:
                return None
            parts[at:end] = ["/".join(parts[at:end])]
        if len(parts) != len(self.segments):
            return None
        matched = all(s.match(part, found) for s, part in zip(self.segments, parts, strict=True))
        return found if matched else None

    def fill(self, values: Mapping[str, object]) -> str:
        """Return the text with its holes filled; raises `KeyError` for a name without a value."""
        out: list[str] = []
        for segment in self.segments:
            out.append(segment.literals[0])
            for hole, literal in zip(segment.holes, segment.literals[1:], strict=True):
                out += (str(values[hole.name]), literal)
            out.append("/")
        return "".join(out[:-1])


def overlap(a: Template, b: Template) -> str | None:
    """Return a text that both match although neither is more specific, or None."""
    if any(one != other for one, other in zip(a.specificity, b.specificity, strict=False)):
        return None
    short, long = sorted((a, b), key=lambda template: len(template.segments))
    text = _common(short.segments, long.segments)
    return text if a.match(text) is not None and b.match(text) is not None else None


def _common(short: tuple[Segment, ...], long: tuple[Segment, ...]) -> str:
    """Return a text that both match, if there is any.

    Two segments with holes share a text just when their first and last literals agree, since holes take anything:
    the longer first literal, every inner literal, the longer last one. Segments that only the longer template has
    are taken by the rest of the shorter: its first literal begins the first of them, its last one ends the last.
    """
    more = len(long) - len(short)
    at = next((i for i, segment in enumerate(short) if segment.kind == REST), None)
    if not more or at is None:
        return "/".join(map(_joint, short, long))
    first, last = short[at].literals
    begin = _joint(Segment((first, ""), short[at].holes), long[at])
    inner = ["x".join(segment.literals) for segment in long[at + 1 : at + more]]
    end = _joint(Segment(("", last), short[at].holes), long[at + more])
    head, tail = map(_joint, short[:at], long[:at]), map(_joint, short[at + 1 :], long[at + more + 1 :])
    return "/".join([*head, begin, *inner, end, *tail])


def _joint(one: Segment, other: Segment) -> str:
    if not one.holes or not other.holes:
        return one.literals[0] if not one.holes else other.literals[0]
    first = max(one.literals[0], other.literals[0], key=len)
    last = max(one.literals[-1], other.literals[-1], key=len)
    return "x".join([first, *one.literals[1:-1], *other.literals[1:-1], last])


def _tokens(text: str) -> Iterator[tuple[int, str | Hole]]:
    for found in _TOKEN.finditer(text):
        token = found[0]
        if token in ("{{", "}}"):
            yield found.start(), token[0]
        elif token in ("{", "}"):
            raise TemplateError(f"a lone {token!r}: write {token * 2!r} for the sign itself", found.start())
        elif token[0] == "{":
            name = token[1:-1].removesuffix("*")
            if not NAME.fullmatch(name):
                raise TemplateError("a hole holds one name, such as {device} or {path*}", found.start())
            yield found.start(), Hole(name, token.endswith("*}"))
        else:
            yield found.start(), token


def _check(hole: Hole, column: int, segment: tuple[list[Hole], list[str]], names: list[str], *, rest: bool) -> None:
    holes, literals = segment
    if holes and not literals[-1]:
        raise TemplateError("two holes touch: put a text between them", column)
    if hole.name in names:
        raise TemplateError(f"the name {hole.name!r} stands twice", column)
    if len(names) >= MAX_NAMES:
        raise TemplateError(f"more than {MAX_NAMES} names", column)
    if hole.is_rest and not rest:
        raise TemplateError("{name*} takes the rest of a path, and this is no path", column)
    if holes and (hole.is_rest or holes[0].is_rest):
        raise TemplateError("a segment with {name*} has no other hole", column)
