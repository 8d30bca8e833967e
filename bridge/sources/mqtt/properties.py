"""The properties of MQTT 5 that a message may carry (sections 2.2.2 and 3.3.2.3), and the reason in an answer."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from bridge.event import EMPTY

EXPIRY: Final = 0x02
CONTENT_TYPE: Final = 0x03
SUBSCRIPTION: Final = 0x0B
REASON: Final = 0x1F
USER: Final = 0x26

#: User properties of one message that become headers. A gateway before us allows a hundred; these are labels.
MAX_HEADERS: Final = 64

_BYTE, _SHORT, _LONG, _NUMBER, _BINARY, _TEXT, _PAIR = range(7)

#: How each property is written (section 2.2.2.2): what is not ours to read has to be stepped over.
_FORMS: Final[Mapping[int, int]] = {
    0x01: _BYTE,
    EXPIRY: _LONG,
    CONTENT_TYPE: _TEXT,
    0x08: _TEXT,
    0x09: _BINARY,
    SUBSCRIPTION: _NUMBER,
    0x11: _LONG,
    0x12: _TEXT,
    0x13: _SHORT,
    0x15: _TEXT,
    0x16: _BINARY,
    0x1A: _TEXT,
    0x1C: _TEXT,
    REASON: _TEXT,
    0x21: _SHORT,
    0x22: _SHORT,
    0x23: _SHORT,
    0x24: _BYTE,
    0x25: _BYTE,
    USER: _PAIR,
    0x27: _LONG,
    0x28: _BYTE,
    0x29: _BYTE,
    0x2A: _BYTE,
}
_FIXED: Final[Mapping[int, int]] = {_BYTE: 1, _SHORT: 2, _LONG: 4}


#: Of a byte of a number: one more follows.
_MORE: Final = 128


class MalformedError(ValueError):
    """Bytes that are not what the standard says, in words."""


class Properties(NamedTuple):
    """What we read of a packet's properties."""

    content_type: str = ""
    #: Seconds that the message has left, where its sender gave it a time to live.
    expiry: int | None = None
    #: User properties; a name that stands twice has its values joined by a comma, as in HTTP.
    headers: Mapping[str, str] = EMPTY
    #: The identifiers of the subscriptions that this copy is for.
    subscriptions: tuple[int, ...] = ()
    #: What the broker says in words.
    reason: str = ""


NO_PROPERTIES: Final = Properties()


def decode_properties(body: bytes, at: int) -> tuple[Properties, int]:
    """Return the properties that begin at `at`, and where they end; raises `MalformedError`."""
    size, at = _number(body, at)
    end = at + size
    if end > len(body):
        raise MalformedError("the properties are longer than their packet")
    content_type, expiry, reason = "", None, ""
    headers: dict[str, str] = {}
    subscriptions: list[int] = []
    for code, value in _fields(body, at, end):
        if code == SUBSCRIPTION and isinstance(value, int):
            subscriptions.append(value)
        elif code == USER and isinstance(value, bytes):
            _header(headers, value)
        elif code == EXPIRY and isinstance(value, int):
            expiry = value
        elif code == CONTENT_TYPE and isinstance(value, bytes):
            content_type = _text(value)
        elif code == REASON and isinstance(value, bytes):
            reason = _text(value)
    return Properties(content_type, expiry, headers or EMPTY, tuple(subscriptions), reason), end


def _fields(body: bytes, at: int, end: int) -> Iterator[tuple[int, int | bytes]]:
    """Yield each property; a pair comes as the bytes of both its parts, each with its length."""
    while at < end:
        code = body[at]
        form = _FORMS.get(code)
        if form is None:
            raise MalformedError(f"there is no property {code}")
        start = at = at + 1
        value: int | bytes
        if form in _FIXED:
            at += _FIXED[form]
            value = int.from_bytes(body[start:at], "big")
        elif form == _NUMBER:
            value, at = _number(body, at)
        elif form == _PAIR:
            at = _after(body, _after(body, at))
            value = body[start:at]
        else:
            at = _after(body, at)
            value = body[start + 2 : at]
        if at > end:
            raise MalformedError("a property is longer than its packet")
        yield code, value


def _after(body: bytes, at: int) -> int:
    return at + 2 + int.from_bytes(body[at : at + 2], "big")


def _number(body: bytes, at: int) -> tuple[int, int]:
    """Return a variable byte integer (section 1.5.5), and where it ends."""
    value = 0
    for shift in (0, 7, 14, 21):
        if at >= len(body):
            break
        byte = body[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < _MORE:
            return value, at
    raise MalformedError("a number of the properties does not end")


def _header(headers: dict[str, str], pair: bytes) -> None:
    middle = _after(pair, 0)
    name = _text(pair[2:middle])
    if name in headers:
        headers[name] += ", " + _text(pair[middle + 2 :])
    elif len(headers) < MAX_HEADERS:
        headers[name] = _text(pair[middle + 2 :])


def _text(value: bytes) -> str:
    # A label that is no UTF-8 is the producer's mistake; the message beside it is not lost for it.
    return value.decode(errors="replace")
