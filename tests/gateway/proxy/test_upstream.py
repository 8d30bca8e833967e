"""Connections to an application, and what of aiohttp is leaned on."""

import asyncio
import ssl
from pathlib import Path

import pytest
import structlog

from bridge.gateway.proxy.health import Health
from bridge.gateway.proxy.target import Target
from bridge.gateway.proxy.trouble import ProxyError
from bridge.gateway.proxy.upstream import Upstream
from tests.gateway.proxy.app import HELLO, App, Connection, always, application, proxied
from tests.gateway.raw import request, until

#: An address that nobody answers from (RFC 5737).
NOWHERE = "192.0.2.1"


async def test_a_connection_is_kept_and_made_ready_again() -> None:
    """`connect` takes the likeness of a request to the same place; `read` gives a head and a body each time."""
    async with application(always(HELLO)) as app:
        upstream = Upstream(Target(host="127.0.0.1", port=app.port))
        for number in range(3):
            connection = await upstream.connect()
            assert upstream.was_used(connection) == (number > 0)
            protocol = upstream.expect(connection, is_bodiless=False)
            assert protocol.transport is not None
            protocol.transport.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            head, body = await protocol.read()
            assert (head.code, head.reason, await body.readany()) == (200, "OK", b"hello")
            upstream.release(connection)
        assert len(app.connections) == 1
        await upstream.close()


async def test_a_fresh_connection_is_a_new_one() -> None:
    """Kept ones are closed on the way."""
    async with application(always(HELLO)) as app:
        upstream = Upstream(Target(host="127.0.0.1", port=app.port))
        connection = await upstream.connect()
        upstream.expect(connection, is_bodiless=False)
        upstream.release(connection)
        connection = await upstream.connect(fresh=True)
        assert not upstream.was_used(connection)
        upstream.done(connection)
        await upstream.close()


@pytest.mark.parametrize("more", [HELLO, HELLO[:30], b"HTTP/1.1 2", b"H", b"nonsense\r\n\r\n"])
async def test_what_nobody_asked_for_spoils_a_kept_connection(more: bytes) -> None:
    """An answer, or its beginning: the next request would get the rest of it."""
    async with application(always(HELLO)) as app:
        upstream = Upstream(Target(host="127.0.0.1", port=app.port))
        connection = await upstream.connect()
        protocol = upstream.expect(connection, is_bodiless=False)
        assert protocol.transport is not None
        protocol.transport.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await protocol.read()
        upstream.release(connection)
        protocol.data_received(more)
        connection = await upstream.connect()
        assert not upstream.was_used(connection)
        upstream.done(connection)
        await upstream.close()


async def test_certificates_are_read_once_for_all_who_wait() -> None:
    """Thousands may come in the moment in which they are read again."""
    made = 0

    def context() -> ssl.SSLContext:
        nonlocal made
        made += 1
        return ssl.create_default_context()

    upstream = Upstream(Target(host="127.0.0.1", port=1, tls=context))
    found = await asyncio.gather(*(upstream.connect() for _ in range(50)), return_exceptions=True)
    assert all(isinstance(each, ProxyError) for each in found)
    assert made == 1
    await upstream.close()


@pytest.mark.parametrize(
    ("target", "status", "words"),
    [
        (Target(host="127.0.0.1", port=1), 502, "the application does not take connections"),
        (
            Target(host="nowhere.invalid", port=1, prefix="/api"),
            502,
            "the host of the application at /api cannot be found",
        ),
        (Target(socket=Path("/nowhere/app.sock")), 502, "the application does not take connections"),
    ],
)
async def test_what_cannot_be_reached_is_said(target: Target, status: int, words: str) -> None:
    """By its role, with the detail for the log alone."""
    upstream = Upstream(target)
    with pytest.raises(ProxyError) as caught:
        await upstream.connect()
    assert (caught.value.status, caught.value.words) == (status, words)
    assert caught.value.detail
    await upstream.close()


async def test_a_connection_that_does_not_come_is_504() -> None:
    """TLS with an application that says nothing, for one."""

    async def serve(_: App, connection: Connection) -> None:
        await connection.gone()

    async with (
        proxied(serve, target={"connect": 0.1, "tls": ssl.create_default_context}) as front,
        front.peer() as peer,
    ):
        answer = await request(peer, "/x")
        assert (answer.status, answer.text) == (504, "the application does not take the connection in time\n")


async def test_an_application_that_speaks_no_tls_is_502() -> None:
    """Nothing is sent in the clear instead."""

    async def serve(_: App, connection: Connection) -> None:
        await connection.read()
        await connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async with proxied(serve, target={"tls": ssl.create_default_context}) as front, front.peer() as peer:
        answer = await request(peer, "/x")
        assert (answer.status, answer.text) == (502, "the connection to the application is not secure\n")


async def test_health_is_said_in_words() -> None:
    """Well, ill, away."""
    async with application(always(HELLO)) as app:
        health = Health(Target(host="127.0.0.1", port=app.port, health="/healthz"), every=0.3)
        assert health.hindrance == "the application has not been asked for its health yet"
        with structlog.testing.capture_logs() as logs:
            task = asyncio.create_task(health.run())
            await until(lambda: health.hindrance is None)
            assert app.requests[0].startswith(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:")
            app.script = always(HELLO.replace(b"200 OK", b"503 No"))
            await until(lambda: health.hindrance == "the application answers 503 when asked for its health")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        told = [(each["log_level"], each["event"], each.get("reason")) for each in logs]
        ill = "the application answers 503 when asked for its health"
        assert told == [("info", "application is well", None), ("warning", "application is not well", ill)]
    away = Health(Target(host="127.0.0.1", port=1, health="/"))
    assert await away.ask() == "the application does not take connections"


async def test_what_comes_before_an_answer_is_no_answer_about_health() -> None:
    """Early hints, for one."""
    async with application(always(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + HELLO)) as app:
        assert await Health(Target(host="127.0.0.1", port=app.port, health="/")).ask() is None


async def test_an_application_that_hangs_is_not_well() -> None:
    """It is given the time between two questions."""

    async def serve(_: App, connection: Connection) -> None:
        await connection.gone()

    async with application(serve) as app:
        health = Health(Target(host="127.0.0.1", port=app.port, health="/"), every=0.05)
        assert await health.ask() == "the application does not answer in time"
