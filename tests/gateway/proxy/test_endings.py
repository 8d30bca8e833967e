"""Exchanges that neither side ends well: they end all the same, and never as if they were whole."""

import asyncio
import contextlib
import socket

import pytest

from bridge.gateway.handshake import UNREAD_BYTES
from bridge.gateway.proxy import silence
from bridge.gateway.proxy.downstream import Downstream
from tests.gateway.proxy.app import HELLO, App, Connection, Script, proxied
from tests.gateway.proxy.test_tunnel import WEBSOCKET
from tests.gateway.raw import DEADLINE, request, until

ASK = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"


def saying(answer: bytes) -> Script:
    """Say this, and then nothing more until the other side leaves."""

    async def serve(_: App, connection: Connection) -> None:
        await connection.whole()
        await connection.send(answer)
        await connection.gone()

    return serve


@pytest.mark.parametrize("body", [b"", b"abc"])
@pytest.mark.parametrize("early", [b"100 Continue", b"103 Early Hints"])
async def test_an_application_that_says_that_it_is_about_to_answer_must_answer(early: bytes, body: bytes) -> None:
    """The clock stops, in aiohttp, behind each answer without a body, and these are such."""
    script = saying(b"HTTP/1.1 %b\r\n\r\n" % early)
    async with proxied(script, target={"timeout": 0.2}) as front, front.peer() as peer:
        assert (await request(peer, "/x", "POST" if body else "GET", body)).status == 504


async def test_an_answer_that_began_early_may_wait_for_the_rest_of_the_request() -> None:
    """An application has time to go on from when it has been given something to go on with."""

    async def serve(_: App, connection: Connection) -> None:
        await connection.head()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
        await connection.whole()
        await connection.send(b"b")

    async with proxied(serve, target={"timeout": 0.6}) as front, front.peer() as peer:
        peer.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
        for byte in b"abcde":
            await asyncio.sleep(0.25)
            peer.send(bytes((byte,)))
        assert (await peer.answer()).body == b"ab"


@pytest.mark.parametrize(
    ("version", "framing"), [("1.0", b""), ("1.1", b"Content-Length: 9\r\n"), ("1.1", b"Connection: close\r\n")]
)
async def test_a_stop_cuts_what_is_half_sent(version: str, framing: bytes) -> None:
    """When its grace is over: with a reset where nothing else tells that the body is not whole."""
    script = saying(b"HTTP/1.1 200 OK\r\n%b\r\nhalf" % framing)
    async with proxied(script) as front, front.peer() as peer:
        peer.send(ASK.replace(b"1.1", version.encode()))
        assert b" 200 " in await peer.reader.readuntil(b"\r\n\r\n")
        stop = asyncio.create_task(front.listener.close(0.0))
        if version == "1.0":
            with pytest.raises(ConnectionResetError):
                await peer.reader.read()
        else:
            assert not (await peer.rest()).endswith(b"0\r\n\r\n")
        await stop


async def test_a_drain_waits_for_the_requests_that_are_being_answered() -> None:
    """For as long as it may take, not for those that come meanwhile; what turns out to be a stream is ended."""
    release = {"/a": asyncio.Event(), "/b": asyncio.Event(), "/events": asyncio.Event()}

    async def serve(_: App, connection: Connection) -> None:
        path = (await connection.whole()).split()[1].decode()
        await release[path].wait()
        await connection.send(EVENTS if path == "/events" else HELLO)
        await connection.gone()

    async with proxied(serve) as front, front.peer() as first, front.peer() as second, front.peer() as third:
        first.send(ASK.replace(b"/x", b"/a"))
        third.send(ASK.replace(b"/x", b"/events"))
        await until(lambda: len(front.app.connections) == 2)
        drain = asyncio.create_task(front.proxy.drain(60.0))
        second.send(ASK.replace(b"/x", b"/b"))
        await until(lambda: len(front.app.connections) == 3)
        release["/events"].set()
        assert (await third.answer()).body in {b"", b"data: 1\n\n"}
        assert not drain.done()
        release["/a"].set()
        assert (await first.answer()).body == b"hello"
        async with asyncio.timeout(DEADLINE):
            await drain
        release["/b"].set()
        assert (await second.answer()).body == b"hello"


async def test_a_fault_of_ours_never_stands_within_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 500 behind half a body would be taken for the rest of it."""

    async def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Downstream, "send", fail)

    async def serve(_: App, connection: Connection) -> None:
        await connection.head()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        await begun.wait()
        await connection.send(b"more")
        await connection.gone()

    begun = asyncio.Event()
    async with proxied(serve) as front, front.peer() as peer:
        peer.send(ASK)
        await peer.reader.readuntil(b"\r\n\r\n")
        begun.set()
        assert await peer.rest() == b""


@pytest.mark.parametrize(
    ("first", "more"),
    [(ASK, ASK), (ASK, ASK * 100), (WEBSOCKET, bytes(UNREAD_BYTES - 1)), (ASK + ASK * 100, b""), (ASK, b"x" * 70_000)],
    ids=["one", "many", "of another protocol", "many at once", "garbage"],
)
async def test_who_leaves_a_stream_is_missed_whatever_they_sent_behind_it(first: bytes, more: bytes) -> None:
    """No more is read than a row of requests that wait, in aiohttp, and a FIN behind them would never be seen."""
    async with proxied(saying(EVENTS)) as front:
        async with front.peer() as peer:
            peer.send(first)
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):  # some are cut off before it comes
                await peer.reader.readuntil(b"data: 1")
            peer.send(more)
            peer.writer.close()
        await until(lambda: not len(front.proxy))


async def test_tcp_asks_after_both_ends_of_a_silent_stream() -> None:
    """A machine that went away says nothing, and heartbeats of ours would hide that the application has gone."""
    async with proxied(saying(EVENTS)) as front, front.peer() as peer:
        peer.send(ASK)
        await peer.reader.readuntil(b"data: 1")
        (exchange,) = front.proxy._open
        assert exchange._connection is not None
        assert exchange._down._handler.transport is not None
        for transport in (exchange._connection.transport, exchange._down._handler.transport):
            assert transport is not None
            sock = transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == silence.IDLE
