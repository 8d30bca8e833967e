"""Faults of polling that are redirects: where they lead, and what they take along."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.http_server import HttpServer, Request, Wire, answer
from tests.web_client import HIDDEN, SECRET, Dns, asking, failure, fetch

PROOFS = {"bearer": HIDDEN, "headers": {"X-Api-Key": HIDDEN, "Cookie": HIDDEN, "X-Plain": "kept"}}


def to(location: str, status: int = 302) -> bytes:
    """Return a redirect."""
    return answer(status, b"elsewhere", ("Location", location))


@contextlib.asynccontextmanager
async def two() -> AsyncIterator[tuple[HttpServer, HttpServer, Dns]]:
    """Serve two origins under names that a test may allow."""
    async with HttpServer.serving(answer(body=b"one")) as one, HttpServer.serving(answer(body=b"two")) as two:
        yield one, two, Dns({"one.test": ["127.0.0.1"], "two.test": ["127.0.0.1"]})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["/new?x=1", "new?x=1", "//127.0.0.1:{port}/new?x=1", "?x=1", "/a/../new?x=1"])
async def test_h15_a_redirect_on_the_same_host_is_followed(status: int, location: str) -> None:
    """A redirect on the same host is followed."""
    async with HttpServer.serving(answer(body=b"x")) as server, asking(server.url("/"), **PROOFS) as client:
        server.on("/", to(location.format(port=server.port), status), answer(body=b"x"))
        assert await fetch(client) == b"x"
        assert server.requests[1].target in {"/new?x=1", "/?x=1"}
        assert server.requests[1].header("authorization") == f"Bearer {SECRET}"
        assert server.requests[1].header("x-api-key") == SECRET
        assert server.connections == 1


@pytest.mark.parametrize(("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
async def test_h15_a_post_is_a_post_after_307_and_308_alone(status: int, method: str) -> None:
    """A post is a post after 307 and 308 alone."""
    async with HttpServer.serving(answer(body=b"x")) as server, asking(server.url("/")) as client:
        server.on("/", to("/new", status))
        await fetch(client, method="POST", body=b"{}", headers={"Content-Type": "application/json"})
        asked = server.requests[1]
        assert (asked.method, bytes(asked.body)) == (method, b"{}" if method == "POST" else b"")
        assert asked.header("content-type") == ("application/json" if method == "POST" else None)
        assert asked.header("content-length") == ("2" if method == "POST" else None)


@pytest.mark.parametrize("status", [300, 304, 305, 306])
async def test_h15_other_answers_of_the_300s_are_answers(status: int) -> None:
    """Other answers of the 300s are answers."""
    reply = f"HTTP/1.1 {status} Odd\r\nLocation: /new\r\nContent-Length: 0\r\n\r\n".encode()
    async with HttpServer.serving(reply) as server, asking(server.url("/")) as client:
        opened = await client.open({})
        assert opened.status == status
        opened.close()


async def test_h15_a_redirect_without_an_address_is_an_answer() -> None:
    """A redirect without an address is an answer."""
    async with HttpServer.serving(answer(302)) as server, asking(server.url("/")) as client:
        opened = await client.open({})
        assert opened.status == 302
        opened.close()


async def test_h15_the_address_of_the_answer_is_where_it_came_from() -> None:
    """The address of the answer is where it came from."""
    async with HttpServer.serving(answer(body=b"x")) as server, asking(server.url("/")) as client:
        server.on("/", to("/new?token=1#part"))
        opened = await client.open({})
        assert opened.url == server.url("/new")
        opened.close()
        assert server.requests[1].target == "/new?token=1"


async def test_h16_a_loop_ends() -> None:
    """A loop ends."""
    async with HttpServer.serving(to("/")) as server, asking(server.url("/")) as client:
        assert await failure(client) == f"127.0.0.1:{server.port} redirects more than 5 times"
        assert len(server.requests) == 6


async def test_h16_redirects_share_the_time_of_the_request() -> None:
    """Redirects share the time of the request."""

    async def late(_: Request, wire: Wire) -> None:
        await wire.drip(to("/"), 1, 0.002)

    async with HttpServer.serving(late) as server, asking(server.url("/")) as client:
        assert "within 150ms" in await failure(client, first_byte=0.15)


async def test_h17_another_origin_gets_no_credentials() -> None:
    """Another origin gets no credentials."""
    async with two() as (one, other, dns):
        one.play(to(f"http://two.test:{other.port}/x"))
        url = f"http://one.test:{one.port}/"
        query = {"api_key": HIDDEN}
        async with asking(url, dns, allow=["two.test"], query=query, **PROOFS) as client:
            assert await fetch(client, headers={"If-None-Match": '"1"'}) == b"two"
        [asked] = other.requests
        assert SECRET not in asked.raw.decode()
        assert asked.header("x-plain") == "kept"
        assert asked.header("if-none-match") == '"1"'
        assert SECRET in one.requests[0].raw.decode()


async def test_h17_who_sends_us_back_does_not_get_them_for_us() -> None:
    """Who sends us back does not get them for us."""
    async with two() as (one, other, dns):
        one.on("/", to(f"http://two.test:{other.port}/"))
        other.play(to(f"http://one.test:{one.port}/delete"))
        async with asking(f"http://one.test:{one.port}/", dns, allow=["two.test"], **PROOFS) as client:
            assert await fetch(client) == b"one"
        assert SECRET not in one.requests[1].raw.decode()


async def test_h17_another_port_is_another_origin() -> None:
    """Another port is another origin."""
    async with two() as (one, other, dns):
        one.play(to(f"http://one.test:{other.port}/"))
        async with asking(f"http://one.test:{one.port}/", dns, allow=["one.test"], **PROOFS) as client:
            assert await fetch(client) == b"two"
        assert SECRET not in other.requests[0].raw.decode()


async def test_h17_another_origin_gets_no_body() -> None:
    """Another origin gets no body."""
    async with two() as (one, other, dns):
        one.play(to(f"http://two.test:{other.port}/", 307))
        async with asking(f"http://one.test:{one.port}/", dns, allow=["two.test"]) as client:
            assert "does not get our body" in await failure(client, method="POST", body=b"{}")
            one.play(to(f"http://two.test:{other.port}/", 303))
            assert await fetch(client, method="POST", body=b"{}") == b"two"
        assert not other.requests[0].body


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://one.test/",
        "gopher://one.test/",
        "data:,x",
        "javascript:1",
        "unix:/run/x.sock",
        "ws://a/",
    ],
)
async def test_h18_only_http_and_https_are_followed(location: str) -> None:
    """Only HTTP and https are followed."""
    async with HttpServer.serving(to(location)) as server, asking(server.url("/")) as client:
        assert await failure(client) == f"127.0.0.1:{server.port} redirects to what is neither http nor https"


@pytest.mark.parametrize(
    "location",
    [
        "http://", "http://[::1", "http://a:99999/", "http://a:0/", "http://a b/", "http://2130706433/", "http://127.1/",
        "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://a\\@b/", "http:///x", "/x y", "http://ex ample/",
        "http://%31%32%37.0.0.1/", "http://[fe80::1%25eth0]/", "/" + "x" * 5000, "http://-a/", "http://a..b/",
    ],
)  # fmt: skip
async def test_h18_what_is_no_address_is_not_followed(location: str) -> None:
    """What is no address is not followed."""
    async with HttpServer.serving(to(location)) as server, asking(server.url("/")) as client:
        assert await failure(client) == f"127.0.0.1:{server.port} redirects to what is no address"


async def test_h18_an_address_with_a_user_is_not_followed() -> None:
    """An address with a user is not followed."""
    async with HttpServer.serving(to("http://me:pw@127.0.0.1/")) as server, asking(server.url("/")) as client:
        told = await failure(client)
        assert told == f"127.0.0.1:{server.port} redirects to an address with a user in it"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.2", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1",
        "[::1]", "[fd00::1]", "[fe80::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
        "[::127.0.0.1]", "100.100.100.200", "168.63.129.16", "[fd00:ec2::254]", "255.255.255.255", "[ff02::1]",
        "198.18.0.1",
    ],
)  # fmt: skip
async def test_h18_a_redirect_to_what_is_not_public_is_not_followed(host: str) -> None:
    """A redirect to what is not public is not followed."""
    async with HttpServer.serving(to(f"http://{host}/x")) as server, asking(server.url("/")) as client:
        assert "is not connected to" in await failure(client)


async def test_h18_another_port_of_our_own_host_is_not_followed() -> None:
    """Another port of our own host is not followed."""
    async with two() as (one, other, _):
        one.play(to(other.url("/")))
        async with asking(one.url("/")) as client:
            assert "127.0.0.1 is not connected to: a redirect" in await failure(client)
        assert not other.requests


async def test_h18_what_is_allowed_is_followed() -> None:
    """What is allowed is followed."""
    async with two() as (one, other, dns):
        one.play(to(other.url("/", host="two.test")))
        for allowed in ("two.test", "TWO.test.", "127.0.0.1"):
            async with asking(one.url("/"), dns, allow=[allowed]) as client:
                assert await fetch(client) == b"two"
