"""Faults of an application behind the whole bridge, and of those who ask for it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import structlog

from tests.gateway.proxy.app import HELLO, App, Connection, Script, always, application
from tests.gateway.raw import Peer, request, until
from tests.support import Served, running

ROUTES = "sources: { p: { kind: push } }\nroutes: { /p: { from: p } }\n"


@contextlib.asynccontextmanager
async def bridged(script: Script, more: str = "", drain: str = "0s") -> AsyncIterator[tuple[App, Served]]:
    """Run a bridge before an application."""
    async with application(script) as app:
        upstream = f"upstream: {{ url: 'http://127.0.0.1:{app.port}' {more} }}"
        text = f"server: {{ listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: {drain}, {upstream} }}\n{ROUTES}"
        async with running(text) as served:
            yield app, served


async def test_c25_a_stream_and_a_page_share_a_port() -> None:
    """What is a route streams, what is none is the application's."""
    async with bridged(always(HELLO)) as (app, served):
        client = await served.open("/p")
        assert client.status == 200
        async with Peer.to(served.port) as peer:
            assert (await request(peer, "/")).body == b"hello"
            assert (await request(peer, "/p", "POST", b"x")).body == b"hello"
        served.publish("one")
        assert (await client.event()).data == "one"
        assert len(app.requests) == 2


async def test_c23_an_application_that_restarts_ends_no_tab() -> None:
    """While it is away an EventSource is told to come back; then its stream is there."""
    async with bridged(always(HELLO)) as (app, served), Peer.to(served.port) as peer:
        server_port = app.port
        assert (await request(peer, "/x")).body == b"hello"
        proxy = served.bridge.proxy
        assert proxy is not None
        upstream = proxy._upstreams[0]
        for connection in app.connections:
            connection.close()
        object.__setattr__(upstream.target, "port", 1)
        upstream._likeness = None
        answer = await request(peer, "/events", Accept="text/event-stream")
        assert (answer.status, answer.body[:7]) == (200, b"retry: ")
        object.__setattr__(upstream.target, "port", server_port)
        upstream._likeness = None
    assert app.requests


async def test_x07_a_drain_lets_requests_end_and_closes_what_never_would() -> None:
    """A download that has begun is whole; a stream of the application's is told to come back, as one of ours."""
    release = asyncio.Event()

    async def serve(_: App, connection: Connection) -> None:
        if b"/events" in await connection.head():
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
            await connection.gone()
            return
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        await release.wait()
        await connection.send(b" rest")

    async with bridged(serve) as (_, served), Peer.to(served.port) as events, Peer.to(served.port) as file:
        events.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        file.send(b"GET /file HTTP/1.1\r\nHost: a\r\n\r\n")
        await events.reader.readuntil(b"data: 1\n\n")
        await file.reader.readuntil(b"first")
        served.stop.set()
        assert (await events.rest()).endswith(b"0\r\n\r\n")
        release.set()
        assert await file.rest() == b" rest"
        await served.stopped.wait()


async def test_x17_readiness_waits_for_an_application_that_is_asked() -> None:
    """In words, and only where it is asked."""
    ill = always(HELLO.replace(b"200 OK", b"500 No"))
    async with bridged(ill, ", health: /healthz") as (_, served), Peer.to(served.bridge.admin.port) as peer:
        await until(lambda: "500" in (served.bridge._probes.hindrance or ""))
        answer = await request(peer, "/-/ready")
        assert answer.status == 503
        assert answer.text == "the application answers 500 when asked for its health\n"
        assert (await request(peer, "/-/live")).status == 200
    async with bridged(ill) as (_, served), Peer.to(served.bridge.admin.port) as peer:
        assert (await request(peer, "/-/ready")).status == 200


async def test_a_failing_application_does_not_fill_the_log() -> None:
    """Ten lines a second of one cause, however many requests fail."""
    with structlog.testing.capture_logs() as lines:
        async with bridged(always(b"SSH-2.0\r\n")) as (_, served), Peer.to(served.port) as peer:
            for _ in range(3):
                assert (await request(peer, "/x")).status == 502
    told = [line for line in lines if line["event"] == "proxied request failed"]
    assert len(told) == 3
    assert {line["application"] for line in told} == {"the application"}


async def test_a_hanging_application_leaves_room_for_streams() -> None:
    """Requests that wait for it are a share of all connections."""

    async def serve(_: App, connection: Connection) -> None:
        await connection.gone()

    async with bridged(serve) as (_, served), contextlib.AsyncExitStack() as stack:
        proxy = served.bridge.proxy
        assert proxy is not None
        proxy._limit = 8
        for _number in range(8):
            peer = await stack.enter_async_context(Peer.to(served.port))
            peer.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: len(proxy) == 8)
        begun = time.monotonic()
        client = await served.open("/p")
        assert client.status == 200
        async with Peer.to(served.port) as peer:
            assert (await request(peer, "/x")).status == 503
        assert time.monotonic() - begun < 5


async def test_the_admin_port_passes_nothing_on() -> None:
    """Whatever is asked of it."""
    async with bridged(always(HELLO)) as (app, served), Peer.to(served.bridge.admin.port) as peer:
        for path in ("/x", "/-/view/x", "/-/x"):
            assert (await request(peer, path)).status == 404
        assert (await request(peer, "/-/view/p", "POST", b"x")).status == 405
        assert app.requests == []
