"""The rates' page, with a server that counts what it is asked."""

import re
import time

import orjson
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.programs import ROOT
from tests.http_server import HttpServer, Reply, answer

EXAMPLE = ROOT / "config/examples/rates.yaml"


def rate(currency: str, value: object) -> Reply:
    """Answer with a rate."""
    return answer(200, orjson.dumps({"currency": currency, "rate": value}), ("Content-Type", "application/json"))


@pytest_asyncio.fixture(loop_scope="session")
async def server():
    """Serve a rate for each currency."""
    async with HttpServer.serving(answer(404)) as served:
        served.on("/rates/EUR.json", rate("EUR", 11.38))
        served.on("/rates/NOK.json", rate("NOK", 0.97))
        served.on("/rates/USD.json", rate("USD", "<b>10.51</b>"))
        yield served


async def test_page_shows_a_rate_and_each_that_is_another(run, page, server):
    """The currencies are those of the file; what a server says is shown as text."""
    bridge = await run(EXAMPLE, {"API": server.url("")})
    await page.goto(bridge.url)
    await expect(page.locator("#currencies a")).to_have_text(["EUR", "NOK", "USD"])
    await expect(page.locator("#rate")).to_have_text("11.38")
    await expect(page.locator("#state")).to_have_text("live")
    server.on("/rates/EUR.json", rate("EUR", 11.42))
    await expect(page.locator("#rate")).to_have_text("11.42")
    await expect(page.locator("#change")).to_have_text("▲ 0.04")
    await expect(page.locator("#past li")).to_have_text([re.compile(r"^11\.42"), re.compile(r"^11\.38")])
    await page.get_by_role("link", name="USD").click()
    await expect(page.locator("#rate")).to_have_text("<b>10.51</b>")
    assert {request.path for request in server.requests} == {"/rates/EUR.json", "/rates/USD.json"}


async def test_one_poll_an_interval_for_all_pages_and_none_without(run, context, page, server):
    """A second tab has the last rate at once, and the server is asked no more often for it."""
    bridge = await run(EXAMPLE, {"API": server.url("")})
    assert server.requests == []
    await page.goto(bridge.url)
    await expect(page.locator("#rate")).to_have_text("11.38")
    count, began = len(server.requests), time.monotonic()
    other = await context.new_page()
    await other.goto(bridge.url)
    await expect(other.locator("#rate")).to_have_text("11.38")
    intervals = (time.monotonic() - began) / 1.8  # of 2 s, a tenth of it more or less
    assert len(server.requests) <= count + intervals + 1
    refused = await page.request.get(f"{bridge.url}/rates/GBP", headers={"Accept": "text/event-stream"})
    assert refused.status == 404


async def test_page_tells_when_the_server_is_gone(run, page, free_port):
    """The cause stands above the last rate until the server is back."""
    bridge = await run(EXAMPLE, {"API": f"http://127.0.0.1:{free_port}"})
    await page.goto(bridge.url)
    await expect(page.locator("#source")).to_have_text(re.compile(rf"^No new rates since .*127.0.0.1:{free_port}"))
    async with HttpServer.serving(rate("EUR", 11.5), port=free_port):
        await expect(page.locator("#rate")).to_have_text("11.5", timeout=15_000)
        await expect(page.locator("#source")).to_be_hidden()
