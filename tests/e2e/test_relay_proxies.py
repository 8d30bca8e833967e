"""An application's bare stream behind nginx, which cuts what is idle for three seconds; and what saves it.

The bridge relays it, or passes it on with heartbeats between its events.
"""

import asyncio

import pytest
import pytest_asyncio

from tests.e2e.page import Listener
from tests.e2e.programs import IDLE_LIMIT, nginx, until
from tests.http_server import HttpServer, Request, Wire
from tests.upstream import HEAD, event

ROUTES = """
sources:
  app: { kind: sse, url: "%s", connect: listened }
routes:
  /relayed: { from: app, heartbeat: 1s, retry: { exact: 1s } }
"""

#: Ways past the routes, one with heartbeats and one without.
PASSED = """\
  upstreams:
    /beaten: { url: "%s", heartbeat: 1s }
    /untouched: { url: "%s" }
"""

#: The bare stream, past the bridge.
BARE = "location /bare { %s proxy_pass %s; }"

#: What would hold up the events of a stream that does not ask for it to be off, as a route's does.
UNBUFFERED = "proxy_buffering off;"


class Application:
    """Sends what a test says to all who listen; no ids, no heartbeats, no replay."""

    def __init__(self) -> None:
        self.wires: set[Wire] = set()

    async def __call__(self, request: Request, wire: Wire) -> None:
        """Keep a listener for as long as it stays."""
        await wire.send(HEAD)
        self.wires.add(wire)
        try:
            await wire.left()
        finally:
            self.wires.discard(wire)

    async def say(self, text: str) -> None:
        """Send an event."""
        for wire in list(self.wires):
            await wire.send(event(text))


@pytest_asyncio.fixture(loop_scope="session")
async def application(stack):
    """Run the application; return it with its server."""
    made = Application()
    return made, await stack.enter_async_context(HttpServer.serving(made))


@pytest.mark.parametrize("path", ["/relayed", "/beaten"])
async def test_a_bare_stream_dies_where_one_with_heartbeats_lives(
    run, stack, tmp_path, free_ports, page, context, application, path
):
    """Each silence of the application cuts the one and costs it an event; the other hears them all."""
    app, server = application
    bridge = await run(PASSED % (server.url(), server.url()) + ROUTES % server.url("/stream"))
    front = nginx(tmp_path / "nginx", free_ports(), bridge.url, BARE % (UNBUFFERED, server.url()))
    url = await stack.enter_async_context(front)
    bare, beating = Listener(page), Listener(await context.new_page())
    for each, where in ((bare, "/bare"), (beating, path)):
        await each.page.goto(url)
        await each.open(where)
    await beating.opened()
    # nginx sends the head with the first bytes after it, so the page does not know yet that the bare one is open.
    await until(lambda: _are(app, 2), "nginx and the bridge read the application")
    await app.say("one")
    for each in (bare, beating):
        await each.heard(1)
    await until(lambda: _are(app, 1), "nginx has cut the bare stream", patience=4 * IDLE_LIMIT)
    await app.say("two")
    await beating.heard(2)
    await until(lambda: _are(app, 2), "the bare stream is back")
    await app.say("three")
    assert [each.data for each in await beating.heard(3)] == ["one", "two", "three"]
    assert [each.data for each in await bare.heard(2)] == ["one", "three"]
    assert await beating.page.evaluate("[log.opened, log.errors]") == [1, 0]
    assert await bare.page.evaluate("log.errors") >= 1


async def test_a_stream_that_is_passed_on_untouched_dies_too(
    run, stack, tmp_path, free_ports, page, listener, application
):
    """It is the heartbeats that keep it, and not that the bridge stands between."""
    app, server = application
    bridge = await run(PASSED % (server.url(), server.url()) + ROUTES % server.url("/stream"))
    url = await stack.enter_async_context(nginx(tmp_path / "nginx", free_ports(), bridge.url, UNBUFFERED))
    await page.goto(url)
    await listener.open("/untouched")
    await until(lambda: _are(app, 1), "the page reads the application")
    await app.say("one")
    await listener.heard(1)
    await until(lambda: _are(app, 0), "nginx has cut the stream", patience=4 * IDLE_LIMIT)
    await until(lambda: _are(app, 1), "the page is back")
    assert await page.evaluate("log.errors") >= 1


async def test_a_relayed_stream_is_replayed_to_who_was_away(
    run, stack, lay, tmp_path, free_ports, page, listener, application
):
    """The application gives no ids; the bridge does."""
    app, server = application
    bridge = await run(ROUTES % server.url("/stream"))
    cable = await lay(await stack.enter_async_context(nginx(tmp_path / "nginx", free_ports(), bridge.url)))
    await page.goto(cable.url)
    await listener.open("/relayed")
    await listener.opened()
    await until(lambda: _are(app, 1), "the bridge reads the application")
    await app.say("one")
    await listener.heard(1)
    cable.cut()
    await asyncio.gather(*(app.say(text) for text in ("two", "three")))
    cable.mend()
    seen = await listener.heard(3)
    assert [(each.name, each.data) for each in seen] == [("message", text) for text in ("one", "two", "three")]
    assert len(app.wires) == 1


async def _are(app: Application, readers: int) -> bool:
    return len(app.wires) == readers
