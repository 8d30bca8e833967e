"""How a connection ended while a body was read, which the library does not always tell.

1. A body that says no other end ends with its connection: by a FIN, not by a RST (RFC 9112, section 6.3). The library
   takes both for the end.
2. A body whose framing breaks, as a chunk's size that is no number, closes the connection, and whoever waits for more
   of the body waits for ever.
"""

import asyncio

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from bridge.sources.web.gate import ERRAND


class Connector(aiohttp.TCPConnector):
    """Lets each errand know how its connection ends."""

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:  # noqa: ASYNC109 -- as the library calls it
        """Return a connection, new or kept."""
        connection = await super().connect(req, traces, timeout)
        lost = connection.protocol.closed if connection.protocol is not None else None
        if lost is not None:
            # Once, however often a connection is used again.
            lost.remove_done_callback(_seen)
            lost.add_done_callback(_seen)
        ERRAND.get().lost = lost
        return connection


class Ending:
    """Watches over one body."""

    def __init__(self, response: aiohttp.ClientResponse, lost: asyncio.Future[None] | None) -> None:
        self._content = response.content
        #: Bytes that were taken out of the body.
        self.read = 0
        self._is_framed = not {"Content-Length", "Transfer-Encoding"}.isdisjoint(response.headers)
        self._lost = lost
        if lost is not None:
            lost.add_done_callback(self._broken)

    @property
    def is_lost(self) -> bool:
        """Tell whether the connection has ended."""
        return self._lost is not None and self._lost.done()

    def check(self) -> None:
        """Raise what broke the connection, where its end is that of the body."""
        error = _error(self._lost) if self._lost is not None and not self._is_framed else None
        if error is not None:
            raise error

    def forget(self) -> None:
        """Stop watching."""
        if self._lost is not None:
            self._lost.remove_done_callback(self._broken)

    def _broken(self, _: asyncio.Future[None]) -> None:
        """Wake whoever waits for more, which will not come; what has come is read first."""
        content = self._content
        if not content.is_eof() and content.exception() is None and content.total_bytes == self.read:
            content.set_exception(aiohttp.ClientPayloadError("the connection has ended"))


def _error(lost: asyncio.Future[None]) -> BaseException | None:
    return lost.exception() if lost.done() and not lost.cancelled() else None


def _seen(lost: asyncio.Future[None]) -> None:
    """Take note of the error: one that nobody asks for would end in the log."""
    _error(lost)
