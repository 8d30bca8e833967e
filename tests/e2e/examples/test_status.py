"""The status page, and the streams that pages of the old system read."""

import json
import re
import time

from playwright.async_api import expect

from tests.e2e.page import Listener
from tests.e2e.programs import ROOT

EXAMPLE = ROOT / "config/examples/status.yaml"


async def test_page_shows_status_notices_news_and_alerts(run, page):
    """Status is there at once; each push appears under its heading."""
    bridge = await run(EXAMPLE)
    await page.goto(bridge.url)
    await expect(page.locator("#server_status")).to_have_text("running")
    await expect(page.locator("#users_online")).to_have_text("1")
    for route in ("/api/events", "/api/news-feed", "/api/dashboard"):
        await bridge.awaits(route, 1)
    await bridge.push("notifications", {"title": "Backup <b>", "message": "finished"})
    await bridge.push("news", {"headline": "A new release", "summary": "with less in it"})
    await bridge.push("dashboard", {"level": "warning", "message": "The disk is full"}, event="alert")
    await expect(page.locator("#notifications li")).to_have_text(["Backup <b>finished"])
    await expect(page.locator("#news li")).to_have_text(["A new releasewith less in it"])
    await expect(page.locator("#alerts li")).to_have_text(["warningThe disk is full"])
    await expect(page.locator("#sample")).to_have_text(re.compile(r"\d+"))


async def test_status_comes_at_once_with_the_number_of_users(run, page, context):
    """It is unnamed, its numbers are numbers, and each open stream counts."""
    bridge = await run(EXAMPLE)
    tabs = [page, await context.new_page(), await context.new_page()]
    for number, tab in enumerate(tabs, start=1):
        await tab.goto(f"{bridge.url}/nowhere")
        await Listener(tab).open("/api/events")
        [event] = await Listener(tab).heard(1)
        status = json.loads(event.data)
        assert event.name == "message"
        assert list(status) == ["timestamp", "users_online", "server_status"]
        assert status["users_online"] == number
        assert status["server_status"] == "running"
        assert isinstance(status["timestamp"], float)
        assert abs(status["timestamp"] - time.time()) < 3


async def test_notification_reaches_three_streams_by_their_names(run, context):
    """Named on `/api/events` and `/api/notify`, unnamed on `/api/notifications`."""
    bridge = await run(EXAMPLE)
    names = {"/api/events": "notification", "/api/notify": "notification", "/api/notifications": "message"}
    listeners = {}
    for route in names:
        tab = await context.new_page()
        await tab.goto(f"{bridge.url}/nowhere")
        listeners[route] = Listener(tab)
        await listeners[route].open(route, "notification")
        await listeners[route].opened()
    notice = {"title": "Backup", "message": "finished in 41 s"}
    await bridge.push("notifications", notice)
    for route, name in names.items():
        seen = await listeners[route].heard(2 if route == "/api/events" else 1)
        assert (seen[-1].name, json.loads(seen[-1].data)) == (name, notice)


async def test_dashboard_has_metrics_and_alerts(run, page, listener):
    """Both arrive by name on one stream."""
    bridge = await run(EXAMPLE)
    await page.goto(f"{bridge.url}/nowhere")
    await listener.open("/api/dashboard", "metrics", "alert")
    await listener.opened()
    alert = {"level": "warning", "message": "The disk is 91 % full"}
    await bridge.push("dashboard", alert, event="alert")
    seen = {event.name: json.loads(event.data) for event in await listener.heard(2)}
    assert seen.keys() == {"metrics", "alert"}
    assert seen["alert"] == alert


async def test_news_are_articles(run, page, listener):
    """`/api/news-feed` names its events `article`."""
    bridge = await run(EXAMPLE)
    await page.goto(bridge.url.replace("127.0.0.1", "localhost"))  # another origin: CORS lets it in
    await listener.open(f"{bridge.url}/api/news-feed", "article")
    await listener.opened()
    await bridge.push("news", {"headline": "A new release"})
    assert [event.name for event in await listener.heard(1)] == ["article"]
