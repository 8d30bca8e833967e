"""The demo, as `make demo` starts it."""

import contextlib
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from playwright.async_api import expect

from tests.e2e.programs import Program, running, until


@contextlib.asynccontextmanager
async def started(env: dict[str, str]) -> AsyncIterator[tuple[Program, Path]]:
    """Run the demo; yield it once it has said where it is, and the folder that it writes to."""
    async with running(sys.executable, "-m", "bridge", "demo", env=env) as program:

        async def says() -> bool:
            return "Ctrl-C" in program.printed

        await until(says, "the addresses are printed")
        folder = Path(re.search(r"logs are in (\S+)/logs", program.printed)[1])
        assert folder.is_dir()
        yield program, folder


async def test_demo_shows_an_application_behind_the_bridge(page, free_ports):
    """Its own page comes through, and its table and its sales are live on it."""
    ports = {"LISTEN": f"127.0.0.1:{free_ports()}", "ADMIN": f"127.0.0.1:{free_ports()}"}
    async with started(ports) as (program, _folder):
        assert f"http://{ports['LISTEN']}/ " in program.printed
        await page.goto(f"http://{ports['LISTEN']}/")
        await expect(page.locator("#state")).to_have_text("live")
        await expect(page.locator("#orders tr").nth(2)).to_be_visible()
        before = await page.locator("#orders").inner_text()
        await expect(page.locator("#orders")).not_to_have_text(before, timeout=20_000)
        await expect(page.locator("#sales li").first).to_be_attached(timeout=20_000)
        assert await program.end(signal.SIGINT) == 0
    assert "Traceback" not in program.printed


async def test_demo_shows_a_log_devices_a_clock_and_notices_and_leaves_nothing(page, free_ports):
    """It prints the address of the console, which shows all of them; Ctrl-C ends it and removes its folder."""
    ports = {"LISTEN": f"127.0.0.1:{free_ports()}", "ADMIN": f"127.0.0.1:{free_ports()}"}
    async with started(ports) as (program, folder):
        console = f"http://{ports['ADMIN']}/"
        assert console in program.printed
        assert f"http://{ports['LISTEN']}/plants/oslo" in program.printed
        await page.goto(f"{console}#open=/plants/lyon")
        devices = page.get_by_role("region", name="Stream /plants/lyon", exact=True).locator("li.event")
        for device in ("boiler", "pump", "cooler"):
            await expect(devices.filter(has_text=device).first).to_be_attached(timeout=20_000)
        await page.get_by_role("button", name="/clock").click()
        await page.get_by_role("button", name="/notices").click()
        await page.get_by_role("button", name="/logs from logs").click()
        for path in ("/clock", "/notices", "/logs"):
            rows = page.get_by_role("region", name=f"Stream {path}", exact=True).locator("li.event")
            await expect(rows.nth(1)).to_be_attached(timeout=20_000)
        assert await program.end(signal.SIGINT) == 0
    assert not folder.exists()
    assert "Traceback" not in program.printed
    assert program.printed.strip().endswith("Ctrl-C ends it and removes them.")


async def test_demo_interrupted_twice_leaves_nothing_and_says_nothing(free_ports):
    """The first Ctrl-C waits for open streams, the second does not; the folder goes all the same."""
    ports = {"LISTEN": f"127.0.0.1:{free_ports()}", "ADMIN": f"127.0.0.1:{free_ports()}"}
    async with (
        started(ports) as (program, folder),
        aiohttp.request("GET", f"http://{ports['LISTEN']}/clock"),
        aiohttp.ClientSession(f"http://{ports['ADMIN']}") as admin,
    ):
        program.process.send_signal(signal.SIGINT)

        async def drains() -> bool:
            async with admin.get("/-/ready") as response:
                return response.status == 503

        await until(drains, "it drains")
        assert await program.end(signal.SIGINT) == -signal.SIGINT
    assert not folder.exists()
    assert program.printed.strip().endswith("Ctrl-C ends it and removes them.")
