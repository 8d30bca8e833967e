"""What a stream begins with: where its cursor stands, what is told first, what a task writes before the live events.

Nothing here awaits, so what a newcomer is given and what the channel sends from then on have no seam.
"""

from collections.abc import AsyncGenerator
from typing import Final

from bridge import wire
from bridge.bus import Bus
from bridge.gateway.archive import Now, open_archive
from bridge.gateway.feed import open_back, open_run, read_back
from bridge.gateway.supply import Back, Piece, Supply
from bridge.subscription import EventId, Replay, Subscription, Want

#: How the answer to an id begins of which something after it is lost.
_GAP: Final = f"event: {wire.CONTROL}gap\n".encode()

_BLANK: Final = b"\n\n"


class Beginning:
    """What all streams of the process begin with."""

    def __init__(self, bus: Bus, replay: Replay) -> None:
        self._bus = bus
        self._replay = replay

    def of(self, supply: Supply, subscription: Subscription, want: Want) -> tuple[bytes, AsyncGenerator[Piece] | None]:
        """Set the cursor; return what stands first, and what a task writes before the channel's events, or instead."""
        opening, pieces = self._opening(supply, subscription, want)
        return self._down(supply) + opening, pieces

    def _opening(
        self, supply: Supply, subscription: Subscription, want: Want
    ) -> tuple[bytes, AsyncGenerator[Piece] | None]:
        if supply.run is not None:
            return open_run(supply.run, want)
        if supply.archive is not None:
            now = Now(self._bus.epoch, self._bus.seq, self._replay)
            opened = open_archive(supply.archive, want, subscription, supply.route.terms.start, now)
            if opened is not None:
                return opened
        back = self._back(supply, subscription, want)
        if back is not None:
            opening, mark = open_back(back, self._bus.epoch, want)
            captures = subscription.channel.captures
            return opening, read_back(back, mark, lambda: supply.back(captures), subscription)
        if supply.is_delta:
            return self._whole(supply, subscription, want), None
        if supply.route.terms.start is not None and not subscription.channel.events:
            supply.refill(subscription.channel)
        opening = self._open(subscription, want)
        if supply.route.terms.start is None and want == Want():
            opening += self._greeting(supply, subscription)
        return opening, None

    def _back(self, supply: Supply, subscription: Subscription, want: Want) -> Back | None:
        """Return what the source reads back, for one who starts at the earliest or whose id the channel lost."""
        channel = subscription.channel
        if supply.route.terms.start != "earliest" or want.since is not None or want.last is not None:
            return None
        found = EventId.parse(want.last_event_id or "")
        is_kept = found is not None and not found.mark and channel.lost_through <= found.seq <= self._bus.seq
        if is_kept and found is not None and found.epoch == self._bus.epoch:
            return None
        return supply.back(channel.captures)

    def _whole(self, supply: Supply, subscription: Subscription, want: Want) -> bytes:
        """Open where events are changes: who has all before them goes on, anyone else is given the whole first."""
        gap = b""
        if want.last_event_id:
            opening = self._open(subscription, want)
            if not opening.startswith(_GAP):
                return opening
            gap = opening[: opening.index(_BLANK) + len(_BLANK)]
        # Live from here on: what is in the whole does not come as changes, too.
        return gap + self._open(subscription, Want()) + self._greeting(supply, subscription)

    def _open(self, subscription: Subscription, want: Want) -> bytes:
        return subscription.open(want, head=self._bus.seq, replay=self._replay)

    def _greeting(self, supply: Supply, subscription: Subscription) -> bytes:
        greetings = supply.greet(subscription.channel.captures)
        subscription.delivered += len(greetings)
        return b"".join(greetings)

    def _down(self, supply: Supply) -> bytes:
        route = supply.route
        if not route.terms.notifies:
            return b""
        return b"".join(self._bus.down[name] for name in route.feeds if name in self._bus.down)
