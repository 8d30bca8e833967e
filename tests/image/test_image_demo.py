"""`docker run` with nothing mounted: the demo, on the one port that is published."""

import json

import pytest
from playwright.async_api import async_playwright, expect

from tests.e2e.conftest import FLAGS
from tests.e2e.programs import executable
from tests.image.containers import HARDENED

HERE = "http://localhost:8080"

#: What the admin port answers, and what would lead elsewhere.
NOT_PUBLIC = (
    "/-/routes",
    "/-/push/notices",
    "/-/metrics",
    "/console/-/push/notices",
    "/console/-/log",
    "/console/-/drain",
    "/console/-/view//example.com/",
    "/console/-/view/\\example.com/",
    "/console/../-/routes",
)

#: A browser in the container's own network: it reaches what a published port would, and no more.
WITHIN = """\
#!/bin/sh
exec nsenter --net --target {pid} {chromium} "$@"
"""


@pytest.fixture
async def demo(podman):
    """Run the image as it comes, in a network of its own."""
    async with podman.running(options=["--network=none", *HARDENED, "--tmpfs=/tmp"]) as bridge:
        await bridge.until_healthy()
        yield bridge


async def test_nothing_mounted_shows_the_demo_and_says_so(demo):
    """The first address leads to the console, the shop has its own, and no more of the admin port is public."""
    told = await demo.logs()
    assert "no configuration is mounted: this is the demo" in told
    assert f"{HERE}/ " in told.replace("\n", " ")
    status, at, body = await demo.get(f"{HERE}/")
    assert (status, at) == (200, f"{HERE}/console/#open=/logs/api&open=/orders&open=/notices&open=/clock")
    assert "<title>sse-bridge</title>" in body
    status, _, body = await demo.get(f"{HERE}/shop")
    assert (status, "<title>Shop</title>" in body) == (200, True)
    status, _, body = await demo.get(f"{HERE}/console/-/routes")
    assert (status, len(json.loads(body))) == (200, 6)
    for path in NOT_PUBLIC:
        status, at, _ = await demo.get(f"{HERE}{path}")
        assert status in {400, 404}, path
        assert at.startswith(HERE)


async def test_a_mounted_configuration_has_no_console_in_public(podman, tmp_path):
    """It is the demo's alone."""
    file = tmp_path / "routes.yaml"
    file.write_text(
        "version: 1\nauth: anonymous\nserver: { listen: ':8080' }\n"
        "sources: { clock: { kind: timer, every: 1s } }\nroutes: { /clock: { from: clock } }\n"
    )
    options = ["--network=none", f"--volume={file}:/etc/sse-bridge/routes.yaml:ro"]
    tmp_path.chmod(0o755)
    async with podman.running(options=options) as bridge:
        await bridge.until_healthy()
        for path in ("/", "/console/", "/console/-/routes", "/-/routes"):
            assert (await bridge.get(f"{HERE}{path}"))[0] == 404


async def test_without_a_disk_to_write_to_it_says_what_to_do(podman):
    """A read-only root and no tmpfs: it ends, and names the option."""
    done = await podman.once(options=HARDENED, check=False)
    assert done.code == 2
    assert "give it one, such as `--tmpfs /tmp`" in done.err


async def test_a_browser_shows_it_live(demo, tmp_path):
    """The console with four streams, each of which gets events; then the shop, whose table moves."""
    pid = (await demo.inspect())["State"]["Pid"]
    within = tmp_path / "chromium"
    within.write_text(WITHIN.format(pid=pid, chromium=executable("chromium")))
    within.chmod(0o755)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=within, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        await page.goto(f"{HERE}/")
        for path in ("/logs/api", "/orders", "/notices", "/clock"):
            rows = page.get_by_role("region", name=f"Stream {path}", exact=True).locator("li.event")
            await expect(rows.nth(1)).to_be_attached(timeout=30_000)
        await expect(page.locator("#health")).to_have_text("running", timeout=30_000)
        await page.goto(f"{HERE}/shop")
        await expect(page.locator("#state")).to_have_text("live", timeout=30_000)
        await expect(page.locator("#orders tr").nth(2)).to_be_visible(timeout=30_000)
        await browser.close()
    assert errors == []
