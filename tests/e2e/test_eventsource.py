"""EventSource in Chromium, against a running bridge."""

import json
import signal

import pytest

from tests.e2e.page import CLOSED, Seen
from tests.e2e.programs import bridge as start

ROUTES = """
sources:
  notices: { kind: push }
routes:
  /notices: { from: notices, retry: { exact: 1s } }
  /named: { from: notices, event: notice, retry: { exact: 1s } }
  /old: { gone: true }
  /listed: { from: notices, cors: { origins: ["http://localhost:5173"] } }
  /open: { from: notices, cors: { origins: ["*"] } }
"""


async def test_events_arrive_with_their_names_and_ids(run, page, listener):
    """The name is the pusher's, the id is that of the answer to the push."""
    bridge = await run(ROUTES)
    await page.goto(bridge.url)
    await listener.open("/notices", "sale")
    await listener.opened()
    first = await bridge.push("notices", {"n": 1})
    second = await bridge.push("notices", {"n": 2}, event="sale")
    assert await listener.heard(2) == [Seen("message", '{"n": 1}', first), Seen("sale", '{"n": 2}', second)]


async def test_route_names_its_events(run, page, listener):
    """`event` on a route reaches the listener of that name, and no other."""
    bridge = await run(ROUTES)
    await page.goto(bridge.url)
    await listener.open("/named", "notice")
    await listener.opened()
    await bridge.push("notices", "hello")
    assert [event.name for event in await listener.heard(1)] == ["notice"]


async def test_reconnect_replays_what_was_missed_once_and_in_order(run, lay, page, listener):
    """Events of the time without a connection arrive after it, between those before and those since."""
    bridge = await run(ROUTES)
    cable = await lay(bridge.url)
    await page.goto(cable.url)
    await listener.open("/notices")
    await listener.opened()
    ids = [await bridge.push("notices", n) for n in range(3)]
    await listener.heard(3)
    cable.cut()
    ids += [await bridge.push("notices", n) for n in range(3, 6)]
    cable.mend()
    await listener.opened(2)
    ids += [await bridge.push("notices", n) for n in range(6, 9)]
    seen = await listener.heard(9)
    assert [(event.name, event.data, event.id) for event in seen] == [("message", str(n), ids[n]) for n in range(9)]
    assert f"Last-Event-ID: {ids[2]}\r\n" in cable.asked[-1]


async def test_connection_cut_before_its_first_event_resumes_where_it_began(run, lay, page, listener):
    """The first block carries an id without data, so the browser has something to come back with."""
    bridge = await run(ROUTES)
    cable = await lay(bridge.url)
    await page.goto(cable.url)
    await bridge.push("notices", "before anybody came")
    await listener.open("/notices")
    await listener.opened()
    await bridge.awaits("/notices", 1)
    cable.cut()
    await bridge.push("notices", "while cut")
    cable.mend()
    assert [event.data for event in await listener.heard(1)] == ['"while cut"']
    assert "Last-Event-ID: " in cable.asked[-1]


async def test_restart_is_announced_and_the_tab_lives_on(run, page, listener, tmp_path, stack):
    """The new process does not know the old one's ids: it says so with `bridge.gap`, and goes on."""
    first = await run(ROUTES)
    ports = [int(url.rpartition(":")[2]) for url in (first.url, first.admin)]
    await page.goto(first.url)
    await listener.open("/notices")
    await listener.opened()
    await first.push("notices", "old")
    await listener.heard(1)
    await first.program.end(signal.SIGTERM)
    second = await stack.enter_async_context(start(tmp_path / "routes.yaml", *ports))
    await listener.opened(2)
    await second.push("notices", "new")
    seen = [event for event in await listener.heard(3) if event.name != "bridge.bye"]
    if len(seen) < 3:  # a bye stood among the three
        seen = [event for event in await listener.heard(4) if event.name != "bridge.bye"]
    assert [event.name for event in seen] == ["message", "bridge.gap", "message"]
    assert json.loads(seen[1].data)["reason"] == "epoch"
    assert [seen[0].data, seen[2].data] == ['"old"', '"new"']


async def test_gone_route_stops_the_browser_for_good(run, lay, page, listener):
    """204 closes an EventSource, which does not ask again."""
    bridge = await run(ROUTES)
    cable = await lay(bridge.url)
    await page.goto(cable.url)
    await listener.open("/old")
    await listener.closed()
    assert sum("GET /old" in head for head in cable.asked) == 1


@pytest.mark.parametrize("route", ["/notices", "/listed"])
async def test_page_of_another_origin_is_refused(run, page, listener, route):
    """Without its origin in the list a page reads nothing."""
    bridge = await run(ROUTES)
    await page.goto(bridge.url.replace("127.0.0.1", "localhost"))
    await listener.open(f"{bridge.url}{route}")
    await listener.closed()
    assert await listener.events() == []


async def test_page_of_any_origin_reads_an_open_route(run, page, listener):
    """`origins: ["*"]` lets a page of another origin in."""
    bridge = await run(ROUTES)
    await page.goto(bridge.url.replace("127.0.0.1", "localhost"))
    await listener.open(f"{bridge.url}/open")
    await listener.opened()
    await bridge.push("notices", "hello")
    assert [event.data for event in await listener.heard(1)] == ['"hello"']


async def test_page_of_a_listed_origin_reads(run, page, listener):
    """An origin that stands in the list is let in."""
    other = await run(ROUTES)  # which only serves the page
    bridge = await run(ROUTES.replace("http://localhost:5173", other.url))
    await page.goto(other.url)
    await listener.open(f"{bridge.url}/listed")
    await listener.opened()
    await bridge.push("notices", "hello")
    assert [event.data for event in await listener.heard(1)] == ['"hello"']
    assert await listener.state() != CLOSED


async def test_data_cannot_forge_an_event(run, page, listener):
    """A bare CR ends a line for a browser: what follows must still be data."""
    bridge = await run(ROUTES)
    await page.goto(bridge.url)
    await listener.open("/notices", "evil", "error")
    await listener.opened()
    text = "a\revent: evil\n\ndata: b\r\nid: 7\n\x00\u2028end"
    await bridge.push_text("notices", text)
    [event] = await listener.heard(1)
    assert (event.name, event.data) == ("message", text.replace("\r\n", "\n").replace("\r", "\n"))
