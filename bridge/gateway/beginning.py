"""What a stream begins with: where its cursor stands, what is told first, what a task writes before the live events.

Nothing here awaits, so what a newcomer is given and what the channel sends from then on have no seam.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Final, NamedTuple

from bridge import wire
from bridge.bus import Bus
from bridge.gateway.archive import Now, open_archive
from bridge.gateway.connection import BATCH
from bridge.gateway.feed import open_back, open_run, read_back
from bridge.gateway.subscriber import Audience, Greeting
from bridge.gateway.supply import Back, Piece, Supply
from bridge.meter import Origin
from bridge.subscription import EventId, Replay, Subscription, Want

#: The mark of the id before the present values: who brings it has seen none of them.
NEW: Final = "new"

#: The mark of all of them but the last: who brings it was cut among them, and has not all.
PART: Final = "part"

#: How the answer to an id begins of which something after it is lost.
_GAP: Final = f"event: {wire.CONTROL}gap\n".encode()

_BLANK: Final = b"\n\n"


class Opening(NamedTuple):
    """What a stream begins with."""

    frames: bytes
    #: What stands after them, the same bytes for all who are given it.
    shared: bytes = b""
    #: What a task writes before the channel's events, or instead.
    pieces: AsyncGenerator[Piece] | None = None


class Beginning:
    """What all streams of the process begin with."""

    def __init__(self, bus: Bus, replay: Replay) -> None:
        self._bus = bus
        self._replay = replay

    def of(self, supply: Supply, audience: Audience, subscription: Subscription, want: Want) -> Opening:
        """Set the cursor, and return what the stream begins with."""
        opening = self._opening(supply, audience, subscription, want)
        if (origin := _origin(supply, opening, subscription)) is not None:
            audience.meter.replays[origin] += 1
        return opening._replace(frames=self._down(supply, subscription.channel.captures) + opening.frames)

    def _opening(self, supply: Supply, audience: Audience, subscription: Subscription, want: Want) -> Opening:
        if supply.run is not None:
            opening, pieces = open_run(supply.run, want)
            return Opening(opening, pieces=pieces)
        if supply.archive is not None:
            now = Now(self._bus.epoch, self._bus.seq, self._replay)
            opened = open_archive(supply.archive, want, subscription, supply.route.terms.start, now)
            if opened is not None:
                return Opening(opened[0], pieces=opened[1])
        back = self._back(supply, subscription, want)
        if back is not None:
            opening, mark = open_back(back, self._bus.epoch, want)
            captures = subscription.channel.captures
            pieces = read_back(back, mark, lambda: supply.back(captures), subscription)
            return Opening(opening, pieces=pieces)
        if supply.route.terms.start is None:
            return self._present(supply, audience, subscription, want)
        if not subscription.channel.events:
            supply.refill(subscription.channel)
        return Opening(self._open(subscription, want))

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

    def _present(self, supply: Supply, audience: Audience, subscription: Subscription, want: Want) -> Opening:
        """Open where a newcomer is given what is there now; who resumes is given it where nothing else helps."""
        gap = b""
        if self._was_cut(want):
            # What came of the present values may not be there any more.
            is_torn = want.last_event_id is not None and want.last_event_id.endswith(PART)
            gap = Subscription.gap("evicted", None, want.last_event_id, None, snapshot=True) if is_torn else b""
        elif want.last_event_id or (want != Want() and not supply.is_delta):
            opening = self._open(subscription, want)
            # Where events are changes, whoever lost one needs the whole; elsewhere who finds nothing kept.
            is_bare = subscription.channel.newest_event is None
            if not opening.startswith(_GAP) or not (supply.is_delta or is_bare):
                return Opening(opening)
            gap = opening[: opening.index(_BLANK) + len(_BLANK)]
        # Go on live, after the present values: what is in them does not come as changes, too.
        opening = self._open(subscription, Want())
        greeting = self._greeting(supply, audience)
        subscription.delivered += greeting.events
        if len(greeting.frames) > BATCH:
            return Opening(gap, greeting.frames)
        return Opening(gap + (greeting.frames or opening))

    def _greeting(self, supply: Supply, audience: Audience) -> Greeting:
        """Return the present values, behind an id that says that they are still to come.

        An id without the mark would say that they have come, and a client may be cut before they have.
        """
        channel, known = audience.channel, audience.greeting
        if known is not None and known.at == channel.next:
            return known
        before = EventId(self._bus.epoch, self._bus.seq, NEW)
        values = supply.greet(channel.captures)
        if not values:
            return Greeting()
        made = Greeting(wire.cursor(str(before)) + b"".join(values), len(values), channel.next)
        # Until something changes all are given these very bytes: a peer that takes nothing must not hold a megabyte of
        # its own. Small ones are made anew, and tell of this very moment.
        audience.greeting = made if len(made.frames) > BATCH else None
        return made

    def _was_cut(self, want: Want) -> bool:
        """Tell whether an id is one within the present values that this process gave."""
        found = EventId.parse(want.last_event_id or "")
        return found is not None and found.epoch == self._bus.epoch and found.mark in {NEW, PART}

    def _open(self, subscription: Subscription, want: Want) -> bytes:
        return subscription.open(want, head=self._bus.seq, replay=self._replay)

    def _down(self, supply: Supply, captures: Mapping[str, str]) -> bytes:
        """Return what tells of sources, and of addresses, that are down."""
        route = supply.route
        if not route.terms.notifies:
            return b""
        frames = [self._bus.down[name] for name in route.feeds if name in self._bus.down]
        addresses = [self._bus.down_addresses.get(asking.address(captures)) for asking in supply.asks]
        return b"".join(frames + [trouble.frame for trouble in addresses if trouble is not None])


def _origin(supply: Supply, opening: Opening, subscription: Subscription) -> Origin | None:
    """Tell where what a stream is given before the live events comes from; None where it is given nothing."""
    if opening.pieces is not None:
        return "run" if supply.run is not None else "source"
    if not subscription.is_at_head:
        return "table" if subscription.is_in_table else "memory"
    return "greeting" if subscription.delivered else None
