"""What the client sends, what it keeps, and what it leaves behind."""

import asyncio
import contextlib
import gzip
import ssl

import pytest

from bridge.instance import VIA
from bridge.sources.web.client import ACCEPT_ENCODING
from bridge.sources.web.trouble import WebError
from tests.certificates import Authority
from tests.http_server import Cut, Drip, Each, HttpServer, Request, Silence, Tap, answer
from tests.support import until
from tests.web_client import HIDDEN, SECRET, Dns, asking, failure, fetch, web


async def test_a_request_says_who_asks_and_what_it_takes() -> None:
    """A request says who asks and what it takes."""
    async with HttpServer.serving(answer(body=b"hello")) as server, asking(server.url("/a?b=c")) as client:
        assert await fetch(client) == b"hello"
        [asked] = server.requests
        assert (asked.method, asked.target, asked.version) == ("GET", "/a?b=c", "HTTP/1.1")
        assert asked.header("host") == f"127.0.0.1:{server.port}"
        assert asked.header("via") == VIA
        assert asked.header("accept-encoding") == ACCEPT_ENCODING
        assert asked.header("user-agent") == "sse-bridge"
        assert asked.header("cookie") is asked.header("authorization") is asked.header("content-type") is None


async def test_values_stand_encoded_in_their_places() -> None:
    """Values stand encoded in their places."""
    keys = {"params": {"name": {"pattern": ".*"}, "q": {"pattern": ".*"}}}
    async with HttpServer.serving(answer()) as server, asking(server.url("/a/{name}.json?q={q}"), **keys) as client:
        await fetch(client, {"name": "å/b?c#d", "q": "1&x=2 %"})
        assert server.requests[0].target == "/a/%C3%A5%2Fb%3Fc%23d.json?q=1%26x%3D2%20%25"


async def test_a_value_that_leads_elsewhere_is_not_asked_for() -> None:
    """A value that leads elsewhere is not asked for."""
    keys = {"params": {"name": {"pattern": ".*"}}}
    async with HttpServer.serving(answer()) as server, asking(server.url("/a/{name}"), **keys) as client:
        for value in ("..", ".", "../x", "a/../b", "%2e%2e", "a\\..\\b", ""):
            assert "path" in await failure(client, {"name": value})
        assert not server.requests


async def test_what_the_operator_wrote_is_sent_and_wins() -> None:
    """What the operator wrote is sent and wins."""
    keys = {"headers": {"Accept": "text/x", "X-Key": HIDDEN}, "query": {"api_key": HIDDEN, "lang": "de"}}
    async with HttpServer.serving(answer()) as server, asking(server.url("/?a=b"), bearer=HIDDEN, **keys) as client:
        await fetch(client, headers={"accept": "application/json", "If-None-Match": '"1"'})
        [asked] = server.requests
        assert asked.all("accept") == ["text/x"]
        assert asked.header("x-key") == SECRET
        assert asked.header("if-none-match") == '"1"'
        assert asked.header("authorization") == f"Bearer {SECRET}"
        assert asked.target == f"/?a=b&api_key={SECRET}&lang=de"


async def test_a_user_and_a_password_are_sent_as_basic() -> None:
    """A user and a password are sent as basic."""
    user = {"username": "Aladdin", "password": HIDDEN}
    async with HttpServer.serving(answer()) as server, asking(server.url(), basic=user) as client:
        await fetch(client)
        assert server.requests[0].header("authorization") == "Basic QWxhZGRpbjpzM2NyM3QtdjRsdWU="


async def test_a_post_has_its_body_and_its_type() -> None:
    """A post has its body and its type."""
    async with HttpServer.serving(answer()) as server, asking(server.url()) as client:
        await fetch(client, method="POST", body=b"{}", headers={"Content-Type": "application/json"})
        [asked] = server.requests
        assert (asked.method, bytes(asked.body)) == ("POST", b"{}")
        assert asked.all("content-type") == ["application/json"]


async def test_one_connection_serves_one_request_after_another() -> None:
    """One connection serves one request after another."""
    async with HttpServer.serving(answer(body=b"x", chunked=True)) as server, asking(server.url()) as client:
        for _ in range(5):
            assert await fetch(client) == b"x"
        assert server.connections == 1


async def test_an_answer_that_is_not_read_takes_its_connection_along() -> None:
    """An answer that is not read takes its connection along."""
    async with HttpServer.serving(Tap(), answer()) as server, asking(server.url()) as client:
        opened = await client.open({})
        opened.close()
        await server.empty()
        await fetch(client)
        assert server.connections == 2


async def test_the_head_is_there_before_the_body() -> None:
    """The head is there before the body."""
    tap = Tap()
    async with HttpServer.serving(tap) as server, asking(server.url()) as client:
        opened = await client.open({}, first_byte=20.0)
        assert (opened.status, opened.headers["content-type"], opened.size) == (200, "text/event-stream", 0)
        chunks = opened.chunks()
        for piece in (b"a", b"bc"):
            await tap.send(piece)
            assert await anext(chunks) == piece
        tap.end()
        assert [chunk async for chunk in chunks] == []
        assert opened.size == 3
        opened.close()


async def test_words_and_addresses_hold_no_query_and_no_secret() -> None:
    """Words and addresses hold no query and no secret."""
    keys = {"query": {"api_key": HIDDEN}, "bearer": HIDDEN}
    async with HttpServer.serving(answer()) as server, asking(server.url("/p?q=1"), **keys) as client:
        opened = await client.open({})
        assert opened.url == server.url("/p")
        assert SECRET not in f"{opened!r}{client!r}{web(server.url(), **keys)!r}{web(server.url(), **keys).remote()!r}"
        opened.close()
        server.play(Cut())
        assert await failure(client) == f"127.0.0.1:{server.port} closed the connection without an answer"


async def test_cookies_are_not_kept() -> None:
    """Cookies are not kept."""
    async with HttpServer.serving(answer(200, b"", ("Set-Cookie", "a=b"))) as server, asking(server.url()) as client:
        await fetch(client)
        await fetch(client)
        assert server.requests[1].header("cookie") is None


async def test_a_name_that_moves_is_followed_once_it_does_not_answer() -> None:
    """A name that moves is followed once it does not answer."""
    dns = Dns({"app.test": ["127.0.0.2"]})
    async with HttpServer.serving(answer()) as server, asking(f"http://app.test:{server.port}/", dns) as client:
        assert "refuses connections" in await failure(client)
        dns.table["app.test"] = ["127.0.0.1"]
        await fetch(client)
        assert dns.asked == ["app.test", "app.test"]
        assert server.requests[0].header("host") == f"app.test:{server.port}"


async def test_the_next_address_of_a_name_is_tried() -> None:
    """The next address of a name is tried."""
    dns = Dns({"app.test": ["127.0.0.2", "::1", "127.0.0.1"]})
    async with HttpServer.serving(answer()) as server, asking(f"http://app.test:{server.port}/", dns) as client:
        await fetch(client)


async def test_a_name_is_believed_for_ten_seconds() -> None:
    """A name is believed for ten seconds."""
    dns = Dns({"app.test": ["127.0.0.1"]})
    async with (
        HttpServer.serving(answer(200, b"", ("Connection", "close"))) as server,
        asking(f"http://app.test:{server.port}/", dns) as client,
    ):
        for _ in range(3):
            await fetch(client)
        assert server.connections == 3
        assert dns.asked == ["app.test"]


@pytest.mark.parametrize("when", ["connected", "answered", "reading"])
async def test_a_request_that_is_cancelled_leaves_nothing_behind(when: str) -> None:
    """A request that is cancelled leaves nothing behind."""
    tap = Tap()
    async with HttpServer.serving(Silence() if when == "connected" else tap) as server:
        others = asyncio.all_tasks()
        async with asking(server.url()) as client:
            task = asyncio.create_task(fetch(client, first_byte=None))
            await server.asked(1)
            if when != "connected":
                await tap.opened()
            if when == "reading":
                await tap.send(b"x" * 1000)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await server.empty()
        await until(lambda: not asyncio.all_tasks() - others - server._tasks)


async def test_a_client_that_closes_ends_its_idle_connections(authority: Authority) -> None:
    """A client that closes ends its idle connections."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server.cert, authority.server.key)
    async with (
        HttpServer.serving(answer(body=b"x"), context=context) as server,
        asking(server.url(), tls={"ca": str(authority.ca)}) as client,
    ):
        await asyncio.gather(*(fetch(client) for _ in range(5)))
        assert server.open
        await client.__aexit__(None, None, None)
        await server.empty()


async def test_a_switch_of_protocols_is_no_answer() -> None:
    """A switch of protocols is no answer."""
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    async with HttpServer.serving(Cut(head)) as server, asking(server.url()) as client:
        assert await failure(client) == f"127.0.0.1:{server.port} switches to another protocol, unasked"


async def test_an_interim_answer_is_passed_over() -> None:
    """An interim answer is passed over."""
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with HttpServer.serving(early + answer(body=b"x")) as server, asking(server.url()) as client:
        assert await fetch(client) == b"x"


async def test_a_body_that_drips_is_read_to_its_end() -> None:
    """A body that drips is read to its end."""
    body = gzip.compress(b"hello" * 10)
    reply = Drip(answer(200, body, ("Content-Encoding", "gzip"), chunked=3))
    async with HttpServer.serving(reply) as server, asking(server.url()) as client:
        assert await fetch(client) == b"hello" * 10


async def test_fifty_requests_at_once_do_not_wait_for_each_other() -> None:
    """Fifty requests at once do not wait for each other."""

    def reply(request: Request) -> bytes:
        return answer(body=request.target.encode())

    keys = {"params": {"n": {"type": "integer"}}}
    async with HttpServer.serving(Each(reply)) as server, asking(server.url("/{n}"), **keys) as client:
        found = await asyncio.gather(*(fetch(client, {"n": str(n)}) for n in range(50)))
        assert found == [f"/{n}".encode() for n in range(50)]


async def test_a_session_that_was_never_opened_is_a_mistake() -> None:
    """A session that was never opened is a mistake."""
    async with asking("http://127.0.0.1:1/") as client:
        pass
    with pytest.raises((RuntimeError, WebError)):
        await client.open({})
