"""The log viewer, used as a person would."""

from playwright.async_api import expect

from tests.e2e.programs import ROOT

EXAMPLE = ROOT / "config/examples/log-viewer.yaml"


def pane(page, name):
    """Find the pane of a file."""
    return page.locator(".pane").filter(has=page.get_by_role("heading", name=name, exact=True))


def lines(page, name):
    """Find the lines that a pane shows."""
    return pane(page, name).get_by_role("listitem")


async def start(page, name):
    """Pick a file and press Start."""
    await page.get_by_label("File").select_option(name)
    await page.get_by_role("button", name="Start").first.click()


async def test_offers_the_log_files_of_one_folder(run, page, tmp_path):
    """Only `*.log` of the folder itself can be picked."""
    logs = tmp_path / "logs"
    (logs / "deeper").mkdir(parents=True)
    for name in ("app.log", "empty.log", "notes.txt", "deeper/other.log"):
        (logs / name).touch()
    bridge = await run(EXAMPLE, {"LOGS": str(logs)})
    answer = await page.request.get(f"{bridge.url}/api/files")
    assert await answer.json() == {"files": ["app.log", "empty.log"]}
    await page.goto(bridge.url)
    await expect(page.get_by_label("File").get_by_role("option")).to_have_text(["app.log", "empty.log"])


async def test_shows_a_file_from_its_beginning_and_what_is_appended(run, page, tmp_path):
    """What was there before anybody came is shown, then what is written, each line once."""
    log = tmp_path / "app.log"
    log.write_text("".join(f"line {n}\n" for n in range(1500)))
    bridge = await run(EXAMPLE, {"LOGS": str(tmp_path)})
    await page.goto(bridge.url)
    await start(page, "app.log")
    await expect(lines(page, "app.log")).to_have_count(1500)
    with log.open("a") as file:
        file.write("<b>appended</b>\n")
    await expect(lines(page, "app.log").last).to_have_text("<b>appended</b>")
    shown = await lines(page, "app.log").all_text_contents()
    assert shown == [*(f"line {n}" for n in range(1500)), "<b>appended</b>"]
    await expect(pane(page, "app.log").get_by_role("status")).to_have_text("live")


async def test_shows_several_files_side_by_side(run, page, tmp_path):
    """Each pane has its own file; stopping one leaves the other."""
    for name in ("app.log", "worker.log"):
        (tmp_path / name).write_text(f"first of {name}\n")
    bridge = await run(EXAMPLE, {"LOGS": str(tmp_path)})
    await page.goto(bridge.url)
    await start(page, "app.log")
    await start(page, "worker.log")
    await expect(lines(page, "app.log")).to_have_text(["first of app.log"])
    await expect(lines(page, "worker.log")).to_have_text(["first of worker.log"])
    await pane(page, "app.log").get_by_role("button", name="Stop").click()
    await expect(pane(page, "app.log").get_by_role("status")).to_have_text("stopped")
    await bridge.awaits("/api/logs/{file}.log", 1)
    for name in ("app.log", "worker.log"):
        with (tmp_path / name).open("a") as file:
            file.write("second\n")
    await expect(lines(page, "worker.log")).to_have_text(["first of worker.log", "second"])
    await expect(lines(page, "app.log")).to_have_count(1)
    await pane(page, "app.log").get_by_role("button", name="Start").click()
    await expect(lines(page, "app.log")).to_have_text(["first of app.log", "second"])


async def test_page_written_for_the_old_system_works(run, page, listener, tmp_path):
    """A plain EventSource on `/api/logs/app.log` gets unnamed events, a line each."""
    (tmp_path / "app.log").write_text("one\ntwo\n\nfour\n")
    bridge = await run(EXAMPLE, {"LOGS": str(tmp_path)})
    await page.goto(bridge.url)
    await listener.open("/api/logs/app.log")
    assert [(event.name, event.data) for event in await listener.heard(4)] == [
        ("message", line) for line in ("one", "two", "", "four")
    ]


async def test_runs_as_it_stands(run, page):
    """With nothing set the example shows the logs that lie beside it."""
    bridge = await run(EXAMPLE)
    await page.goto(bridge.url)
    await start(page, "worker.log")
    await expect(lines(page, "worker.log")).to_have_count(3)
