"""A TCP proxy that a test can cut: the network between a browser and the bridge."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final
from urllib.parse import urlsplit

#: Bytes passed on at once.
CHUNK: Final = 65_536


class Cable:
    """Passes bytes both ways until it is cut; `mended` lets new connections through again."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_cut = False
        #: The request heads that came through, in order: what the browser asked, and with which id.
        self.asked: list[str] = []
        self.url = ""

    async def listen(self) -> asyncio.Server:
        """Listen on a port of the system's choice."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return server

    def cut(self) -> None:
        """Reset every connection, and each new one until the cable is mended."""
        self._is_cut = True
        for writer in list(self._open):
            writer.transport.abort()

    def mend(self) -> None:
        """Let new connections through."""
        self._is_cut = False

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        self._tasks.add(task := asyncio.current_task())
        try:
            await self._join(reader, writer)
        finally:
            self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        above, below = await asyncio.open_connection(self._host, self._port)
        self._open |= {writer, below}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass(reader, below, self._note))
                group.create_task(_pass(above, writer, _ignore))
        finally:
            self._open -= {writer, below}
            for end in (writer, below):
                end.transport.abort()

    def _note(self, chunk: bytes) -> None:
        if chunk.startswith((b"GET ", b"OPTIONS ")):
            self.asked.append(chunk.decode("latin-1"))

    async def close(self) -> None:
        """Cut what is open and wait until nothing is left of it."""
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _ignore(_: bytes) -> None:
    pass


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Callable[[bytes], None]) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(CHUNK):
            note(chunk)
            writer.write(chunk)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def cable(upstream: str) -> AsyncIterator[Cable]:
    """Lay a cable to this address."""
    laid = Cable(upstream)
    server = await laid.listen()
    try:
        yield laid
    finally:
        server.close()
        await laid.close()
