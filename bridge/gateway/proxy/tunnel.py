"""Two connections as one: what comes on either goes out on the other, byte for byte, until one of them ends.

Rule 1: what one side does not take stops the other from being read, so a tunnel holds no more than two transports'
    buffers.
Rule 2: a side that says it will send no more ends that direction alone, where its connection can say so (TLS cannot).
Rule 3: a side that has bytes waiting and takes none of them for a while is cut off: since the other is not read
    meanwhile, it could have left long ago.
Rule 4: silence is no fault. A peer whose machine has gone is noticed by TCP's own keep-alive (`silence`).
"""

import asyncio
import contextlib
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.connector import Connection

from bridge.gateway.handshake import Handler
from bridge.gateway.proxy.downstream import STALL, waiting
from bridge.gateway.proxy.silence import keep_alive

#: Bytes that wait for a side before the other is no longer read.
HIGH_WATER: Final = 64 * 1024


class Tunnel:
    """A client's connection, and one to the application."""

    def __init__(self) -> None:
        self._open = 0
        self._end: asyncio.TimerHandle | None = None
        self._ends: tuple[End, ...] = ()
        self._closed = asyncio.Event()

    def join(self, near: asyncio.Transport, far: asyncio.Transport) -> None:
        """Connect them: from now on their bytes are none of HTTP's."""
        self._ends = a, b = End(self, near), End(self, far)
        a.other, b.other = b, a
        self._open = len(self._ends)
        for end in self._ends:
            end.take()

    async def closed(self) -> None:
        """Wait until both sides are."""
        await self._closed.wait()

    def close(self) -> None:
        """Close both sides, behind what waits for them: for a while, since a side may never take it."""
        for end in self._ends:
            end.transport.close()
        if self._end is None:
            self._end = asyncio.get_running_loop().call_later(STALL, self.abort)

    def abort(self) -> None:
        """Close both sides at once."""
        for end in self._ends:
            end.transport.abort()

    def lost(self) -> None:
        """Note that a side has closed: the other follows."""
        self._open -= 1
        self.close()
        if not self._open:
            if self._end is not None:
                self._end.cancel()
            self._closed.set()


class End(asyncio.Protocol):
    """One side."""

    __slots__ = ("_stall", "_tunnel", "has_ended", "other", "transport")

    def __init__(self, tunnel: Tunnel, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.other = self
        #: It will send no more.
        self.has_ended = False
        self._tunnel = tunnel
        self._stall: asyncio.TimerHandle | None = None

    def take(self) -> None:
        """Take the transport over."""
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        keep_alive(self.transport)
        self.transport.set_protocol(self)
        with contextlib.suppress(RuntimeError):  # uvloop refuses what is closing
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        if not self.other.transport.is_closing():
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """End this direction; both, where the other has ended or cannot do without."""
        self.has_ended = True
        far = self.other.transport
        if self.other.has_ended or far.is_closing() or not far.can_write_eof():
            self._tunnel.close()
            return False
        far.write_eof()
        return True

    def pause_writing(self) -> None:
        """Read no more from the other side."""
        with contextlib.suppress(RuntimeError):
            self.other.transport.pause_reading()
        self._watch(waiting(self.transport))

    def resume_writing(self) -> None:
        """Read on."""
        self._unwatch()
        with contextlib.suppress(RuntimeError):
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave; the other side too."""
        self._unwatch()
        self._tunnel.lost()

    def _watch(self, now: tuple[int, int]) -> None:
        self._stall = asyncio.get_running_loop().call_later(STALL, self._check, now)

    def _unwatch(self) -> None:
        if self._stall is not None:
            self._stall.cancel()

    def _check(self, before: tuple[int, int]) -> None:
        now = waiting(self.transport)
        if now == before:
            self._tunnel.abort()
        else:
            self._watch(now)


class Early:
    """Takes what came behind the head, before anybody knew that it is none of HTTP's."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Keep it."""
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """Keep what came."""


def take_over(request: web.BaseRequest, connection: Connection, head: bytes) -> Tunnel | None:
    """Answer with `head`, and make a tunnel of both connections; None where one of them has gone."""
    handler, protocol = cast("Handler", request.protocol), connection.protocol
    near, far = handler.transport, connection.transport
    if near is None or far is None or protocol is None or near.is_closing() or far.is_closing():
        return None
    sent, answered = Early(), Early()
    protocol.set_parser(answered, None)
    handler.set_parser(cast("Any", sent))
    if len(sent.data) < handler.unread:
        # Of another protocol than WebSocket aiohttp took the first bytes for HTTP: they cannot be had back.
        return None
    tunnel = Tunnel()
    tunnel.join(near, far)
    handler.transport = None
    handler.connection_lost(None)
    near.write(head + answered.data)
    if sent.data:
        far.write(sent.data)
    return tunnel
