"""A ledger: what a program wrote against what each subscriber saw, while logrotate rotates and subscribers drop.

The real logrotate, a writer at 2,000 lines a second, and clients that come back with their last id.
"""

import asyncio
import os
import re
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import aiohttp
import orjson
import pytest

from tests import reference
from tests.e2e.programs import PATIENCE, Bridge, bridge, executable, until

pytestmark = pytest.mark.live

#: Seconds that the writer writes, lines a second, and seconds between two rotations.
WRITING = 6.0
RATE = 2_000
ROTATION = 0.8

#: Lines that a write holds: a write each 10 ms.
BATCH = 20

SUBSCRIBERS = 4

LINE = re.compile(r"(\d{8}) x{60}")

ROUTES = """
server: {{ listen: "${{LISTEN}}", admin: "${{ADMIN}}", drain: 0s }}
sources:
  logs: {{ kind: file, root: "{root}", match: "{{file}}.log", begin: beginning }}
routes:
  /logs/{{file}}:
    from: logs
    history: {{ events: 100000, bytes: 64MiB }}
"""

SETTINGS = """
{root}/app.log {{
    {su}
    rotate 100
    nocompress
    missingok
    {way}
}}
"""


class Ledger:
    """What one subscriber saw."""

    def __init__(self) -> None:
        self.lines: list[int] = []
        self.gaps: list[dict[str, object]] = []
        self.last_id = ""
        self.connections = 0

    def enter(self, stream: bytes) -> None:
        """Enter what one connection brought; the half block at its end is not an event yet."""
        found = reference.parse(stream)
        for name, data, _ in found.events:
            if name == "bridge.gap":
                self.gaps.append(orjson.loads(data))
            elif line := LINE.fullmatch(data):
                self.lines.append(int(line[1]))
        self.last_id = found.last_event_id or self.last_id


async def write(log: Path, *, reopens: bool) -> int:
    """Write numbered lines; return how many. One that reopens follows the path, as a daemon does after a rename."""
    number, begun = 0, time.monotonic()
    fd = os.open(log, os.O_WRONLY | os.O_APPEND)
    try:
        while (due := begun + number / RATE) < begun + WRITING:
            await asyncio.sleep(max(due - time.monotonic(), 0))
            if reopens and not _is_same(fd, log):
                os.close(fd)
                fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            os.write(fd, b"".join(b"%08d %b\n" % (n, b"x" * 60) for n in range(number, number + BATCH)))
            number += BATCH
    finally:
        os.close(fd)
    return number


def _is_same(fd: int, log: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.fstat(fd).st_ino == log.stat().st_ino
    return False


async def rotate(folder: Path, way: str, is_over: Callable[[], bool]) -> int:
    """Run logrotate again and again; return how often."""
    settings, times = folder / "logrotate.conf", 0
    # Root's logrotate refuses a folder that others may write to, unless it is told whose rotation this is.
    su = "" if os.getuid() else "su root root"
    settings.write_text(SETTINGS.format(root=folder / "logs", way=way, su=su))
    settings.chmod(0o644)
    while not is_over():
        await asyncio.sleep(ROTATION)
        command = (executable("logrotate"), "--force", "--state", str(folder / "state"), str(settings))
        process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=PIPE)
        _, said = await process.communicate()
        assert process.returncode == 0, said.decode()
        times += 1
    return times


async def subscribe(url: str, ledger: Ledger, random: Random, is_over: Callable[[Ledger], bool]) -> None:
    """Read, drop the connection at random, and come back with the last id, until all is seen."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
        while not is_over(ledger):
            stream = bytearray()
            headers = {"Last-Event-ID": ledger.last_id} if ledger.last_id else {}
            with suppress(TimeoutError):
                async with asyncio.timeout(random.uniform(0.1, 1.2)), session.get(url, headers=headers) as response:
                    assert response.status == 200
                    ledger.connections += 1
                    async for piece in response.content.iter_any():
                        stream += piece
            ledger.enter(bytes(stream))
            await asyncio.sleep(random.uniform(0, 0.3))


def standing(root: Path) -> set[int]:
    """Return the lines that stand in the file or in a copy."""
    text = b"\n".join(path.read_bytes() for path in root.iterdir()).decode(errors="replace")
    return {int(found[1]) for found in re.finditer(rf"^{LINE.pattern}$", text, re.MULTILINE)}


async def trial(served: Bridge, folder: Path, way: str, *, reopens: bool) -> tuple[set[int], list[Ledger]]:
    """Write, rotate and subscribe at once; return what was written and what each subscriber saw."""
    ledgers = [Ledger() for _ in range(SUBSCRIBERS)]
    written: list[int] = []
    root = folder / "logs"

    def is_over(ledger: Ledger) -> bool:
        # The last line is written after the last rotation, so nothing can have taken it away.
        return bool(written) and bool(ledger.lines) and ledger.lines[-1] == written[-1]

    async with asyncio.timeout(PATIENCE + WRITING), asyncio.TaskGroup() as group:
        for number, ledger in enumerate(ledgers):
            group.create_task(subscribe(f"{served.url}/logs/app", ledger, Random(number), is_over))
        await until(lambda: _all_connected(ledgers), "every subscriber has been there")
        writing = group.create_task(write(root / "app.log", reopens=reopens))
        times = await rotate(folder, way, writing.done)
        count = await writing
        with (root / "app.log").open("ab") as log:
            log.write(b"%08d %b\n" % (count, b"x" * 60))
        written += range(count + 1)
    assert times >= 5, f"{times} rotations prove little"
    return set(written), ledgers


async def _all_connected(ledgers: list[Ledger]) -> bool:
    return all(ledger.connections for ledger in ledgers)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Make an empty log in a folder that logrotate accepts."""
    tmp_path.chmod(0o755)
    (tmp_path / "logs").mkdir(mode=0o755)
    (tmp_path / "logs" / "app.log").touch()
    (tmp_path / "routes.yaml").write_text(ROUTES.format(root=tmp_path / "logs"))
    return tmp_path


async def test_nothing_is_lost_when_logrotate_renames(logs: Path, free_ports: Callable[[], int]):
    """By rename: each subscriber sees every line once, in order, and no gap is announced."""
    async with bridge(logs / "routes.yaml", free_ports(), free_ports()) as served:
        written, ledgers = await trial(served, logs, "create 0644", reopens=True)
    for ledger in ledgers:
        assert ledger.lines == sorted(set(ledger.lines))
        assert set(ledger.lines) == written
        assert not ledger.gaps
        assert ledger.connections > 2


async def test_only_what_logrotate_truncates_is_lost_and_announced(logs: Path, free_ports: Callable[[], int]):
    """By copytruncate: what misses stands neither in the copy nor in the file, and every rotation is announced."""
    async with bridge(logs / "routes.yaml", free_ports(), free_ports()) as served:
        written, ledgers = await trial(served, logs, "copytruncate", reopens=False)
    gone = written - standing(logs / "logs")
    for ledger in ledgers:
        assert ledger.lines == sorted(set(ledger.lines))
        assert written - set(ledger.lines) <= gone
        assert {gap["reason"] for gap in ledger.gaps} == {"source_rotated"}
        assert all(gap["missed"] is None for gap in ledger.gaps)
        assert ledger.connections > 2
