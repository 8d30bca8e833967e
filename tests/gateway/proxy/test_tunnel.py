"""Connections that are HTTP no more."""

import asyncio

import pytest

from bridge.gateway.proxy import tunnel
from tests.gateway.proxy.app import HELLO, App, Connection, always, proxied
from tests.gateway.raw import DEADLINE, Peer, request, until

WEBSOCKET = (
    b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


async def echo(_: App, connection: Connection) -> None:
    """Switch, greet, and send back what comes until that ends."""
    head = await connection.head()
    assert b"\r\nConnection: Upgrade\r\nUpgrade: " in head
    head, _, early = head.partition(b"\r\n\r\n")
    wanted = head.partition(b"\r\nUpgrade: ")[2].partition(b"\r\n")[0]
    await connection.send(SWITCHED.replace(b"websocket", wanted) + b"welcome" + early)
    while data := await connection.read():
        await connection.send(data)
    await connection.send(b"bye")


async def switched(peer: Peer, raw: bytes = WEBSOCKET) -> bytes:
    """Ask for another protocol; return the head of the answer."""
    peer.send(raw)
    async with asyncio.timeout(DEADLINE):
        return await peer.reader.readuntil(b"\r\n\r\n")


async def test_bytes_go_both_ways_until_both_have_ended() -> None:
    """With those that came at once behind either head; a side that has ended still hears the other."""
    async with proxied(echo) as front, front.peer() as peer:
        head = await switched(peer, WEBSOCKET + b"early")
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        for field in (
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        ):
            assert head.count(b"\r\n" + field + b"\r\n") == 1
        assert await peer.reader.readexactly(12) == b"welcomeearly"
        assert front.proxy.tunnels == 1
        peer.send(b"\0\xff" * 100)
        assert await peer.reader.readexactly(200) == b"\0\xff" * 100
        peer.writer.write_eof()
        assert await peer.rest() == b"bye"
        await until(lambda: not len(front.proxy))


async def test_any_protocol_may_be_spoken_but_another_http() -> None:
    """What went through an h2c tunnel would be requests that nobody has looked at."""
    async with proxied(echo) as front, front.peer() as peer:
        head = await switched(
            peer, b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: chisel/1.0\r\n\r\n"
        )
        assert b" 101 " in head
        assert b"\r\nUpgrade: chisel/1.0\r\n" in front.app.connections[0].received
        assert await peer.reader.readexactly(7) == b"welcome"
    async with proxied() as front, front.peer() as peer:
        for wanted in ("h2c", "H2C", "websocket, h2c", "HTTP/2.0", "TLS/1.0"):
            assert (
                await request(peer, "/x", Connection="Upgrade, HTTP2-Settings", Upgrade=wanted, HTTP2_Settings="x")
            ).status == 200
        assert not any(b"pgrade" in raw or b"Settings" in raw for raw in front.app.requests)


@pytest.mark.parametrize("given", [b"Upgrade: h2c", b"Upgrade: websocket, h2c", b"Upgrade: websocket\r\nUpgrade: h2c"])
async def test_an_application_may_not_switch_to_another_protocol(given: bytes) -> None:
    """What was asked for has been looked at, and nothing else (RFC 9110, 7.8)."""
    async with proxied(always(SWITCHED.replace(b"Upgrade: websocket", given))) as front, front.peer() as peer:
        peer.send(WEBSOCKET)
        assert (await peer.answer()).status == 502
        assert front.proxy.tunnels == 0


async def test_an_application_may_decline() -> None:
    """Then it is an answer like any other, and the connection goes on."""
    declined = (
        b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nno"
    )
    async with proxied(always(declined)) as front, front.peer() as peer:
        for _ in range(2):
            peer.send(WEBSOCKET)
            answer = await peer.answer()
            assert (answer.status, answer.body, answer.headers["upgrade"]) == (426, b"no", "websocket")


@pytest.mark.parametrize(
    "raw",
    [
        WEBSOCKET.replace(b"HTTP/1.1", b"HTTP/1.0"),
        WEBSOCKET.replace(b"Connection: Upgrade\r\n", b""),
        WEBSOCKET.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\nx"),
    ],
)
async def test_some_requests_cannot_switch(raw: bytes) -> None:
    """They are requests like any other."""
    async with proxied() as front, front.peer() as peer:
        peer.send(raw)
        assert (await peer.answer()).body == b"hello"
        assert b"pgrade" not in front.app.requests[0]


async def test_either_side_may_just_close() -> None:
    """The other one follows."""

    async def leave(_: App, connection: Connection) -> None:
        await connection.head()
        await connection.send(SWITCHED + b"gone")
        connection.close()

    async with proxied(leave) as front, front.peer() as peer:
        await switched(peer)
        assert await peer.reader.readexactly(4) == b"gone"
        peer.writer.write_eof()
        assert await peer.rest() == b""
    async with proxied(echo) as front:
        async with front.peer() as peer:
            await switched(peer)
            connection = await front.app.connected()
        await until(lambda: connection.is_over)
        await until(lambda: not len(front.proxy))


async def test_a_side_that_is_not_read_stops_the_other() -> None:
    """A tunnel holds no more than its buffers."""
    sent = 0

    async def flood(_: App, connection: Connection) -> None:
        nonlocal sent
        await connection.head()
        await connection.send(SWITCHED)
        while True:
            await connection.send(bytes(65536))
            sent += 65536

    async with proxied(flood) as front, front.peer() as peer:
        await switched(peer)
        peer.writer.transport.pause_reading()
        last = -1
        while sent != last:
            last = sent
            await asyncio.sleep(0.3)
        assert sent < 32 * 1024 * 1024
        peer.writer.transport.resume_reading()
        await until(lambda: sent > last + 1024 * 1024)


async def test_a_side_that_never_takes_the_rest_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the other has gone meanwhile cannot be known: it is not read."""

    async def flood(_: App, connection: Connection) -> None:
        await connection.head()
        connection.writer.write(SWITCHED + bytes(32 * 1024 * 1024))
        await leave.wait()
        connection.writer.transport.abort()

    monkeypatch.setattr(tunnel, "STALL", 0.2)
    leave = asyncio.Event()
    async with proxied(flood) as front, front.peer() as peer:
        peer.writer.transport.pause_reading()
        peer.send(WEBSOCKET)
        await until(lambda: front.proxy.tunnels == 1)
        leave.set()
        await until(lambda: not len(front.proxy))


async def test_a_drain_closes_tunnels() -> None:
    """And takes no new ones; a request in flight is left alone."""
    release = asyncio.Event()

    async def serve(app: App, connection: Connection) -> None:
        if b"websocket" in await connection.head():
            await echo(app, connection)
        else:
            await release.wait()
            await connection.send(HELLO)

    async with proxied(serve) as front, front.peer() as peer, front.peer() as other:
        await switched(peer)
        other.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: len(front.proxy) == 2)
        await front.proxy.drain(0.0)
        assert b"welcome" in await peer.rest()
        release.set()
        assert (await other.answer()).body == b"hello"
        other.send(WEBSOCKET)
        answer = await other.answer()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")


async def test_tunnels_count() -> None:
    """Each is one of the requests that may be on their way at a time."""
    async with proxied(echo, limit=1) as front, front.peer() as peer, front.peer() as other:
        await switched(peer)
        assert (await request(other, "/x")).status == 503
        peer.writer.write_eof()
        await peer.rest()
        await until(lambda: not len(front.proxy))
