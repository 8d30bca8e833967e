"""An application behind the bridge: a path that both share, and a stream of its own."""

import sys

import aiohttp
import pytest
from playwright.async_api import expect

from tests.e2e.programs import ROOT, answers, running

EXAMPLE = ROOT / "config/examples/application.yaml"
APPLICATION = ROOT / "config/examples/applications/notes.py"


@pytest.fixture
def port(free_port):
    """Choose where the application is."""
    return free_port


@pytest.fixture
def serve(stack, port):
    """Run the application of the example."""

    async def start(push="http://127.0.0.1:9", pause=0.1):
        command = (sys.executable, APPLICATION, "--port", str(port), "--push", push, "--pause", str(pause))
        program = await stack.enter_async_context(running(*command))
        await answers(program, f"http://127.0.0.1:{port}/api/notes")
        return program

    return start


async def write(page, text):
    """Write a note down."""
    await page.get_by_label("Note", exact=True).fill(text)
    await page.get_by_role("button", name="Write down").click()


async def test_note_of_one_page_is_seen_in_the_other(run, page, context, port, serve):
    """The application is asked for its list and sent a form; it pushes, and both pages hear it."""
    bridge = await run(EXAMPLE, {"APP": f"http://127.0.0.1:{port}"})
    await serve(push=f"{bridge.admin}/-/push/notes")
    other = await context.new_page()
    for tab in (page, other):
        await tab.goto(bridge.url)
        await expect(tab.locator("#state")).to_have_text("live")
    await write(page, "buy <b>milk</b>")
    await expect(other.locator("#notes li")).to_have_text(["buy <b>milk</b>"])
    await write(other, "und Brot")
    await expect(page.locator("#notes li")).to_have_text(["und Brot", "buy <b>milk</b>"])
    late = await context.new_page()
    await late.goto(bridge.url)
    await expect(late.locator("#notes li")).to_have_text(["und Brot", "buy <b>milk</b>"])


async def test_export_comes_through_to_its_end(run, page, port, serve):
    """A stream of the application's own."""
    bridge = await run(EXAMPLE, {"APP": f"http://127.0.0.1:{port}"})
    await serve()
    await page.goto(bridge.url)
    await page.get_by_role("button", name="Export").click()
    await expect(page.locator("#progress")).to_have_js_property("value", 100)


async def test_silence_of_the_export_is_filled_with_comments(run, port, serve, tmp_path):
    """Between its events, where a page does not see them; only how often differs from the example as it stands."""
    copy = tmp_path / "application.yaml"
    pages = str(EXAMPLE.parent / "pages/application")
    copy.write_text(
        EXAMPLE.read_text().replace("heartbeat: 15s", "heartbeat: 200ms").replace("./pages/application", pages)
    )
    bridge = await run(copy, {"APP": f"http://127.0.0.1:{port}"})
    await serve(pause=0.7)
    async with aiohttp.ClientSession() as session, session.get(f"{bridge.url}/api/export") as response:
        assert response.content_type == "text/event-stream"
        blocks = (await response.text()).split("\n\n")
    assert [block for block in blocks if block != ":"] == [f"data: {n}" for n in (0, 25, 50, 75, 100)] + [""]
    assert blocks.count(":") >= 4


async def test_page_is_told_while_the_application_is_away(run, page, port, serve):
    """The stream is the bridge's, and stays; a note is refused with a reason, and taken once there is who takes it."""
    bridge = await run(EXAMPLE, {"APP": f"http://127.0.0.1:{port}"})
    await page.goto(bridge.url)
    await expect(page.locator("#state")).to_have_text("live")
    await write(page, "too early")
    await expect(page.locator("#trouble")).to_have_text("the application does not take connections")
    await serve(push=f"{bridge.admin}/-/push/notes")
    await page.get_by_role("button", name="Write down").click()
    await expect(page.locator("#notes li")).to_have_text(["too early"])
    await expect(page.locator("#trouble")).to_be_empty()
    await expect(page.locator("#state")).to_have_text("live")
