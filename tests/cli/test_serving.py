"""Serving to its end, in a process of its own: a part that does not end is not waited for."""

import signal
import subprocess
import sys

import pytest

from tests.support import DEADLINE, PLAIN, SERVER

#: Serves the file that it is given; the hook runs beside it.
PROGRAM = """
import asyncio, sys, time
from pathlib import Path
from bridge.cli import serving
from bridge.config.load import load

serving.LAST = 0.3

def started(bridge):
    print("started", flush=True)

def abandon():
    print("abandoned", flush=True)

async def beside(bridge):
    HOOK

sys.exit(serving.serve(load(Path(sys.argv[1])), started, beside, abandon))
"""

#: Python waits for the thread, and asyncio for the task.
THREAD = "await asyncio.to_thread(time.sleep, 600)"
TASK = """
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            pass
"""


@pytest.mark.parametrize("hook", [THREAD, TASK, "pass"], ids=["thread", "task", "nothing"])
def test_x16_what_does_not_end_is_cut_off(hook, tmp_path):
    """A name that no server answers for holds a thread for ten seconds and more: the exit code is 0 all the same."""
    file = tmp_path / "routes.yaml"
    file.write_text(SERVER + PLAIN, "utf-8")
    command = [sys.executable, "-c", PROGRAM.replace("HOOK", hook), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:
        assert program.stdout is not None
        try:
            for line in program.stdout:
                if line == "started\n":
                    break
            program.send_signal(signal.SIGTERM)
            said, _ = program.communicate(timeout=DEADLINE)
        finally:
            program.kill()
    assert program.returncode == 0
    assert ("abandoned" in said) == (hook != "pass")
