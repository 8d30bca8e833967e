"""A gigabyte up and a gigabyte down through the bridge: every byte arrives, and its memory stays what it was."""

import asyncio
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.e2e.programs import Bridge, answers, bridge, executable, running
from tests.live.volume import BLOCK, blocks, digest

APPLICATION = Path(__file__).parent / "volume.py"

ROUTES = """
version: 1
server: { listen: "${LISTEN}", admin: "${ADMIN}", upstream: "http://${APPLICATION}" }
sources: { p: { kind: push } }
routes: { /p: { from: p } }
"""

GIGABYTE = 1_000_000_000

#: Bytes that go through first: from then on the process has all that it needs to pass bodies on.
WARM = 8 * BLOCK

#: Bytes that it may need more for a body a hundred times as large. Its buffers are some hundred kilobytes.
ROOM = 32 * 1024 * 1024

#: Seconds for one body. On two busy cores, which hash both ends as well, it takes six.
PATIENCE = 60.0


@pytest.fixture
async def proxy(free_ports: Callable[[], int], tmp_path: Path) -> AsyncIterator[Bridge]:
    """Run the application, and the bridge before it."""
    port, routes = free_ports(), tmp_path / "routes.yaml"
    routes.write_text(ROUTES)
    async with running(sys.executable, APPLICATION, str(port), env={"PYTHONPATH": "."}) as program:
        await answers(program, f"http://127.0.0.1:{port}/0")
        async with bridge(routes, free_ports(), free_ports(), {"APPLICATION": f"127.0.0.1:{port}"}) as started:
            yield started


def most_memory(pid: int) -> int:
    """Return the most bytes that a process has ever had in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def send(url: str, size: int) -> tuple[int, str]:
    """Let curl send a body whose length it is not told; return what the application made of it."""
    command = (executable("curl"), "--silent", "--show-error", "--fail", "--upload-file", "-", url)
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE) as curl:
        assert curl.stdin
        assert curl.stdout
        for block in blocks(size):
            curl.stdin.write(block)
        curl.stdin.close()
        said = json.loads(curl.stdout.read())
    assert curl.returncode == 0
    return said["size"], said["digest"]


def receive(url: str, size: int) -> tuple[int, str]:
    """Let curl fetch a body; return how many bytes came, and their hash."""
    command = (executable("curl"), "--silent", "--show-error", "--fail", f"{url}/{size}")
    came, hashed = 0, hashlib.sha256()
    with subprocess.Popen(command, stdout=PIPE) as curl:
        assert curl.stdout
        while data := curl.stdout.read(BLOCK):
            came += len(data)
            hashed.update(data)
    assert curl.returncode == 0
    return came, hashed.hexdigest()


@pytest.mark.parametrize("way", [send, receive])
async def test_a_gigabyte_passes_through_without_growing_the_bridge(
    proxy: Bridge, way: Callable[[str, int], tuple[int, str]]
) -> None:
    """It is streamed: nothing of it is kept, in whichever direction it goes."""
    pid, expected = proxy.program.process.pid, (GIGABYTE, digest(GIGABYTE))
    assert await asyncio.to_thread(way, proxy.url, WARM) == (WARM, digest(WARM))
    before, begun = most_memory(pid), time.monotonic()
    assert await asyncio.to_thread(way, proxy.url, GIGABYTE) == expected
    seconds, grown = time.monotonic() - begun, most_memory(pid) - before
    assert grown < ROOM, f"{before:,} bytes became {before + grown:,}"
    assert seconds < PATIENCE
