"""A body that ends with its connection: whole after a FIN, cut after a RST."""

import asyncio
from contextlib import aclosing

import pytest

from bridge.sources.web.address import Address
from bridge.sources.web.client import Client
from bridge.sources.web.remote import Remote
from bridge.sources.web.trouble import WebError
from tests.http_server import Cut, HttpServer, Reply, Tap, Torn, answer
from tests.support import until

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"


async def body(client: Client) -> bytes:
    """Read one answer to its end."""
    answer = await client.open({})
    try:
        async with aclosing(answer.chunks()) as chunks:
            return b"".join([chunk async for chunk in chunks])
    finally:
        answer.close()


@pytest.mark.parametrize("reply", [Cut(HEAD + b"whole"), answer(200, b"whole", version="1.0")])
async def test_a_fin_is_the_end(reply: Reply):
    """RFC 9112, section 6.3."""
    async with (
        HttpServer.serving(reply) as server,
        Client(Remote(address=Address.parse(server.url()))) as client,
    ):
        assert await body(client) == b"whole"


async def test_a_reset_is_not():
    """What came before it is given all the same."""
    tap = Tap(HEAD)
    async with (
        HttpServer.serving(tap) as server,
        Client(Remote(address=Address.parse(server.url()))) as client,
    ):
        found = await client.open({})
        await tap.send(b"half")
        async with aclosing(found.chunks()) as chunks:
            assert await anext(chunks) == b"half"
            tap.reset()
            with pytest.raises(WebError, match="reset the connection within its answer"):
                await anext(chunks)
        found.close()


async def test_a_reset_that_comes_with_the_head_is_not():
    """The connection is gone before anybody looks at the answer."""
    async with (
        HttpServer.serving(Torn(HEAD)) as server,
        Client(Remote(address=Address.parse(server.url()))) as client,
    ):
        for _ in range(20):
            with pytest.raises(WebError, match="reset"):
                await body(client)


async def test_a_body_with_a_length_is_whole_whatever_comes_after_it():
    """So is one in chunks: they say themselves when they end."""
    for whole in (answer(200, b"whole"), answer(200, b"whole", chunked=True)):
        seen = asyncio.Event()
        async with (
            HttpServer.serving(Torn(whole, seen)) as server,
            Client(Remote(address=Address.parse(server.url()))) as client,
        ):
            assert await body(client) == b"whole"
            seen.set()
            await server.empty()


async def test_a_kept_connection_that_breaks_is_nobodys_error():
    """It is used again and again, lost at last, and the log says nothing of it."""
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    seen = asyncio.Event()
    whole = answer(200, b"whole")
    async with (
        HttpServer.serving(whole, whole, Torn(whole, seen)) as server,
        Client(Remote(address=Address.parse(server.url()))) as client,
    ):
        for _ in range(3):
            assert await body(client) == b"whole"
        seen.set()
        await server.empty()
        await until(lambda: not server.open)
    assert errors == []
