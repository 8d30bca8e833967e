"""A number that grows, for a page and for a program."""

import sys

from playwright.async_api import expect

from tests.e2e.page import Listener
from tests.e2e.programs import PATIENCE, ROOT, running, until

EXAMPLE = ROOT / "config/examples/messages.yaml"
CLIENT = ROOT / "config/examples/clients/messages.py"
ROUTE = "/events?stream=messages"


async def test_page_counts_and_misses_nothing_over_a_cut(run, lay, page):
    """The number grows ten times a second; what is missed while cut is replayed."""
    bridge = await run(EXAMPLE)
    cable = await lay(bridge.url)
    await page.goto(cable.url)
    await page.wait_for_function("Number(document.getElementById('count').textContent) >= 10")
    cable.cut()
    cable.mend()
    await expect(page.get_by_role("status")).to_have_text("reconnecting")
    await expect(page.get_by_role("status")).to_have_text("live", timeout=10_000)
    await page.wait_for_function("Number(document.getElementById('count').textContent) >= 80")
    await expect(page.locator("#missing")).to_have_text("0")
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_role("status")).to_have_text("stopped")
    await bridge.awaits(ROUTE, 0)


async def test_newcomer_sees_only_what_comes_next(run, page, context):
    """Nothing that was is replayed, and the numbers have no holes."""
    bridge = await run(EXAMPLE)
    await page.goto(f"{bridge.url}/nowhere")
    await Listener(page).open(ROUTE)
    before = await Listener(page).heard(20)
    tab = await context.new_page()
    await tab.goto(f"{bridge.url}/nowhere")
    await Listener(tab).open(ROUTE)
    seen = await Listener(tab).heard(10)
    numbers = [int(event.data) for event in seen]
    assert numbers[0] > int(before[-1].data)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert {event.name for event in seen} == {"message"}


async def test_stream_is_chosen_by_the_query(run, page):
    """Another stream, or none, is not found."""
    bridge = await run(EXAMPLE)
    for path in ("/events", "/events?stream=other"):
        assert (await page.request.get(f"{bridge.url}{path}")).status == 404


async def test_program_reads_the_stream_with_a_header_of_its_own(run, lay):
    """It sends X-Forwarded-For, comes back after a cut with the last id, and misses nothing."""
    bridge = await run(EXAMPLE)
    cable = await lay(bridge.url)
    command = (sys.executable, CLIENT, f"{cable.url}{ROUTE}", "--from", "198.51.100.9", "--count", "60")
    async with running(*command) as program:

        async def has_read() -> bool:
            return len(program.output) >= 10

        await until(has_read, "ten events")
        cable.cut()
        cable.mend()
        await until(lambda: _ended(program), "sixty events", PATIENCE)
    numbers = [int(line.split("\t")[2]) for line in program.output if "\t" in line]
    assert numbers == list(range(numbers[0], numbers[0] + 60))
    assert "X-Forwarded-For: 198.51.100.9\r\n" in cable.asked[0]
    assert "Last-Event-ID: " not in cable.asked[0]
    assert "Last-Event-ID: " in cable.asked[-1]


async def _ended(program):
    return program.process.returncode is not None
