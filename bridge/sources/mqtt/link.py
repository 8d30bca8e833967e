"""The way to a broker: bytes over TCP, TLS or a WebSocket, never blocking the loop.

paho connects by calls that block, on names, on TCP, on TLS and on the WebSocket's handshake. Here the loop does all of
that, and a cancelled attempt leaves nothing behind.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol, cast

import aiohttp

from bridge.sources.mqtt.address import Address

#: Seconds for the name, TCP, TLS and the WebSocket together.
CONNECT: Final = 10.0

#: Addresses of one name that are tried in one attempt; each gets its share of the time.
MAX_ADDRESSES: Final = 4

#: Bytes that wait for a broker that reads nothing: acknowledgements of a hundred thousand messages.
MAX_UNSENT: Final = 1024 * 1024

#: Seconds for the last bytes to leave at the end.
CLOSE: Final = 2.0

#: Bytes of one WebSocket message beside the longest packet: several packets may share a message.
MESSAGE_ROOM: Final = 4 * 1024 * 1024


class Peer(Protocol):
    """Whoever a link hands its bytes to. No method awaits."""

    def received(self, data: bytes) -> None:
        """Take in bytes."""

    def closed(self, error: BaseException | None) -> None:
        """Take in that nothing more will come."""


class Link(Protocol):
    """An open connection."""

    def write(self, data: bytes) -> None:
        """Send bytes soon; nothing happens on one that is closed."""

    def pause(self) -> None:
        """Stop reading, so that the broker waits."""

    def resume(self) -> None:
        """Read on."""


class _Stream(asyncio.Protocol):
    """TCP, with TLS or without."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._transport: asyncio.Transport | None = None
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._peer.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
        self._peer.closed(exc)

    def write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > MAX_UNSENT:
            transport.abort()

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    async def close(self) -> None:
        """Let what was written leave, and close."""
        if self._transport is None:
            return
        self._transport.close()
        try:
            async with asyncio.timeout(CLOSE):
                await asyncio.shield(self.lost)
        finally:
            self._transport.abort()


class _Web:
    """A WebSocket."""

    def __init__(self, opened: aiohttp.ClientWebSocketResponse, peer: Peer) -> None:
        self._socket = opened
        self._peer = peer
        self._out = bytearray()
        self._wake = asyncio.Event()
        self._may_read = asyncio.Event()
        self._may_read.set()

    def write(self, data: bytes) -> None:
        self._out += data
        self._wake.set()

    def pause(self) -> None:
        self._may_read.clear()

    def resume(self) -> None:
        self._may_read.set()

    async def read(self) -> None:
        """Hand over what comes, until nothing more does."""
        async for message in self._socket:
            if message.type == aiohttp.WSMsgType.BINARY:
                self._peer.received(message.data)
            await self._may_read.wait()
        self._peer.closed(self._socket.exception())

    async def send(self) -> None:
        """Send what is written, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.flush()
            except (aiohttp.ClientError, ConnectionError) as error:
                self._peer.closed(error)
                return

    async def flush(self) -> None:
        """Send what waits."""
        while self._out:
            data, self._out = bytes(self._out), bytearray()
            await self._socket.send_bytes(data)


@asynccontextmanager
async def connect(address: Address, context: ssl.SSLContext | None, peer: Peer, limit: int) -> AsyncGenerator[Link]:
    """Connect, and close at the end; raises what the attempt raised. `limit` is the longest packet."""
    opened = _web(address, context, peer, limit) if address.is_websocket else _tcp(address, context, peer)
    async with opened as link:
        yield link


@asynccontextmanager
async def _tcp(address: Address, context: ssl.SSLContext | None, peer: Peer) -> AsyncGenerator[Link]:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT):
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        hosts = list(dict.fromkeys(str(each[4][0]) for each in found))[:MAX_ADDRESSES]
        stream = await _first(hosts, address, context, peer)
    try:
        yield stream
    finally:
        with suppress(TimeoutError):
            await stream.close()


async def _first(hosts: Sequence[str], address: Address, context: ssl.SSLContext | None, peer: Peer) -> _Stream:
    """Return a connection to the first address that takes one; raises what the last attempt raised."""
    failed: OSError = OSError("the name has no address")
    loop = asyncio.get_running_loop()
    for host in hosts:
        try:
            async with asyncio.timeout(CONNECT / len(hosts)):
                _, stream = await loop.create_connection(
                    lambda: _Stream(peer),
                    host,
                    address.port,
                    ssl=context,
                    server_hostname=address.host if context else None,
                )
        except OSError as error:  # TimeoutError and ssl.SSLError are some, too
            failed = error
        else:
            return stream
    raise failed


@asynccontextmanager
async def _web(address: Address, context: ssl.SSLContext | None, peer: Peer, limit: int) -> AsyncGenerator[Link]:
    # Not as the environment says: a proxy that is meant for web pages has no business here.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session:
        async with asyncio.timeout(CONNECT):
            opened = await session.ws_connect(
                address.url,
                protocols=("mqtt",),
                ssl=context if context is not None else True,
                max_msg_size=limit + MESSAGE_ROOM,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE),
            )
        web = _Web(opened, peer)
        async with asyncio.TaskGroup() as tasks:
            own = [tasks.create_task(web.read(), name="mqtt reads"), tasks.create_task(web.send(), name="mqtt writes")]
            try:
                yield web
            finally:
                for task in own:
                    task.cancel()
                with suppress(TimeoutError, aiohttp.ClientError, ConnectionError):
                    async with asyncio.timeout(CLOSE):
                        await web.flush()
                        await opened.close()
