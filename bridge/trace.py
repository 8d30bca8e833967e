"""What the core tells whoever traces: that a batch came, where its records went, and that they were written.

Nobody does by default, and then each of these costs the look at one attribute a batch.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from bridge.channel import Channel
from bridge.event import Event, Record


class Tracer(Protocol):
    """Takes note. No method awaits, and none raises; times are nanoseconds since 1970."""

    def now(self) -> int:
        """Tell the time."""

    def routed(self, path: str, found: Mapping[Channel, Sequence[Record]]) -> None:
        """Note what a route has put in its channels; `received` follows."""

    def received(self, source: str, events: Sequence[Event], seqs: Sequence[int], began: int) -> None:
        """Note the batch that was published since `began`, with its numbers."""

    def written(self, channel: Channel, records: Sequence[Record], readers: int, began: int) -> None:
        """Note that a channel's readers at its head were written these records since `began`."""


class Tracing(Tracer, Protocol):
    """A tracer that has an end."""

    def counts(self) -> Mapping[str, int]:
        """Count spans `sent`, `failed` and `dropped`, messages `skipped`, records `unwritten` and `waiting`."""

    async def close(self) -> None:
        """Send what there is, within a bound."""
