"""Events over the limit: cut, left out, or sent in parts."""

from typing import Final

from bridge import wire
from bridge.event import Event
from bridge.subscription import Subscription

#: Bytes that a character takes at most in UTF-8 (RFC 3629).
MAX_UTF8: Final = 4

#: Bytes that a character takes at most in JSON: `\\u0000` (RFC 8259, section 7).
MAX_ESCAPED: Final = 6


def pieces(event: Event, limit: int) -> int:
    """Return how many sequence numbers the event may need: one, or more where it is over the limit."""
    # A route may send the text within JSON, so it counts as if each character were escaped. Numbers cost nothing.
    if len(event.text) <= limit // MAX_ESCAPED:
        return 1
    return 2 + MAX_ESCAPED * len(event.text.encode()) // max(limit - MAX_UTF8, 1)


def skipped() -> bytes:
    """Return what stands for an event that is left out."""
    return Subscription.gap("oversize", 1, None, None)


def cut(data: bytes, name: str, id: str, limit: int) -> bytes:
    """Encode the beginning of the data, with the gap that says so in one frame: whoever gets one gets both."""
    # `missed` is 0: the event comes, but not all of it.
    frame = wire.encode(id, name, data[:limit].decode(errors="ignore"))
    return Subscription.gap("oversize", 0, None, None) + frame


def parts(data: bytes, name: str, id: str, limit: int) -> list[bytes]:
    """Encode the data in parts. The id says that all of it has come, so the last one alone carries it."""
    whole = [wire.encode(id, name, part) for part in wire.split(data, limit)]
    return [*(part.partition(b"\n")[2] for part in whole[:-1]), whole[-1]]
