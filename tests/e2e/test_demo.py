"""The demo, as `make demo` starts it."""

import re
import signal
import sys
from pathlib import Path

from playwright.async_api import expect

from tests.e2e.programs import running, until


async def test_demo_shows_a_log_a_clock_and_notices_and_leaves_nothing(page, free_ports):
    """It prints the address of the console, which shows all three growing; Ctrl-C ends it and removes its folder."""
    ports = {"LISTEN": f"127.0.0.1:{free_ports()}", "ADMIN": f"127.0.0.1:{free_ports()}"}
    async with running(sys.executable, "-m", "bridge", "demo", env=ports) as program:

        async def says() -> bool:
            return "Ctrl-C" in program.printed

        await until(says, "the addresses are printed")
        console = f"http://{ports['ADMIN']}/"
        assert console in program.printed
        folder = Path(re.search(r"logs are in (\S+)/logs", program.printed)[1])
        assert folder.is_dir()
        await page.goto(console)
        await page.get_by_role("button", name="/clock").click()
        await page.get_by_role("button", name="/notices").click()
        await page.get_by_role("button", name="/logs from logs").click()
        for path in ("/clock", "/notices", "/logs"):
            rows = page.get_by_role("region", name=f"Stream {path}", exact=True).locator("li.event")
            await expect(rows.nth(1)).to_be_attached(timeout=20_000)
        assert await program.end(signal.SIGINT) == 0
    assert not folder.exists()
    assert "Traceback" not in program.printed
