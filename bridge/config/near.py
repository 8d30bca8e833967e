"""The nearest known word, for whoever mistyped one."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

#: Below it two words have little more in common than their length.
_LIKENESS = 0.6


#: What other tools call our keys; none of these looks like ours.
SYNONYMS: Final[Mapping[str, str]] = {
    "address": "url",
    "endpoint": "url",
    "frequency": "every",
    "interval": "every",
    "period": "every",
    "schedule": "cron",
    "source": "from",
    "uri": "url",
}


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that means the same as `word`, or is most like it, if any is."""
    # Comparing costs the product of the lengths: a word of ours is short.
    lower = {name.lower(): name for name in known}
    if (same := SYNONYMS.get(word.lower())) in lower:
        return same
    found = get_close_matches(word[:80].lower(), lower, 1, _LIKENESS)
    return lower[found[0]] if found else None


def hint(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?`, or nothing."""
    found = nearest(word, known)
    return f"; did you mean `{found}`?" if found else ""


#: More names than this are a list that nobody reads.
_MAX_SHOWN = 12


def listed(known: Iterable[str]) -> str:
    """Return names as one reads them in a sentence: `a`, `b`."""
    names = sorted(known)
    more = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
    return ", ".join(f"`{name}`" for name in names[:_MAX_SHOWN]) + more
