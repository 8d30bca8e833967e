"""Normalising: what a message means. `Message` in, `Event` out, no I/O.

One bad message never stops the good ones behind it: bytes that are no UTF-8 become U+FFFD, data that is no JSON
stays text, and a name that the record does not hold is simply missing.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import orjson

from bridge import wire
from bridge.event import Event, Message
from bridge.expression import find

#: Characters of data that are parsed, at most: what a path reads stands in a record, not in a dump.
MAX_PARSED: Final = 4 * 1024 * 1024


class Normaliser:
    """Makes the messages of one source into events."""

    def __init__(self, source: str, *, capture: Mapping[str, str], parses: bool) -> None:
        self._source = source
        self._capture = {name: find(path) for name, path in capture.items()}
        self._parses = parses

    def __call__(self, messages: Sequence[Message]) -> list[Event]:
        """Return an event for each message, in order."""
        # One loop, and events made by position: a call for each, and fields by name, take half as long again.
        source, parses = self._source, self._parses
        events: list[Event] = []
        for message in messages:
            payload = message.payload
            text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else wire.clean(payload)
            event = Event(
                source,
                message.subject,
                message.type,
                message.time,
                message.content_type,
                text,
                _parse(text) if parses and text and not message.is_base64 else text,
                message.key,
                message.captures,
                message.headers,
                message.facts,
                message.is_tombstone,
                message.is_base64,
                message.position,
            )
            events.append(event)
        return [self._captured(event) for event in events] if self._capture else events

    def _captured(self, event: Event) -> Event:
        more = {name: value for name, read in self._capture.items() if (value := read(event)) is not None}
        return msgspec.structs.replace(event, captures={**event.captures, **more})


def _parse(text: str) -> object:
    if len(text) > MAX_PARSED:
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
