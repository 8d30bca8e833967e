"""The console on the demo's public port: the page, its documents, and nothing else of the admin port."""

import contextlib
import importlib
import re
from collections.abc import AsyncIterator
from random import Random

import aiohttp
import pytest

from bridge.console import PAGES
from bridge.demo import console, shop
from tests.support import configured, running

# The package has a command of this name too.
demo = importlib.import_module("bridge.cli.demo")


@contextlib.asynccontextmanager
async def shown() -> AsyncIterator[aiohttp.ClientSession]:
    """Run the demo's application with the console in front, beside a bridge; yield a browser at its address."""
    async with running() as served, console.opened(str(served.bridge.admin.places[0])) as front:
        with shop.listen() as listening:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            async with (
                shop.running(listening, Random(1), pause=3600, front=front),
                aiohttp.ClientSession(url) as browser,
            ):
                yield browser


async def test_the_first_address_leads_to_the_console_and_the_shop_has_its_own():
    """Some streams are open at once."""
    async with shown() as browser:
        async with browser.get("/", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, console.FRONT)
        async with browser.get("/console", allow_redirects=False) as answer:
            assert answer.status in {301, 302, 307, 308}
        async with browser.get("/console/") as answer:
            assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
            assert "<title>sse-bridge</title>" in await answer.text()
        async with browser.get("/console/console.js") as answer:
            assert answer.status == 200
        async with browser.get("/shop") as answer:
            assert "<title>Shop</title>" in await answer.text()


def test_all_that_the_page_asks_for_passes():
    """A page that asks for one thing more, unanswered, would say that the bridge is unreachable."""
    asked = {f"/{path}" for file in PAGES.glob("*.js") for path in re.findall(r'fetch\("([^"]+)"', file.read_text())}
    assert asked == set(console.DOCUMENTS)


async def test_documents_of_the_admin_port_pass():
    """What the page asks for every two seconds."""
    async with shown() as browser:
        async with browser.get("/console/-/routes") as answer:
            assert [route["path"] for route in await answer.json()] == ["/p"]
        async with browser.get("/console/-/sources") as answer:
            assert [source["name"] for source in await answer.json()] == ["p"]
        async with browser.get("/console/-/applications") as answer:
            assert answer.status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/-/push/p", "/-/reload", "/-/drain", "/-/log", "/-/routes"])
async def test_nothing_is_changed_through_it(method, path):
    """Nobody on the public port pushes, reloads or drains."""
    async with shown() as browser, browser.request(method, f"/console{path}") as answer:
        assert answer.status in {404, 405}


async def test_a_stream_is_the_routes_own_and_no_other_hosts():
    """The browser is sent there; an address of another host is refused."""
    async with shown() as browser:
        async with browser.get("/console/-/view/logs/a%20b?last=20", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (307, "/logs/a%20b?last=20")
        for foreign in ("//example.com/", ""):
            async with browser.get(f"/console/-/view{foreign}", allow_redirects=False) as answer:
                assert answer.status == 404


@pytest.mark.parametrize(
    ("listen", "is_wide"),
    [("127.0.0.1:0", False), ("[::1]:0", False), ("localhost:0", False), (":0", True), ("0.0.0.0:0", True)],
)
def test_the_console_is_public_where_the_public_port_is_not_this_machines_alone(listen, is_wide):
    """Then the browser may be on another machine, or outside the container: it cannot reach the admin port."""
    config = configured(f"auth: anonymous\nserver: {{listen: '{listen}', admin: '127.0.0.1:0'}}\nroutes: {{}}\n")
    assert demo.is_wide(config) is is_wide
