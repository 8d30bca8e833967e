"""The presets are valid, and turn the proxy's own errors into "come back" for EventSources alone."""

import asyncio
import contextlib
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Final

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from tests.e2e.programs import ROOT, Bridge, bridge
from tests.rolling.fronts import SCRIPT, Place, fronted, preset, write

pytestmark = pytest.mark.live

PROXIES: Final = ("nginx", "haproxy")
FRIEND: Final = "https://app.example.com:8443"
STREAM: Final = {"Accept": "text/event-stream"}

#: What a proxy says of its own accord where nobody listens.
REFUSED: Final = {"nginx": 502, "haproxy": 503}

ROUTES: Final = """\
version: 1
server:
  listen: ${LISTEN}
  health: ${HEALTH}
  admin: ${ADMIN}
  hops: [127.0.0.1]
  upstream: "%s"
sources: { notices: { kind: push } }
routes: { /notices: { from: notices, heartbeat: 1s } }
"""


@pytest.fixture(scope="module", params=PROXIES)
def proxy(request: pytest.FixtureRequest) -> str:
    """Name a proxy."""
    return request.param


@pytest.fixture(scope="module")
def nobody(free_ports: Callable[[], int]) -> list[Place]:
    """Choose two places where no bridge is."""
    return [Place(free_ports(), free_ports(), free_ports()) for _ in range(2)]


@pytest_asyncio.fixture(loop_scope="session")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a client that fails rather than hang, with a connection for each request.

    On one that is used again HAProxy has no error for a bridge that hung up: it hangs up too, so that the client tries
    again.
    """
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(30)) as opened:
        yield opened


def test_files_to_take_are_those_of_the_chart():
    """`scripts/proxies` writes both anew: nothing of them is edited by hand."""
    for name in PROXIES:
        [file] = (ROOT / "deploy/proxies").glob(f"{name}.*")
        rendered = subprocess.run([sys.executable, SCRIPT, name], check=True, capture_output=True, text=True).stdout
        assert file.read_text() == rendered, "run scripts/proxies"
        assert not re.search(r"@[A-Z]+@", rendered)


@pytest.mark.parametrize("origins", [[], [FRIEND], ["*"]])
def test_proxies_take_their_presets(proxy, nobody, origins, tmp_path):
    """`nginx -t` and `haproxy -c` find nothing to warn of."""
    command = write(proxy, tmp_path / proxy, preset(proxy, nobody, 8080, origins))
    done = subprocess.run(
        [*command, "-t" if proxy == "nginx" else "-c"], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert "[warn" not in done.stderr.lower()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def alone(
    proxy: str, nobody: list[Place], free_ports: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """Run the proxy with nobody behind it."""
    port = free_ports()
    text = preset(proxy, nobody, port, [FRIEND, "http://b.example"], seconds=5)
    async with fronted(proxy, tmp_path_factory.mktemp(proxy), text, port) as url:
        yield url


async def test_stream_is_told_to_come_back(alone, session):
    """200, five to six seconds, drawn for each; and no blank line, which would take a strict client its id."""
    drawn = set()
    for _ in range(20):
        async with session.get(f"{alone}/notices", headers=STREAM) as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "text/event-stream"
            assert response.headers["Cache-Control"] == "no-store, no-transform"
            [retry] = re.fullmatch(r"retry: (5\d\d\d)\n", await response.text()).groups()
            drawn.add(retry)
    assert len(drawn) > 10


@pytest.mark.parametrize(
    ("method", "headers"), [("GET", {}), ("GET", {"Accept": "text/html,*/*"}), ("POST", STREAM), ("PUT", {})]
)
async def test_anything_else_keeps_the_error(proxy, alone, session, method, headers):
    """A page is none the wiser for a 200, and a POST has not been carried out."""
    async with session.request(method, f"{alone}/notices", headers=headers) as response:
        assert response.status == REFUSED[proxy]
        assert "retry" not in await response.text()
        assert response.headers["Content-Type"].startswith("text/")
        assert "event-stream" not in response.headers["Content-Type"]


@pytest.mark.parametrize(
    ("origin", "may_read"),
    [
        (FRIEND, True),
        ("http://b.example", True),
        ("https://app.example.com", False),
        ("https://app.example.com:84", False),
        ("https://app.example.com:8443.evil.example", False),
        ("https://appXexample.com:8443", False),
        ("example", False),
        ("null", False),
    ],
)
async def test_pages_of_listed_origins_may_read_it(alone, session, origin, may_read):
    """The origin is echoed exactly; to a stranger the answer says nothing, and a cache is told that it depends."""
    async with session.get(f"{alone}/notices", headers=STREAM | {"Origin": origin}) as response:
        assert response.status == 200
        assert response.headers["Vary"] == "Origin"
        assert response.headers.get("Access-Control-Allow-Origin") == (origin if may_read else None)
        assert response.headers.get("Access-Control-Allow-Credentials") == ("true" if may_read else None)


@pytest.mark.parametrize("origins", [["*"], []])
async def test_pages_of_any_origin_or_of_none(proxy, stack, nobody, free_port, tmp_path, session, origins):
    """`*` stands for all of them, without credentials; with no list nobody is let in."""
    text = preset(proxy, nobody, free_port, origins)
    url = await stack.enter_async_context(fronted(proxy, tmp_path / proxy, text, free_port))
    async with session.get(f"{url}/notices", headers=STREAM | {"Origin": "null"}) as response:
        assert response.status == 200
        assert response.headers.get("Access-Control-Allow-Origin") == (origins[0] if origins else None)
        assert "Access-Control-Allow-Credentials" not in response.headers


@contextlib.asynccontextmanager
async def bad(*, hangs_up: bool) -> AsyncIterator[Place]:
    """Listen, and hang up on who asks, or say nothing at all."""
    gone = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if not hangs_up:
            await gone.wait()
        writer.transport.abort()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield Place(port, port, port)
        gone.set()


@pytest.mark.parametrize(("hangs_up", "error"), [(True, 502), (False, 504)])
async def test_each_error_of_the_proxy_becomes_a_stream_or_stays(
    proxy, stack, free_port, tmp_path, session, hangs_up, error
):
    """Where the bridge hangs up, or is silent for too long, a stream is told to come back and a page of the error."""
    place = await stack.enter_async_context(bad(hangs_up=hangs_up))
    # Without checks: HAProxy would say 503 as soon as they have failed.
    text = re.sub("default-server .*", "", preset(proxy, [place], free_port)).replace("5m;", "1s;")
    text = text.replace("timeout server 5m", "timeout server 1s")
    url = await stack.enter_async_context(fronted(proxy, tmp_path / proxy, text, free_port))
    for method, headers, status in (("GET", STREAM, 200), ("GET", {}, error), ("POST", STREAM, error)):
        async with session.request(method, f"{url}/notices", headers=headers) as response:
            assert response.status == status
            assert ("retry: 1" in await response.text()) == (status == 200)


@contextlib.asynccontextmanager
async def application() -> AsyncIterator[str]:
    """Run an application that answers with the status that it is asked for, and echoes a WebSocket."""

    async def status(request: web.Request) -> web.StreamResponse:
        return web.Response(status=int(request.match_info["status"]), text="of the application")

    async def echo(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    app = web.Application()
    app.add_routes([web.get("/status/{status}", status), web.get("/echo", echo)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def one_of_three(proxy, stack, nobody, free_ports, free_port, tmp_path) -> tuple[Bridge, str]:
    """Run a bridge at one of the three places that the proxy knows, and an application behind it."""
    place = Place(free_ports(), free_ports(), free_ports())
    (tmp_path / "routes.yaml").write_text(ROUTES % await stack.enter_async_context(application()))
    env = {"HEALTH": f"127.0.0.1:{place.health}"}
    here = await stack.enter_async_context(bridge(tmp_path / "routes.yaml", place.public, place.admin, env))
    text = preset(proxy, [nobody[0], place, nobody[1]], free_port)
    return here, await stack.enter_async_context(fronted(proxy, tmp_path / proxy, text, free_port))


async def test_streams_open_at_the_bridge_that_is_there(one_of_three, session):
    """Every one, at once, with its Last-Event-ID; and what is pushed then comes at once."""
    here, url = one_of_three
    last = await here.push("notices", "heard before")
    for number in range(6):
        async with session.get(f"{url}/notices", headers=STREAM | {"Last-Event-ID": last}) as response:
            assert response.status == 200
            last = await here.push("notices", number)
            read = b""
            while f"id: {last}\n".encode() not in read:
                read += await response.content.readany()
            assert re.findall(rb"data: (.*)\n", read) == [b"%d" % number]


async def test_the_application_behind_the_bridge_is_passed_through(one_of_three, session):
    """Its own errors are its own, asked for a stream or not; a WebSocket is one."""
    _, url = one_of_three
    for status in (200, 404, 502, 503, 504):
        for headers in (STREAM, {}):
            async with session.get(f"{url}/status/{status}", headers=headers) as response:
                assert (response.status, await response.text()) == (status, "of the application")
    async with session.ws_connect(f"{url}/echo") as socket:
        await socket.send_str("hello")
        assert await socket.receive_str(timeout=30) == "hello"
