"""The names that a route may use, and the texts that use them.

A name is a capture (of a source's template, or of its `capture`) or a fact that the source vouches for. A plain path
looks into the record: `data.customer.id`, `headers.region`, `key`, `subject`. More than that is an expression, whose
place this is and which is not built yet.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bridge.config.model import SourceSpec
from bridge.config.near import hint, listed
from bridge.errors import TemplateError
from bridge.template import NAME, Template
from bridge.wire import CONTROL, RESERVED_EVENTS, is_event

#: Words that mean something of their own beside the names.
WORDS: Final = frozenset({"data", "text", "key", "time", "headers", "claims", "params"})

_PATH: Final = re.compile(r"(?:data|headers)(?:\.[\w$@-]{1,64}){1,16}|key|subject")
_EVENT_PART: Final = re.compile(r"[A-Za-z0-9._/-]*")
_HOLE: Final = re.compile(r"\{([^{}]*)\}")

NO_EXPRESSIONS: Final = "expressions are not built yet: name a capture, or a plain path such as data.customer.id"


@dataclass(frozen=True, slots=True)
class Names:
    """What the records of a source, or of all sources of a route, can be told apart by."""

    captures: frozenset[str]
    facts: frozenset[str]

    @classmethod
    def of(cls, spec: SourceSpec) -> "Names":
        """Return the names of one source."""
        return cls(spec.source.names() | spec.capture.keys(), spec.source.facts())

    @property
    def all(self) -> frozenset[str]:
        """Return every name."""
        return self.captures | self.facts

    def common(self, other: "Names") -> "Names":
        """Return what two sources both have."""
        return Names(self.captures & other.captures, self.facts & other.facts)


def lacking(name: str, known: Iterable[str]) -> str:
    """Say that a name does not exist, which ones do, and the nearest."""
    known = set(known)
    there = f"the source has {listed(known)}" if known else "the source has no names"
    return f"there is no name `{name}`: {there}{hint(name, known)}"


def path_fault(text: str) -> str | None:
    """Return what is wrong with a plain path, or None."""
    return None if _PATH.fullmatch(text) else NO_EXPRESSIONS


def key_fault(text: str, names: Names | None) -> str | None:
    """Return what is wrong with a route's `key`, or None; without `names` only its form is looked at."""
    if _PATH.fullmatch(text):
        return None
    if not NAME.fullmatch(text):
        return NO_EXPRESSIONS
    if names is None or text in names.all:
        return None
    return f"{lacking(text, names.all)}; or `key`, the record's own, or a path such as data.id"


def event_fault(text: str, names: Names | None) -> str | None:
    """Return what is wrong with an event's name, or None; without `names` only its form is looked at."""
    if any("." in hole or "(" in hole or " " in hole.strip() for hole in _HOLE.findall(text)):
        return NO_EXPRESSIONS.replace("or a plain path such as data.customer.id", "for example {device}")
    try:
        template = Template.parse(text, rest=False)
    except TemplateError as error:
        return str(error)
    if fault := _form_fault(template):
        return fault
    unknown = [name for name in template.names if names is not None and name not in names.all]
    return lacking(unknown[0], names.all) if unknown and names is not None else None


def _form_fault(template: Template) -> str | None:
    if template.is_literal:
        text = template.fill({})
        if text in RESERVED_EVENTS:
            return f"`{text}` would run the page's own `on{text}`: choose another name"
        if text.startswith(CONTROL):
            return f"names that begin with `{CONTROL}` are the bridge's own: choose another"
        return None if is_event(text) else _ALPHABET
    if template.text.startswith(CONTROL):
        return f"names that begin with `{CONTROL}` are the bridge's own: choose another"
    literals = [text for segment in template.segments for text in segment.literals]
    if not all(_EVENT_PART.fullmatch(text) for text in literals) or (literals[0] and not literals[0][0].isalpha()):
        return _ALPHABET
    return None


_ALPHABET: Final = "an event's name begins with a letter and has at most 64 of A-Z a-z 0-9 . _ / -"


def name_fault(name: str) -> str | None:
    """Return what is wrong with the name of a capture, or None."""
    if not NAME.fullmatch(name):
        return "a name begins with a letter and has letters, digits and _ alone"
    return f"`{name}` means something of its own: choose another name" if name in WORDS else None
