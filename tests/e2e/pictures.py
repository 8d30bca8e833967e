"""Take the pictures of the documentation from the real thing: `python -m tests.e2e.pictures`."""

import asyncio
import socket
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Page, async_playwright

from tests.e2e.conftest import FLAGS
from tests.e2e.programs import ROOT, bridge, executable, running, until

IMAGES: Final = ROOT / "docs/images"

WIDE: Final = {"width": 1280, "height": 800}
PHONE: Final = {"width": 390, "height": 844}


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def open_demo(page: Page, url: str, paths: list[str]) -> None:
    """Open the console with these streams, and wait until each has something to show."""
    await page.goto(url + "#" + "&".join(f"open={path}" for path in paths))
    await page.get_by_role("button", name="/logs/{service}").click()
    for path in paths:
        rows = page.get_by_role("region", name=f"Stream {path}", exact=True).locator("li.event")
        await rows.nth(3).wait_for(state="attached")
    await page.evaluate("document.activeElement.blur()")


async def console(browser: Browser) -> None:
    """Show the demo in the console: wide, in the dark, and on a phone; and the page of its application."""
    ports = {"LISTEN": f"127.0.0.1:{free_port()}", "ADMIN": f"127.0.0.1:{free_port()}"}
    async with running(sys.executable, "-m", "bridge", "demo", env=ports) as demo:

        async def told() -> bool:
            return "Ctrl-C" in demo.printed

        await until(told, "the demo runs")
        url = f"http://{ports['ADMIN']}/"
        four = ["/logs/api", "/plants/oslo", "/notices", "/clock"]
        for name, scheme, size, paths in (
            ("console", "light", WIDE, four),
            ("console-dark", "dark", WIDE, four),
            ("console-phone", "light", PHONE, four[1:2]),
        ):
            page = await browser.new_page(viewport=size, color_scheme=scheme)
            await open_demo(page, url, paths)
            await page.screenshot(path=IMAGES / f"{name}.png", full_page=size is PHONE)
            await page.close()
        page = await browser.new_page(viewport={"width": 900, "height": 620})
        await page.goto(f"http://{ports['LISTEN']}/")
        await page.locator("#sales li").nth(1).wait_for()
        await page.screenshot(path=IMAGES / "shop.png")


async def log_viewer(browser: Browser) -> None:
    """Show the log viewer with two files side by side."""
    with tempfile.TemporaryDirectory() as folder:
        for log in sorted((ROOT / "config/examples/logs").glob("*.log")):
            (Path(folder) / log.name).write_text(log.read_text())
        example = ROOT / "config/examples/log-viewer.yaml"
        async with bridge(example, free_port(), free_port(), {"LOGS": folder}) as running_bridge:
            page = await browser.new_page(viewport={"width": 1280, "height": 460})
            await page.goto(running_bridge.url)
            for name in ("app.log", "worker.log"):
                await page.get_by_label("File").select_option(name)
                await page.get_by_role("button", name="Start").first.click()
            await page.get_by_text("job 88 done").wait_for()
            await page.screenshot(path=IMAGES / "log-viewer.png")


async def main() -> None:
    """Take all of them."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable("chromium"), args=FLAGS)
        await console(browser)
        await log_viewer(browser)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
