"""A small HTTP server that plays what a test tells it to, byte by byte, and keeps what it was asked.

    async with HttpServer.serving(answer(body=b"{}"), Drip(answer(body=b"slow")), Torn(part)) as server:
        ...                                   # the first request gets the first reply, and so on; the last one repeats
        server.url("/rates")                  # http://127.0.0.1:PORT/rates (https with `context=`)
        server.requests[0].header("accept")   # what was asked, in order; `raw` is the head as it came
        await server.asked(3)                 # wait until three requests have come
        server.play(answer(304))              # forget the replies, play these from here on
        server.on("/other", answer(404))      # replies of one path alone (its query does not count)
        server.connections, server.open       # how many connections there were, and are

A reply is bytes, written as they are, or any `async def play(request, wire)`. Bytes that do not say how long their body
is, that are HTTP/1.0, or that say `Connection: close` end the connection. Ready ones:

    answer(status, body, headers...)   bytes with a correct Content-Length; `chunked=True` cuts it into chunks
    Drip(data, size)                   a few bytes at a time      Cut(data)    the bytes, then FIN
    Torn(data)                         the bytes, then RST        Silence()    nothing at all, until the client leaves
    Tap(head)                          the head; then what the test itself sends: `await tap.send(...)`, `tap.end()`,
                                       `tap.reset()`; `await tap.left()` waits until the client has gone
    Each(function)                     what a function of the request returns, itself a reply

A script of one's own writes with `wire.send`, `wire.drip`, `wire.finish` (FIN), `wire.reset` (RST), reads with
`wire.receive`, and waits with `wire.left`. A body is read, and `Expect: 100-continue` answered, before the reply is
played, unless `serving(reads=False)`: then the script reads it with `await wire.body(request)`. Of a body the first
MiB is kept, `size` counts all of it.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol, Self

from tests.network import reset as reset_writer
from tests.support import until

#: Bytes of a head that the server takes, and of a body that it keeps.
MAX_HEAD = 1024 * 1024
KEPT = 1024 * 1024

END = b"\r\n"


@dataclass
class Request:
    """What was asked."""

    method: str
    target: str
    version: str
    #: As they came, in order; and the head's bytes.
    headers: list[tuple[str, str]]
    raw: bytes
    #: The number of its connection, from 1.
    connection: int
    #: The first MiB of the body, the size of it all, and the trailers of a chunked one.
    body: bytearray = field(default_factory=bytearray)
    size: int = 0
    trailers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Return the target without its query."""
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """Return a header's values, joined; None where it is missing."""
        found = self.all(name)
        return ", ".join(found) if found else None

    def all(self, name: str) -> list[str]:
        """Return a header's values."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Wire:
    """The connection, for a script."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.is_over = False

    async def send(self, *parts: bytes) -> None:
        """Write bytes, and wait until the client's side has room."""
        for part in parts:
            self.writer.write(part)
        await self.writer.drain()

    async def drip(self, data: bytes, size: int = 1, pause: float = 0.0) -> None:
        """Write a few bytes at a time, each of them a segment of its own."""
        for at in range(0, len(data), size):
            await self.send(data[at : at + size])
            await asyncio.sleep(pause)

    async def receive(self, size: int = 65_536) -> bytes:
        """Return what the client sent; b"" at its end."""
        return await self.reader.read(size)

    async def body(self, request: Request, taken: Callable[[bytes], object] | None = None) -> None:
        """Read a request's body into it; `taken` gets each piece."""
        if (request.header("expect") or "").lower() == "100-continue":
            await self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        async for piece in _pieces(self.reader, request):
            request.size += len(piece)
            request.body += piece[: max(0, KEPT - len(request.body))]
            if taken is not None:
                taken(piece)

    def finish(self) -> None:
        """Send a FIN, once all is written; over TLS, close."""
        self.is_over = True
        if self.writer.can_write_eof():
            self.writer.write_eof()
        else:
            self.writer.close()

    def reset(self) -> None:
        """Send a RST."""
        self.is_over = True
        reset_writer(self.writer)

    async def left(self) -> None:
        """Wait until the client has gone."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65_536):
                pass
        self.is_over = True


class Play(Protocol):
    """What is done for one request."""

    def __call__(self, request: Request, wire: Wire, /) -> Awaitable[None]:
        """Play it."""
        ...


Reply = bytes | Play


def answer(
    status: int = 200,
    body: bytes = b"",
    *headers: tuple[str, str],
    chunked: bool | int = False,
    version: str = "1.1",
    trailers: Iterable[tuple[str, str]] = (),
) -> bytes:
    """Return a whole answer; `chunked` is a size of chunks, or True for one chunk."""
    reason = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    lines = [f"HTTP/{version} {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    if chunked:
        lines.append("Transfer-Encoding: chunked")
        size = len(body) if chunked is True else chunked
        cut = b"".join(chunk(body[at : at + size]) for at in range(0, len(body), size or 1))
        body = cut + b"0\r\n" + b"".join(f"{name}: {value}\r\n".encode() for name, value in trailers) + END
    elif status >= 200 and status not in {204, 304}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunk(data: bytes) -> bytes:
    """Return one chunk (RFC 9112, section 7.1)."""
    return f"{len(data):x}\r\n".encode() + data + END


@dataclass
class Drip:
    """A few bytes at a time."""

    data: bytes
    size: int = 1
    pause: float = 0.0

    async def __call__(self, request: Request, wire: Wire) -> None:
        """Play it."""
        await wire.drip(self.data, self.size, self.pause)


@dataclass
class Cut:
    """Bytes, and then the end of the connection."""

    data: bytes = b""

    async def __call__(self, request: Request, wire: Wire) -> None:
        """Play it."""
        await wire.send(self.data)
        wire.finish()


@dataclass
class Torn:
    """Bytes, and then a reset of the connection; `seen` is waited for before that."""

    data: bytes = b""
    seen: asyncio.Event | None = None

    async def __call__(self, request: Request, wire: Wire) -> None:
        """Play it."""
        await wire.send(self.data)
        if self.seen is not None:
            await self.seen.wait()
        wire.reset()


class Silence:
    """No answer, until the client leaves."""

    async def __call__(self, request: Request, wire: Wire) -> None:
        """Play it."""
        await wire.left()


@dataclass
class Each:
    """What a function makes of the request."""

    function: Callable[[Request], Reply]

    async def __call__(self, request: Request, wire: Wire) -> None:
        """Play it."""
        await _play(self.function(request), request, wire)


class Tap:
    """An answer that the test writes while it is read; one connection at a time, the newest."""

    def __init__(self, head: bytes = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n") -> None:
        self.head = head
        self._wire: asyncio.Future[Wire] | None = None
        self._gone = asyncio.Event()
        self._ended = asyncio.Event()

    async def __call__(self, request: Request, wire: Wire) -> None:
        """Play it."""
        self._gone.clear()
        self._ended.clear()
        await wire.send(self.head)
        future = self._future()
        if future.done():
            self._wire = None
            future = self._future()
        future.set_result(wire)
        leaving = asyncio.create_task(wire.left(), name="tap")
        ending = asyncio.create_task(self._ended.wait(), name="tap")
        try:
            await asyncio.wait((leaving, ending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (leaving, ending):
                task.cancel()
            await asyncio.gather(leaving, ending, return_exceptions=True)
            wire.is_over = True
            self._wire = None
            self._gone.set()

    async def opened(self) -> Wire:
        """Wait until a client has the head; return its connection."""
        return await asyncio.shield(self._future())

    async def send(self, *parts: bytes) -> None:
        """Write to the client, waiting for one first."""
        await (await self.opened()).send(*parts)

    def end(self) -> None:
        """End the answer with a FIN."""
        self._now().finish()
        self._ended.set()

    def reset(self) -> None:
        """End the answer with a RST."""
        self._now().reset()
        self._ended.set()

    async def left(self) -> None:
        """Wait until the client has gone, or the answer has ended."""
        await self._gone.wait()

    def _now(self) -> Wire:
        assert self._wire is not None, "no client has come"
        return self._wire.result()

    def _future(self) -> asyncio.Future[Wire]:
        if self._wire is None:
            self._wire = asyncio.get_running_loop().create_future()
        return self._wire


class HttpServer:
    """The server; see the module for what it plays."""

    def __init__(self, replies: Iterable[Reply], *, is_tls: bool, reads: bool) -> None:
        self.requests: list[Request] = []
        #: Connections so far, and those open now.
        self.connections = 0
        self.open = 0
        #: What went wrong in a script.
        self.errors: list[BaseException] = []
        self.host = "127.0.0.1"
        self.port = 0
        self._replies = list(replies)
        self._paths: dict[str, list[Reply]] = {}
        self._is_tls = is_tls
        self._reads = reads
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def serving(
        cls,
        *replies: Reply,
        context: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        reads: bool = True,
    ) -> AsyncIterator[Self]:
        """Serve until the end of the block; with `context` over TLS."""
        served = cls(replies, is_tls=context is not None, reads=reads)
        served.host = host
        server = await asyncio.start_server(served._accept, host, port, ssl=context, limit=MAX_HEAD)
        served.port = server.sockets[0].getsockname()[1]
        try:
            yield served
        finally:
            server.close()
            for task in served._tasks:
                task.cancel()
            await asyncio.gather(*served._tasks, return_exceptions=True)
            assert not served.errors, served.errors

    def url(self, path: str = "/", *, host: str | None = None) -> str:
        """Return an address here."""
        name = host or self.host
        name = f"[{name}]" if ":" in name else name
        return f"{'https' if self._is_tls else 'http'}://{name}:{self.port}{path}"

    def play(self, *replies: Reply) -> None:
        """Play these from here on, and none of before."""
        self._replies[:] = replies

    def on(self, path: str, *replies: Reply) -> None:
        """Play these to whoever asks for a path."""
        self._paths[path] = list(replies)

    async def asked(self, count: int) -> Request:
        """Wait until so many requests have come; return the last of them."""
        await until(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    async def empty(self) -> None:
        """Wait until no connection is open."""
        await until(lambda: not self.open)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        self.open += 1
        wire, number = Wire(reader, writer), self.connections
        try:
            while not wire.is_over and await self._serve(wire, number):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # the client has gone
        except asyncio.CancelledError:
            wire.writer.transport.abort()
        except (AssertionError, LookupError, TypeError, ValueError) as error:
            self.errors.append(error)
        finally:
            self.open -= 1
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _serve(self, wire: Wire, number: int) -> bool:
        """Take one request, and play its reply; return whether another may follow."""
        raw = await _head(wire.reader)
        if not raw:
            return False
        request = _parse(raw, number)
        if self._reads:
            await wire.body(request)
        self.requests.append(request)
        reply = self._next(request)
        await _play(reply, request, wire)
        return not (isinstance(reply, bytes) and _is_last(reply, request))

    def _next(self, request: Request) -> Reply:
        replies = self._paths.get(request.path, self._replies)
        assert replies, f"asked for {request.target}, and there is nothing to play"
        return replies.pop(0) if len(replies) > 1 else replies[0]


async def _play(reply: Reply, request: Request, wire: Wire) -> None:
    if isinstance(reply, bytes):
        await wire.send(reply)
        if _is_last(reply, request):
            wire.finish()
    else:
        await reply(request, wire)


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def _parse(raw: bytes, number: int) -> Request:
    first, *lines = raw[:-4].decode("latin-1").split("\r\n")
    method, target, version = first.split(" ")
    return Request(method, target, version, _fields(lines), raw, number)


def _fields(lines: Iterable[str]) -> list[tuple[str, str]]:
    found = []
    for line in lines:
        name, _, value = line.partition(":")
        found.append((name, value.strip(" \t")))
    return found


async def _pieces(reader: asyncio.StreamReader, request: Request) -> AsyncIterator[bytes]:
    """Yield the pieces of a body (RFC 9112, section 6)."""
    if (request.header("transfer-encoding") or "").lower() != "chunked":
        left = int(request.header("content-length") or 0)
        while left and (piece := await reader.read(min(left, 65_536))):
            left -= len(piece)
            yield piece
        return
    while size := int((await reader.readuntil(END)).split(b";")[0], 16):
        yield await reader.readexactly(size)
        await reader.readexactly(len(END))
    while (line := await reader.readuntil(END)) != END:
        request.trailers += _fields([line[:-2].decode("latin-1")])


def _is_last(reply: bytes, request: Request) -> bool:
    """Tell whether the connection ends with an answer (RFC 9112, sections 6.3 and 9.3)."""
    head = reply.partition(b"\r\n\r\n")[0].lower()
    status = head[9:12]
    if b"\r\nconnection: close" in head or head.startswith(b"http/1.0"):
        return True
    is_bodyless = request.method == "HEAD" or status in {b"204", b"304"} or status.startswith(b"1")
    return not is_bodyless and b"\r\ncontent-length:" not in head and b"\r\ntransfer-encoding:" not in head
