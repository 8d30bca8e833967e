"""JSON Pointers (RFC 6901): where in a reply the list is.

Ours, since what it finds is told in words, and since it walks texts too: an item goes out as its sender wrote it.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

#: Levels of a pointer; lists that lie deeper are found by nobody.
MAX_LEVELS: Final = 64

#: An index as the RFC has it: no sign, no leading zero. More than nine digits is more than any reply has.
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)

#: `~` stands before 0 or 1 alone (section 3).
_BAD: Final = re.compile(r"~(?![01])")


class Pointer(NamedTuple):
    """A pointer, taken apart."""

    text: str
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Pointer":
        """Read a pointer; raises `ValueError` with words for a person."""
        if text and not text.startswith("/"):
            raise ValueError("a JSON Pointer begins with a slash, for example /data/rows, or is empty for the whole")
        if _BAD.search(text):
            raise ValueError("in a JSON Pointer ~ is written ~0, and a slash within a name ~1")
        parts = tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])
        if len(parts) > MAX_LEVELS:
            raise ValueError(f"a JSON Pointer has at most {MAX_LEVELS} levels")
        return cls(text, parts)


def step(value: object, part: str) -> object:
    """Return the member or element that one part names; raises `LookupError`."""
    if isinstance(value, dict):
        return value[part]
    if isinstance(value, list) and _INDEX.fullmatch(part):
        return value[int(part)]
    raise LookupError(part)


def resolve(value: object, parts: Sequence[str]) -> object:
    """Return what the parts lead to; raises `LookupError`."""
    for part in parts:
        value = step(value, part)
    return value
