"""Faults of polling between us and the server: names, addresses, connections."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator
from ipaddress import IPv4Network

import pytest

from bridge.errors import SourceError
from bridge.sources.web import client as client_module, policy
from tests.http_server import Cut, Each, HttpServer, Request, Silence, Torn, answer
from tests.support import until
from tests.web_client import Dns, asking, failure, fetch


def at(server: HttpServer) -> str:
    """Return the address of a server under a name."""
    return f"http://app.test:{server.port}/"


@contextlib.asynccontextmanager
async def full_backlog() -> AsyncIterator[int]:
    """Give a port that takes no connection: nobody accepts, and the queue of those that wait is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        held: list[socket.socket] = []
        try:
            for _ in range(4):
                waiting = socket.socket()
                waiting.settimeout(0)
                with contextlib.suppress(BlockingIOError):
                    waiting.connect(("127.0.0.1", port))
                held.append(waiting)
            yield port
        finally:
            for each in held:
                each.close()


async def test_h01_a_server_that_takes_no_connection() -> None:
    """The whole time bounds it, and without one that of a connection."""
    async with full_backlog() as port, asking(f"http://127.0.0.1:{port}/") as client:
        assert await failure(client, first_byte=0.2) == f"127.0.0.1:{port} took no connection within 200ms"


async def test_h01_a_connection_has_a_bound_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection has a bound of its own."""
    monkeypatch.setattr(client_module, "CONNECT", 0.2)
    async with full_backlog() as port, asking(f"http://127.0.0.1:{port}/") as client:
        assert await failure(client, first_byte=None) == f"127.0.0.1:{port} took no connection within 200ms"


async def test_h01_a_server_that_takes_the_connection_and_says_nothing() -> None:
    """A server that takes the connection and says nothing."""
    async with HttpServer.serving(Silence()) as server, asking(server.url()) as client:
        assert await failure(client, first_byte=0.2) == f"127.0.0.1:{server.port} did not answer within 200ms"
        await server.empty()


async def test_h03_a_name_that_does_not_exist() -> None:
    """A name that does not exist."""
    dns = Dns({})
    async with HttpServer.serving(answer()) as server, asking(f"http://gone.test:{server.port}/?q=1", dns) as client:
        told = await failure(client)
        assert told == f"gone.test:{server.port} cannot be resolved: there is no such name"
        dns.table["gone.test"] = ["127.0.0.1"]
        await fetch(client)


async def test_h03_the_system_itself_is_asked_for_names() -> None:
    """The system itself is asked for names."""
    async with HttpServer.serving(answer(body=b"x")) as server, asking(server.url(host="localhost")) as client:
        assert await fetch(client) == b"x"


async def test_h03_a_name_server_that_fails() -> None:
    """A name server that fails."""

    class Failing(Dns):
        def __call__(self, *_: object) -> list[object]:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    async with asking("http://app.test/", Failing({})) as client:
        told = await failure(client)
        assert told == "the name of app.test cannot be resolved now: the name server did not answer"


async def test_h03_a_slow_name_server_holds_up_nobody_and_has_one_thread() -> None:
    """The time for the connection counts it; the loop, the end of the client and other names do not wait."""
    slow = Dns({"slow.test": ["127.0.0.1"], "fast.test": ["127.0.0.1"]})
    slow.answers.clear()
    async with HttpServer.serving(answer()) as server:
        async with asking(f"http://slow.test:{server.port}/", slow) as client:
            for _ in range(3):
                told = await failure(client, first_byte=0.05)
                assert told == f"the name of slow.test:{server.port} was not resolved within 50ms"
            assert slow.asked == ["slow.test"]
            assert [each.name for each in threading.enumerate()].count("name slow.test") == 1
            async with asking(f"http://fast.test:{server.port}/", Dns(slow.table)) as other:
                await fetch(other)
        slow.answers.set()
        await until(lambda: "name slow.test" not in [each.name for each in threading.enumerate()])


async def test_h03_a_name_that_comes_late_serves_who_asks_then() -> None:
    """A name that comes late serves who asks then."""
    slow = Dns({"slow.test": ["127.0.0.1"]})
    slow.answers.clear()
    async with HttpServer.serving(answer()) as server, asking(f"http://slow.test:{server.port}/", slow) as client:
        await failure(client, first_byte=0.02)
        asking_again = asyncio.create_task(fetch(client))
        await asyncio.sleep(0)
        slow.answers.set()
        await asking_again
        assert slow.asked == ["slow.test"]


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.0", "::ffff:169.254.1.1"])
async def test_h04_a_name_of_ours_that_resolves_to_what_is_never_connected_to(address: str) -> None:
    """A name of ours that resolves to what is never connected to."""
    async with asking("http://app.test:9/", Dns({"app.test": [address]})) as client:
        told = await failure(client)
        assert "is not connected to" in told
        assert "app.test" in told


async def test_h04_a_name_of_ours_may_be_this_machine() -> None:
    """A name of ours may be this machine."""
    dns = Dns({"app.test": ["127.0.0.1"]})
    async with (
        HttpServer.serving(answer(body=b"x")) as server,
        asking(f"http://app.test:{server.port}/", dns) as client,
    ):
        assert await fetch(client) == b"x"


async def test_h04_what_is_allowed_by_name_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback stands in for a metadata service, since a test may ask no other."""
    monkeypatch.setitem(policy._NEVER, IPv4Network("127.0.0.0/8"), "it is a metadata service")
    dns = Dns({"metadata.test": ["127.0.0.1"]})
    async with HttpServer.serving(answer(body=b"x")) as server:
        url = f"http://metadata.test:{server.port}/"
        async with asking(url, dns) as client:
            assert "is a metadata service" in await failure(client)
        for allowed in ("metadata.test", "127.0.0.1"):
            async with asking(url, dns, allow=[allowed]) as client:
                assert await fetch(client) == b"x"
        assert len(server.requests) == 2


async def test_h04_a_name_that_is_rebound_is_judged_again_with_each_connection() -> None:
    """Public when it is looked at first, private when it is connected to: what is connected to counts."""
    dns = Dns({"other.test": ["127.0.0.1"], "app.test": ["127.0.0.1"]})
    away = Each(lambda _: answer(302, b"", ("Location", f"http://other.test:{server.port}/secret")))
    async with HttpServer.serving(away) as server, asking(f"http://app.test:{server.port}/", dns) as client:
        told = await failure(client)
        assert told.startswith("127.0.0.1, which other.test resolves to, is not connected to")
        assert [asked.path for asked in server.requests] == ["/"]
        # What was refused once is not kept as an address either.
        dns.table["app.test"] = ["169.254.169.254"]
        server.play(answer(200, b"", ("Connection", "close")))
        await fetch(client)
        client._connector.clear_dns_cache()  # type: ignore[union-attr]
        assert "link-local" in await failure(client)


async def test_h04_of_two_addresses_the_one_that_is_no_good_is_passed_over() -> None:
    """Of two addresses the one that is no good is passed over."""
    dns = Dns({"app.test": ["169.254.169.254", "127.0.0.1"]})
    async with (
        HttpServer.serving(answer(body=b"x")) as server,
        asking(f"http://app.test:{server.port}/", dns) as client,
    ):
        assert await fetch(client) == b"x"


async def test_h05_a_port_where_nobody_listens(free_port: int) -> None:
    """A port where nobody listens."""
    async with asking(f"http://127.0.0.1:{free_port}/p?token_of=x") as client:
        told = await failure(client)
        assert told.startswith(f"127.0.0.1:{free_port} refuses connections")


async def test_h05_a_name_with_two_addresses_where_nobody_listens(free_port: int) -> None:
    """A name with two addresses where nobody listens."""
    dns = Dns({"app.test": ["127.0.0.1", "127.0.0.2", "::1"]})
    async with asking(f"http://app.test:{free_port}/", dns) as client:
        assert (await failure(client)).startswith(f"app.test:{free_port} refuses connections")


async def test_h05_it_is_there_again_at_once(free_port: int) -> None:
    """It is there again at once."""
    async with asking(f"http://127.0.0.1:{free_port}/") as client:
        await failure(client)
        async with HttpServer.serving(answer(body=b"x"), port=free_port):
            assert await fetch(client) == b"x"
        assert "refuses" in await failure(client)


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nContent-Le"])
async def test_h05_a_connection_that_ends_before_the_head_is_there(part: bytes) -> None:
    """A connection that ends before the head is there."""
    async with HttpServer.serving(Cut(part)) as server, asking(server.url()) as client:
        assert await failure(client) == f"127.0.0.1:{server.port} closed the connection without an answer"
        server.play(Torn(part))
        assert await failure(client) == f"127.0.0.1:{server.port} reset the connection without an answer"
        server.play(answer())
        await fetch(client)


async def test_h28_a_kept_connection_that_has_ended_meanwhile_is_asked_again_on_a_new_one() -> None:
    """The server closes just when the request is on its way: both ways of asking get their answer."""

    def reply(request: Request) -> bytes | Cut:
        return Cut() if request.connection == 1 and len(server.requests) > 1 else answer(body=b"x")

    for how in ({"method": "GET"}, {"method": "POST", "body": b"{}"}):
        async with HttpServer.serving(Each(reply)) as server, asking(server.url()) as client:
            assert await fetch(client, **how) == b"x"
            assert await fetch(client, **how) == b"x"
            assert [asked.connection for asked in server.requests] == [1, 1, 2]


async def test_h28_a_post_on_a_new_connection_is_sent_once() -> None:
    """A post on a new connection is sent once."""
    async with HttpServer.serving(Cut()) as server, asking(server.url()) as client:
        await failure(client, method="POST", body=b"{}")
        assert len(server.requests) == 1


def test_the_errors_of_the_client_are_those_of_a_source() -> None:
    """So the supervisor knows them."""
    assert issubclass(client_module.WebError, SourceError)
