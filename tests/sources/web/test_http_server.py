"""The tests' own server: what it plays is what comes, and what was asked is kept."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.http_server import Cut, Drip, Each, HttpServer, Request, Silence, Tap, Torn, Wire, answer, chunk


@contextlib.asynccontextmanager
async def connected(server: HttpServer) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to it."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_replies_are_played_in_order_and_the_last_one_repeats() -> None:
    """A path may have its own."""
    async with (
        HttpServer.serving(answer(body=b"1"), answer(body=b"2")) as server,
        connected(server) as (reader, writer),
    ):
        server.on("/other", answer(204))
        for path, reply in (
            ("/", answer(body=b"1")), ("/other?x", answer(204)), ("/", answer(body=b"2")), ("/", answer(body=b"2")),
        ):  # fmt: skip
            writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert await reader.readexactly(len(reply)) == reply
        assert [each.target for each in server.requests] == ["/", "/other?x", "/", "/"]
        assert (server.connections, server.open) == (1, 1)
    assert server.open == 0


async def test_a_body_is_read_in_both_framings() -> None:
    """With its trailers, and 100-continue."""
    async with HttpServer.serving(answer()) as server, connected(server) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        await reader.readexactly(len(answer()))
        writer.write(
            b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"de") + chunk(b"f") + b"0\r\nA: b\r\n\r\n"
        )
        await reader.readexactly(len(answer()))
        one, two = server.requests
        assert (bytes(one.body), one.size, bytes(two.body), two.size) == (b"abc", 3, b"def", 3)
        assert two.trailers == [("A", "b")]


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\n\r\nx",
        answer(version="1.0", body=b"x"),
        answer(200, b"x", ("Connection", "close")),
        Cut(answer(body=b"x")),
        Each(lambda _: b"HTTP/1.1 200 OK\r\n\r\nx"),
    ],
)
async def test_some_answers_end_their_connection(reply: bytes | Cut | Each) -> None:
    """With a FIN, behind all bytes."""
    async with HttpServer.serving(reply) as server, connected(server) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await reader.read()).endswith(b"\r\n\r\nx")


async def test_a_reset_is_one() -> None:
    """The client sees it as such."""
    async with HttpServer.serving(Torn()) as server, connected(server) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_a_tap_is_written_by_the_test() -> None:
    """One client after another."""
    tap = Tap(b"HTTP/1.1 200 OK\r\n\r\n")
    async with HttpServer.serving(tap) as server:
        for _ in range(2):
            async with connected(server) as (reader, writer):
                writer.write(b"GET / HTTP/1.1\r\n\r\n")
                await reader.readuntil(b"\r\n\r\n")
                await tap.send(b"a", b"b")
                assert await reader.readexactly(2) == b"ab"
                tap.end()
                assert await reader.read() == b""
                await tap.left()


async def test_a_drip_is_a_byte_at_a_time() -> None:
    """Silence is nothing at all, and ends with its client."""
    async with (
        HttpServer.serving(Drip(answer(body=b"x"), 3), Silence()) as server,
        connected(server) as (reader, writer),
    ):
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await reader.readexactly(len(answer(body=b"x")))) == answer(body=b"x")
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await server.asked(2)
        writer.close()
        await server.empty()


async def test_a_script_that_fails_fails_its_test() -> None:
    """At the end of the block."""

    async def wrong(_: Request, __: Wire) -> None:
        raise AssertionError("of the script")

    async def ask() -> None:
        async with HttpServer.serving(wrong) as server, connected(server) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await reader.read()

    with pytest.raises(AssertionError, match="of the script"):
        await ask()
