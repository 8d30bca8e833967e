"""Measure what one plans memory with: the bare process, idle and stalled streams, kept events, routes.

    make bench-sizing        or        .venv/bin/python -m bench.sizing

The program is the real one, `python -m bridge run`, once for each figure. Memory is its proportional set size (from
/proc), so what it shares with other processes counts in part, and what the kernel keeps for sockets does not count at
all. The events are pushed, 200 bytes each. docs/operations.md quotes the figures; `bench.fanout` measures the CPU of a
delivery, `bench.ingest` that of taking messages in.
"""

import argparse
import contextlib
import http.client
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.sink import LOG, RESULTS, TREE, Sink, build, free_port

MIB = 1024 * 1024

# Memory is counted from the stream after these on: the first ones also bring in code and the allocator's arenas.
WARM = 500

# Seconds after which nothing of what went before is left in the figures.
SETTLE = 1.0

# Bytes of a pushed event's data, and how many go in one request.
EVENT = 200
BATCH = 1_000

# A reader that takes nothing: its kernel buffers as small as they can be, so that the bytes wait with the bridge.
STALLED_BUFFER = 4_096


class Server(NamedTuple):
    """A bridge that runs."""

    pid: int
    public: int
    admin: int

    def memory(self) -> int:
        """Read the proportional set size, bytes."""
        time.sleep(SETTLE)
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) * 1024 for line in rollup.split("\n") if line.startswith("Pss:"))

    def push(self, events: int) -> None:
        """Push events to the source `filling`, as lines of JSON."""
        data = json.dumps({"data": "x" * EVENT})
        link = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=60)
        for _ in range(events // BATCH):
            body = "\n".join([data] * BATCH)
            link.request("POST", "/-/push/filling/x", body, {"Content-Type": "application/x-ndjson"})
            answer = link.getresponse()
            if answer.read() and answer.status >= http.client.BAD_REQUEST:
                sys.exit(f"a push was answered {answer.status}")
        link.close()


@contextlib.contextmanager
def serving(routes: int = 1, events: int = 1_000) -> Iterator[Server]:
    """Run a bridge with routes of one push source, each keeping so many events."""
    public, admin = free_port(), free_port()
    paths = "\n".join(
        f"  /r{n}: {{ from: filling, history: {{ events: {events}, bytes: 1GiB }} }}" for n in range(routes)
    )
    text = (
        f"server: {{ listen: '127.0.0.1:{public}', admin: '127.0.0.1:{admin}' }}\nlimits: {{ memory: 1GiB }}\n"
        f"sources:\n  filling: {{ kind: push, subject: '{{subject*}}' }}\nroutes:\n{paths}\n"
    )
    with tempfile.TemporaryDirectory() as folder, LOG.open("wb") as log:
        file = Path(folder) / "routes.yaml"
        file.write_text(text)
        process = subprocess.Popen([sys.executable, "-m", "bridge", "run", file], cwd=TREE, stdout=log, stderr=log)
        try:
            _await(public, process)
            yield Server(process.pid, public, admin)
        finally:
            process.kill()
            process.wait()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    sys.exit(f"the bridge did not start, see {LOG}")


def bare() -> float:
    """Return the bytes of a process that has one source and nobody who listens."""
    with serving() as server:
        return server.memory()


def idle(streams: int) -> float:
    """Return the bytes of one idle stream."""
    with serving() as server:
        warm = Sink(server.public, WARM, "/r0", "1.1")
        before = server.memory()
        more = Sink(server.public, streams, "/r0", "1.1")
        grown = server.memory() - before
        more.close()
        warm.close()
    return grown / streams


def stalled(streams: int) -> float:
    """Return the bytes of one stream whose peer takes nothing, with more waiting for it than it may hold."""
    with serving(events=100) as server, contextlib.ExitStack() as stack:
        readers = [stack.enter_context(socket.socket()) for _ in range(streams)]
        for reader in readers:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_BUFFER)
            reader.connect(("127.0.0.1", server.public))
            reader.sendall(b"GET /r0 HTTP/1.1\r\nHost: bench\r\n\r\n")
        before = server.memory()
        server.push(BATCH)  # some 260 KB, which is more than any of them can hold
        return (server.memory() - before) / streams


def kept(events: int) -> float:
    """Return the bytes of one kept event of 200 bytes."""
    with serving(events=events) as server:
        server.push(BATCH)
        before = server.memory()
        server.push(events - BATCH)
        return (server.memory() - before) / (events - BATCH)


def route(routes: int) -> float:
    """Return the bytes of one route that nobody has opened."""
    with serving(routes) as many, serving(1) as one:
        return (many.memory() - one.memory()) / (routes - 1)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench/sizing", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--idle", type=int, default=4_000, help="idle streams")
    parser.add_argument("--stalled", type=int, default=500, help="stalled streams")
    parser.add_argument("--events", type=int, default=200_000, help="kept events")
    parser.add_argument("--routes", type=int, default=500, help="routes")
    return parser.parse_args()


def main() -> None:
    """Measure all of it, and write it down."""
    options = parse()
    build()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    figures = {
        "the process, MiB": bare() / MIB,
        "an idle stream, bytes": idle(options.idle),
        "a stalled stream, bytes": stalled(options.stalled),
        f"a kept event of {EVENT} bytes, bytes": kept(options.events),
        "a route, bytes": route(options.routes),
    }
    for name, figure in figures.items():
        print(f"{name:40}{figure:>12,.1f}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / time.strftime("sizing-%Y%m%d-%H%M%S.json", time.gmtime())
    path.write_text(
        json.dumps({"options": vars(options), "cores": os.cpu_count(), "figures": figures}, indent=2) + "\n"
    )
    print(f"\nWritten to {path.relative_to(TREE)}")


if __name__ == "__main__":
    main()
