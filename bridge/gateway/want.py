"""What a subscriber asks for: an id to resume after, a time, or a number of events.

The header beats the query (`last_event_id`), and both beat `since` and `last`. An id that we cannot have written is
no error: the stream opens and says that something may be missing. A `since` or `last` that cannot be read is one,
since no retry will make it better.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from bridge.subscription import Want
from bridge.units import seconds

#: The most events a newcomer may ask for; how many are kept is bounded by the route's history.
MAX_LAST: Final = 1_000_000

#: Characters of a number or a time: none that means something is longer.
MAX_TEXT: Final = 40


def brought(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """Return the id that the client heard last; "" if it says none."""
    return headers.get("Last-Event-ID") or query.get("last_event_id") or ""


def wanted(headers: Mapping[str, str], query: Mapping[str, str], now: float) -> Want:
    """Read the request; raises `ValueError` with words for a person. `now` is in Unix seconds."""
    if id := brought(headers, query):
        return Want(last_event_id=id)
    if (since := query.get("since")) is not None:
        return Want(since=_since(since, now))
    if (last := query.get("last")) is not None:
        return Want(last=_last(last))
    return Want()


def _since(text: str, now: float) -> float:
    if len(text) <= MAX_TEXT:
        if (ago := seconds(text)) is not None:
            return now - ago
        try:
            # A `+` of an offset that was not percent-encoded arrives as a space.
            time = datetime.fromisoformat(text.replace(" ", "+"))
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            pass
    raise ValueError("since: expected a duration such as 10m, or a time such as 2026-11-21T10:00:00Z")


def _last(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_LAST)) and int(text) <= MAX_LAST:
        return int(text)
    raise ValueError(f"last: expected a number of events, from 0 to {MAX_LAST}")
