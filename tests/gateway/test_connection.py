"""The take-over of a transport: what is leaned on in aiohttp, and what a connection does with a peer.

Each test runs a plain aiohttp server whose handler answers `/plain` itself and hands everything else over. When a new
aiohttp moves something, it is here that it shows.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from bridge import wire
from bridge.gateway import connection as connections
from bridge.gateway.connection import (
    HIGH_WATER,
    MAX_INBOUND,
    SLICE,
    USER_TIMEOUT,
    Connection,
    TakenOver,
    take_over,
)
from bridge.gateway.framing import Framing
from tests.support import Client, living, until

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
OLD_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


class Told:
    """A reader that remembers what it was told."""

    def __init__(self) -> None:
        self.open: list[Connection] = []
        self.told: list[str] = []

    def paused(self, connection: Connection) -> None:
        """Remember."""
        self.told.append("paused")

    def resumed(self, connection: Connection) -> None:
        """Remember."""
        self.told.append("resumed")

    def closed(self, connection: Connection) -> None:
        """Answer as the pump does."""
        self.told.append("closed")
        connection.finish()

    def lost(self, connection: Connection) -> None:
        """Forget it."""
        self.told.append("lost")
        self.open.remove(connection)


class Site:
    """An aiohttp server that hands its connections over."""

    def __init__(self) -> None:
        self.reader = Told()
        self.errors: list[dict[str, object]] = []
        self.clients: list[Client] = []
        self.port = 0
        self.framing = Framing()
        #: What `/plain` answers, and what is done to its transport before.
        self.plain = b"hello"
        self.prepare: Callable[[asyncio.Transport], None] = lambda _: None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        assert request.transport is not None
        if request.path == "/plain":
            self.prepare(request.transport)
            return web.Response(body=self.plain)
        connection = take_over(request, self.framing, self.reader)
        if connection is not None:
            self.reader.open.append(connection)
            connection.transport.write(HEAD if self.framing.is_chunked else OLD_HEAD)
        return TakenOver()

    @property
    def one(self) -> Connection:
        """Return the only open connection."""
        [connection] = self.reader.open
        return connection

    async def connect(self, *, receive: int | None = None) -> Client:
        """Connect without a word."""
        self.clients.append(await Client.to(self.port, receive=receive))
        return self.clients[-1]

    async def client(self, path: str = "/stream", *, receive: int | None = None) -> Client:
        """Connect and ask for a stream."""
        client = await self.connect(receive=receive)
        await client.ask(path)
        await client.until(lambda: client.status)
        return client


def fill(connection: Connection) -> None:
    """Write until the peer takes no more."""
    for _ in range(1_000):
        if not connection.is_ready:
            return
        connection.send(b"data: " + 1000 * b"x" + b"\n\n")
    raise AssertionError("a peer that reads nothing takes a megabyte")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Serve, and check that no loop's error handler was called."""
    made = Site()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: made.errors.append(context))
    made.server = web.Server(made.handle)  # type: ignore[attr-defined]
    listening = await loop.create_server(made.server, "127.0.0.1", 0)  # type: ignore[attr-defined]
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    for connection in list(made.reader.open):
        connection.abort()
    await until(lambda: not made.reader.open)
    for client in made.clients:
        client.close()
    listening.close()
    async with asyncio.timeout(10):
        await made.server.shutdown(1)  # type: ignore[attr-defined]
    assert not made.errors


async def test_a_stream_is_taken_over(site):
    """The transport is ours, aiohttp has let go of it, and what we write arrives."""
    client = await site.client()
    connection = site.one
    assert connection.transport.get_protocol() is connection
    await until(lambda: not site.server.connections)
    connection.send(b"data: one\n\n")
    await client.until(lambda: client.data == ["one"])
    connection.finish()
    await client.rest()
    assert client.is_whole
    await until(lambda: site.reader.told == ["lost"])


async def test_nothing_of_aiohttp_is_left_behind_200_streams(site):
    """No request handler, no task and no connection of its own; its shutdown has nothing to wait for."""
    tasks = len(asyncio.all_tasks())
    clients = [await site.client() for _ in range(200)]
    assert len(site.reader.open) == 200
    await until(lambda: len(asyncio.all_tasks()) == tasks)
    await until(lambda: not living(RequestHandler) and not site.server.connections)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await site.server.shutdown(60)
    assert loop.time() - begun < 30
    for each in site.reader.open:
        each.send(b"data: still here\n\n")
    del each
    for client in clients:
        await client.until(lambda client=client: client.data == ["still here"])
        client.close()
    await until(lambda: not site.reader.open)
    assert not living(Connection)


async def test_a_connection_that_was_kept_alive_is_taken_over(site):
    """Two plain answers, then the stream, on one connection."""
    client = await site.connect()
    for count in (1, 2):
        await client.ask("/plain")
        await client.until(lambda count=count: client.raw.count(b"hello") == count)
    await client.ask("/stream")
    await client.until(lambda: b"text/event-stream" in client.raw)
    site.one.send(b"data: one\n\n")
    await client.until(lambda: client.raw.endswith(wire.chunk(b"data: one\n\n")))
    await until(lambda: not living(RequestHandler))


async def test_c09_what_is_pipelined_behind_the_request_is_ignored(site):
    """Requests in the same packet and after it get no answer, and harm nothing."""
    client = await site.connect()
    request = b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
    await client.send(request + 3 * b"GET /plain HTTP/1.1\r\nHost: x\r\n\r\n")
    await client.until(lambda: client.status)
    await client.send(b"GET /plain HTTP/1.1\r\nHost: x\r\n\r\n")
    site.one.send(b"data: one\n\n")
    await client.until(lambda: client.data == ["one"])
    assert b"hello" not in client.raw
    # It is still read from: the peer's leaving is noticed.
    client.reset()
    await until(lambda: not site.reader.open)


async def test_a_client_that_sends_without_end_is_cut(site):
    """A stream is one way."""
    client = await site.client()
    with contextlib.suppress(ConnectionError):
        for _ in range(MAX_INBOUND // 1024 + 64):
            await client.send(bytes(1024))
    await until(lambda: not site.reader.open)
    await client.rest()


async def test_a_peer_that_left_before_the_take_over_is_no_stream(site):
    """`take_over` says so, and nothing is counted."""
    arrived, left = asyncio.Event(), asyncio.Event()
    plain = site.handle
    found = []

    async def slowly(request: web.BaseRequest) -> web.StreamResponse:
        arrived.set()
        await left.wait()
        await until(lambda: request.transport is None)
        found.append(take_over(request, Framing(), site.reader))
        return await plain(request)

    site.server.request_handler = slowly
    client = await site.connect()
    await client.ask("/stream")
    async with asyncio.timeout(10):
        await arrived.wait()
    client.reset()
    left.set()
    await until(lambda: found == [None])
    assert not site.reader.open


async def test_c05_a_reset_ends_the_stream(site):
    """The reader is told once."""
    client = await site.client()
    client.reset()
    await until(lambda: not site.reader.open)
    assert site.reader.told.count("lost") == 1


async def test_c27_a_half_close_ends_the_stream_behind_a_whole_frame(site):
    """A client that will never send again gets the frame that was begun, the end of the body, and a close."""
    client = await site.client(receive=4096)
    frame = b"data: " + 600_000 * b"x" + b"\n\n"
    site.one.send(frame)
    await until(lambda: site.one.is_paused)
    client.half_close()
    await until(lambda: "closed" in site.reader.told)
    await client.rest()
    assert client.body == frame
    assert client.is_whole
    assert not client.is_reset
    await until(lambda: not site.reader.open)


async def test_aiohttp_shuts_down_while_streams_are_open_and_others_shake_hands(site):
    """Its shutdown ends what is its own, and no stream of ours."""
    client = await site.client()
    silent = await site.connect()
    half = await site.connect()
    await half.send(b"GET /stream HTTP/1.1\r\n")
    await until(lambda: len(site.server.connections) == 2)
    async with asyncio.timeout(10):
        await site.server.shutdown(0.1)
    await silent.rest()
    await half.rest()
    site.one.send(b"data: one\n\n")
    await client.until(lambda: client.data == ["one"])


async def test_the_socket_is_tuned(site):
    """TCP_USER_TIMEOUT notices a machine that has gone, a small send buffer bounds what a stalled peer holds."""
    await site.client()
    transport = site.one.transport
    sock = transport.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == USER_TIMEOUT * 1000
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * connections.SEND_BUFFER
    assert transport.get_write_buffer_size() == 0


@pytest.mark.parametrize("framing", [Framing(), Framing(is_chunked=False)], ids=["chunked", "plain"])
@pytest.mark.parametrize("size", [SLICE - 100, SLICE + 1, 1_048_576])
async def test_frames_of_any_size_arrive_whole_at_a_peer_that_drips(site, framing, size):
    """A frame larger than a slice is written as the peer takes it; no more than a slice and a bit waits at once."""
    site.framing = framing
    client = await site.client(receive=4096)
    frame = b"data: " + size * b"x" + b"\n\n"
    connection = site.one
    connection.send(frame)
    most = 0
    while len(client.body) < len(frame):
        most = max(most, connection.transport.get_write_buffer_size())
        await client.read(5000)
    assert client.body == frame
    assert most <= HIGH_WATER + SLICE + 16
    assert await connection.drained()
    connection.send(b"data: next\n\n")
    await client.until(lambda: client.body.endswith(b"next\n\n"))


async def test_a_large_frame_is_not_copied_for_each_peer(site):
    """What waits for a peer is a view of the shared bytes."""
    await site.client(receive=4096)
    frame = b"data: " + 1_048_576 * b"x" + b"\n\n"
    site.one.send(frame)
    assert site.one.is_paused
    assert site.one._pending.obj is frame


async def test_the_last_frames_follow_what_is_pending(site):
    """`finish` cuts no frame: the large one first, then the farewell, then the end of the body."""
    client = await site.client(receive=4096)
    frame = b"data: " + 500_000 * b"x" + b"\n\n"
    connection = site.one
    connection.send(frame)
    assert connection.is_paused
    connection.finish(b"data: bye\n\n")
    connection.finish(b"data: not twice\n\n")
    assert not await connection.drained()
    await client.rest()
    assert client.body == frame + b"data: bye\n\n"
    assert client.is_whole
    await until(lambda: not site.reader.open)


async def test_a_peer_is_paused_and_resumed(site):
    """The reader hears when to stop and when to go on; `drained` waits for the latter."""
    client = await site.client(receive=4096)
    connection = site.one
    fill(connection)
    assert site.reader.told == ["paused"]
    waiting = asyncio.create_task(connection.drained())
    await client.until(lambda: connection.is_ready)
    assert await waiting
    assert site.reader.told == ["paused", "resumed"]


async def test_c03_a_peer_that_takes_not_one_byte_is_closed(site, monkeypatch):
    """Bytes wait, none is taken, and after `STALL` the connection is cut."""
    monkeypatch.setattr(connections, "STALL", 0.2)
    client = await site.client(receive=4096)
    site.one.send(b"data: " + 300_000 * b"x" + b"\n\n")
    await until(lambda: not site.reader.open)
    await client.rest()
    assert client.is_reset or not client.is_whole


async def test_a_peer_that_takes_nothing_of_a_farewell_is_closed(site, monkeypatch):
    """The last bytes wait in the transport and nothing is pending; still there is an end."""
    monkeypatch.setattr(connections, "STALL", 0.2)
    await site.client(receive=4096)
    connection = site.one
    fill(connection)
    connection.finish(b"data: bye\n\n")
    await until(lambda: not site.reader.open)


async def test_c02_a_peer_that_drips_is_kept(site, monkeypatch):
    """It takes some bytes, however slowly: many times `STALL` passes, and it is still there."""
    monkeypatch.setattr(connections, "STALL", 1.0)
    client = await site.client(receive=4096)
    loop = asyncio.get_running_loop()
    end = loop.time() + 3.0
    site.one.send(b"data: " + 5_000_000 * b"x" + b"\n\n")
    # A page at a time, so that the kernel opens its window again: it tells of a byte or two to nobody.
    while loop.time() < end:
        await client.read(16_384)
        await asyncio.sleep(0.005)
    assert site.reader.open
    assert "lost" not in site.reader.told


async def test_a_stalled_plain_answer_does_not_lift_the_bound_of_the_stream_behind_it(site):
    """Aiohttp's transport was paused when it was taken over: the stream knows, and waits."""
    site.plain = 60_000 * b"x"
    site.prepare = lambda transport: transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_SNDBUF, 4096
    )
    client = await site.connect(receive=4096)
    await client.ask("/plain")
    await client.ask("/stream")
    await until(lambda: site.reader.open)
    connection = site.one
    assert connection.transport.get_write_buffer_size() > HIGH_WATER, "the test needs a larger answer"
    assert not connection.is_ready
    connection.send(b"data: one\n\n")
    await client.until(lambda: b"data: one\n\n" in client.raw)
    await until(lambda: connection.is_ready)


def test_framing_wraps_what_is_written():
    """Chunks for HTTP/1.1, bare frames for HTTP/1.0, JSON lines in either; no bytes make no chunk."""
    frame = wire.encode("e-1", "", "x")
    assert Framing().wrap(frame) == wire.chunk(frame)
    assert Framing().wrap(b"") == b""
    assert Framing().end == b"0\r\n\r\n"
    assert Framing(is_chunked=False).wrap(frame) == frame
    assert Framing(is_chunked=False).end == b""
    line = b'{"id":"e-1","data":"x"}\n'
    assert Framing(is_chunked=False, is_lines=True).wrap(frame) == line
    assert Framing(is_lines=True).wrap(frame) == wire.chunk(line)
