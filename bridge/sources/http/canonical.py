"""The canonical form: two values that mean the same have one text, so that a hash tells whether something changed.

Keys are sorted, there are no spaces, and numbers count by value: 1, 1.0 and 1e0 are one. As in RFC 8785 a number is a
double, but that integers of 64 bits stay exact. The order of a list counts.
"""

import hashlib
from typing import Final

import orjson

from bridge.sources.http.reply import ReplyError

#: Levels of what is compared. orjson writes 254; real replies have a dozen.
MAX_DEPTH: Final = 200

#: Doubles beyond it have no integer of 64 bits beside them.
_LEAST, _BEYOND = -(2.0**63), 2.0**64

#: Bytes of a digest: two different replies share one in 2^64 tries, by intent.
_DIGEST: Final = 16


def canonical(value: object) -> bytes:
    """Return the canonical form of parsed JSON; raises `ReplyError` when it is nested too deeply.

    Doubles within it that are integers become such in their place: a copy of a large reply would take as much memory
    again, and bring in the garbage collector, which stops the loop also from another thread.
    """
    if isinstance(value, float):
        return orjson.dumps(_number(value))
    _settle(value, MAX_DEPTH)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest(value: object) -> bytes:
    """Return what tells a parsed value from others."""
    return _hash(canonical(value))


def text_digest(text: str) -> bytes:
    """Return what tells a text from others, also from every JSON value."""
    return _hash(b"\0" + text.encode())


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def _settle(value: object, levels: int) -> None:
    if not isinstance(value, dict | list):
        return
    if not levels:
        raise ReplyError(f"the reply is nested too deeply: more than {MAX_DEPTH} levels")
    for name, each in value.items() if isinstance(value, dict) else enumerate(value):
        # A name that is there already may be assigned within the loop over it.
        if isinstance(each, float):
            value[name] = _number(each)
        elif isinstance(each, dict | list):
            _settle(each, levels - 1)


def _number(value: float) -> float:
    return int(value) if value.is_integer() and _LEAST <= value < _BEYOND else value
