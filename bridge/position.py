"""A place in a partitioned log, as an event id: the next offset of each partition, and which one moved last.

A source that is a log itself (a Kafka topic) names with it where it stands after each message. Any process that reads
the same log can go on there: no number of our own is in it, so it survives a restart and holds on another replica.

The text is `p_<tag>.<offset>.<offset>…_<tag>.<offset>…-<index>`: a tag of four characters for each log, which another
log of the same name does not have; the next offset of its partitions 0, 1, …, in base 62; and the index, counted
over all of them, of the partition whose message this stands just after (without it, after none in particular).

Rule 1: all before a position has been seen: partition by partition, each offset below the one named.
Rule 2: the positions that one reader gives form a chain: each is beyond the one before in one partition at least, and
    behind it in none. So their weights (the sum of offsets) grow, and a place in the chain is found by bisection.
Rule 3: two readers that take the partitions in turn differently give different chains. What another reader's position
    lacks of ours is told offset by offset, by `has`.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

#: Characters of a position at most. An id may have 128 (`wire.MAX_ID`), and proxies see it in a header.
MAX_TEXT: Final = 120

#: The place before everything, whatever the log: a mark of where a stream began, before the log was asked.
BEGINNING: Final = "p_0000"

#: Offsets are 63-bit numbers in Kafka's protocol.
MAX_OFFSET: Final = 2**63 - 1

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS: Final = tuple(high + low for high in _DIGITS for low in _DIGITS)
_VALUES: Final = {digit: value for value, digit in enumerate(_DIGITS)}
_TAG: Final = 4

_GROUP: Final = r"[0-9A-Za-z]{4}(?:\.[0-9A-Za-z]{1,11})+"
_TEXT: Final = re.compile(rf"p_(?P<groups>{_GROUP}(?:_{_GROUP})*)(?:-(?P<last>[0-9A-Za-z]{{1,3}}))?", re.ASCII)


class Part(NamedTuple):
    """One partition of one log."""

    tag: str
    number: int


def tag(*identity: str) -> str:
    """Return four characters for a log: of its name, and of whatever tells it from an earlier one of that name."""
    digest = hashlib.blake2b("\0".join(identity).encode(), digest_size=8).digest()
    number = int.from_bytes(digest, "big") % len(_DIGITS) ** _TAG
    return digits(number).rjust(_TAG, _DIGITS[0])


def digits(number: int) -> str:
    """Write a number in base 62."""
    if number < len(_DIGITS):
        return _DIGITS[number]
    out = ""
    while number >= len(_DIGITS):
        number, low = divmod(number, len(_PAIRS))
        out = _PAIRS[low] + out
    return _DIGITS[number] + out if number else out


def _number(text: str) -> int:
    value = 0
    for digit in text:
        value = value * len(_DIGITS) + _VALUES[digit]
    return value


class Position(NamedTuple):
    """The next offset of each partition."""

    #: By log's tag: the next offset of partitions 0, 1, ….
    offsets: Mapping[str, tuple[int, ...]]
    #: The partition of the message that this stands just after.
    last: Part | None = None

    @classmethod
    def parse(cls, text: str) -> "Position | None":
        """Read an id; None for whatever we cannot have written."""
        return _parse(text) if len(text) <= MAX_TEXT else None

    def __str__(self) -> str:
        """Return the text; it may be longer than an id may be (`MAX_TEXT`)."""
        if not self.offsets:
            return BEGINNING
        tags = sorted(self.offsets)
        groups = ["_" + ".".join([tag, *map(digits, self.offsets[tag])]) for tag in tags]
        text = "p" + "".join(groups)
        if self.last is None:
            return text
        return f"{text}-{digits(_index(self.offsets, tags, self.last))}"

    @property
    def weight(self) -> int:
        """Return the sum of all offsets: along a chain of positions it only grows."""
        return sum(map(sum, self.offsets.values()))

    @property
    def offset(self) -> int:
        """Return the offset of the message that this stands just after; -1 where it stands after none."""
        return self.next(self.last) - 1 if self.last is not None else -1

    @property
    def before(self) -> "Position":
        """Return the place just before the message that this stands after."""
        if self.last is None:
            return self
        known = list(self.offsets[self.last.tag])
        known[self.last.number] -= 1
        return Position({**self.offsets, self.last.tag: tuple(known)})

    def next(self, part: Part) -> int:
        """Return the next offset of a partition: 0 for one that is not known here, which came into being later."""
        known = self.offsets.get(part.tag, ())
        return known[part.number] if part.number < len(known) else 0

    def after(self, part: Part, offset: int) -> "Position":
        """Return the place that has the message at that offset as well."""
        known = [*self.offsets.get(part.tag, ())]
        known += [0] * (part.number + 1 - len(known))
        known[part.number] = offset + 1
        return Position({**self.offsets, part.tag: tuple(known)}, part)

    def has(self, part: Part, offset: int) -> bool:
        """Tell whether the message at that offset lies before this position."""
        return offset < self.next(part)

    def is_behind(self, other: "Position") -> bool:
        """Tell whether all before this position lies before the other too."""
        return all(
            offset <= other.next(Part(tag, number))
            for tag, known in self.offsets.items()
            for number, offset in enumerate(known)
        )

    def joined(self, other: "Position") -> "Position":
        """Return the place before which lies all that is before either; `last` is the other's."""
        tags = {*self.offsets, *other.offsets}
        joined: dict[str, tuple[int, ...]] = {}
        for each in tags:
            count = max(len(self.offsets.get(each, ())), len(other.offsets.get(each, ())))
            parts = (Part(each, number) for number in range(count))
            joined[each] = tuple(max(self.next(part), other.next(part)) for part in parts)
        return Position(joined, other.last)

    @staticmethod
    def of(offsets: Iterable[tuple[Part, int]]) -> "Position":
        """Return the position that has these next offsets; partitions that are left out begin at 0."""
        known: dict[str, dict[int, int]] = {}
        for part, offset in offsets:
            known.setdefault(part.tag, {})[part.number] = offset
        return Position(
            {
                tag: tuple(numbered.get(number, 0) for number in range(max(numbered) + 1))
                for tag, numbered in known.items()
            }
        )


@lru_cache(maxsize=4096)  # a search in a channel's log reads the same ids again and again
def _parse(text: str) -> Position | None:
    if text == BEGINNING:
        return Position({})
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    offsets: dict[str, tuple[int, ...]] = {}
    for group in match["groups"].split("_"):
        tag, *known = group.split(".")
        offsets[tag] = tuple(map(_number, known))
    if any(offset > MAX_OFFSET for known in offsets.values() for offset in known):
        return None
    position = Position(offsets)
    if match["last"] is not None:
        last = _part(offsets, _number(match["last"]))
        if last is None or not position.next(last):
            return None
        position = Position(offsets, last)
    # Other orders, leading zeros, a log twice: what reads the same may not be written in two ways.
    return position if str(position) == text else None


def _index(offsets: Mapping[str, tuple[int, ...]], tags: Iterable[str], part: Part) -> int:
    index = 0
    for tag in tags:
        if tag == part.tag:
            return index + part.number
        index += len(offsets[tag])
    raise KeyError(part.tag)


def _part(offsets: Mapping[str, tuple[int, ...]], index: int) -> Part | None:
    for tag in sorted(offsets):
        if index < len(offsets[tag]):
            return Part(tag, index)
        index -= len(offsets[tag])
    return None


class Writer:
    """A position that moves with each message, and its text, made anew at the cost of what changed."""

    def __init__(self, position: Position) -> None:
        self._tags = sorted(position.offsets)
        self._at: dict[Part, int] = {}
        self._texts: list[str] = []
        self._ends: list[str] = []
        self._next: list[int] = []
        for tag in self._tags:
            for number, offset in enumerate(position.offsets[tag]):
                part = Part(tag, number)
                prefix = f"_{tag}." if number == 0 else "."
                self._at[part] = len(self._texts)
                self._ends.append(f"-{digits(len(self._texts))}")
                self._next.append(offset)
                self._texts.append(prefix + digits(offset))
        self._last: Part | None = position.last

    @property
    def position(self) -> Position:
        """Return the present place."""
        return Position.of([(part, self._next[at]) for part, at in self._at.items()])._replace(last=self._last)

    def step(self, part: Part, offset: int) -> str:
        """Go on after the message at that offset; return the position's text, "" where it is too long for an id."""
        at = self._at[part]
        self._next[at], self._last = offset + 1, part
        prefix = f"_{part.tag}." if part.number == 0 else "."
        self._texts[at] = prefix + digits(offset + 1)
        text = "p" + "".join(self._texts) + self._ends[at]
        return text if len(text) <= MAX_TEXT else ""

    def steps(self, part: Part, offsets: Sequence[int]) -> list[str]:
        """Go on after messages of one partition; return what `step` would for each, at a fraction of its cost."""
        at = self._at[part]
        prefix = f"_{part.tag}." if part.number == 0 else "."
        before = "p" + "".join(self._texts[:at]) + prefix
        after = "".join(self._texts[at + 1 :]) + self._ends[at]
        room = MAX_TEXT - len(before) - len(after)
        known = _successors(offsets)
        self._next[at], self._last = offsets[-1] + 1, part
        self._texts[at] = prefix + known[-1]
        if len(known[-1]) <= room:
            return [before + each + after for each in known]
        return [before + each + after if len(each) <= room else "" for each in known]


def _successors(offsets: Sequence[int]) -> list[str]:
    """Write the numbers after these in base 62; neighbours share all digits but the last two."""
    if offsets[-1] - offsets[0] == len(offsets) - 1:
        return _written(offsets[0] + 1, offsets[-1] + 2)
    known: list[str] = []
    shared, head = 0, ""
    for offset in offsets:
        high, low = divmod(offset + 1, len(_PAIRS))
        if high != shared:
            shared, head = high, digits(high)
        known.append(head + _PAIRS[low] if high else digits(low))
    return known


def _written(number: int, end: int) -> list[str]:
    """Write a range of numbers: their last two digits lie ready, which spares 0.1 us a number."""
    known: list[str] = []
    while number < end:
        high, low = divmod(number, len(_PAIRS))
        stop = min(low + end - number, len(_PAIRS))
        if high:
            head = digits(high)
            known += [head + pair for pair in _PAIRS[low:stop]]
        else:
            known += map(digits, range(low, stop))
        number += stop - low
    return known
