"""The clock, from its server and from the disk."""

import re
import time

import pytest
from playwright.async_api import expect

from tests.e2e.programs import ROOT

EXAMPLE = ROOT / "config/examples/clock.yaml"
PAGE = ROOT / "config/examples/pages/clock/index.html"
TIME_OF_DAY = re.compile(r"(1[0-2]|[1-9]):[0-5]\d:[0-5]\d [AP]M")
TICK = 12_000  # milliseconds: two ticks and some more


async def test_page_shows_the_time_of_day(run, page):
    """Within a tick the page shows the time as text, and the next tick moves it on."""
    bridge = await run(EXAMPLE)
    await page.goto(bridge.url)
    shown = page.get_by_role("timer")
    await expect(shown).to_have_text(TIME_OF_DAY, timeout=TICK)
    first = await shown.text_content()
    assert first
    await expect(shown).not_to_have_text(first, timeout=TICK)
    await expect(page.get_by_role("status")).to_have_text("live")


async def test_page_opened_from_the_disk_reads_too(run, page, tmp_path):
    """Its origin is `null`; only the port differs from the page as it stands."""
    bridge = await run(EXAMPLE)
    copy = tmp_path / "clock.html"
    copy.write_text(PAGE.read_text().replace("http://127.0.0.1:3000", bridge.url))
    await page.goto(copy.as_uri())
    assert await page.evaluate("location.origin + '|' + self.origin") in {"file://|null", "null|null"}
    await expect(page.get_by_role("timer")).to_have_text(TIME_OF_DAY, timeout=TICK)


async def test_newcomer_waits_for_the_next_tick(run, page, listener):
    """Ticks are five seconds apart, and one that is over is not told again."""
    bridge = await run(EXAMPLE)
    await page.goto(bridge.url)
    await listener.open("/events")
    await listener.heard(1)
    first = time.monotonic()
    await listener.open("/events")
    [event] = await listener.heard(1)
    assert 4.0 < time.monotonic() - first < 7.0
    assert TIME_OF_DAY.fullmatch(event.data)
    assert event.name == "message"


async def test_answer_has_the_headers_and_the_delay_of_the_old_clock(run, page):
    """`retry: 5000` exactly, and `*` for every origin."""
    bridge = await run(EXAMPLE)
    await page.goto(bridge.url)
    block = await page.evaluate("""async () => {
        const response = await fetch("/events");
        const { value } = await response.body.getReader().read();
        return [response.headers.get("Access-Control-Allow-Origin"), new TextDecoder().decode(value)];
    }""")
    assert block[0] == "*"
    assert "retry: 5000\n" in block[1]


@pytest.mark.parametrize("path", ["/other", "/events/other", "/favicon.ico", "/api"])
async def test_every_other_path_is_not_found(run, page, path):
    """Only the page and the stream are served."""
    bridge = await run(EXAMPLE)
    assert (await page.request.get(f"{bridge.url}{path}")).status == 404
    assert (await page.request.get(bridge.url)).status == 200
