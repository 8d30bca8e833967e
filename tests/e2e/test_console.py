"""The console on the admin port, in Chromium."""

import re
import sys

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.programs import answers, running, until

ROUTES = """
sources:
  notices: { kind: push }
  lines: { kind: push, subject: "{service}/{file}" }
routes:
  /notices: { from: notices, event: notice, retry: { exact: 1s }, history: { events: 3 } }
  /plain: { from: notices }
  /lines/{service}/{file}: { from: lines, start: { last: 10 } }
  /old: { gone: true }
"""

#: Nothing listens on the first port of a machine.
APPLICATIONS = """
server:
  listen: ${LISTEN}
  admin: ${ADMIN}
  upstream: http://127.0.0.1:1
  upstreams: { /api: { url: "http://127.0.0.1:1", health: /healthz } }
sources: { notices: { kind: push } }
routes: { /notices: { from: notices } }
"""

MAX_ROWS = 500  # as panel.js has it
MAX_PANELS = 5  # as console.js has it


def entry(page, path):
    """Find a route in the list."""
    return page.locator(".route").filter(has=page.locator(".path", has_text=path))


def panel(page, path):
    """Find the panel of a stream."""
    return page.get_by_role("region", name=f"Stream {path}", exact=True)


def rows(page, path):
    """Find the events that a panel shows."""
    return panel(page, path).locator("li.event")


async def watch(page, path):
    """Choose a route, and wait until it is live."""
    await entry(page, path).locator(".open").click()
    await expect(panel(page, path).get_by_role("status")).to_have_text("live")


@pytest_asyncio.fixture(loop_scope="session")
async def bridge(run, page):
    """Run a bridge and open its console; whatever the browser complains about fails the test."""
    started = await run(ROUTES)
    complaints = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None
    )
    await page.goto(started.admin)
    yield started
    # A connection that a test cuts, and an answer that it asks for, are told by the browser itself.
    assert [text for text in complaints if not text.startswith("Failed to load resource")] == []


@pytest.mark.usefixtures("bridge")
async def test_lists_the_routes_with_sources_and_subscribers(page):
    """Each route says what feeds it and who listens, and the count follows."""
    await expect(page.locator(".route .path")).to_have_text(["/notices", "/plain", "/lines/{service}/{file}", "/old"])
    await expect(entry(page, "/notices").locator(".about")).to_have_text("from notices")
    await expect(entry(page, "/notices").locator(".count")).to_have_text("0")
    await watch(page, "/notices")
    await expect(entry(page, "/notices").locator(".count")).to_have_text("1", timeout=10_000)
    await panel(page, "/notices").get_by_role("button", name="Close").click()
    await expect(entry(page, "/notices").locator(".count")).to_have_text("0", timeout=10_000)


async def test_lists_the_sources_with_their_state(bridge, page):
    """A line each; unfolded it tells what the source tells of itself, and the counts follow."""
    sources = page.locator("#sources li")
    await expect(sources.locator(".name")).to_have_text(["notices", "lines"])
    notices = sources.first
    await expect(notices.locator(".kind")).to_have_text("push")
    await expect(notices.locator(".state")).to_have_text("up")
    await notices.locator("summary").click()
    messages = notices.locator(".facts div").filter(has=page.locator("dt", has_text="messages")).locator("dd")
    await expect(messages).to_have_text("0")
    await bridge.push("notices", 1)
    await expect(messages).to_have_text("1", timeout=10_000)


async def test_lists_the_applications_behind_with_their_state(page, tmp_path, free_ports):
    """A line each; unfolded it says what is wrong, where it is asked for its health."""
    (tmp_path / "routes.yaml").write_text(APPLICATIONS)
    ports = {name: f"127.0.0.1:{free_ports()}" for name in ("LISTEN", "ADMIN")}
    async with running(sys.executable, "-m", "bridge", "run", tmp_path / "routes.yaml", env=ports) as program:
        # It is never ready: the application is not.
        await answers(program, f"http://{ports['ADMIN']}/-/started")
        await page.goto(f"http://{ports['ADMIN']}")
        applications = page.locator("#applications li")
        await expect(applications.locator(".name")).to_have_text(["/api", "/"])
        await expect(applications.first.locator(".state")).to_have_text("down", timeout=10_000)
        await expect(applications.last.locator(".state")).to_have_text("not asked")
        await applications.first.locator("summary").click()
        error = applications.first.locator(".facts div").filter(has=page.locator("dt", has_text="error")).locator("dd")
        await expect(error).to_contain_text("the application at /api")
        await expect(page.locator("#health")).to_have_text("not ready")
        await expect(page.locator("#health")).to_have_attribute("title", re.compile("the application at /api"))


@pytest.mark.usefixtures("bridge")
async def test_without_applications_there_is_no_list_of_them(page):
    """Nor its title."""
    await expect(page.locator("#sources h2")).to_be_visible()
    await expect(page.locator("#applications")).to_be_hidden()


async def test_shows_each_event_with_name_id_time_and_data(bridge, page):
    """JSON is indented as it stands: a long number keeps its digits. The button shows it as it came."""
    await watch(page, "/notices")
    id = await bridge.push("notices", {"title": "Backup", "message": "finished", "n": 12345678901234567890, "none": {}})
    row = rows(page, "/notices").first
    await expect(row.locator(".name")).to_have_text("notice")
    await expect(row.locator(".id")).to_have_text(id)
    await expect(row.locator("time")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
    indented = '{\n  "title": "Backup",\n  "message": "finished",\n  "n": 12345678901234567890,\n  "none": {}\n}'
    assert await row.locator(".data").text_content() == indented
    await panel(page, "/notices").get_by_role("button", name="JSON").click()
    assert (
        await row.locator(".data").text_content()
        == '{"title": "Backup", "message": "finished", "n": 12345678901234567890, "none": {}}'
    )
    await expect(panel(page, "/notices").locator(".counters .events")).to_have_text("1")
    await expect(panel(page, "/notices").locator(".counters .last")).to_have_text(id)


async def test_shows_events_of_every_name(bridge, page):
    """A name that nobody told the page before is shown all the same."""
    await watch(page, "/plain")
    for name in ("message", "a.b-c/d", "unheard-of"):
        await bridge.push("notices", 1, event=name)
    await expect(rows(page, "/plain").locator(".name")).to_have_text(["message", "a.b-c/d", "unheard-of"])


async def test_pause_holds_rows_back_and_resume_shows_them(bridge, page):
    """While paused the counter goes on, and the button says how many wait."""
    await watch(page, "/plain")
    await panel(page, "/plain").get_by_role("button", name="Pause").click()
    for n in range(3):
        await bridge.push("notices", n)
    await panel(page, "/plain").get_by_role("button", name="Resume (3)").wait_for()
    await expect(rows(page, "/plain")).to_have_count(0)
    await panel(page, "/plain").get_by_role("button", name="Resume").click()
    await expect(rows(page, "/plain").locator(".data")).to_have_text(["0", "1", "2"])
    await panel(page, "/plain").get_by_role("button", name="Clear").click()
    await expect(rows(page, "/plain")).to_have_count(0)


async def test_route_with_names_offers_its_channels_and_takes_typed_ones(bridge, page):
    """A channel that is known is a button; one that is still silent can be typed, whatever it is called."""
    await bridge.push("lines/api/app.log", "hello")
    await entry(page, "/lines").locator(".open").click()
    await page.get_by_role("button", name="/lines/api/app.log", exact=True).click(timeout=10_000)
    await expect(rows(page, "/lines/api/app.log").locator(".data")).to_have_text('"hello"')
    await page.get_by_label("service").fill("web & more")
    await page.get_by_label("file").fill("ü?.log")
    await page.get_by_role("button", name="Watch").click()
    typed = page.get_by_role("region").filter(has_text="web & more")
    await expect(typed.get_by_role("status")).to_have_text("live")
    await bridge.push("lines/web%20%26%20more/%C3%BC%3F.log", "typed")
    await expect(typed.locator("li.event .data")).to_have_text('"typed"')


async def test_text_of_others_is_only_text(bridge, page):
    """Markup stays text, control and bidi characters are shown, ANSI colours are classes."""
    await watch(page, "/plain")
    await bridge.push_text("notices", '<img src=x onerror="document.title=1"><script>document.title=1</script>')
    await bridge.push_text("notices", "bell \x07 bidi \u202eevil\u202c zero\u200bwidth")
    await bridge.push_text("notices", "\x1b[31mred\x1b[0m plain \x1b[2J")
    data = rows(page, "/plain").locator(".data")
    await expect(data).to_have_count(3)
    assert await data.nth(0).locator("*").count() == 0
    assert await page.title() == "sse-bridge"
    await expect(data.nth(1).locator(".hidden-character")).to_have_text(["^G", "U+202E", "U+202C", "U+200B"])
    await expect(data.nth(2).locator(".ansi-red")).to_have_text("red")
    await expect(data.nth(2).locator(".hidden-character")).to_have_text(["^["])


async def test_gap_is_a_visible_line(run, lay, page):
    """What was evicted while the connection was cut is told where it is missing."""
    bridge = await run(ROUTES)
    cable = await lay(bridge.admin)
    await page.goto(cable.url)
    await watch(page, "/notices")
    await bridge.push("notices", "first")
    await expect(rows(page, "/notices")).to_have_count(1)
    cable.cut()
    for n in range(8):
        await bridge.push("notices", n)
    await expect(panel(page, "/notices").get_by_role("status")).to_have_text("reconnecting")
    cable.mend()
    await expect(rows(page, "/notices")).to_have_count(4, timeout=10_000)
    told = re.compile(r"gap (5|some) events are missing here \(evicted\)")
    await expect(panel(page, "/notices").locator("li.gap")).to_have_text(told)
    await expect(panel(page, "/notices").locator(".counters .gaps")).to_have_text("1")


async def test_rows_in_the_page_are_bounded(bridge, page):
    """Older rows leave the page, the counter keeps counting, and the newest stay in sight."""
    await watch(page, "/plain")
    total = 3 * MAX_ROWS
    async with aiohttp.ClientSession(bridge.admin) as session:
        for first in range(0, total, 100):
            body = "".join(f'{{"n":{n}}}\n' for n in range(first, first + 100))
            headers = {"Content-Type": "application/x-ndjson"}
            async with session.post("/-/push/notices", data=body, headers=headers) as response:
                assert response.status == 202
    await expect(panel(page, "/plain").locator(".counters .events")).to_have_text("1,500")
    await expect(rows(page, "/plain").last).to_be_in_viewport()
    await expect(rows(page, "/plain").last.locator(".data")).to_contain_text(str(total - 1))
    assert await panel(page, "/plain").locator(".rows > li").count() <= MAX_ROWS


async def test_filter_narrows_events_and_routes(bridge, page):
    """Rows and routes without the text are hidden, and come back."""
    await watch(page, "/plain")
    for text in ("apple", "pear", "APPLE PIE"):
        await bridge.push_text("notices", text)
    await expect(rows(page, "/plain")).to_have_count(3)
    await panel(page, "/plain").get_by_label("Filter events").fill("apple")
    await expect(rows(page, "/plain").locator("visible=true").locator(".data")).to_have_text(["apple", "APPLE PIE"])
    await page.get_by_role("searchbox", name="Routes").fill("lin")
    await expect(page.locator(".route").locator("visible=true")).to_have_count(1)


@pytest.mark.usefixtures("bridge")
async def test_keyboard_alone_will_do(page):
    """A slash finds the list, Tab and Enter open a route; behind the sources its panel's buttons follow."""
    await expect(entry(page, "/notices")).to_be_visible()
    await page.keyboard.press("/")
    await page.keyboard.type("plain")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(panel(page, "/plain").get_by_role("status")).to_have_text("live")
    for _ in ("start from", "notices", "lines", "close", "pause"):
        await page.keyboard.press("Tab")
    await expect(panel(page, "/plain").get_by_role("button", name="Pause")).to_be_focused()


@pytest.mark.usefixtures("bridge")
async def test_address_keeps_what_is_open_and_sixth_stream_is_refused(page):
    """A reload opens the same streams; past the browser's connections the page says so instead of hanging."""
    for path in ("/notices", "/plain"):
        await watch(page, path)
    await page.reload()
    for path in ("/notices", "/plain"):
        await expect(panel(page, path).get_by_role("status")).to_have_text("live")
    await entry(page, "/lines").locator(".open").click()
    for file in range(MAX_PANELS - 1):
        await page.get_by_label("service").fill("api")
        await page.get_by_label("file").fill(f"{file}.log")
        await page.get_by_role("button", name="Watch").click()
    await expect(page.get_by_role("alert")).to_contain_text("Close a stream first")
    await expect(page.locator(".panel")).to_have_count(MAX_PANELS)


async def test_refused_and_ended_streams_say_why(bridge, page):
    """404 shows the server's reason, 204 that it is over; neither is asked for again."""
    await page.goto(f"{bridge.admin}/#open=/notice&open=/old")
    await page.reload()
    await expect(panel(page, "/notice").get_by_role("status")).to_have_text("refused")
    await expect(panel(page, "/notice").locator("li.refused")).to_contain_text("/notices")
    await expect(panel(page, "/old").get_by_role("status")).to_have_text("ended")


async def test_bridge_that_goes_away_is_noticed_and_found_again(run, lay, page):
    """The page says that nothing answers, and goes on by itself."""
    bridge = await run(ROUTES)
    cable = await lay(bridge.admin)
    await page.goto(cable.url)
    await expect(page.locator("#health")).to_have_text("running")
    cable.cut()
    await expect(page.locator("#health")).to_have_text("unreachable", timeout=10_000)
    cable.mend()
    await expect(page.locator("#health")).to_have_text("running", timeout=10_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_fits_a_phone(run, browser, scheme):
    """Nothing is wider than the screen, with a route open and a long line in it."""
    bridge = await run(ROUTES)
    context = await browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = await context.new_page()
    await page.goto(bridge.admin)
    await watch(page, "/plain")
    await bridge.push("notices", {"line": "x" * 500})
    await expect(rows(page, "/plain")).to_have_count(1)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await context.close()


async def test_closed_panel_leaves_no_subscriber(bridge, page):
    """Closing a panel closes its connection."""
    await watch(page, "/plain")
    await bridge.awaits("/plain", 1)
    await panel(page, "/plain").get_by_role("button", name="Close").click()
    await bridge.awaits("/plain", 0)
    await until(lambda: _is_empty(page), "no panel is left")


async def _is_empty(page):
    return await page.locator(".panel").count() == 0
