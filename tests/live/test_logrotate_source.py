"""The real logrotate against the source alone: a ledger of what was written, and of what was given.

A writer of 2,000 lines a second in a process of its own, as programs are. It reopens its file when told to, or appends
for ever, as its kind of rotation wants it. The source is stopped and started again in between.
"""

import asyncio
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest

from bridge.event import Loss
from bridge.sources.file import File
from tests.tailing import Recorder, Running

pytestmark = pytest.mark.live

RATE = 2_000
SECONDS = 4
ROTATIONS = 5

WRITER = textwrap.dedent(f"""
    import os, signal, sys, time
    path = sys.argv[1]
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    fd = os.open(path, flags)
    def reopen(*_):
        # Under the same number: a write may have it in hand already when the signal comes.
        new = os.open(path, flags)
        os.dup2(new, fd)
        os.close(new)
    signal.signal(signal.SIGHUP, reopen)
    print("ready", flush=True)
    begin = time.monotonic()
    for n in range({RATE * SECONDS}):
        os.write(fd, b"line %d of the writer\\n" % n)
        ahead = begin + n / {RATE} - time.monotonic()
        if ahead > 0.002:
            time.sleep(ahead)
    os.write(fd, b"end\\n")
""")

RENAME = "create\n    postrotate\n        kill -HUP {pid}\n    endscript"
COPYTRUNCATE = "copytruncate"
CONFIG = """{log} {{
    rotate 20
    missingok
    {kind}
}}
"""


async def rotate(tmp_path: Path, log: Path, kind: str) -> None:
    """Run logrotate once."""
    config = tmp_path / "logrotate.conf"
    config.write_text(CONFIG.format(log=log, kind=kind))
    config.chmod(0o600)
    program = await asyncio.create_subprocess_exec(
        "logrotate", "--force", "--state", str(tmp_path / "logrotate.state"), str(config)
    )
    assert await program.wait() == 0


async def play(tmp_path: Path, kind: str, match: str) -> tuple[Recorder, Path]:
    """Write, rotate, restart the source; return what it gave."""
    logs, state = tmp_path / "logs", tmp_path / "state"
    logs.mkdir(mode=0o755)
    state.mkdir()
    log = logs / "app.log"
    source, outlet = File(root=logs, match=match, begin="beginning"), Recorder()
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(log), stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    assert await writer.stdout.readline() == b"ready\n"
    for _ in range(ROTATIONS):
        async with Running(source, state=state, outlet=outlet):
            await asyncio.sleep(SECONDS / ROTATIONS / 2)  # the writer's time, not ours to wait for
            await rotate(tmp_path, log, kind.format(pid=writer.pid))
            await asyncio.sleep(SECONDS / ROTATIONS / 4)
    async with Running(source, state=state, outlet=outlet) as last:
        assert await writer.wait() == 0
        await last.until(lambda: b"end" in outlet.texts)
    return outlet, logs


@pytest.mark.parametrize("match", ["{file}.log", "{path*}"])
async def test_rename_under_a_writer_gives_every_line_once(tmp_path: Path, match: str) -> None:
    """Nothing missing, nothing twice, nothing announced, all in order."""
    outlet, _ = await play(tmp_path, RENAME, match)
    written = [b"line %d of the writer" % n for n in range(RATE * SECONDS)]
    assert outlet.heard == outlet.messages
    assert outlet.texts == [*written, b"end"]


@pytest.mark.parametrize("match", ["{file}.log", "{path*}"])
async def test_copytruncate_under_a_writer_announces_what_it_lost(tmp_path: Path, match: str) -> None:
    """Every line that stands somewhere comes once, in order; each truncation is announced."""
    outlet, logs = await play(tmp_path, COPYTRUNCATE, match)
    given = Counter(outlet.texts)
    standing = {line for path in logs.iterdir() for line in path.read_bytes().split(b"\n") if line}
    whole = {line for line in standing if line.startswith(b"line ") and line.endswith(b" of the writer")}
    assert whole <= set(given)
    assert max(given.values()) == 1
    numbers = [int(bytes(text).split()[1]) for text in outlet.texts if text in whole]  # type: ignore[arg-type]
    assert numbers == sorted(numbers)
    rotated = [loss for loss in outlet.losses if loss.reason == "source_rotated"]
    assert outlet.losses == rotated
    assert len(rotated) == ROTATIONS
    assert isinstance(rotated[0], Loss)
