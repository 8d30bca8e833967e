"""Faults of polling within a body: cut, too large, packed to explode."""

import asyncio
import gzip
import resource
import zlib
from collections.abc import AsyncIterator

import pytest

from bridge.sources.web.body import MAX_MEMBERS, RATIO
from bridge.sources.web.trouble import WebError
from tests.http_server import Cut, Drip, HttpServer, Request, Tap, Torn, Wire, answer, chunk
from tests.support import until
from tests.web_client import asking, failure, fetch

GZIP = ("Content-Encoding", "gzip")
HEAD = b"HTTP/1.1 200 OK\r\n"


async def test_h06_a_reset_within_the_body() -> None:
    """A reset within the body."""
    tap = Tap(HEAD + b"Content-Length: 100\r\n\r\n")
    async with HttpServer.serving(tap, answer(body=b"x")) as server, asking(server.url()) as client:
        opened = await client.open({})
        chunks = opened.chunks()
        await tap.send(b"part")
        assert await anext(chunks) == b"part"
        tap.reset()
        with pytest.raises(WebError, match="ends before its end"):
            await anext(chunks)
        opened.close()
        assert await fetch(client) == b"x"


@pytest.mark.parametrize("size", [0, 1, 99])
async def test_h07_a_body_that_is_shorter_than_its_length(size: int) -> None:
    """A body that is shorter than its length."""
    reply = HEAD + b"Content-Length: 100\r\n\r\n" + b"x" * size
    async with HttpServer.serving(Cut(reply), Torn(reply), answer(body=b"x")) as server, asking(server.url()) as client:
        assert await failure(client) == f"the answer of 127.0.0.1:{server.port} ends before its end"
        assert f"127.0.0.1:{server.port}" in await failure(client)
        assert await fetch(client) == b"x"


@pytest.mark.parametrize("rest", [b"", b"5", b"5\r\n", b"5\r\nab", b"5\r\nabcde", b"5\r\nabcde\r\n", b"0\r\n"])
async def test_h08_chunks_that_are_cut(rest: bytes) -> None:
    """Chunks that are cut."""
    reply = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(b"one") + rest
    async with HttpServer.serving(Cut(reply), answer(body=b"x")) as server, asking(server.url()) as client:
        assert await failure(client) == f"the answer of 127.0.0.1:{server.port} ends before its end"
        assert await fetch(client) == b"x"


@pytest.mark.parametrize("bad", [b"xyz\r\n", b"-1\r\n", b"5\r\nabcdefgh\r\n", b"ffffffffffffffffff\r\n", b"5 \x00\r\n"])
async def test_h08_chunks_that_are_none(bad: bytes) -> None:
    """Chunks that are none."""
    reply = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(b"one") + bad + chunk(b"") * 2
    async with HttpServer.serving(Cut(reply), answer(body=b"x")) as server, asking(server.url()) as client:
        assert f"127.0.0.1:{server.port}" in await failure(client)
        assert await fetch(client) == b"x"


@pytest.mark.parametrize(
    "bad", [b"xyz\r\n", b"-1\r\n", b"5\r\nabcdefgh\r\n", b"f" * 18 + b"\r\n", b"0\r\nX Y: z\r\n\r\n"]
)
@pytest.mark.parametrize("is_waited_for", [True, False])
async def test_h08_a_chunk_that_is_none_ends_a_body_that_is_being_read(bad: bytes, is_waited_for: bool) -> None:  # noqa: FBT001
    """Also for who waits for more at that very time, without any time limit; what came before is handed over."""
    tap = Tap(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    async with HttpServer.serving(tap, answer(body=b"x")) as server, asking(server.url()) as client:
        opened = await client.open({})
        chunks = opened.chunks()
        await tap.send(chunk(b"one"))
        assert await anext(chunks) == b"one"
        waiting = asyncio.create_task(collected(chunks)) if is_waited_for else None
        await asyncio.sleep(0)
        await tap.send(bad)
        await server.empty()
        with pytest.raises(WebError, match=r"before its end|cut or damaged"):
            await (waiting or collected(chunks))
        opened.close()
        assert await fetch(client) == b"x"


async def collected(chunks: AsyncIterator[bytes]) -> bytes:
    """Return all that is left."""
    return b"".join([data async for data in chunks])


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_h06_a_reset_is_not_the_end_of_a_body_that_says_no_other(version: str) -> None:
    """A FIN is."""
    tap = Tap(f"HTTP/{version} 200 OK\r\n\r\n".encode())
    async with HttpServer.serving(tap) as server, asking(server.url()) as client:
        for is_torn in (False, True):
            opened = await client.open({})
            await tap.send(b"part")
            chunks = opened.chunks()
            assert await anext(chunks) == b"part"
            if not is_torn:
                tap.end()
                assert await collected(chunks) == b""
            else:
                tap.reset()
                with pytest.raises(WebError, match="reset the connection within its answer"):
                    await anext(chunks)
            opened.close()
            await server.empty()


async def test_h20_a_body_that_is_too_large_is_refused_by_its_length() -> None:
    """A body that is too large is refused by its length."""
    tap = Tap(HEAD + b"Content-Length: 2000000000\r\n\r\n")
    async with HttpServer.serving(tap) as server, asking(server.url()) as client:
        told = await failure(client, limit=1024)
        assert told == f"the answer of 127.0.0.1:{server.port} is larger than `max` (1KiB)"
        await server.empty()


async def test_h20_a_body_that_is_too_large_is_refused_as_it_comes() -> None:
    """The peer of a body without end is stopped after a few pieces."""
    sent = 0

    async def flood(_: Request, wire: Wire) -> None:
        nonlocal sent
        await wire.send(HEAD + b"\r\n")
        while True:
            await wire.send(b"x" * 65_536)
            sent += 65_536

    async with HttpServer.serving(flood) as server, asking(server.url()) as client:
        assert "larger than `max` (100KiB)" in await failure(client, limit=100 * 1024)
        await server.empty()
        assert sent < 64 * 1024 * 1024


async def test_h20_a_body_of_exactly_the_cap_is_taken() -> None:
    """A body of exactly the cap is taken."""
    body = b"x" * 1000
    for reply in (answer(body=body), answer(body=body, chunked=7), answer(200, gzip.compress(body), GZIP)):
        async with HttpServer.serving(reply) as server, asking(server.url()) as client:
            assert await fetch(client, limit=1000) == body
            assert "larger" in await failure(client, limit=999)


async def test_h21_a_gzip_bomb_costs_no_memory() -> None:
    """A quarter of a MiB on the wire would be 256 MiB in memory."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(256)) + packer.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with HttpServer.serving(answer(200, bomb, GZIP)) as server, asking(server.url()) as client:
        # Which bound it meets first depends on how much comes at once.
        told = await failure(client, limit=16 * 1024 * 1024)
        assert "larger than `max` (16MiB)" in told or "expands to more than" in told
        await server.empty()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB


async def test_h21_a_bomb_that_stays_below_the_cap_is_told_by_its_ratio() -> None:
    """A bomb that stays below the cap is told by its ratio."""
    bomb = gzip.compress(bytes(4 * 1024 * 1024))
    async with HttpServer.serving(answer(200, bomb, GZIP)) as server, asking(server.url()) as client:
        told = await failure(client, limit=16 * 1024 * 1024)
        assert told == f"the answer of 127.0.0.1:{server.port} expands to more than {RATIO} times its size"


async def test_h21_a_small_answer_may_be_as_regular_as_it_likes() -> None:
    """A small answer may be as regular as it likes."""
    body = b" " * 60_000
    async with HttpServer.serving(answer(200, gzip.compress(body), GZIP)) as server, asking(server.url()) as client:
        assert await fetch(client) == body


async def test_h21_a_bomb_within_a_bomb_is_not_opened() -> None:
    """A bomb within a bomb is not opened."""
    body = gzip.compress(gzip.compress(b"x"))
    reply = answer(200, body, ("Content-Encoding", "gzip, gzip"))
    async with HttpServer.serving(reply) as server, asking(server.url()) as client:
        assert "in a way that we did not ask for" in await failure(client)


async def test_h22_many_members_of_one_gzip() -> None:
    """Many members of one gzip."""
    some = b"".join(gzip.compress(b"%d," % n) for n in range(300))
    many = gzip.compress(b"") * (MAX_MEMBERS + 1)
    async with (
        HttpServer.serving(
            answer(200, some, GZIP), Drip(answer(200, some, GZIP), 5), answer(200, many, GZIP)
        ) as server,
        asking(server.url()) as client,
    ):
        for _ in range(2):
            assert await fetch(client) == b"".join(b"%d," % n for n in range(300))
        server.play(answer(200, many, GZIP))
        told = await failure(client)
        assert told == f"the answer of 127.0.0.1:{server.port} has more than {MAX_MEMBERS} parts of gzip"
        await until(lambda: server.open <= 1)
