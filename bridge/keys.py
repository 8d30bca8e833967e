"""Keys of a route's events; also of deletions, which have no data to read one from."""

from collections.abc import Container, Sequence
from itertools import islice
from typing import NamedTuple

import orjson

from bridge.event import Event
from bridge.expression import find


class Key(NamedTuple):
    """What a page knows a row by, and what the table does."""

    #: As the route's `key` reads it.
    value: str
    #: The same with all that the route merges.
    whole: str


class LastKeys:
    """The key of the latest event of each record key, so many of them; the oldest give way."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._last: dict[tuple[str, str], Key] = {}

    def note(self, event: Event, key: Key) -> None:
        """Remember the key of an event that has a record key."""
        if event.key is None:
            return
        at = event.source, event.key
        self._last.pop(at, None)  # so that the newest stands last
        self._last[at] = key
        if len(self._last) > self._bound:
            del self._last[next(iter(self._last))]

    def rebound(self, bound: int) -> None:
        """Keep to another bound from now on."""
        self._bound = bound
        self._last = dict(islice(self._last.items(), max(len(self._last) - bound, 0), None))

    def of(self, deletion: Event) -> Key | None:
        """Return the key of the event that a deletion ends; None where it is forgotten or was never seen."""
        return self._last.get((deletion.source, deletion.key)) if deletion.key is not None else None


class Keys:
    """What `key` of one route says.

    A key means one thing per source and per capture that the path does not name, so it includes them.
    """

    def __init__(self, path: str, bound: int, *, is_merged: bool) -> None:
        self._find = find(path)
        self._is_merged = is_merged
        # A deletion has no data, but the record key of what it deletes.
        self._last = LastKeys(bound) if path != "key" else None

    def rebound(self, bound: int) -> None:
        """Remember so many keys from now on."""
        if self._last is not None:
            self._last.rebound(bound)

    def of(self, source: str, event: Event, apart: Sequence[Container[str]], read: LastKeys | None) -> Key | None:
        """Return the event's key; `apart` holds the names that are no part of it.

        `read` remembers, in the place of the live ones, the keys of what is read back for one subscriber.
        """
        value = self._find(event)
        if value is None:
            if self._last is None or not event.is_tombstone:
                return None
            return (read.of(event) if read is not None else None) or self._last.of(event)
        merged = [v for k, v in event.captures.items() if not any(k in each for each in apart)]
        whole = value
        if merged or self._is_merged:
            whole = orjson.dumps([source if self._is_merged else "", *merged, value]).decode()
        key = Key(value, whole)
        if self._last is not None and not event.is_tombstone:
            (read or self._last).note(event, key)
        return key
