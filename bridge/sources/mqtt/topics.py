"""Topics: from the templates of the configuration to subscriptions, and from a topic back to its captures.

    plants/{plant}/{device}/temperature     plants/+/+/temperature
    plants/{rest*}                          plants/#
    rooms/dev-{id}/state                    rooms/+/state, and what does not begin with `dev-` is dropped here

A subscription's identifier (MQTT 5) is made from the filter's text, so that it means the same in a session that an
older configuration left at the broker.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from bridge.errors import TemplateError
from bridge.event import EMPTY, Fact
from bridge.template import REST, Template

#: Templates of one source: each is a subscription, and each new topic is held against them in turn.
MAX_TOPICS: Final = 100

#: Bytes of a topic (section 1.5.4).
MAX_LENGTH: Final = 65_535

#: Topics whose captures are remembered, and how long one may be to be. Past it all are forgotten, and matched anew: a
#: few microseconds each. Some 10 MB when full.
MAX_KNOWN: Final = 20_000
MAX_KNOWN_LENGTH: Final = 256

#: An identifier has 28 bits (section 2.2.2.2). The lowest one tells a subscription from the look at what is retained.
_ID_BITS: Final = 26


class Filter(NamedTuple):
    """One subscription."""

    text: str
    #: As the broker gets it: with the group of a shared subscription before it.
    sent: str
    #: The identifier of the look at retained messages; the one of the subscription itself is the next number.
    id: int


class Matched(NamedTuple):
    """What a topic stands for."""

    topic: str
    captures: Mapping[str, str]
    #: The facts of a message that is neither retained nor a repetition, by QoS: most messages share them.
    facts: tuple[Mapping[str, Fact], ...]
    #: The identifier of the first subscription that it matches.
    id: int


def facts(topic: str, qos: int, *, retained: bool, dup: bool) -> dict[str, Fact]:
    """Return what a message is told with."""
    return {"topic": topic, "qos": qos, "retained": int(retained), "dup": int(dup)}


def check(text: str) -> str | None:
    """Return what is wrong with a template of topics, or None."""
    try:
        Template.parse(text)
    except TemplateError as error:
        return f"column {error.column + 1}: {error}"
    if not text or "\0" in text:
        return "expected a topic, for example plants/{plant}/{device}/temperature"
    if "+" in text or "#" in text:
        return "a wildcard has a name here: {name} for `+`, {rest*} for `#`"
    if text.startswith("$share/"):
        return "a shared subscription is asked for with `share`, the name of its group"
    if len(text.encode()) > MAX_LENGTH:
        return "expected a topic of at most 65,535 bytes"
    return None


def filter_of(template: Template) -> str:
    """Return the narrowest filter that lets through whatever the template matches."""
    levels: list[str] = []
    for segment in template.segments:
        if segment.kind == REST:
            return "/".join([*levels, "#"])
        levels.append("+" if segment.holes else segment.literals[0])
    return "/".join(levels)


def covers(filter: str, topic: str) -> bool:
    """Tell whether a filter takes a topic (section 4.7)."""
    wanted, given = filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(given) or level not in ("+", given[index]):
            return False
    return len(wanted) == len(given)


class Topics:
    """The templates of one source: of those that match a topic the most special one gives its captures."""

    def __init__(self, texts: Sequence[str], share: str | None = None) -> None:
        self.templates = tuple(sorted(map(Template.parse, texts), key=lambda each: each.specificity))
        self.filters = _filters(self.templates, f"$share/{share}/" if share else "")
        #: The identifiers of the filters.
        self.ids = frozenset(each.id for each in self.filters)
        self._known: dict[bytes, Matched | None] = {}
        self._refused: frozenset[int] = frozenset()
        self._fresh: frozenset[int] = frozenset()

    def refuse(self, ids: frozenset[int]) -> None:
        """Take in which filters the broker refused: they bring no copy of a message."""
        self._refused = ids
        self._known.clear()

    def defer(self, ids: frozenset[int]) -> None:
        """Take in which filters the broker's session did not have: what it has queued came by another one."""
        self._fresh = ids
        self._known.clear()

    def match(self, topic: bytes) -> Matched | None:
        """Return what a topic stands for, None where no template matches; raises `ValueError` for what is no topic."""
        try:
            return self._known[topic]
        except KeyError:
            pass
        found = self._match(topic.decode())
        if len(topic) <= MAX_KNOWN_LENGTH:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[topic] = found
        return found

    def _match(self, topic: str) -> Matched | None:
        if not topic or "\0" in topic or "+" in topic or "#" in topic:
            raise ValueError("a message's topic is empty, or has a NUL or a wildcard in it")
        for template in self.templates:
            captures = template.match(topic)
            if captures is not None:
                plain = tuple(facts(topic, qos, retained=False, dup=False) for qos in range(3))
                return Matched(topic, captures or EMPTY, plain, self._first(topic))
        return None

    def _first(self, topic: str) -> int:
        taking = [each.id for each in self.filters if each.id not in self._refused and covers(each.text, topic)]
        return next((id for id in taking if id not in self._fresh), taking[0] if taking else 0)


def _filters(templates: Sequence[Template], prefix: str) -> tuple[Filter, ...]:
    found: dict[str, Filter] = {}
    taken: set[int] = set()
    for text in map(filter_of, templates):
        if text in found:
            continue
        number = zlib.crc32(text.encode()) & (1 << _ID_BITS) - 1
        while number in taken or number == 0:
            number = number + 1 & (1 << _ID_BITS) - 1
        taken.add(number)
        found[text] = Filter(text, prefix + text, number * 2)
    return tuple(found.values())
