"""The board's page, with a server whose list changes."""

import re
from collections.abc import Mapping

import orjson
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.page import Listener
from tests.e2e.programs import ROOT
from tests.http_server import HttpServer, Reply, answer

EXAMPLE = ROOT / "config/examples/board.yaml"


def train(id: str, time: str, to: str, **more: str) -> Mapping[str, str]:
    """Return a departure."""
    return {"id": id, "time": time, "to": to, "platform": "3", "status": "on time", **more}


def board(*trains: Mapping[str, str]) -> Reply:
    """Answer with a board."""
    return answer(200, orjson.dumps({"departures": trains}), ("Content-Type", "application/json"))


OSLO = train("IC 41", "14:05", "Oslo")
LYON = train("R 212", "14:12", "<i>Lyon</i>", status="late")
PORTO = train("IC 17", "14:30", "Porto")


def rows(page):
    """Find the rows of the table: time, train, where to, platform, status."""
    return page.locator("#body tr")


@pytest_asyncio.fixture(loop_scope="session")
async def server():
    """Serve a board of two trains."""
    async with HttpServer.serving(board(LYON, OSLO)) as served:
        yield served


async def test_page_shows_the_board_and_what_changes_of_it(run, page, server):
    """A row is changed in its place, one that is gone leaves, a new one finds its place; a reload shows the same."""
    bridge = await run(EXAMPLE, {"API": server.url("")})
    await page.goto(bridge.url)
    await expect(rows(page)).to_have_text(["14:05IC 41Oslo3on time", "14:12R 212<i>Lyon</i>3late"])
    await expect(page.locator("#state")).to_have_text("live")
    server.play(board({**LYON, "platform": "7"}, OSLO, PORTO))
    await expect(rows(page)).to_have_text(
        ["14:05IC 41Oslo3on time", "14:12R 212<i>Lyon</i>7late", "14:30IC 17Porto3on time"]
    )
    server.play(board(PORTO, {**LYON, "platform": "7"}))
    await expect(rows(page)).to_have_text(["14:12R 212<i>Lyon</i>7late", "14:30IC 17Porto3on time"])
    await page.reload()
    await expect(rows(page)).to_have_text(["14:12R 212<i>Lyon</i>7late", "14:30IC 17Porto3on time"])
    server.play(board())
    await expect(page.locator("#none")).to_be_visible()


async def test_only_what_changes_is_sent(run, page, server):
    """First all there is, then an event for each item that is another; an equal list in another order is no news."""
    bridge = await run(EXAMPLE, {"API": server.url("")})
    await page.goto(f"{bridge.url}/nowhere")
    listener = Listener(page)
    await listener.open("/board", "added", "changed", "delete")
    seen = await listener.heard(2)
    assert [(event.name, orjson.loads(event.data)["id"]) for event in seen] == [("added", "R 212"), ("added", "IC 41")]
    asked = len(server.requests)
    server.play(board(OSLO, LYON))
    await server.asked(asked + 2)
    server.play(board({**OSLO, "status": "late"}))
    seen = (await listener.heard(4))[2:]
    assert [event.name for event in seen] == ["delete", "changed"]
    assert orjson.loads(seen[0].data)["key"] == "R 212"
    assert orjson.loads(seen[1].data) == {**OSLO, "status": "late"}


async def test_page_tells_when_the_server_fails(run, page, server):
    """What was on the board stays there, with a word that it may be old."""
    bridge = await run(EXAMPLE, {"API": server.url("")})
    await page.goto(bridge.url)
    await expect(rows(page)).to_have_count(2)
    server.play(answer(500))
    await expect(page.locator("#source")).to_have_text(re.compile("^No news since .* answers 500"), timeout=15_000)
    await expect(rows(page)).to_have_count(2)
    server.play(board(OSLO, LYON, PORTO))
    await expect(rows(page)).to_have_count(3, timeout=15_000)
    await expect(page.locator("#source")).to_be_hidden()
