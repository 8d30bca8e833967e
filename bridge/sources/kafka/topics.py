"""Which topics a source reads, and what their names tell.

A topic is named as it is (`orders`), by a template whose holes stand for what is between dots (`orders.{region}`,
`plants.{path*}`), or by a regular expression (RE2, so that no name makes it slow), whose named groups are captures.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, Protocol, Self

import re2  # type: ignore[import-untyped]  # it has no stubs

from bridge.errors import TemplateError
from bridge.event import EMPTY
from bridge.template import NAME, Template

#: Kafka's own bound on a topic's name, and the signs that it may have.
MAX_TOPIC: Final = 249
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}", re.ASCII)
#: What stands between the holes of a template, or a piece of it.
_LITERAL: Final = re.compile(r"[A-Za-z0-9._-]*", re.ASCII)

#: Memory that one regular expression may take when compiled, bytes.
REGEX_MEMORY: Final = 1024 * 1024


class Match(Protocol):
    """What a regular expression found."""

    def group(self, name: str, /) -> str | None:
        """Return what a named group took, None for one that took no part."""


class Regex(Protocol):
    """A compiled regular expression."""

    groupindex: Mapping[str, int]

    def fullmatch(self, text: str, /) -> Match | None:
        """Match the whole text."""


def template(text: str) -> Template:
    """Read a topic's name with holes between its dots, or raise `TemplateError`."""
    # A template cuts at slashes, which no topic has, and topics are cut at dots.
    parsed = Template.parse(text.replace(".", "/"))
    literals = "".join(literal for segment in parsed.segments for literal in segment.literals)
    if not _LITERAL.fullmatch(literals) or not text or "/" in text:
        raise TemplateError("a topic's name is letters, digits, '.', '_' and '-'")
    if parsed.is_literal and (len(text) > MAX_TOPIC or text in {".", ".."}):
        raise TemplateError(f"a topic's name has at most {MAX_TOPIC} characters, and is not a dot")
    return parsed


@lru_cache(maxsize=64)
def compiled(pattern: str) -> Regex:
    """Compile a regular expression that runs in time linear in its text; raises `re2.error`, `TemplateError`."""
    options = re2.Options()
    options.max_mem = REGEX_MEMORY
    options.log_errors = False
    regex: Regex = re2.compile(pattern, options)
    wrong = next((name for name in regex.groupindex if not NAME.fullmatch(name)), None)
    if wrong is not None:
        raise TemplateError("a group's name is letters, digits and '_', for example (?P<region>[a-z]+)")
    return regex


class Selection:
    """The topics of one source."""

    def __init__(self, topics: Sequence[str], pattern: str | None) -> None:
        templates = [(text, template(text)) for text in topics]
        #: Topics that are named as they are.
        self.literals = tuple(text for text, each in templates if each.is_literal)
        self._templates = tuple(each for _, each in templates if not each.is_literal)
        self._regex = compiled(pattern) if pattern is not None else None

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, topics: tuple[str, ...], pattern: str | None) -> Self:
        """Return the selection of these keys."""
        return cls(topics, pattern)

    @property
    def is_open(self) -> bool:
        """Tell whether topics must be listed to know which are meant."""
        return bool(self._templates) or self._regex is not None

    @property
    def names(self) -> frozenset[str]:
        """Return the names that every topic gives."""
        each = [frozenset[str]() for _ in self.literals[:1]]
        each += [frozenset(template.names) for template in self._templates]
        each += [frozenset(self._regex.groupindex)] if self._regex is not None else []
        return frozenset.intersection(*each) if each else frozenset()

    def match(self, topic: str, *, is_internal: bool = False) -> Mapping[str, str] | None:
        """Return what a topic's name tells; None for a topic that is not meant.

        The first template that fits wins. Kafka's own topics (`__consumer_offsets`) are meant only by their names.
        """
        if topic in self.literals:
            return EMPTY
        if is_internal or not _TOPIC.fullmatch(topic):
            return None
        return self._by_template(topic) if self._regex is None else self._by_pattern(self._regex, topic)

    def _by_template(self, topic: str) -> Mapping[str, str] | None:
        path = topic.replace(".", "/")
        for each in self._templates:
            found = each.match(path)
            if found is not None:
                return {name: value.replace("/", ".") for name, value in found.items()}
        return None

    def _by_pattern(self, regex: Regex, topic: str) -> Mapping[str, str] | None:
        found = regex.fullmatch(topic)
        if found is None:
            return None
        named = {name: found.group(name) for name in regex.groupindex}
        # A topic without a name that all others have would have no place on routes with that name.
        return {name: value for name, value in named.items() if value} if all(named.values()) else None
