"""The canary: the whole way and back, in nobody's way, and honest about what it proves."""

import asyncio
import contextlib
import socket
from dataclasses import replace

import orjson
import pytest

from bridge.canary import MISSES, NAME, Canary, Target
from bridge.config.server import Server
from bridge.gateway.server import Place
from tests.support import Client, Served, configured, running, until

#: As often as may be; what a test waits for takes a moment.
OFTEN = "canary: {every: 1s, within: 20s}"
SERVER = "listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: 0s"
PARTS = "sources: {p: {kind: push}}\nroutes: {/p: {from: p}}\n"


def text(more: str = "", rest: str = "") -> str:
    """Return a configuration with a canary."""
    server = more if "listen" in more else f"{SERVER}, {more}" if more else SERVER
    return f"server: {{{server}, {OFTEN}}}\n{rest}{PARTS}"


def canary(served: Served) -> Canary:
    """Return the bridge's own."""
    found = served.bridge.observed.canary
    assert found is not None
    return found


async def admin(served: Served, path: str) -> tuple[int, bytes]:
    """Ask the admin port."""
    client = await Client.to(served.bridge.admin.port)
    try:
        await client.ask(path, headers="Connection: close\r\n")
        await client.rest()
        return client.status, bytes(client.body)
    finally:
        client.close()


async def test_it_goes_the_whole_way():
    """Over a connection of its own, through each part, and says how long that took."""
    async with running(text()) as served:
        await until(lambda: canary(served).passed)
        assert 0 < canary(served).latency < 20
        assert canary(served).seconds >= canary(served).latency
        assert (canary(served).missed, canary(served).refused) == (0, 0)
        assert served.bridge.observed.flights == {"passed": canary(served).passed, "missed": 0, "refused": 0}
        assert await admin(served, "/-/ready") == (200, b"ready\n")


@pytest.mark.parametrize(
    "server",
    [
        "base: /deep/down",
        "hosts: [app.example.com]",
        "hosts: ['[2001:db8::7]:8443'], base: /deep",
        "listen: ':0', admin: '127.0.0.1:0', drain: 0s",
        "listen: '[::1]:0', admin: '127.0.0.1:0', drain: 0s",
        "listen: ['[::1]:0', '127.0.0.1:0'], admin: '127.0.0.1:0', drain: 0s",
    ],
)
async def test_it_finds_its_way_however_we_are_reached(server: str):
    """Beneath a base, by a name of the list, at every address, over IPv6."""
    async with running(text(server, "auth: anonymous\n")) as served:
        await until(lambda: canary(served).passed)
        assert canary(served).missed == 0


async def test_nobody_else_finds_it():
    """Without the token its address is like any other of ours; lists, hints, metrics and the console know nothing."""
    async with running(text("base: /b")) as served:
        await until(lambda: canary(served).passed)
        token = canary(served)._path.rpartition("/")[2]
        for path in (NAME, f"{NAME}/", f"{NAME}/{token[:-1]}0{token[-1]}", f"{NAME}/%E4"):
            client = await served.connect()
            await client.ask(f"/b{path}", headers="Connection: close\r\n")
            assert NAME.encode() not in await client.rest()
            assert client.status in {400, 404}
        told = [await admin(served, path) for path in ("/-/routes", "/-/sources", "/-/metrics", "/-/viev")]
        client = await served.connect()
        await client.ask("/b/canary", headers="Connection: close\r\n")
        seen = b"".join(body for _, body in told) + await client.rest()
        assert token.encode() not in seen
        assert NAME.encode() not in seen
        assert [route["path"] for route in orjson.loads(told[0][1])] == ["/p"]


async def test_a_method_that_opens_no_stream_opens_none():
    """Even for who knows the token."""
    async with running(text()) as served:
        await until(lambda: canary(served).passed)
        client = await served.connect()
        await client.ask(canary(served)._path, method="POST", headers="Connection: close\r\n")
        await client.rest()
        assert client.status == 404


async def test_three_misses_in_a_row_make_not_ready_and_one_success_heals(monkeypatch: pytest.MonkeyPatch):
    """In words that say what is broken."""
    async with running(text()) as served:
        flying, pump = canary(served), served.bridge.pump
        await until(lambda: flying.passed)
        # The pump forgets to run: the part that no probe of a port would see.
        flying.within = 0.2
        monkeypatch.setattr(pump, "_flush", lambda _: None)
        for number in range(1, MISSES + 1):
            await flying.fly()
            assert flying.misses >= number
        status, body = await admin(served, "/-/ready")
        assert status == 503
        assert body.startswith(b"the canary did not come through ")
        assert b"it took longer than 0.2 s" in body
        monkeypatch.undo()
        flying.within = 20.0
        await flying.fly()
        assert (await admin(served, "/-/ready"))[0] == 200
        assert flying.misses == 0
        assert flying.missed >= MISSES


async def test_a_single_miss_is_a_busy_machine(monkeypatch: pytest.MonkeyPatch):
    """Two are, too."""
    async with running(text().replace("1s", "1h")) as served:
        flying = canary(served)
        await until(lambda: flying.passed)
        monkeypatch.setattr(served.bridge.bus, "publish", lambda *_: ())
        flying.within = 0.2
        for _ in range(MISSES - 1):
            await flying.fly()
        assert flying.hindrance is None
        await flying.fly()
        assert flying.hindrance is not None


async def test_a_listener_that_is_gone_is_told():
    """With the system's words."""
    async with running(text().replace("1s", "1h")) as served:
        flying = canary(served)
        await until(lambda: flying.passed)
        with socket.create_server(("127.0.0.1", 0)) as free:
            gone = free.getsockname()
        flying._target = _at(flying, gone)
        for _ in range(MISSES):
            await flying.fly()
        assert "no connection to the public listener" in (flying.hindrance or "")


async def test_an_answer_that_is_no_stream_is_told():
    """A name that is not on the list, say."""
    async with running(text("hosts: [app.example.com]").replace("1s", "1h")) as served:
        flying = canary(served)
        await until(lambda: flying.passed)
        flying._target = _named(flying, "other.example.com")
        await flying.fly()
        assert flying.reason == "the public listener answers 421"


async def test_a_full_house_is_no_broken_path():
    """Who is turned away for want of room proves nothing: it is counted, and readiness stays."""
    async with running(text(rest="limits: {subscribers: 1}\n").replace("1s", "1h")) as served:
        flying = canary(served)
        await until(lambda: flying.passed)
        await served.empty()
        await served.open()
        for _ in range(MISSES):
            await flying.fly()
        assert (flying.refused, flying.missed, flying.hindrance) == (MISSES, 0, None)


async def test_a_full_listener_is_no_broken_path():
    """It accepts nobody: the canary waits in the kernel's queue like others."""
    async with running(text().replace("1s", "1h")) as served:
        flying = canary(served)
        await until(lambda: flying.passed)
        await served.empty()
        room = served.bridge.public.room
        served.bridge.public.room = type(room)(0, room.streams)
        flying.within = 0.2
        await flying.fly()
        served.bridge.public.room = room
        assert (flying.refused, flying.missed) == (1, 0)


async def test_a_drain_ends_it_first():
    """A canary that is turned away by a stop would only be noise."""
    async with running(text()) as served:
        flying = canary(served)
        await until(lambda: flying.passed)
        client = await served.open()
        served.stop.set()
        await client.rest()
        await served.stopped.wait()
        assert served.bridge.observed.canary is None
        assert (flying.missed, flying.refused) == (0, 0)
        assert all(task.get_name() != "canary" for task in asyncio.all_tasks())
        assert all(route.terms.path != NAME for route in served.bridge.bus.routes)


async def test_it_starts_stops_and_changes_with_the_configuration():
    """As a reload has it; one that says as before goes on."""
    async with running(text()) as served:
        observed = served.bridge.observed
        first = canary(served)
        await observed.follow(server(text()))
        assert observed.canary is first
        await observed.follow(server(text().replace("1s", "2s")))
        second = canary(served)
        assert (second.every, second is first) == (2.0, False)
        await until(lambda: second.passed)
        assert observed.endpoint(first._path) is None
        await observed.follow(server(PARTS))
        assert observed.canary is None
        assert served.bridge.bus.routes[1:] == []


async def test_it_leaves_nothing_behind_when_its_peer_stalls():
    """A connection that says nothing is cut at its time."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        async with running(text().replace("1s", "1h")) as served:
            flying = canary(served)
            await until(lambda: flying.passed)
            flying._target, flying.within = _at(flying, silent.getsockname()), 0.2
            await flying.fly()
            assert flying.reason == "it took longer than 0.2 s"


def server(text: str) -> Server:
    """Return the part that the canary stands in."""
    return configured(text).server


def _at(flying: Canary, place: tuple[str, int]) -> Target:
    return replace(flying._target, places=lambda: [Place(*place)])


def _named(flying: Canary, name: str) -> Target:
    return replace(flying._target, hosts=lambda: (name,))
