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
    """Return the canonical form of parsed JSON; raises `ReplyError` when it is nested too deeply."""
    return orjson.dumps(_plain(value, MAX_DEPTH), option=orjson.OPT_SORT_KEYS)


def digest(value: object) -> bytes:
    """Return what tells a parsed value from others."""
    return _hash(canonical(value))


def text_digest(text: str) -> bytes:
    """Return what tells a text from others, also from every JSON value."""
    return _hash(b"\0" + text.encode())


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def _plain(value: object, levels: int) -> object:
    kind = type(value)
    if kind is float:
        return _number(value)
    if kind is not dict and kind is not list:
        return value
    if not levels:
        raise ReplyError(f"the reply is nested too deeply: more than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        return {key: _plain(each, levels - 1) for key, each in value.items()}
    return [_plain(each, levels - 1) for each in value] if isinstance(value, list) else value


def _number(value: object) -> object:
    if isinstance(value, float) and value.is_integer() and _LEAST <= value < _BEYOND:
        return int(value)
    return value
