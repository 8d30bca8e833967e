"""Streams that a task writes, for one subscriber alone, at the pace of a source or of the peer.

A *run* is made anew for each visitor (a timer with `count`); its ids are `run-<mark>`, which any process can go on
from. A *backlog* is what a source reads back itself, before the live events; its ids are `<epoch>-<cut>.<mark>`, so
that who is cut in the middle goes on there.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

from bridge import wire
from bridge.errors import SourceError
from bridge.gateway.connection import Connection
from bridge.gateway.supply import Back, Piece, Run
from bridge.subscription import EventId, Subscription, Want

#: The epoch of a run's ids; those of the process are hexadecimal, so they never meet.
RUN: Final = "run"

#: The mark of a backlog's beginning.
BEGINNING: Final = "start"


def open_run(run: Run, want: Want) -> tuple[bytes, AsyncGenerator[Piece]]:
    """Return what stands first, and the visitor's run, from after the id it brings."""
    id = want.last_event_id
    if id is None or id == RUN:
        return wire.cursor(RUN), run.visit("")
    epoch, _, mark = id.partition("-")
    if epoch == RUN and mark:
        try:
            return wire.cursor(id), run.visit(mark)
        except ValueError:
            pass
    return Subscription.gap("epoch", None, id, None) + wire.cursor(RUN), run.visit("")


def open_back(back: Back, epoch: str, want: Want) -> tuple[bytes, str]:
    """Return what stands first on a stream that begins with a backlog, and the mark to read on from."""
    found = EventId.parse(want.last_event_id or "")
    if found is not None and found.epoch == epoch and found.mark:
        return wire.cursor(str(found)), "" if found.mark == BEGINNING else found.mark
    gap = b""
    if want.last_event_id:
        ours = found is not None and found.epoch == epoch
        gap = Subscription.gap("evicted" if ours else "epoch", None, want.last_event_id, None)
    return gap + wire.cursor(str(EventId(epoch, back.cut, BEGINNING))), ""


async def read_back(
    back: Back, mark: str, again: Callable[[], Back | None], cursor: Subscription
) -> AsyncGenerator[Piece]:
    """Yield a backlog, and what came meanwhile, until the cursor can join the channel without a seam."""
    while True:
        try:
            async with aclosing(back.read(mark)) as pieces:
                async for piece in pieces:
                    mark = piece.mark
                    yield piece
        except SourceError:
            # The file that the mark is of has been rotated away: what was unread of it cannot be had here.
            yield Piece(Subscription.gap("source_rotated", None, None, None), "")
            is_joined, mark = not mark and cursor.join(back.cut), ""
        else:
            is_joined = cursor.join(back.cut)
        if is_joined:
            return
        # Reading took longer than the channel's history lasts. The source still has it all: read on there.
        later = again()
        if later is None:
            return
        back = later


class Pulse:
    """Beats on a stream that a task writes, whenever nothing was written to it for as long."""

    def __init__(self, connection: Connection, every: float, beat: Callable[[], bytes]) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._every = every
        self._beat = beat
        self._last = self._loop.time()
        self._timer = self._loop.call_later(every, self._due)

    def written(self) -> None:
        """Note that the stream is not idle."""
        self._last = self._loop.time()

    def close(self) -> None:
        """Beat no more."""
        self._timer.cancel()

    def _due(self) -> None:
        now = self._loop.time()
        if now >= self._last + self._every:
            # A peer that takes nothing now has bytes waiting, so no proxy sees it idle.
            if self._connection.is_ready:
                self._connection.send(self._beat())
            self._last = now
        self._timer = self._loop.call_at(self._last + self._every, self._due)
