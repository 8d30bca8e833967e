"""MQTT packets out of a stream of bytes: framing for all of them, and what a PUBLISH holds.

Rule 1: a stream that is no MQTT is refused (`MalformedError`) before it costs memory: the length of a packet has four
    bytes at most, and only a PUBLISH may be long.
Rule 2: a PUBLISH that is longer than the limit costs itself only. Its head is kept, for it has to be acknowledged; its
    payload is skipped as it comes.
Rule 3: one PUBLISH that is wrong inside is told apart from a stream that is: its frame is whole, so the next packet
    begins where it should.

paho decodes the other packets. PUBLISH is ours, since paho acknowledges one of QoS 2 before anybody has seen it, lets
whatever a wrong property raises through, and takes a system call for each part of a packet.

Standards: MQTT 3.1.1 and MQTT 5.0, sections 2.1.4 (Remaining Length), 2.2.2 (properties) and 3.3 (PUBLISH).
"""

import struct
from typing import Final, NamedTuple

from bridge.sources.mqtt.properties import NO_PROPERTIES, MalformedError, Properties, decode_properties

CONNACK: Final = 2
PUBLISH: Final = 3
PUBREL: Final = 6
SUBACK: Final = 9
PINGRESP: Final = 13
DISCONNECT: Final = 14

#: Levels of QoS (section 4.3).
AT_LEAST_ONCE: Final = 1
EXACTLY_ONCE: Final = 2

#: Bytes of a number of 16 bits: a topic's length, a packet's identifier.
_SHORT: Final = 2
#: Bytes of the shortest packet: its kind, and a length.
_SHORTEST: Final = 2
#: Of a byte of a length: one more follows.
_MORE: Final = 128

#: What any packet but PUBLISH may hold: a SUBACK has a byte a topic, a reason with all its properties some hundreds.
MAX_CONTROL: Final = 256 * 1024

#: A packet's length has no more bytes than that (section 2.1.4).
MAX_LENGTH_BYTES: Final = 4


class Packet(NamedTuple):
    """One packet; of a PUBLISH that is longer than the limit only its head, which `size` tells."""

    kind: int
    flags: int
    body: bytes
    #: How long the body is, or was.
    size: int

    @property
    def is_oversize(self) -> bool:
        """Tell whether the rest of it was skipped."""
        return self.size > len(self.body)

    @property
    def raw(self) -> bytes:
        """Return it as it stood on the wire."""
        return bytes([self.kind << 4 | self.flags]) + _length(len(self.body)) + self.body


class Publish(NamedTuple):
    """One published message."""

    topic: bytes
    qos: int
    is_retained: bool
    is_dup: bool
    #: The packet's identifier; 0 for QoS 0.
    mid: int
    payload: bytes
    properties: Properties = NO_PROPERTIES


class Splitter:
    """Cuts a stream of bytes into packets; `limit` is the longest PUBLISH, its header included."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = bytearray()
        self._at = 0
        self._skip = 0

    def feed(self, data: bytes) -> None:
        """Take in what came."""
        if self._skip:
            cut = min(self._skip, len(data))
            self._skip -= cut
            data = data[cut:]
        if self._at:
            del self._bytes[: self._at]
            self._at = 0
        self._bytes += data

    def next(self) -> Packet | None:
        """Return the next packet, None before it is whole; raises `MalformedError`."""
        data, at, end = self._bytes, self._at, len(self._bytes)
        if end - at < _SHORTEST:
            return None
        first = data[at]
        kind, flags = first >> 4, first & 15
        size, at = data[at + 1], at + 2
        if size & _MORE:
            size, at = self._size(at)
            if at < 0:
                return None
        if kind == PUBLISH:
            if size + 2 > self._limit:
                return self._head(flags, size, at)
        elif size > MAX_CONTROL:
            raise MalformedError("a packet is longer than its kind can be: is this an MQTT broker?")
        stop = at + size
        if stop > end:
            return None
        self._at = stop
        return Packet(kind, flags, bytes(memoryview(data)[at:stop]), size)

    def _size(self, at: int) -> tuple[int, int]:
        """Return the length that begins before `at` and goes on there, and where it ends; -1 before it is whole."""
        size = self._bytes[at - 1] & 127
        for more in range(1, MAX_LENGTH_BYTES):
            if at == len(self._bytes):
                return 0, -1
            byte = self._bytes[at]
            size |= (byte & 127) << 7 * more
            at += 1
            if byte < _MORE:
                return size, at
        raise MalformedError("a packet's length has more than four bytes: is this an MQTT broker?")

    def _head(self, flags: int, size: int, at: int) -> Packet | None:
        data = self._bytes
        if len(data) - at < _SHORT:
            return None
        length = _SHORT + (data[at] << 8 | data[at + 1]) + (_SHORT if flags & 6 else 0)
        if length > size:
            raise MalformedError("a topic is longer than its packet")
        if len(data) - at < length:
            return None
        body = bytes(memoryview(data)[at : at + length])
        rest = len(data) - at
        self._at = at + min(size, rest)
        self._skip = size - min(size, rest)
        # One of no payload would look whole.
        return Packet(PUBLISH, flags, body, max(size, length + 1))


def publish(packet: Packet, *, is_five: bool) -> Publish:
    """Return what a PUBLISH says; of an oversize one the payload is empty. Raises `MalformedError`."""
    body, flags = packet.body, packet.flags
    qos = flags >> 1 & 3
    if qos > EXACTLY_ONCE or len(body) < _SHORT:
        raise MalformedError("a message has a QoS that does not exist")
    at = 2 + (body[0] << 8 | body[1])
    topic, mid = body[2:at], 0
    if qos:
        if len(body) < at + 2:
            raise MalformedError("a topic is longer than its packet")
        mid = body[at] << 8 | body[at + 1]
        at += 2
    if at > len(body):
        raise MalformedError("a topic is longer than its packet")
    properties = NO_PROPERTIES
    if is_five and not packet.is_oversize:
        if at < len(body) and body[at] == 0:
            at += 1
        else:
            properties, at = decode_properties(body, at)
    return Publish(topic, qos, bool(flags & 1), bool(flags & 8), mid, body[at:], properties)


def identified(packet: Packet) -> tuple[int, int]:
    """Return the QoS and the identifier of a PUBLISH that is wrong inside; raises `MalformedError` without one."""
    body, qos = packet.body, packet.flags >> 1 & 3
    if qos == 0:
        return 0, 0
    at = 2 + int.from_bytes(body[:2], "big")
    if qos > EXACTLY_ONCE or len(body) < at + _SHORT:
        raise MalformedError("a message has no identifier to acknowledge it by")
    return qos, int.from_bytes(body[at : at + 2], "big")


def identifier(packet: Packet) -> int:
    """Return the identifier of a PUBREL; raises `MalformedError`."""
    if len(packet.body) < _SHORT:
        raise MalformedError("an acknowledgement without an identifier")
    return int.from_bytes(packet.body[:2], "big")


def puback(mid: int) -> bytes:
    """Return the acknowledgement of a message of QoS 1."""
    return struct.pack("!BBH", 0x40, 2, mid)


def pubrec(mid: int) -> bytes:
    """Return the first acknowledgement of a message of QoS 2."""
    return struct.pack("!BBH", 0x50, 2, mid)


def pubcomp(mid: int) -> bytes:
    """Return the last word on a message of QoS 2."""
    return struct.pack("!BBH", 0x70, 2, mid)


def _length(size: int) -> bytes:
    out = bytearray()
    while size >= _MORE:
        out.append(size & 127 | _MORE)
        size >>= 7
    out.append(size)
    return bytes(out)
