"""A WebSocket of an application behind the bridge, in Chromium; and the same one behind nginx."""

from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from aiohttp import WSCloseCode, WSMsgType, web

from tests.e2e.programs import bridge as start, nginx, until

ROUTES = """
version: 1
server:
  listen: ${LISTEN}
  admin: ${ADMIN}
  drain: 0s
  upstreams: { /ws: { url: "http://%s", strip_prefix: true } }
sources: { p: { kind: push } }
routes: { /p: { from: p } }
"""

#: What nginx needs to pass one on.
UPGRADE = """
location /ws/ {
    proxy_pass %s;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
    proxy_set_header Host $http_host;
}
"""

MEBIBYTE = 1024 * 1024

#: A socket whose events wait until they are asked for.
OPEN = """([url, protocols]) => new Promise((resolve) => {
    const socket = window.socket = new WebSocket(url, protocols);
    const log = window.log = { messages: [], closed: null };
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => log.messages.push(data);
    socket.onclose = ({ code, reason, wasClean }) => { log.closed = [code, reason, wasClean]; resolve("closed"); };
    socket.onopen = () => resolve([socket.protocol, socket.extensions]);
})"""


class Application:
    """Sends back what it gets, and does what some words say."""

    def __init__(self) -> None:
        self.open: list[web.WebSocketResponse] = []
        self.pongs: list[bytes] = []

    async def talk(self, request: web.Request) -> web.StreamResponse:
        """Talk until one side has had enough."""
        if request.path == "/":
            return web.Response(text="<!doctype html><link rel=icon href='data:,'>", content_type="text/html")
        if request.path == "/closed":
            raise web.HTTPForbidden
        socket = web.WebSocketResponse(
            protocols=["echo.v2"], autoping=False, autoclose=False, max_msg_size=4 * MEBIBYTE
        )
        await socket.prepare(request)
        self.open.append(socket)
        async for message in socket:
            await self._take(socket, message)
        # The page's own code, as the standard would have it (RFC 6455, 5.5.1); aiohttp would say 1000.
        await socket.close(code=socket.close_code or WSCloseCode.OK)
        return socket

    async def _take(self, socket: web.WebSocketResponse, message: object) -> None:
        match message.type, message.data:
            case WSMsgType.TEXT, "close yourself":
                await socket.close(code=4321, message="as you wish: até já".encode())
            case WSMsgType.TEXT, "ping me":
                await socket.ping(b"are you there?")
            case WSMsgType.TEXT, text:
                await socket.send_str(text)
            case WSMsgType.BINARY, data:
                await socket.send_bytes(data)
            case WSMsgType.PONG, data:
                self.pongs.append(bytes(data))


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def served():
    """Run the application; return it with its address."""
    made = Application()
    app = web.Application()
    app.router.add_get("/{path:.*}", made.talk)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield made, "{}:{}".format(*runner.addresses[0][:2])
    await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session", scope="module", params=["bridge", "nginx before it"])
async def front(request, served, free_ports, tmp_path_factory):
    """Run the bridge before the application, and nginx before both; return what the browser is told."""
    folder = tmp_path_factory.mktemp("websocket")
    routes = folder / "routes.yaml"
    routes.write_text(ROUTES % served[1])
    async with AsyncExitStack() as stack:
        origin = (await stack.enter_async_context(start(routes, free_ports(), free_ports()))).url
        if request.param != "bridge":
            lines = UPGRADE % origin
            origin = await stack.enter_async_context(nginx(folder / "nginx", free_ports(), origin, lines))
        yield origin


@pytest_asyncio.fixture(loop_scope="session")
async def url(front, page):
    """Open a page; return where its sockets are."""
    await page.goto(f"{front}/ws/")
    return front.replace("http:", "ws:") + "/ws"


@pytest.fixture
def application(served):
    """Return the application, which remembers nothing of other tests."""
    served[0].open.clear()
    served[0].pongs.clear()
    return served[0]


async def heard(page, count):
    """Wait for so many messages."""
    await page.wait_for_function("(count) => log.messages.length >= count", arg=count)


async def closed(page):
    """Wait until the page's socket is closed; return code, reason, and whether it was orderly."""
    await page.wait_for_function("() => log.closed")
    return await page.evaluate("log.closed")


async def test_text_and_bytes_come_back_as_they_were(url, page):
    """With the protocol that was agreed on, and compressed, as browser and application agreed."""
    protocol, extensions = await page.evaluate(OPEN, [f"{url}/echo?a=b", ["echo.v1", "echo.v2"]])
    assert protocol == "echo.v2"
    assert "permessage-deflate" in extensions
    await page.evaluate(
        """() => { socket.send("grüße, 世界 🌍"); socket.send(""); socket.send(new Uint8Array([0, 255, 10, 13])); }"""
    )
    await heard(page, 3)
    seen = await page.evaluate(
        "log.messages.map((data) => typeof data === 'string' ? data : [...new Uint8Array(data)])"
    )
    assert seen == ["grüße, 世界 🌍", "", [0, 255, 10, 13]]


async def test_messages_of_a_mebibyte_come_back_whole(url, page):
    """Eight at once, of random bytes, which nothing compresses, and of text; in their order."""
    await page.evaluate(OPEN, [f"{url}/echo", []])
    same = await page.evaluate(
        """async (size) => {
            const sent = [];
            for (let i = 0; i < 4; i++) {
                const bytes = new Uint8Array(size);
                for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
                sent.push(bytes.buffer, String.fromCharCode(97 + i).repeat(size));
            }
            sent.forEach((data) => socket.send(data));
            while (log.messages.length < sent.length && !log.closed) await new Promise((wake) => setTimeout(wake, 20));
            const text = (data) => typeof data === "string" ? data : new TextDecoder("latin1").decode(data);
            return sent.map((data, i) => text(data) === text(log.messages[i] ?? ""));
        }""",
        MEBIBYTE,
    )
    assert same == [True] * 8


async def test_close_of_the_application_arrives_with_code_and_reason(url, page):
    """An orderly end."""
    await page.evaluate(OPEN, [f"{url}/echo", []])
    await page.evaluate("socket.send('close yourself')")
    assert await closed(page) == [4321, "as you wish: até já", True]


async def test_close_of_the_page_arrives_with_its_code(url, page, application):
    """And is answered, so that both are closed for good."""
    await page.evaluate(OPEN, [f"{url}/echo", []])
    await page.evaluate("socket.close(4001, 'had enough')")
    assert await closed(page) == [4001, "", True]
    [socket] = application.open
    assert socket.close_code == 4001


async def test_ping_of_the_application_is_answered_by_the_browser(url, page, application):
    """Both are frames like any other to whoever stands between."""
    await page.evaluate(OPEN, [f"{url}/echo", []])
    await page.evaluate("socket.send('ping me')")
    await until(lambda: _has(application.pongs), "the browser's pong")
    assert application.pongs == [b"are you there?"]


async def test_page_that_is_left_ends_its_socket_at_the_application(url, page, application):
    """Nothing of it is left behind."""
    await page.evaluate(OPEN, [f"{url}/echo", []])
    await page.goto("about:blank")
    await until(lambda: _has([socket.closed for socket in application.open]), "the application's socket is closed")
    assert application.open[0].close_code in {WSCloseCode.GOING_AWAY, WSCloseCode.ABNORMAL_CLOSURE}


async def test_socket_that_the_application_refuses_is_not_opened(url, page):
    """Its 403 reaches the browser, which closes."""
    assert await page.evaluate(OPEN, [f"{url}/closed", []]) == "closed"
    assert (await closed(page))[0] == 1006


async def test_sockets_stand_beside_one_another(url, page, application):
    """Five of one page, each with its own words."""
    seen = await page.evaluate(
        """(url) => Promise.all(Array.from({ length: 5 }, (_, i) => new Promise((resolve, reject) => {
            const socket = new WebSocket(url), said = [];
            socket.onopen = () => { for (let n = 0; n < 10; n++) socket.send(`${i}.${n}`); };
            socket.onmessage = ({ data }) => said.push(data) === 10 && resolve(said);
            socket.onclose = reject;
        })))""",
        f"{url}/echo",
    )
    assert seen == [[f"{i}.{n}" for n in range(10)] for i in range(5)]
    assert len(application.open) == 5


async def _has(things: list[object]) -> bool:
    return any(things)
