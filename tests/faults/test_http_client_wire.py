"""Faults of polling on the wire: old versions, odd heads, proxies."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

import pytest

from bridge.sources.web.client import MAX_LINE, MAX_LINES
from tests.certificates import Authority
from tests.http_server import Cut, HttpServer, Request, Wire, answer
from tests.web_client import HIDDEN, SECRET, Dns, asking, failure, fetch

PROXY = {"username": "me", "password": HIDDEN}
PROOF = "Basic bWU6czNjcjN0LXY0bHVl"


async def test_h28_an_answer_of_http_1_0_ends_with_its_connection() -> None:
    """An answer of HTTP/1.0 ends with its connection."""
    async with (
        HttpServer.serving(b"HTTP/1.0 200 OK\r\n\r\nhello", answer(version="1.0")) as server,
        asking(server.url()) as client,
    ):
        assert await fetch(client) == b"hello"
        assert await fetch(client) == b""
        assert server.connections == 2


async def test_h28_trailers_are_read_and_left_alone() -> None:
    """Trailers are read and left alone."""
    reply = answer(body=b"x", chunked=True, trailers=[("Expires", "never"), ("X-Sum", "1")])
    async with HttpServer.serving(reply) as server, asking(server.url()) as client:
        for _ in range(3):
            opened = await client.open({})
            assert [data async for data in opened.chunks()] == [b"x"]
            assert "x-sum" not in opened.headers
            opened.close()
        assert server.connections == 1


@pytest.mark.parametrize(
    "head",
    [
        b"".join(b"X-%d: y\r\n" % n for n in range(MAX_LINES * 10)),
        b"X-Long: " + b"y" * (MAX_LINE * 2) + b"\r\n",
        b"X" * (MAX_LINE * 2) + b": y\r\n",
    ],
)
async def test_h28_a_flood_of_headers(head: bytes) -> None:
    """A flood of headers."""
    reply = b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: 0\r\n\r\n"
    async with HttpServer.serving(reply, answer(body=b"x")) as server, asking(server.url()) as client:
        assert await failure(client) == f"the head of the answer of 127.0.0.1:{server.port} is too long"
        assert await fetch(client) == b"x"


async def test_h28_a_head_without_end() -> None:
    """A head without end."""

    async def flood(_: Request, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await wire.send(b"X-Y: z\r\n" * 1000)

    async with HttpServer.serving(flood) as server, asking(server.url()) as client:
        assert "too long" in await failure(client)
        await server.empty()


async def test_h28_interim_answers_without_end() -> None:
    """Each is short and none is the last: the time bounds them."""

    async def flood(_: Request, wire: Wire) -> None:
        while True:
            await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
            await asyncio.sleep(0)

    async with HttpServer.serving(flood) as server, asking(server.url()) as client:
        assert "did not answer within 300ms" in await failure(client, first_byte=0.3)
        await server.empty()


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"220 smtp.test ESMTP\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX Y: z\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"\x00\x00\x06\x04\x00\x00\x00\x00\x00" * 10,
        b"<html>hello</html>\r\n\r\n",
    ],
)
async def test_h28_what_is_no_http(reply: bytes) -> None:
    """What is no HTTP."""
    async with HttpServer.serving(Cut(reply), answer(body=b"x")) as server, asking(server.url()) as client:
        told = await failure(client)
        assert told == f"127.0.0.1:{server.port} does not answer as an HTTP server does"
        assert await fetch(client) == b"x"


async def test_h28_bytes_behind_an_answer_are_no_answer_to_the_next_request() -> None:
    """A server, or who stands before it, may not answer what was not asked yet."""
    forged = answer(body=b"right") + answer(body=b"forged")
    async with HttpServer.serving(forged, answer(body=b"second")) as server, asking(server.url()) as client:
        assert await fetch(client) == b"right"
        assert await fetch(client) == b"second"


async def test_h32_variables_for_proxies_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables for proxies are not looked at."""
    async with HttpServer.serving(answer(body=b"x")) as server, HttpServer.serving(answer(body=b"proxy")) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        monkeypatch.setenv("NETRC", "/dev/null")
        async with asking(server.url()) as client:
            assert await fetch(client) == b"x"
        assert not proxy.requests


async def test_h32_a_proxy_that_is_configured_is_asked() -> None:
    """It resolves the name, and gets its own credentials with the request."""
    async with HttpServer.serving(answer(body=b"x")) as proxy:
        keys = {"proxy": {"url": proxy.url(), **PROXY}, "bearer": HIDDEN}
        dns = Dns({})
        async with asking("http://app.test/a?b=c", dns, **keys) as client:
            assert await fetch(client) == b"x"
        [asked] = proxy.requests
        assert asked.target == "http://app.test/a?b=c"
        assert asked.header("host") == "app.test"
        assert asked.header("proxy-authorization") == PROOF
        assert asked.header("authorization") == f"Bearer {SECRET}"
        assert not dns.asked


class Tunnel:
    """A proxy that knows CONNECT."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    async def __call__(self, request: Request, wire: Wire) -> None:
        """Pass bytes on between the client and the server."""
        self.requests.append(request)
        host, _, port = request.target.rpartition(":")
        reader, writer = await asyncio.open_connection("127.0.0.1" if host == "localhost" else host, int(port))
        await wire.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        up = asyncio.create_task(self._pass(wire.reader, writer))
        try:
            await self._pass(reader, wire.writer)
        finally:
            up.cancel()
            await asyncio.gather(up, return_exceptions=True)
            writer.close()
            wire.is_over = True

    @staticmethod
    async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)


@pytest.fixture
async def secured(authority: Authority) -> AsyncIterator[HttpServer]:
    """Serve over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server.cert, authority.server.key)
    async with HttpServer.serving(answer(body=b"x"), context=context) as server:
        yield server


async def test_h32_https_goes_through_a_tunnel(secured: HttpServer, authority: Authority) -> None:
    """The proxy sees the host and its own credentials, and nothing of the request."""
    tunnel = Tunnel()
    async with HttpServer.serving(tunnel) as proxy:
        keys = {"proxy": {"url": proxy.url(), **PROXY}, "bearer": HIDDEN, "tls": {"ca": str(authority.ca)}}
        async with asking(secured.url("/p"), **keys) as client:
            assert await fetch(client) == b"x"
            assert await fetch(client) == b"x"
        [asked] = tunnel.requests
        assert (asked.method, asked.target) == ("CONNECT", f"127.0.0.1:{secured.port}")
        assert asked.header("proxy-authorization") == PROOF
        assert asked.header("authorization") is None
        assert secured.requests[0].header("proxy-authorization") is None
        assert secured.requests[0].header("authorization") == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (407, "the proxy does not accept who we are: `proxy.username` and `proxy.password`"),
        (403, "the proxy lets nobody through to 127.0.0.1:{port}: it answers 403"),
        (502, "the proxy lets nobody through to 127.0.0.1:{port}: it answers 502"),
    ],
)
async def test_h32_a_proxy_that_refuses(secured: HttpServer, authority: Authority, status: int, told: str) -> None:
    """A proxy that refuses."""
    async with HttpServer.serving(answer(status)) as proxy:
        keys = {"proxy": {"url": proxy.url()}, "tls": {"ca": str(authority.ca)}}
        async with asking(secured.url(), **keys) as client:
            assert await failure(client) == told.format(port=secured.port)


async def test_h32_a_proxy_that_is_away_is_told_as_such(free_port: int) -> None:
    """A proxy that is away is told as such."""
    async with asking("http://app.test/", proxy={"url": f"http://127.0.0.1:{free_port}"}) as client:
        assert (await failure(client)).startswith(f"the proxy 127.0.0.1:{free_port} refuses connections")


async def test_h32_a_proxy_is_not_asked_for_what_a_redirect_leads_to() -> None:
    """Only the proxy resolves names: where they lead cannot be checked here."""
    for location in ("http://internal.test/", "http://169.254.169.254/", "http://127.0.0.1:1/"):
        async with HttpServer.serving(answer(302, b"", ("Location", location))) as proxy:
            async with asking("http://app.test/", proxy={"url": proxy.url()}) as client:
                assert "is not" in await failure(client)
            assert len(proxy.requests) == 1
    async with (
        HttpServer.serving(answer(302, b"", ("Location", "http://internal.test/")), answer(body=b"x")) as proxy,
        asking("http://app.test/", proxy={"url": proxy.url()}, allow=["internal.test"]) as client,
    ):
        assert await fetch(client) == b"x"
