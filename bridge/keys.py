"""Keys of a route's events; also of deletions, which have no data to read one from."""

from typing import NamedTuple

from bridge.event import Event


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

    def of(self, deletion: Event) -> Key | None:
        """Return the key of the event that a deletion ends; None where it is forgotten or was never seen."""
        return self._last.get((deletion.source, deletion.key)) if deletion.key is not None else None
