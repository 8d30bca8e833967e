"""What old subscribers know of retained messages, so that a new subscription does not tell it twice.

A broker sends its retained messages again at each subscription, changed or not. What is the same as the last word on
its topic is no news; what differs is, also where it is an older word that came back meanwhile.
"""

from typing import Final

#: Topics that are remembered. Past it the oldest is forgotten, and its retained message told once more. Some 10 MB.
MAX_TOPICS: Final = 100_000


class Retained:
    """The last word on each topic, for as long as the process lives.

    It keeps Python's own hashes: 64 bits under a key that nobody outside the process knows.
    """

    def __init__(self, limit: int = MAX_TOPICS) -> None:
        self._limit = limit
        self._last: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._last)

    def is_last(self, topic: bytes, payload: bytes) -> bool:
        """Tell whether a retained message that a subscription brought is the last word already."""
        return self._last.get(hash(topic)) == hash(payload)

    def note(self, topic: bytes, payload: bytes) -> None:
        """Note a message that is retained, or may be; one without a payload clears what was."""
        key = hash(topic)
        self._last.pop(key, None)
        if not payload:
            return
        if len(self._last) >= self._limit:
            del self._last[next(iter(self._last))]
        self._last[key] = hash(payload)
