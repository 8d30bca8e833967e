"""One open stream: aiohttp's handshake, then a small protocol of our own on the same transport.

aiohttp parses the request, and the gateway routes and checks it; then the transport is handed over, so that an idle
subscriber costs no task, no parser and no response object, and an event costs one `transport.write` of shared bytes.

What is leaned on, and so tested against each aiohttp release (`tests/gateway/test_connection.py`): the transport of
`request.protocol` may be cleared before `connection_lost` is called (aiohttp then believes that the peer has left and
lets go of everything), and a response whose `prepare` and `write_eof` do nothing is accepted as sent.
"""

import asyncio
import contextlib
import fcntl
import socket
import struct
import sys
import termios
from typing import Any, Final, Protocol

from aiohttp import web

from bridge.gateway.framing import Framing

#: A write at most, and where a transport stops being written to, in bytes. Together with the kernel's send buffer
#: a stalled subscriber holds less than 64 KiB.
SLICE: Final = 16 * 1024
BATCH: Final = SLICE - 16  # of frames: a slice, less what chunked coding adds
HIGH_WATER: Final = 16 * 1024
LOW_WATER: Final = 4 * 1024
SEND_BUFFER: Final = 16 * 1024

#: Seconds: a peer whose machine has gone is noticed this long after the first byte that is not acknowledged.
USER_TIMEOUT: Final = 10.0

#: Seconds in which a peer with bytes waiting must take one at least.
STALL: Final = 5.0

#: A stream is one way: a client that sends more than this after its request is up to no good.
MAX_INBOUND: Final = 64 * 1024

# Linux's SIOCOUTQ: bytes in the socket's send queue that the peer has not acknowledged (tcp(7)).
_OUTQ: Final = termios.TIOCOUTQ


# One of each for all connections: an idle stream is counted in bytes.
NOTHING: Final = memoryview(b"")
NO_PROGRESS: Final = (0, 0)


class Reader(Protocol):
    """Who is told about a connection: the pump."""

    def paused(self, connection: "Connection") -> None:
        """Note that the peer takes no more for now."""

    def resumed(self, connection: "Connection") -> None:
        """Note that the peer takes bytes again."""

    def closed(self, connection: "Connection") -> None:
        """Note that the peer will send no more: `finish` the stream."""

    def lost(self, connection: "Connection") -> None:
        """Note that the connection has gone."""


class TakenOver(web.Response):
    """What the handler returns: aiohttp has nothing left to send."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send nothing."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Send nothing."""


class Connection(asyncio.Protocol):
    """One open stream, as bytes: it knows how to write, not what."""

    __slots__ = (
        "_drained",
        "_farewell",
        "_inbound",
        "_pending",
        "_progress",
        "_reader",
        "_stall",
        "framing",
        "is_closing",
        "is_paused",
        "owner",
        "transport",
    )

    def __init__(self, transport: asyncio.Transport, framing: Framing, reader: Reader) -> None:
        self.transport = transport
        self.framing = framing
        #: An answer before the stream may still wait in the transport, which tells of a pause but once.
        self.is_paused = transport.get_write_buffer_size() > HIGH_WATER
        self.is_closing = False
        #: What the reader knows this stream as.
        self.owner: Any = None
        self._reader = reader
        self._pending = NOTHING  # the rest of something larger than a slice
        self._farewell: bytes | None = None  # what stands last, once the pending bytes are out
        self._stall: asyncio.TimerHandle | None = None
        self._progress = NO_PROGRESS
        self._drained: asyncio.Future[None] | None = None
        self._inbound = 0
        if self.is_paused:
            self._watch()

    def send(self, frames: bytes) -> None:
        """Write frames of any size. Not while an earlier call still has bytes to write."""
        self.pour(self.framing.body(frames))

    def pour(self, body: bytes) -> None:
        """Write a body of any size: what is larger than a batch follows as the peer takes it, from these very bytes.

        A copy for each peer would be a megabyte for each that lags behind a large event.
        """
        if len(body) <= BATCH:
            self.transport.write(self.framing.piece(body))
            return
        self._pending = memoryview(body)
        self._pour()

    @property
    def is_ready(self) -> bool:
        """Tell whether the peer takes more now."""
        return not self.is_paused and not self._pending and not self.is_closing

    @property
    def waiting(self) -> int:
        """Count the bytes that wait here for the peer; those in the kernel's buffer not among them."""
        return self.transport.get_write_buffer_size() + len(self._pending)

    async def drained(self) -> bool:
        """Wait until the peer takes more; False when it has gone."""
        while not self.is_ready:
            if self.is_closing:
                return False
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained
        return True

    def finish(self, frames: bytes = b"") -> None:
        """Write the last frames and close once all is out; a frame begun before is finished first."""
        if self.is_closing:
            return
        self.is_closing = True
        self._farewell = self.framing.wrap(frames) + self.framing.end
        self._wake()
        if not self._pending:
            self._leave()
        else:
            self._watch()

    def abort(self) -> None:
        """Close at once."""
        self.is_closing = True
        self._wake()
        self.transport.abort()

    # -- asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        """Ignore what a client sends after its request, to a bound."""
        self._inbound += len(data)
        if self._inbound > MAX_INBOUND:
            self.abort()

    def eof_received(self) -> bool:
        """End the stream with the peer; the transport stays open until the frame that was begun is out."""
        self._reader.closed(self)
        return True

    def pause_writing(self) -> None:
        """Stop being written to; the cursor stays where it is."""
        self.is_paused = True
        self._watch()
        if not self.is_closing:
            self._reader.paused(self)

    def resume_writing(self) -> None:
        """Go on with what is pending, then be written to again."""
        self.is_paused = False
        self._unwatch()  # the peer takes bytes; a new pause begins a new watch
        self._pour()
        if self.is_paused or self._pending:
            return
        if self._farewell is not None and self.is_closing:
            self._leave()
            return
        self._wake()
        self._reader.resumed(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave."""
        self.is_closing = True
        self._unwatch()
        self._wake()
        self._pending = NOTHING
        self._reader.lost(self)

    def _pour(self) -> None:
        while self._pending and not self.is_paused:
            piece, self._pending = self._pending[:BATCH], self._pending[BATCH:]
            self.transport.write(self.framing.piece(piece))

    def _leave(self) -> None:
        farewell, self._farewell = self._farewell, None
        if farewell:
            self.transport.write(farewell)
        # Closing waits for what is written; a peer that takes nothing of it is cut off like any other.
        # Later, since asyncio tells of the loss twice when it is closed from within `resume_writing`.
        asyncio.get_running_loop().call_soon(self.transport.close)
        self._watch()

    def _wake(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def _watch(self) -> None:
        if self._stall is None:
            self._progress = self._waiting()
            self._stall = asyncio.get_running_loop().call_later(STALL, self._check)

    def _unwatch(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _check(self) -> None:
        self._stall = None
        waiting = self._waiting()
        if waiting == self._progress and any(waiting):
            self.abort()
        elif self.is_paused or self.is_closing:
            self._watch()

    def _waiting(self) -> tuple[int, int]:
        """Return the bytes that wait in the transport and in the kernel: a peer that takes one changes them."""
        return self.transport.get_write_buffer_size(), unsent(self.transport)


def unsent(transport: asyncio.BaseTransport) -> int:
    """Return the bytes in the kernel's send queue that the peer has not acknowledged; 0 where that is not known."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is None:
        return 0
    with contextlib.suppress(OSError, ValueError):
        return int(struct.unpack("i", fcntl.ioctl(sock.fileno(), _OUTQ, b"\0\0\0\0"))[0])
    return 0


def tune(transport: asyncio.Transport) -> None:
    """Bound what a subscriber may hold of this machine, and notice when it has gone."""
    transport.set_write_buffer_limits(high=HIGH_WATER, low=LOW_WATER)
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sys.platform == "linux":
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(USER_TIMEOUT * 1000))


def take_over(request: web.BaseRequest, framing: Framing, reader: Reader) -> Connection | None:
    """Make the request's connection a stream of ours; None if the peer has already left."""
    handler = request.protocol
    transport = handler.transport
    if transport is None or transport.is_closing():
        return None
    tune(transport)
    connection = Connection(transport, framing, reader)
    transport.set_protocol(connection)
    handler.transport = None
    handler.connection_lost(None)
    # aiohttp stops reading while a pipelined request waits; we need to read to notice that the peer has gone.
    transport.resume_reading()
    return connection
