"""The packets of MQTT 3.1.1 and 5 (OASIS standards), as far as the tests need them.

Nothing here comes from the library that the source uses, so the two cannot share a mistake.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK = range(1, 10)
PINGREQ, PINGRESP, DISCONNECT = range(12, 15)

#: The level of MQTT 5 in CONNECT; 3.1.1 says 4.
V5: Final = 5

#: What each property of MQTT 5 holds (section 2.2.2.2): a struct's format, or text, bytes, a pair of texts, a varint.
_PROPERTIES: Final[Mapping[int, str]] = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), "B"),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), "H"),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), "I"),
    **dict.fromkeys((0x03, 0x08, 0x12, 0x15, 0x1A, 0x1C, 0x1F), "text"),
    **dict.fromkeys((0x09, 0x16), "bytes"),
    0x26: "pair",
    0x0B: "varint",
}

#: Those that a test names.
FORMAT, EXPIRY, CONTENT_TYPE, SUBSCRIPTION, SESSION_EXPIRY, KEEPALIVE, REASON = 0x01, 0x02, 0x03, 0x0B, 0x11, 0x13, 0x1F
RESPONSE_TOPIC, CORRELATION, RECEIVE_MAXIMUM, ALIAS_MAXIMUM, ALIAS, USER = 0x08, 0x09, 0x21, 0x22, 0x23, 0x26


class Packet(NamedTuple):
    """A control packet as it came."""

    kind: int
    flags: int
    body: bytes

    @property
    def id(self) -> int:
        """Return the packet identifier, where the body begins with one."""
        return int.from_bytes(self.body[:2], "big")

    def reason(self) -> int:
        """Return the reason code of an acknowledgement or a DISCONNECT; 0 where it is left out."""
        at = 0 if self.kind == DISCONNECT else 2
        return self.body[at] if len(self.body) > at else 0


class Connect(NamedTuple):
    """What a client says of itself."""

    version: int
    client_id: str
    is_clean: bool
    keepalive: int
    username: str | None
    password: bytes | None
    properties: Mapping[int, Any]


class Subscribe(NamedTuple):
    """What a client asks for: filters with their options."""

    id: int
    filters: Mapping[str, int]
    properties: Mapping[int, Any]


def varint(value: int) -> bytes:
    """Encode a variable byte integer (section 1.5.5)."""
    out = bytearray()
    while True:
        value, low = divmod(value, 128)
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def text(value: str | bytes) -> bytes:
    """Encode a text, or bytes that may be none, after their length."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(raw)) + raw


def packet(kind: int, body: bytes = b"", flags: int = 0) -> bytes:
    """Encode a control packet."""
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


def properties(*given: tuple[int, Any]) -> bytes:
    """Encode properties, without their length, in the order given."""
    return b"".join(bytes([id]) + _encoded(_PROPERTIES[id], value) for id, value in given)


def publish(
    topic: str | bytes,
    payload: bytes = b"",
    *,
    qos: int = 0,
    id: int = 0,
    dup: bool = False,
    retain: bool = False,
    properties: bytes | None = b"",
) -> bytes:
    """Encode a PUBLISH; `properties` is None for MQTT 3.1.1."""
    head = text(topic) + (struct.pack("!H", id) if qos else b"")
    more = b"" if properties is None else varint(len(properties)) + properties
    return packet(PUBLISH, head + more + payload, dup << 3 | qos << 1 | retain)


def _encoded(kind: str, value: Any) -> bytes:
    if kind == "pair":
        return text(value[0]) + text(value[1])
    if kind in ("text", "bytes"):
        return text(value)
    return varint(value) if kind == "varint" else struct.pack(f"!{kind}", value)


class _Cursor:
    """Takes a body apart."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0

    def take(self, size: int) -> bytes:
        """Take bytes; the body must have them."""
        assert self.at + size <= len(self.body), "the client sent a short packet"
        self.at += size
        return self.body[self.at - size : self.at]

    def number(self, form: str) -> int:
        """Take a number."""
        return int(struct.unpack(f"!{form}", self.take(struct.calcsize(form)))[0])

    def varint(self) -> int:
        """Take a variable byte integer."""
        value = shift = 0
        while True:
            byte = self.number("B")
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def bytes(self) -> bytes:
        """Take bytes after their length."""
        return self.take(self.number("H"))

    def text(self) -> str:
        """Take a text."""
        return self.bytes().decode()

    def properties(self) -> dict[int, Any]:
        """Take properties; user properties as a list of pairs."""
        found: dict[int, Any] = {}
        end = self.varint() + self.at
        while self.at < end:
            id = self.number("B")
            kind = _PROPERTIES[id]
            if kind == "pair":
                found.setdefault(id, []).append((self.text(), self.text()))
            elif kind in ("text", "bytes", "varint"):
                found[id] = getattr(self, kind)()
            else:
                found[id] = self.number(kind)
        return found

    @property
    def is_over(self) -> bool:
        """Tell whether nothing is left."""
        return self.at >= len(self.body)


def read_connect(body: bytes) -> Connect:
    """Take a CONNECT apart (section 3.1)."""
    cursor = _Cursor(body)
    assert cursor.text() == "MQTT"
    version, flags, keepalive = cursor.number("B"), cursor.number("B"), cursor.number("H")
    found = cursor.properties() if version == V5 else {}
    client_id = cursor.text()
    assert not flags & 0x04, "a will that nobody asked for"
    username = cursor.text() if flags & 0x80 else None
    password = cursor.bytes() if flags & 0x40 else None
    return Connect(version, client_id, bool(flags & 0x02), keepalive, username, password, found)


def read_subscribe(body: bytes, version: int) -> Subscribe:
    """Take a SUBSCRIBE apart (section 3.8)."""
    cursor = _Cursor(body)
    id = cursor.number("H")
    found = cursor.properties() if version == V5 else {}
    filters = {}
    while not cursor.is_over:
        name = cursor.text()
        filters[name] = cursor.number("B")
    return Subscribe(id, filters, found)


def kinds(packets: Sequence[Packet]) -> list[int]:
    """Return the packets' kinds."""
    return [each.kind for each in packets]
