"""The value that crosses the bridge, at each stage of its way.

    Message --normalise--> Event --route--> Record

Each stage adds one thing: a `Message` is what a source heard, an `Event` is what it means (in
CloudEvents' words), a `Record` is where it stands in its channel, as the bytes that subscribers get.

All are frozen `msgspec.Struct`s outside the garbage collector's sight: building one costs a tenth
of a frozen dataclass, and a million kept records are not walked at each collection. So their
mappings must never lead back to them, and are never changed once handed over.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Literal

import msgspec
import orjson

#: A scalar that a source tells about its message beside the captures: an offset, a line number.
Fact = str | int | float

EMPTY: Final[Mapping[str, str]] = MappingProxyType({})
NO_FACTS: Final[Mapping[str, Fact]] = MappingProxyType({})

#: Why something was lost, as `bridge.gap` tells it.
Reason = Literal[
    "evicted",
    "epoch",
    "slow",
    "source_rotated",
    "source_reset",
    "broker_session_lost",
    "broker_overflow",
    "oversize",
    "undecodable",
]


class Message(msgspec.Struct, frozen=True, gc=False):
    """What a source heard, untouched. Where many are made, they are made by position."""

    #: Bytes as they came; text where the source made it itself.
    payload: bytes | str
    #: Unix seconds: when it happened, or when it arrived where the source has no time of its own.
    time: float
    #: The file (relative to its root), the topic, the address.
    subject: str = ""
    #: The names that the source's template took from the subject.
    captures: Mapping[str, str] = EMPTY
    #: What the producer sent beside the payload. Kept apart from captures: it proves nothing.
    headers: Mapping[str, str] = EMPTY
    #: Names that the source itself vouches for: `file`, `offset`, `line`. A capture of the same name wins.
    facts: Mapping[str, Fact] = NO_FACTS
    #: The event's name if the producer gave one, else "".
    type: str = ""
    key: str | None = None
    #: A media type, or "" where nothing is known.
    content_type: str = ""
    #: A deletion: Kafka's null value, MQTT's cleared retained message, a pushed DELETE, an item that left a polled list
    #: (whose payload is what it last was: on a route without keys it is an event of its own).
    is_tombstone: bool = False
    #: The payload stands for bytes that are no text: it is their base64 (RFC 4648, section 4).
    is_base64: bool = False
    #: Where the source would go on after this message, as text of `bridge.position`; "" where it has no such place.
    position: str = ""


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """What a source knows that it lost; becomes `bridge.gap` on its routes."""

    reason: Reason
    #: How many messages, where that can be known.
    missed: int | None = None
    #: Only channels whose captures agree with these are told; empty tells all of the source's.
    captures: Mapping[str, str] = EMPTY
    #: Where the source stands after what was lost, as in `Message`, where it is of one partition; else "".
    position: str = ""


class Event(msgspec.Struct, frozen=True, gc=False):
    """What a message means, in CloudEvents' words. Made by position, in the normaliser alone."""

    source: str
    subject: str
    type: str
    #: Unix seconds.
    time: float
    content_type: str
    #: The data as text: valid Unicode without lone surrogates.
    text: str
    #: The data parsed from JSON, if some route of the source looks inside; else, or when it is not JSON, the text.
    data: object
    key: str | None
    captures: Mapping[str, str]
    headers: Mapping[str, str]
    facts: Mapping[str, Fact]
    is_tombstone: bool
    is_base64: bool = False
    #: Where the source would go on after it, or "".
    position: str = ""


def cloudevent(event: Event, id: str) -> str:
    """Return the whole event as JSON (CloudEvents 1.0, JSON event format)."""
    value: dict[str, object] = {
        "specversion": "1.0",
        "id": id,
        "source": event.source,
        "type": event.type or "message",
        "subject": event.subject,
        "time": _timestamp(event.time),
        "datacontenttype": event.content_type or "text/plain",
        "data_base64" if event.is_base64 else "data": None if event.is_tombstone and not event.text else event.data,
    }
    told = {name: part for name, part in value.items() if part != ""}
    try:
        return orjson.dumps(told).decode()
    except TypeError:
        # orjson reads data four times as deep as it writes; what it has read can be passed on as it came.
        return orjson.dumps({**told, "data": orjson.Fragment(event.text)}).decode()


def _timestamp(time: float) -> str:
    """Return RFC 3339, or "" for a time that has none there: a producer may claim any."""
    try:
        return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return ""


class Record(msgspec.Struct, frozen=True, gc=False):
    """An event at its place in a channel, encoded once for every subscriber."""

    #: The process-wide sequence number.
    seq: int
    #: Unix seconds, for `since` and for the age of history.
    time: float
    #: The frame in plain bytes, without HTTP chunk framing; it ends in a blank line.
    frame: bytes
    #: The key on a keyed route, else None; of a loss that has one, its position.
    key: str | None = None
    is_tombstone: bool = False
    #: A `bridge.*` frame: it has a place in the order, but no id, and is never counted as an event.
    is_control: bool = False
