"""Listeners: where they listen, how many they hold, how they end."""

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import Callable, Coroutine

import pytest
import structlog
import uvloop
from aiohttp import web

from bridge.gateway import server
from bridge.gateway.handshake import Times
from bridge.gateway.server import GRACE, Listener, ListenError, Place, Room
from tests.gateway.raw import Peer, hello, request, serving, until

Run = Callable[[Coroutine[object, object, None]], None]

LOOPBACK = Place("127.0.0.1", 0)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a scenario on either loop."""
    runner: Run = request.param
    return runner


def test_every_address_is_both_families_on_one_port(run: Run) -> None:
    """`:8080` answers on IPv4 and IPv6, and IPv4 peers look like IPv4."""

    async def scenario() -> None:
        async def peer(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(text=request.remote)

        async with Listener("test", [Place("", 0)], peer) as listener:
            assert len({place.port for place in listener.places}) == 1
            for host in ("127.0.0.1", "::1") if socket.has_dualstack_ipv6() else ("127.0.0.1",):
                async with Peer.to(listener.port, host) as client:
                    assert (await request(client, "/")).text == host

    run(scenario())


def test_machine_without_ipv6_listens_on_ipv4(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel was started with IPv6 off, `:8080` is every IPv4 address."""
    plain = socket.socket

    def without(family: int = socket.AF_INET, *args: int, **kwargs: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return plain(family, *args, **kwargs)

    async def scenario() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(server.socket, "socket", without)
            listener = Listener("test", [Place("", 0)], hello)
            await listener.start()
        assert [place.host for place in listener.places] == ["0.0.0.0"]
        await listener.close()

    run(scenario())


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Place("no.such.name.invalid", 80), "no.such.name.invalid:80: the name 'no.such.name.invalid' is not known"),
        (Place("192.0.2.1", 8080), "192.0.2.1:8080: this machine has no such address"),
        (Place("2001:db8::1", 8080), "[2001:db8::1]:8080: this machine has no such address"),
    ],
)
async def test_unusable_address_is_told(place: Place, words: str) -> None:
    """The error names the address as the user wrote it and says what is wrong."""
    with pytest.raises(ListenError) as raised:
        await Listener("test", [place], hello).start()
    assert str(raised.value) == words


async def test_x15_port_taken() -> None:
    """The error names the address; what was bound before it is given back."""
    async with Listener("first", [LOOPBACK], hello) as first:
        taken = Place("127.0.0.1", first.port)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free = Place("127.0.0.1", probe.getsockname()[1])
        with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{first.port} is in use"):
            await Listener("second", [free, taken], hello).start()
        async with Listener("third", [free], hello) as third:
            assert third.port == free.port


async def test_port_is_free_again_at_once() -> None:
    """A restart does not wait for the kernel to forget old connections."""
    port = 0
    for _ in range(3):
        async with Listener("test", [Place("127.0.0.1", port)], hello) as listener, Peer.to(listener.port) as peer:
            port = listener.port
            assert (await request(peer, "/")).status == 200


def test_full_house_waits_in_the_kernel(run: Run) -> None:
    """At the cap nobody is turned away: the next is served when a place is free."""

    async def scenario() -> None:
        with structlog.testing.capture_logs() as logs:
            async with serving(hello, room=Room(cap=2)) as listener, contextlib.AsyncExitStack() as stack:
                first, second, third = [await stack.enter_async_context(Peer.to(listener.port)) for _ in range(3)]
                assert (await request(first, "/")).status == (await request(second, "/")).status == 200
                third.send(GET)
                await until(lambda: any(entry["event"] == "listener.full" for entry in logs))
                assert listener.open == 2
                second.writer.transport.abort()
                assert (await third.answer()).status == 200
        assert [entry["event"] for entry in logs].count("listener.full") == 1

    run(scenario())


def test_streams_count_towards_the_cap(run: Run) -> None:
    """A connection that a stream has taken over still holds a descriptor."""

    async def scenario() -> None:
        streams = 2
        room = Room(cap=2, streams=lambda: streams)
        with structlog.testing.capture_logs() as logs:
            async with serving(hello, room=room) as listener, Peer.to(listener.port) as peer:
                peer.send(GET)
                await until(lambda: any(entry["event"] == "listener.full" for entry in logs))
                streams = 1
                assert (await peer.answer()).status == 200

    run(scenario())


def test_x04_descriptors_run_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients wait, one line is logged however often accept fails, and all are served when it works again."""

    async def scenario() -> None:
        monkeypatch.setattr(server, "STARVED_PAUSE", 0.01)
        real = socket.socket.accept
        failures = 0

        def accept(self: socket.socket) -> tuple[socket.socket, object]:
            nonlocal failures
            if failures < 20:
                failures += 1
                raise OSError(errno.EMFILE, "Too many open files")
            return real(self)

        monkeypatch.setattr(socket.socket, "accept", accept)
        with structlog.testing.capture_logs() as logs:
            async with serving(hello) as listener, Peer.to(listener.port) as peer:
                assert (await request(peer, "/")).status == 200
        assert failures == 20
        assert [entry["event"] for entry in logs].count("listener.starved") == 1

    run(scenario())


def test_client_that_left_before_it_was_accepted_is_skipped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """accept(2) reports the network errors of the connection as its own; they are no reason to stop."""

    async def scenario() -> None:
        real = socket.socket.accept
        errors = [errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN]

        def accept(self: socket.socket) -> tuple[socket.socket, object]:
            if errors:
                raise OSError(errors.pop(), "gone")
            return real(self)

        monkeypatch.setattr(socket.socket, "accept", accept)
        async with serving(hello) as listener, Peer.to(listener.port) as peer:
            assert (await request(peer, "/")).status == 200

    run(scenario())


def test_close_lets_answers_end_and_listens_meanwhile(run: Run) -> None:
    """A closed port is a proxy's 502: as long as an answer is in flight, new connections are served."""

    async def scenario() -> None:
        release = asyncio.Event()

        async def slow(request: web.BaseRequest) -> web.StreamResponse:
            if request.rel_url.raw_path == "/slow":
                await release.wait()
            return web.Response(text="done")

        listener = Listener("test", [LOOPBACK], slow)
        await listener.start()
        port = listener.port
        async with Peer.to(port) as idle, Peer.to(port) as busy:
            assert (await request(idle, "/")).status == 200
            answered = asyncio.ensure_future(request(busy, "/slow"))
            await until(lambda: listener.server.requests_count == 2)
            closing = asyncio.ensure_future(listener.close())
            assert await idle.rest() == b"", "an idle connection is closed soon"
            async with Peer.to(port) as late:
                assert (await request(late, "/")).status == 200
            release.set()
            assert (await answered).text == "done"
            await closing
        with contextlib.suppress(ConnectionRefusedError):
            async with Peer.to(port):
                pytest.fail("it still listens")

    run(scenario())


def test_close_answers_who_was_accepted_just_before(run: Run) -> None:
    """A connection whose request is still on its way is no idle one; one that stays silent is closed soon."""

    async def scenario() -> None:
        listener = Listener("test", [LOOPBACK], hello)
        await listener.start()
        async with Peer.to(listener.port) as fresh, Peer.to(listener.port) as silent:
            await until(lambda: listener.server.open == 2)
            closing = asyncio.ensure_future(listener.close())
            await asyncio.sleep(0)
            assert (await request(fresh, "/")).status == 200
            async with asyncio.timeout(GRACE / 2):
                assert await silent.rest() == b""
                await closing

    run(scenario())


def test_close_waits_no_longer_than_its_grace(run: Run) -> None:
    """An answer that never comes does not hold up the process."""

    async def scenario() -> None:
        async def never(_: web.BaseRequest) -> web.StreamResponse:
            await asyncio.Event().wait()
            return web.Response()

        listener = Listener("test", [LOOPBACK], never)
        await listener.start()
        async with Peer.to(listener.port) as peer:
            peer.send(GET)
            await until(lambda: listener.server.requests_count == 1)
            async with asyncio.timeout(5):
                await listener.close(grace=0.1)
            assert await peer.rest() == b""

    run(scenario())


def test_c06_a_crowd_comes_back_at_once(run: Run) -> None:
    """Hundreds of connections in one moment are all accepted and served."""

    async def scenario() -> None:
        async def visit(port: int) -> int:
            async with Peer.to(port) as peer:
                return (await request(peer, "/")).status

        async with serving(hello, room=Room(cap=1_000)) as listener:
            statuses = await asyncio.gather(*(visit(listener.port) for _ in range(400)))
            assert statuses == [200] * 400
            await until(lambda: listener.open == 0)

    run(scenario())


def test_c17_many_silent_connections_from_one_peer(run: Run) -> None:
    """They fill the house only until their deadline."""

    async def scenario() -> None:
        async with serving(hello, Times(header=1.0), Room(cap=50)) as listener, contextlib.AsyncExitStack() as stack:
            for _ in range(80):
                await stack.enter_async_context(Peer.to(listener.port))
            async with Peer.to(listener.port) as peer:
                assert (await request(peer, "/")).status == 200

    run(scenario())


STARVED = """
import asyncio, resource, sys
import uvloop
from aiohttp import web
from bridge.gateway.server import Listener, Place, Room

async def handle(request):
    return web.Response(text="hello")

async def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))
    async with Listener("public", [Place("127.0.0.1", 0)], handle, room=Room(cap=1_000)) as listener:
        print("port", listener.port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

{"asyncio": asyncio, "uvloop": uvloop}[sys.argv[1]].run(main())
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_x04_a_process_out_of_descriptors(loop: str) -> None:
    """The real thing, with the cap set too high: those inside are served on, the rest as they leave, in few words."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARVED, loop, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    async with asyncio.timeout(60), contextlib.AsyncExitStack() as stack:
        while not (line := await process.stdout.readline()).startswith(b"port"):
            assert line
        port = int(line.split()[1])
        peers = [await stack.enter_async_context(Peer.to(port)) for _ in range(80)]
        for peer in peers:
            peer.send(GET)
        # Each leaves only when it was answered, so the last can be served only in the places of the first.
        for peer in peers:
            assert (await peer.answer()).status == 200
            peer.writer.transport.abort()
        process.stdin.close()
        printed = (await process.stdout.read()).split(b"\n")
        assert await process.wait() == 0
    assert any(b"listener.starved" in line for line in printed)
    assert len(printed) <= 10
