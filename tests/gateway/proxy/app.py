"""An application that keeps every byte that it is sent and answers with the bytes it is told to; and us before it."""

import asyncio
import contextlib
import random
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from bridge.gateway.endpoint import Endpoint
from bridge.gateway.proxy.proxy import Proxy
from bridge.gateway.proxy.target import Target
from bridge.gateway.public import Public
from bridge.gateway.server import Listener, Place
from tests.gateway.raw import DEADLINE, Peer, until
from tests.gateway.serve import public

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Connection:
    """One connection to the application."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.received = b""
        #: The other side has closed, or reset, its direction.
        self.is_over = False

    async def read(self, size: int = 65536) -> bytes:
        """Take what comes; b"" at the end."""
        try:
            data = await self._reader.read(size)
        except ConnectionError:
            data = b""
        self.received += data
        self.is_over = not data
        return data

    async def head(self) -> bytes:
        """Read a request's head; b"" when there is none any more."""
        while b"\r\n\r\n" not in self.received:
            if not await self.read():
                return b""
        return self.received

    async def whole(self) -> bytes:
        """Read a request with its body, as the two framings have it; b"" when there is none any more."""
        if not await self.head():
            return b""
        head, _, rest = self.received.partition(b"\r\n\r\n")
        fields = head.lower()
        if b"\r\ntransfer-encoding: chunked" in fields:
            while not rest.endswith(b"0\r\n\r\n"):
                if not await self.read():
                    return b""
                rest = self.received.partition(b"\r\n\r\n")[2]
        elif b"\r\ncontent-length: " in fields:
            length = int(fields.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0])
            while len(rest) < length:
                if not await self.read():
                    return b""
                rest = self.received.partition(b"\r\n\r\n")[2]
        whole, self.received = self.received, b""
        return whole

    async def gone(self) -> None:
        """Wait until the other side has closed."""
        async with asyncio.timeout(DEADLINE):
            while not self.is_over:
                await self.read()

    async def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        """Close in order."""
        self.writer.close()

    def reset(self) -> None:
        """Close with a RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[["App", Connection], Awaitable[None]]


def always(answer: bytes) -> Script:
    """Answer every request with these bytes."""

    async def serve(app: "App", connection: Connection) -> None:
        while whole := await connection.whole():
            app.requests.append(whole)
            await connection.send(answer)

    return serve


def once(answer: bytes) -> Script:
    """Answer one request of a connection with these bytes, and close."""

    async def serve(app: "App", connection: Connection) -> None:
        if whole := await connection.whole():
            app.requests.append(whole)
            await connection.send(answer)
            connection.close()

    return serve


class App:
    """The application; `script` is what it does with a connection."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.connections: list[Connection] = []
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Follow the script."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = Connection(reader, writer)
        self.connections.append(connection)
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await self.script(self, connection)
        finally:
            self._tasks.discard(task)
            writer.close()

    def cancel(self) -> None:
        """Stop every script."""
        for task in self._tasks:
            task.cancel()

    async def connected(self, number: int = 1) -> Connection:
        """Wait for so many connections; return the last."""
        await until(lambda: len(self.connections) >= number)
        return self.connections[number - 1]


class Front:
    """Us, with the application behind."""

    def __init__(self, app: App, proxy: Proxy, listener: Listener) -> None:
        self.app = app
        self.proxy = proxy
        self.listener = listener

    @property
    def port(self) -> int:
        """Return the public port."""
        return self.listener.port

    @contextlib.asynccontextmanager
    async def peer(self) -> AsyncIterator[Peer]:
        """Connect."""
        async with Peer.to(self.port) as peer:
            yield peer


@contextlib.asynccontextmanager
async def application(
    script: Script, path: str | None = None, context: ssl.SSLContext | None = None
) -> AsyncIterator[App]:
    """Run an application, at a port or at the path of a socket; with a context over TLS."""
    app = App(script)
    if path is None:
        server = await asyncio.start_server(app.serve, "127.0.0.1", 0, ssl=context)
        app.port = server.sockets[0].getsockname()[1]
    else:
        server = await asyncio.start_unix_server(app.serve, path)
    try:
        yield app
    finally:
        app.cancel()
        server.close()
        await until(lambda: not app._tasks)


@contextlib.asynccontextmanager
async def fronting(
    *targets: Target,
    app: App,
    endpoints: tuple[Endpoint | str, ...] = (),
    limit: int = 100,
    hops: Any = (),
    **more: Any,
) -> AsyncIterator[Front]:
    """Listen before applications that run already."""
    proxy = Proxy(targets, limit=limit, uniform=random.uniform, hops=hops)
    made: Public = public(*endpoints, proxy=proxy, hops=hops, **more)
    async with proxy, Listener("test", [Place("127.0.0.1", 0)], made.handle) as listener:
        yield Front(app, proxy, listener)
        await until(lambda: not len(proxy))


@contextlib.asynccontextmanager
async def proxied(
    script: Script | None = None, *, target: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[Front]:
    """Run an application, and us before it."""
    async with application(script or always(HELLO)) as app:
        where = Target(host="127.0.0.1", port=app.port, **(target or {}))
        async with fronting(where, app=app, **more) as front:
            yield front
