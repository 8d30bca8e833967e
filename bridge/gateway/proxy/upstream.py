"""Connections to one application: aiohttp's connector keeps them, below its session.

The session would rewrite what passes through it (fields of its own, addresses made canonical, cookies, redirects), so
requests are written by `exchange`. What is leaned on, each with a test against the installed release
(`tests/gateway/proxy/test_upstream.py`): `connect` takes any request to the same place; `set_response_params`, `read`,
`read_timeout` and `start_timeout` of its protocol; `should_close` after the answer to nothing has come.
"""

import asyncio
import contextlib
import errno
import socket
import time
import weakref
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from aiohttp import ClientError, ClientPayloadError, ClientTimeout
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import AddrInfoType, BaseConnector, Connection, TCPConnector, UnixConnector
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.resolver import ThreadedResolver
from aiohttp.streams import StreamReader
from yarl import URL

from bridge.gateway.proxy.target import Target
from bridge.gateway.proxy.trouble import ERRORS, ProxyError, unreachable

#: Seconds for which an idle connection is kept: less than applications keep theirs (Node and uvicorn: 5 s), so that it
#: is we who close, and no request meets a connection that is just being closed.
KEEP_ALIVE: Final = 4.0

#: Kept connections that turn out unusable in one search; a new one is made then.
TRIES: Final = 64

#: Bytes read ahead of the client. aiohttp holds up to twice as much, and what the loop reads at once comes on top.
READ_AHEAD: Final = 64 * 1024

#: An answer's head. More fields than a request has: an application may set many cookies.
LINE_BYTES: Final = 16 * 1024
FIELD_BYTES: Final = 64 * 1024
FIELDS: Final = 256

#: Seconds for which certificates and authorities are believed before their files are read again.
TLS_AGE: Final = 60.0


class Upstream:
    """One application's connections."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._connector: BaseConnector | None = None
        self._timeout = ClientTimeout(connect=target.connect)
        self._likeness: ClientRequest | None = None
        self._made = 0.0
        self._making = asyncio.Lock()
        self._used: weakref.WeakSet[ResponseHandler] = weakref.WeakSet()
        self._watched: weakref.WeakSet[ResponseHandler] = weakref.WeakSet()
        #: Bodies that are being read, by their connections.
        self._bodies: dict[ResponseHandler, StreamReader] = {}
        self._places = asyncio.Semaphore(target.connections) if target.connections is not None else None

    async def close(self) -> None:
        """Close all connections."""
        if self._connector is not None:
            await self._connector.close()

    @property
    def is_bounded(self) -> bool:
        """Tell whether it takes so many requests at a time and no more."""
        return self._places is not None

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold one of the application's places; raises `ProxyError` when none comes free."""
        if self._places is None:
            yield
            return
        try:
            async with asyncio.timeout(self.target.connect):
                await self._places.acquire()
        except TimeoutError:
            raise ProxyError(503, f"{self.target.name} has more requests than it takes at a time") from None
        try:
            yield
        finally:
            self._places.release()

    async def connect(self, *, fresh: bool = False) -> Connection:
        """Return a connection that nothing waits on; raises `ProxyError`. `fresh` takes none that was used before."""
        try:
            for _ in range(TRIES):
                connector, likeness = self._connector, self._likeness
                if connector is None or likeness is None or self._is_stale():
                    connector, likeness = await self._prepared()
                connection = await connector.connect(likeness, [], self._timeout)
                protocol = connection.protocol
                # An application may say that it closes (408) on a connection where nothing was asked: whoever is next
                # would take that for their answer.
                is_used = protocol in self._used
                if protocol is None or protocol.should_close or (is_used and (fresh or _has_begun(protocol))):
                    connection.close()
                    continue
                return connection
        except ERRORS as error:
            raise unreachable(error, self.target.name) from None
        raise ProxyError(502, f"{self.target.name} closes its connections faster than they can be used")

    def was_used(self, connection: Connection) -> bool:
        """Tell whether a request has gone over this connection before."""
        return connection.protocol in self._used

    def reading(self, protocol: ResponseHandler, body: StreamReader) -> None:
        """Note that a body is being read, so that its reader hears when the connection is lost.

        When a chunk is malformed aiohttp closes the connection and tells nobody who waits for more of the body.
        """
        self._bodies[protocol] = body
        if protocol not in self._watched and (closed := protocol.closed) is not None:
            self._watched.add(protocol)
            closed.add_done_callback(partial(self._lost, protocol))

    def _lost(self, protocol: ResponseHandler, closed: "asyncio.Future[None]") -> None:
        body = self._bodies.pop(protocol, None)
        error = None if closed.cancelled() else closed.exception()
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(error or protocol.exception() or ClientPayloadError("the connection was lost"))

    def done(self, connection: Connection) -> None:
        """Close a connection whose answer has not been read whole."""
        self._forget(connection)
        connection.close()

    def _forget(self, connection: Connection) -> None:
        if self._bodies and connection.protocol is not None:
            self._bodies.pop(connection.protocol, None)

    def release(self, connection: Connection) -> None:
        """Keep a connection whose answer has been read whole, as far as both sides want that."""
        self._forget(connection)
        if connection.protocol is not None:
            self._used.add(connection.protocol)
        connection.release()

    def expect(self, connection: Connection, *, is_bodiless: bool) -> ResponseHandler:
        """Make a connection ready for one answer; `is_bodiless` after HEAD."""
        protocol = connection.protocol
        if protocol is None or protocol.transport is None:
            raise ProxyError(502, f"{self.target.name} closed the connection")
        protocol.set_response_params(
            skip_payload=is_bodiless,
            read_until_eof=True,
            auto_decompress=False,
            read_timeout=None,  # it starts when the whole request has gone out
            read_bufsize=READ_AHEAD,
            max_line_size=LINE_BYTES,
            max_field_size=FIELD_BYTES,
            max_headers=FIELDS,
        )
        return protocol

    def _socket(self, info: AddrInfoType) -> socket.socket:
        """Make the socket of a connection, where the address that a name resolved to may be connected to."""
        family, type, protocol, _, address = info
        if self.target.refusal is not None and (why := self.target.refusal(str(address[0]))) is not None:
            raise OSError(errno.EACCES, why)
        made = socket.socket(family, type, protocol)
        made.settimeout(0)
        return made

    def _is_stale(self) -> bool:
        return self.target.tls is not None and time.monotonic() - self._made > TLS_AGE

    async def _prepared(self) -> tuple[BaseConnector, ClientRequest]:
        """Make what connections are made with, once for all who wait for it."""
        async with self._making:
            connector, likeness = self._connector, self._likeness
            if connector is None or likeness is None or self._is_stale():
                return await self._prepare()
            return connector, likeness

    async def _prepare(self) -> tuple[BaseConnector, ClientRequest]:
        """Make the connector, and what shows it where to connect to; again where certificates may be newer."""
        target, loop = self.target, asyncio.get_running_loop()
        context = await asyncio.to_thread(target.tls) if target.tls is not None else True
        self._made = time.monotonic()
        scheme = "https" if target.tls is not None else "http"
        url = URL.build(scheme=scheme, host=target.host, port=target.port, path="/")
        likeness = self._likeness = ClientRequest("GET", url, loop=loop, ssl=context)
        if self._connector is None:
            # Their own limit would also hold back the question for its health.
            if target.socket is not None:
                self._connector = UnixConnector(str(target.socket), limit=0, keepalive_timeout=KEEP_ALIVE)
            else:
                self._connector = TCPConnector(
                    limit=0, keepalive_timeout=KEEP_ALIVE, resolver=ThreadedResolver(), socket_factory=self._socket
                )
        return self._connector, likeness


def _has_begun(protocol: ResponseHandler) -> bool:
    """Tell whether a kept connection holds the beginning of an answer that nobody asked for.

    A whole one makes `should_close` true; a part of one stands in the parser alone.
    """
    parser = protocol._parser  # noqa: SLF001  there is no other way to hear of it
    try:
        return parser is not None and parser.feed_eof() is not None
    except (ClientError, HttpProcessingError):
        return True
