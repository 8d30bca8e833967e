"""What a pushed request says, body and all. No I/O, no state."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from bridge import wire
from bridge.errors import PushError
from bridge.sources import cloudevents
from bridge.sources.document import LINES, Item, MediaType, document, lines, word

#: Each fact that a request may state, by its header and its place in the query.
_STATED: Final = {"event": "event", "idempotency-key": "id", "key": "key"}

EVENT_RULE: Final = (
    "an event's name is a letter and then at most 63 letters, digits or ._/-, and not open, error or bridge.…"
)


class Batch(NamedTuple):
    """All events of a request, in order; `is_single` tells one event from a batch of one."""

    items: list[Item]
    is_single: bool


class Stated(NamedTuple):
    """What a request states beside its body; "" for what it does not."""

    event: str
    id: str
    key: str


def read(headers: Mapping[str, str], body: bytes) -> Batch:
    """Return the events of a body (header names in lower case), or raise `PushError`."""
    media = MediaType.parse(headers.get("content-type", ""))
    if cloudevents.BINARY in headers:
        return Batch([cloudevents.binary(headers, media, body)], is_single=True)
    if media.name == cloudevents.STRUCTURED:
        return Batch([cloudevents.structured(body)], is_single=True)
    if media.name == cloudevents.BATCH:
        return Batch(cloudevents.batched(body), is_single=False)
    if media.name in LINES:
        return Batch(lines(body), is_single=False)
    return Batch([document(media, body)], is_single=True)


def stated(headers: Mapping[str, str], query: Mapping[str, str]) -> Stated:
    """Return what headers and query state, or raise `PushError`; the query wins."""
    if not query.keys() <= set(_STATED.values()):
        raise PushError(400, "the query may hold event, id and key")
    event, id, key = (query.get(name) or headers.get(header, "") for header, name in _STATED.items())
    if event and not wire.is_event(event):
        raise PushError(422, EVENT_RULE)
    return Stated(event, word(id, "the idempotency key"), word(key, "the key"))
