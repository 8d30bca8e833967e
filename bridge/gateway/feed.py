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


async def beating(pieces: AsyncGenerator[Piece], every: float, beat: Callable[[], bytes]) -> AsyncGenerator[Piece]:
    """Yield the pieces, and a heartbeat whenever none came for `every` seconds."""
    waiting: asyncio.Future[Piece] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(pieces))
            done, _ = await asyncio.wait((waiting,), timeout=every)
            if not done:
                yield Piece(beat(), "")
                continue
            try:
                piece = waiting.result()
            except StopAsyncIteration:
                return
            waiting = None
            yield piece
    finally:
        # A source's file is closed now, not when the garbage collector comes to it.
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait((waiting,))
        await pieces.aclose()
