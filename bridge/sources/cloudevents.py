"""CloudEvents 1.0 in a pushed request: the HTTP binding's three modes, and the JSON format.

Rule 1: beside a `ce-specversion` header the other `ce-` headers are attributes and the body is the data (binary mode);
    `application/cloudevents+json` is one event, `application/cloudevents-batch+json` an array of them.
Rule 2: `type` names the event, `subject` is its subject unless the address has one, `source` and `id` tell a repeated
    one, the extension `partitionkey` is its key. All extensions are its headers.
Rule 3: an event without `data` has empty data; `data: null` is a tombstone.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar, cast
from urllib.parse import unquote

import msgspec

from bridge import wire
from bridge.errors import PushError
from bridge.sources.document import MAX_BATCH, Item, MediaType, decode, document, parse, word

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"

#: What a header that holds an attribute begins with.
PREFIX: Final = "ce-"
#: The header that makes any request a CloudEvent in binary mode.
BINARY: Final = "ce-specversion"

#: Signs of one attribute: above any name, far below what memory could hold of them.
MAX_ATTRIBUTE: Final = 1_024

#: Attributes that have a meaning of their own; all others are extensions.
_KNOWN: Final = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data", "data_base64"}
)

_T = TypeVar("_T")


def structured(body: bytes) -> Item:
    """Return the event of a body in structured mode, or raise `PushError`."""
    text = decode(body)
    return _event(parse(text), text)


def batched(body: bytes) -> list[Item]:
    """Return the events of a body in batched mode, or raise `PushError`."""
    text = decode(body)
    events = parse(text)
    if not isinstance(events, list):
        raise PushError(422, "a batch of CloudEvents is a JSON array")
    if len(events) > MAX_BATCH:
        raise PushError(413, f"a batch has at most {MAX_BATCH} events")
    items: list[Item] = []
    for number, (event, raw) in enumerate(zip(events, _verbatim(text, list[msgspec.Raw]), strict=True)):
        try:
            items.append(_event(event, bytes(raw).decode()))
        except PushError as error:
            raise PushError(error.status, f"event {number} of the batch (from 0): {error.reason}") from None
    return items


def binary(headers: Mapping[str, str], media: MediaType, body: bytes) -> Item:
    """Return the event whose attributes are headers (names in lower case) and whose data is the body."""
    attributes: dict[str, object] = {
        name.removeprefix(PREFIX): _unquoted(value) for name, value in headers.items() if name.startswith(PREFIX)
    }
    if not attributes.keys().isdisjoint({"data", "data_base64", "datacontenttype"}):
        raise PushError(422, "a CloudEvent in headers has its data in the body, and their type in Content-Type")
    data = document(media, body)
    return _attributes(attributes)._replace(text=data.text, content_type=data.content_type)


def _event(event: object, text: str) -> Item:
    """Read one event in the JSON format; `text` is how it was written."""
    if not isinstance(event, dict):
        raise PushError(422, "a CloudEvent is a JSON object")
    members = cast("dict[str, object]", event)
    item = _attributes(members)
    if "data" in members and "data_base64" in members:
        raise PushError(422, "a CloudEvent has `data` or `data_base64`, not both")
    media = MediaType.parse(_text(members, "datacontenttype") or "application/json")
    if "data_base64" in members:
        data = document(media, _base64(members["data_base64"]))
    elif members.get("data") is None:
        return item._replace(is_tombstone="data" in members, content_type=media.name)
    elif media.is_json:
        data = Item(bytes(_verbatim(text, dict[str, msgspec.Raw])["data"]).decode(), media.name)
    else:
        data = _embedded(media, members["data"])
    return item._replace(text=data.text, content_type=data.content_type)


def _embedded(media: MediaType, data: object) -> Item:
    if not isinstance(data, str):
        raise PushError(422, "`data` is no text, so `datacontenttype` must be JSON")
    # Whatever its charset was, within JSON it is decoded already.
    return document(media._replace(charset=""), data.encode())


def _attributes(members: Mapping[str, object]) -> Item:
    """Read what an event says of itself; an event without data so far."""
    if _needed(members, "specversion") != "1.0":
        raise PushError(422, "`specversion` is not 1.0")
    extensions = {name: value for name, value in members.items() if name not in _KNOWN and value is not None}
    headers = {_name(name): _extension(extensions, name) for name in extensions}
    return Item(
        text="",
        content_type="",
        type=_needed(members, "type"),
        subject=_text(members, "subject"),
        key=headers.get("partitionkey"),
        time=_time(_text(members, "time")),
        headers=headers,
        identity=(_needed(members, "source"), _needed(members, "id")),
    )


def _needed(members: Mapping[str, object], name: str) -> str:
    if text := _text(members, name):
        return text
    raise PushError(422, f"a CloudEvent needs `{name}`")


def _text(members: Mapping[str, object], name: str) -> str:
    """Return an attribute that is a text, or "" where it is missing or null."""
    value = members.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise PushError(422, f"`{name}` is not a text")
    return word(value, f"`{name}`", MAX_ATTRIBUTE)


def _name(name: str) -> str:
    if name.isascii() and name.isalnum() and name == name.lower() and len(name) <= MAX_ATTRIBUTE:
        return name
    raise PushError(422, "a CloudEvent's attribute has a name of lower-case letters and digits")


def _extension(members: Mapping[str, object], name: str) -> str:
    """Write an extension as the HTTP binding would: a text, an integer, true or false."""
    value = members[name]
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else _text(members, name)


def _time(text: str) -> float | None:
    if not text:
        return None
    try:
        when = datetime.fromisoformat(text)
        # Without an offset nobody can know which zone was meant.
        if when.tzinfo is not None:
            return when.astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        pass
    raise PushError(422, "`time` is not as RFC 3339 writes it, such as 2026-11-21T10:00:00Z")


def _base64(value: object) -> bytes:
    try:
        return base64.b64decode(value if isinstance(value, str) else "!", validate=True)
    except ValueError:  # binascii.Error among them
        raise PushError(422, "`data_base64` is not base64") from None


def _unquoted(value: str) -> str:
    """Decode a header's value (HTTP binding, 3.1.3.2): it may stand in quotes, and other signs than ASCII's in %."""
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return wire.clean(unquote(value, errors="replace"))


def _verbatim(text: str, kind: type[_T]) -> _T:
    """Take a valid JSON document apart without reading its parts, so that they stay as they were written."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError):
        # The two parsers differ in how many levels they read.
        raise PushError(400, "the body is not JSON: nested too deeply") from None
