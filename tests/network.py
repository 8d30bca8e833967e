"""The network between a source and its broker, which a test can break; and WebSocket before a broker without it."""

import asyncio
import contextlib
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Self

import aiohttp
from aiohttp import web

from tests.certificates import Certificate


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a RST."""
    sock = writer.get_extra_info("socket")
    # The socket that uvloop shows takes no options, a copy of its descriptor does; -1 is one that is closed.
    if sock is not None and sock.fileno() >= 0:
        with socket.socket(fileno=os.dup(sock.fileno())) as copy:
            copy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Net:
    """The network between a source and a broker: it can be cut, mended, and fall silent."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.port = 0
        #: Connections asked for so far, whether let through or not.
        self.count = 0
        self._is_cut = False
        # Downwards is from the broker to the source.
        self._down, self._up = asyncio.Event(), asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, target: int, port: int = 0) -> AsyncIterator[Self]:
        """Stand before a port: on any other, or on the one given."""
        net = cls(target)
        net.mend()
        server = await asyncio.start_server(net._accept, "127.0.0.1", port)
        net.port = server.sockets[0].getsockname()[1]
        try:
            yield net
        finally:
            server.close()
            net.mend()
            net.cut()
            await asyncio.gather(*net._tasks, return_exceptions=True)

    @property
    def address(self) -> str:
        """Return host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Return the address."""
        return f"mqtt://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Reset every connection, and each new one until it is mended."""
        self._is_cut = True
        self.reset()

    def reset(self) -> None:
        """Reset every connection; new ones are let through."""
        for writer in list(self._open):
            reset(writer)

    def mend(self) -> None:
        """Let connections and bytes through again."""
        self._is_cut = False
        self._down.set()
        self._up.set()

    def stall(self) -> None:
        """Pass nothing on in either direction, and keep the connections."""
        self._down.clear()
        self._up.clear()

    def stall_up(self) -> None:
        """Pass on nothing that the source sends: its acknowledgements do not arrive."""
        self._up.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count += 1
        self._open.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self._is_cut:
                self.reset()
            else:
                await self._join(reader, writer)
        finally:
            writer.transport.abort()
            self._open.discard(writer)
            self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            above, below = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            return
        self._open.add(below)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass(reader, below, self._up))
                group.create_task(_pass(above, writer, self._down))
        finally:
            below.transport.abort()
            self._open.discard(below)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flows: asyncio.Event) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(65_536):
            await flows.wait()
            writer.write(chunk)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def websocket(target: int, certificate: Certificate | None = None) -> AsyncIterator[int]:
    """Stand before a broker without WebSocket (Debian builds Mosquitto so) and speak it; yield the port.

    Any slicing of the bytes into WebSocket messages is allowed (section 6 of MQTT 5).
    """

    async def serve(request: web.Request) -> web.WebSocketResponse:
        assert "mqtt" in request.headers.get("Sec-WebSocket-Protocol", "")
        front = web.WebSocketResponse(protocols=("mqtt",))
        await front.prepare(request)
        reader, writer = await asyncio.open_connection("127.0.0.1", target)
        down = asyncio.create_task(_down(reader, front))
        async for message in front:
            assert message.type is aiohttp.WSMsgType.BINARY
            writer.write(message.data)
        writer.close()
        down.cancel()
        await asyncio.gather(down, return_exceptions=True)
        return front

    async with serving(serve, certificate) as port:
        yield port


@contextlib.asynccontextmanager
async def serving(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], certificate: Certificate | None = None
) -> AsyncIterator[int]:
    """Serve HTTP, on the path where brokers have their WebSocket; yield the port."""
    app = web.Application()
    app.router.add_get("/mqtt", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    secure = None
    if certificate is not None:
        secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        secure.load_cert_chain(certificate.cert, certificate.key)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=secure)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _down(reader: asyncio.StreamReader, front: web.WebSocketResponse) -> None:
    # Odd slices, so that no message begins where a packet does.
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(777):
            await front.send_bytes(chunk)
    await front.close()
