"""Chromium, the bridge and the proxies, for whichever test asks.

All tests here share one event loop, since they share one browser.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.e2e.cable import Cable, cable
from tests.e2e.page import Listener
from tests.e2e.programs import Bridge, bridge, executable

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Run = Callable[..., Awaitable[Bridge]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test here: it runs against real programs, on the loop that the browser lives on."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.live)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Start Debian's Chromium once."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=executable("chromium"), args=FLAGS)
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """Open a fresh profile for this test."""
    fresh = await browser.new_context(viewport={"width": 1280, "height": 800})
    yield fresh
    await fresh.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """Open a tab; an error in the page's own script fails the test."""
    tab = await context.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    yield tab
    assert not errors


@pytest.fixture
def listener(page: Page) -> Listener:
    """Give the page an EventSource whose events can be read."""
    return Listener(page)


@pytest_asyncio.fixture(loop_scope="session")
async def stack() -> AsyncIterator[AsyncExitStack]:
    """Hold what a test has started; all of it ends with the test."""
    async with AsyncExitStack() as held:
        yield held


@pytest.fixture
def run(stack: AsyncExitStack, free_ports: Callable[[], int], tmp_path: Path) -> Run:
    """Run a bridge on a file, or on a text that becomes one; `LISTEN` and `ADMIN` are set to free ports."""

    async def start(routes: Path | str, env: Mapping[str, str] | None = None) -> Bridge:
        if isinstance(routes, str):
            path = tmp_path / "routes.yaml"
            path.write_text(HEAD + routes)
            (tmp_path / "pages").mkdir(exist_ok=True)
            (tmp_path / "pages" / "index.html").write_text(BLANK)
            routes = path
        return await stack.enter_async_context(bridge(routes, free_ports(), free_ports(), env))

    return start


@pytest.fixture
def lay(stack: AsyncExitStack) -> Callable[[str], Awaitable[Cable]]:
    """Lay a cable, which the test may cut, to an address."""
    return lambda upstream: stack.enter_async_context(cable(upstream))


#: What every short configuration of a test begins with. The page is one to run scripts in.
HEAD = """\
version: 1
server:
  listen: ${LISTEN}
  admin: ${ADMIN}
  pages: { /: ./pages }
"""
BLANK = '<!doctype html><title>blank</title><link rel="icon" href="data:,">'
