"""Ten welcome messages for each visitor, and the end."""

from playwright.async_api import expect

from tests.e2e.page import Seen
from tests.e2e.programs import ROOT

EXAMPLE = ROOT / "config/examples/welcome.yaml"
TEN_SECONDS = 25_000  # milliseconds, and then some


async def test_each_visitor_is_welcomed_ten_times_and_no_more(run, lay, page, context):
    """A second visitor gets ten of their own; both are told 204 when they come back, and stop."""
    bridge = await run(EXAMPLE)
    cable = await lay(bridge.url)
    await page.goto(cable.url)
    await expect(page.get_by_role("listitem").first).to_have_text("Message 0")
    other = await context.new_page()
    await other.goto(cable.url)
    for visitor in (page, other):
        await expect(visitor.get_by_role("status")).to_have_text("ended", timeout=TEN_SECONDS)
        await expect(visitor.get_by_role("listitem")).to_have_text([f"Message {n}" for n in range(10)])
    assert sum("GET /events" in head for head in cable.asked) == 4


async def test_visitor_who_loses_the_connection_goes_on_where_they_were(run, lay, page, listener):
    """The id of a run carries its number, so nothing is told twice or left out."""
    bridge = await run(EXAMPLE)
    cable = await lay(bridge.url)
    await page.goto(f"{cable.url}/nowhere")  # a page without a stream of its own
    await listener.open("/events", "welcome")
    await listener.heard(3)
    cable.cut()
    cable.mend()
    await listener.closed()
    seen = await listener.events()
    assert [Seen(event.name, event.data, "") for event in seen if not event.name.startswith("bridge.")] == [
        Seen("welcome", f"Message {n}", "") for n in range(10)
    ]
