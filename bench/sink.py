"""The reader of the benchmarks, and what they measure processes with."""

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

TREE = Path(__file__).parent.parent
BUILD = TREE / ".cache" / "bench"
RESULTS = TREE / "bench" / "results"

#: What the measured program says, where a benchmark starts it.
LOG = BUILD / "server.log"

TICKS = os.sysconf("SC_CLK_TCK")


class Counts(NamedTuple):
    """What the reader has seen since it started."""

    events: int
    bytes: int
    closed: int


class Sink:
    """The reader process."""

    def __init__(self, port: int, subscribers: int, path: str, version: str) -> None:
        command = [BUILD / "sink", str(port), str(subscribers), path, version]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._line() != "open":
            sys.exit(f"the reader could not open its streams, see {LOG}")

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def counts(self) -> Counts:
        """Ask for the counts up to now."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Counts(*map(int, self._line().split()))

    def close(self) -> None:
        """End the reader, and with it its streams."""
        self._process.communicate()


def build(*sources: Path) -> None:
    """Compile the reader, and other C programs of a benchmark, into `BUILD`."""
    if not shutil.which("gcc"):
        sys.exit("bench: gcc is needed to build the reader (on Debian: apt-get install gcc libc6-dev)")
    BUILD.mkdir(parents=True, exist_ok=True)
    for source in (TREE / "bench" / "sink.c", *sources):
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", BUILD / source.stem, source], check=True)


def free_port() -> int:
    """Give a port that nobody has, nor gets for an outgoing connection: the kernel takes those from 32768 up."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(20_000, 32_000)))
            return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """Read the user and system time of a process, all its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
