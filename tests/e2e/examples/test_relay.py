"""An application's bare stream, relayed to pages."""

import re
import sys

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.programs import ROOT, answers, running

EXAMPLE = ROOT / "config/examples/relay.yaml"
APPLICATION = ROOT / "config/examples/applications/trades.py"

PRICE = re.compile(r"\d+\.\d\d")


@pytest.fixture
def port(free_port):
    """Choose where the application is."""
    return free_port


@pytest_asyncio.fixture(loop_scope="session")
async def application(stack, port):
    """Run the application of the example."""
    program = await stack.enter_async_context(running(sys.executable, APPLICATION, "--port", str(port)))
    await answers(program, f"http://127.0.0.1:{port}/api/symbols")
    return program


@pytest.mark.usefixtures("application")
async def test_page_shows_trades_and_quotes(run, page, port):
    """All of them come through the bridge, and so does what is no stream."""
    bridge = await run(EXAMPLE, {"APP": f"http://127.0.0.1:{port}"})
    await page.goto(bridge.url)
    await expect(page.locator("#trades li").first).to_have_text(re.compile(r"(ABC|XYZ)\d+\.\d\d"))
    await expect(page.locator("#ABC")).to_have_text(PRICE)
    await expect(page.locator("#XYZ")).to_have_text(PRICE)
    await expect(page.locator("#state")).to_have_text("live")
    response = await page.request.get(f"{bridge.url}/api/symbols")
    assert await response.json() == ["ABC", "XYZ"]


async def test_the_application_has_one_reader_however_many_pages(run, page, context, port, application):
    """Two pages more cost it nothing: one connection of trades, one of each quote."""
    bridge = await run(EXAMPLE, {"APP": f"http://127.0.0.1:{port}"})
    for tab in (page, await context.new_page()):
        await tab.goto(bridge.url)
        await expect(tab.locator("#trades li").first).to_have_text(PRICE)
        await expect(tab.locator("#ABC")).to_have_text(PRICE)
        await expect(tab.locator("#XYZ")).to_have_text(PRICE)
    asked = re.findall(r"GET (/api/(?:trades|quotes)\S*)", application.printed)
    assert sorted(asked) == ["/api/quotes/ABC", "/api/quotes/XYZ", "/api/trades"]


async def test_page_is_told_when_the_application_is_gone_and_when_it_is_back(run, page, stack, port, application):
    """And that something is missing between: the application gives no ids to ask with."""
    bridge = await run(EXAMPLE, {"APP": f"http://127.0.0.1:{port}"})
    await page.goto(bridge.url)
    await expect(page.locator("#trades li").first).to_have_text(PRICE)
    await application.end()
    await expect(page.locator("#application")).to_have_text("down", timeout=20_000)
    await stack.enter_async_context(running(sys.executable, APPLICATION, "--port", str(port)))
    await expect(page.locator("#application")).to_have_text("up", timeout=60_000)
    await expect(page.locator("#trades li.gap")).to_have_text(["something is missing here"])
    await expect(page.locator("#state")).to_have_text("live")
