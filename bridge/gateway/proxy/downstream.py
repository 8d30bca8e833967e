"""Writing to the client, at its pace: what it does not take waits in the transport, to a bound, and not for ever.

An answer is written straight to the connection, head and body as they come, instead of through a response object: the
limit of time on whole answers (`handshake.Times.send`) is not for what may last for hours. Here it is the standstill
that is limited.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Final, cast

import aiohttp
from aiohttp import web

from bridge.errors import BridgeError
from bridge.gateway.connection import unsent
from bridge.gateway.handshake import Handler
from bridge.gateway.proxy.heads import Framing
from bridge.gateway.proxy.silence import keep_alive

#: Seconds in which a client with bytes waiting must take one at least, and one that is to send must send one. As
#: nginx's `send_timeout` and `client_body_timeout`.
STALL: Final = 60.0

#: Close with a reset, and forget what was not sent (socket(7)).
_RESET: Final = struct.pack("ii", 1, 0)


class LeftError(BridgeError):
    """The client has gone: there is nobody to tell."""


class Relayed(web.StreamResponse):
    """What the handler returns: the answer has been written already."""

    @property
    def keep_alive(self) -> bool | None:
        """Tell whether another request may follow: unless someone forced a close."""
        return super().keep_alive is not False

    @property
    def prepared(self) -> bool:
        """Tell that nothing is left to be sent."""
        return True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send nothing."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Send nothing."""


def waiting(transport: asyncio.WriteTransport) -> tuple[int, int]:
    """Return the bytes that wait in the transport and in the kernel: a peer that takes one changes them."""
    return transport.get_write_buffer_size(), unsent(transport)


def relayed(*, is_kept: bool) -> Relayed:
    """Return what tells aiohttp whether the connection goes on to another request."""
    answer = Relayed()
    if not is_kept:
        answer.force_close()
    return answer


class Downstream:
    """The client's end of one exchange."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._writer = request.writer
        self._handler = cast("Handler", request.protocol)
        self._watch: asyncio.TimerHandle | None = None
        #: A part of the answer has been written; no other can follow.
        self.has_begun = False
        #: How its body is framed.
        self.framing = Framing()

    def watch(self, left: Callable[[], object] | None) -> None:
        """Call this when the client leaves; None to be left alone."""
        self._handler.left = left

    def listen(self) -> None:
        """Hear of the client's end however long the answer takes; raises `LeftError` where that cannot be."""
        if (transport := self._handler.transport) is not None:
            keep_alive(transport)
        if not self._handler.listen():
            raise LeftError

    @property
    def has_left(self) -> bool:
        """Tell whether the client is gone."""
        transport = self._handler.transport
        return transport is None or transport.is_closing()

    @property
    def is_ending(self) -> bool:
        """Tell whether this connection is to be closed behind its answer."""
        return self._handler.is_ending

    @property
    def is_blocked(self) -> bool:
        """Tell whether the client takes no more for now."""
        return self._handler.writing_paused

    def invite(self) -> None:
        """Tell a client that waits for it to send the body (RFC 9110, 10.1.1)."""
        if not self.has_begun:
            self._put(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def begin(self, head: bytes, framing: Framing, first: bytes = b"") -> None:
        """Write the answer's head and what is there of its body, in one piece."""
        self.has_begun, self.framing = True, framing
        await self._write(head + framing.wrap(first) if first else head)

    async def send(self, data: bytes) -> None:
        """Write a piece of the body, and wait while the client takes no more."""
        await self._write(self.framing.wrap(data))

    async def whole(self, head: bytes, framing: Framing, body: bytes) -> None:
        """Write an answer that is all there."""
        self.has_begun, self.framing = True, framing
        await self._write(b"".join((head, framing.wrap(body) if body else b"", framing.end)))

    async def end(self) -> None:
        """Write what ends the body."""
        if self.framing.end:
            await self._write(self.framing.end)

    def cut(self) -> None:
        """Close so that nobody takes what was sent for the whole."""
        transport = self._handler.transport
        if transport is None:
            return
        if self.framing != Framing():
            transport.close()  # what was sent still arrives, and is seen to be too short
            asyncio.get_running_loop().call_later(STALL, transport.abort)  # unless it is never taken
            return
        # Without length and chunks an orderly close is the end of the body: only a reset tells.
        sock: socket.socket | None = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()

    def _put(self, data: bytes) -> None:
        transport = self._handler.transport
        if transport is None or transport.is_closing():
            raise LeftError
        transport.write(data)

    async def _write(self, data: bytes) -> None:
        self._put(data)
        if self._handler.writing_paused:
            await self._drained()

    async def _drained(self) -> None:
        """Wait until the client takes more; one that takes nothing at all is cut off.

        By a timer instead of a timeout: aiohttp's `drain` must not be cancelled, the next one would wait on its ruins.
        """
        self._wait(self._waiting())
        try:
            await self._writer.drain()
        except (aiohttp.ClientError, ConnectionError):
            raise LeftError from None
        finally:
            if self._watch is not None:
                self._watch.cancel()

    def _wait(self, now: tuple[int, int]) -> None:
        self._watch = asyncio.get_running_loop().call_later(STALL, self._check, now)

    def _check(self, before: tuple[int, int]) -> None:
        now = self._waiting()
        if now != before:
            self._wait(now)
        elif (transport := self._handler.transport) is not None:
            transport.abort()

    def _waiting(self) -> tuple[int, int]:
        transport = self._handler.transport
        return (0, 0) if transport is None else waiting(transport)
