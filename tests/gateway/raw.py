"""A client that writes the bytes it is told to and reads what comes, and a listener for it to talk to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Self

from aiohttp import web

from bridge.gateway.handshake import Handle, Times
from bridge.gateway.server import Listener, Place, Room

#: No answer on loopback takes as long, however busy the machine; seconds.
DEADLINE = 20.0


@dataclass(frozen=True)
class Answer:
    """One response."""

    status: int
    headers: Mapping[str, str]  # names in lower case; a name that stands twice is joined with a comma
    body: bytes

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode()


class Peer:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, port: int, host: str = "127.0.0.1") -> AsyncIterator[Self]:
        """Connect, and cut the connection at the end."""
        reader, writer = await asyncio.open_connection(host, port)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.writer.write(data)

    async def answer(self, *, bodiless: bool = False) -> Answer:
        """Read one response; `bodiless` after HEAD."""
        async with asyncio.timeout(DEADLINE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers: dict[str, str] = {}
            for line in head[1:-2]:
                name, _, value = line.partition(":")
                name = name.lower()
                headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
            status = int(head[0].split()[1])
            if bodiless or status in {204, 304}:
                return Answer(status, headers, b"")
            return Answer(status, headers, await self._body(headers))

    async def _body(self, headers: Mapping[str, str]) -> bytes:
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") != "chunked":
            return await self.reader.read()
        body = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        assert await self.reader.readexactly(2) == b"\r\n"
        return body

    async def rest(self) -> bytes:
        """Read until the server closes; a reset is a close."""
        read = b""
        async with asyncio.timeout(DEADLINE):
            with contextlib.suppress(ConnectionError):
                while piece := await self.reader.read(65536):
                    read += piece
        return read


@contextlib.asynccontextmanager
async def serving(handle: Handle, times: Times | None = None, room: Room | None = None) -> AsyncIterator[Listener]:
    """Listen on loopback, at a port that the system chooses."""
    async with Listener("test", [Place("127.0.0.1", 0)], handle, room=room, times=times) as listener:
        yield listener


async def ask(handle: Handle, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
    """Send one request to a handler over a real socket; underscores in a header's name are dashes."""
    async with serving(handle) as listener, Peer.to(listener.port) as peer:
        return await request(peer, path, method, body, **headers)


async def request(peer: Peer, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
    """Send one request and read its answer."""
    fields = {"Host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body:
        fields["Content-Length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    peer.send(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)
    return await peer.answer(bodiless=method == "HEAD")


async def until(told: object) -> None:
    """Wait until a function of no arguments returns something true."""
    assert callable(told)
    async with asyncio.timeout(DEADLINE):
        while not told():
            await asyncio.sleep(0.005)


async def hello(_: web.BaseRequest) -> web.StreamResponse:
    """Answer anything."""
    return web.Response(text="hello")
