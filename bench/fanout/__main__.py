"""Measure what a delivery and an idle connection cost, beside a C loop of `send()` and a naive aiohttp handler.

    make bench        or        .venv/bin/python -m bench.fanout --seconds 20 --http 1.0

Three programs send the same frames at the same rate to the same subscribers, one after another, several rounds:

- `floor.c`: one `send()` a delivery and nothing else, the kernel's own price (it needs gcc);
- sse-bridge: the real program, `python -m bridge run routes.yaml`, a timer on one route;
- `naive.py`: a queue, a task and a `StreamResponse` for each client.

`sink.c` reads for all subscribers and counts. CPU is the server process's own user and system time over the measured
seconds (from /proc), divided by the deliveries that the reader counted in them. Memory is the growth of the process's
proportional set size from the first idle subscribers to many more, divided by their number; what the kernel keeps for
a socket is not in it. All of it is on loopback, and the reader shares the machine: compare the ratios, not the
microseconds.
"""

import argparse
import contextlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.sink import BUILD, LOG, RESULTS, TREE, Sink, build, cpu_seconds, free_port

HERE = Path(__file__).parent

FLOOR, OURS, NAIVE = "C send() loop", "sse-bridge", "naive aiohttp"

# What we aim at: CPU as a multiple of the C loop's and of the naive handler's, and bytes of an idle connection.
AIM_OF_FLOOR = 1.35
AIM_OF_NAIVE = 0.5
AIM_IDLE = 2560

# A frame of ours has `id: `, an id of some 20 characters, `data: ` and three line feeds; the payload fills the rest.
AROUND_PAYLOAD = 33

# After the last subscriber was answered, seconds until nothing of the start is left in the figures.
SETTLE = 1.0
# Memory is counted from the subscriber after these on: the first ones also bring in code and the allocator's arenas.
WARM_SUBSCRIBERS = 500


class Busy(NamedTuple):
    """One program's figures of one round."""

    cpu: float  # microseconds a delivery
    delivered: float  # share of what was due
    size: float  # bytes a delivery, chunk framing included


@contextlib.contextmanager
def serving(name: str, port: int, options: argparse.Namespace) -> Iterator[int]:
    """Run one of the programs and give its process id."""
    rate, frame = options.rate, options.frame
    commands = {
        FLOOR: [BUILD / "floor", str(port), str(options.subscribers), str(rate), str(frame)],
        OURS: [sys.executable, "-m", "bridge", "run", HERE / "routes.yaml"],
        NAIVE: [sys.executable, HERE / "naive.py", str(port), str(rate), str(frame)],
    }
    environment = {
        **os.environ,
        "LISTEN": f"127.0.0.1:{port}",
        "ADMIN": f"127.0.0.1:{free_port()}",
        "EVERY": f"{1000 / rate:g}ms",
        "PAYLOAD": "x" * (frame - AROUND_PAYLOAD),
    }
    with LOG.open("wb") as log:
        process = subprocess.Popen(commands[name], cwd=TREE, env=environment, stdout=log, stderr=log)
    try:
        yield process.pid
        if process.poll() is not None:
            sys.exit(f"{name} ended by itself, see {LOG}")
    finally:
        process.kill()
        process.wait()


def memory_bytes(pid: int) -> int:
    """Read the proportional set size of a process."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) * 1024 for line in rollup.split("\n") if line.startswith("Pss:"))


def measure_busy(name: str, options: argparse.Namespace) -> Busy:
    """Measure the cost of a delivery."""
    port = free_port()
    with serving(name, port, options) as pid:
        sink = Sink(port, options.subscribers, "/busy", options.http)
        time.sleep(SETTLE)
        before, cpu, start = sink.counts(), cpu_seconds(pid), time.monotonic()
        time.sleep(options.seconds)
        after, cpu, seconds = sink.counts(), cpu_seconds(pid) - cpu, time.monotonic() - start
        sink.close()
    events = after.events - before.events
    if not events or after.closed:
        sys.exit(f"{name}: {events} events, {after.closed} streams closed; see {LOG}")
    due = options.subscribers * options.rate * seconds
    return Busy(cpu * 1e6 / events, events / due, (after.bytes - before.bytes) / events)


def measure_idle(name: str, options: argparse.Namespace) -> float:
    """Measure the bytes of an idle connection."""
    port = free_port()
    with serving(name, port, options) as pid:
        warm = Sink(port, WARM_SUBSCRIBERS, "/quiet", options.http)
        time.sleep(SETTLE)
        before = memory_bytes(pid)
        more = Sink(port, options.idle, "/quiet", options.http)
        time.sleep(SETTLE)
        growth = memory_bytes(pid) - before
        more.close()
        warm.close()
    return growth / options.idle


def table(busy: dict[str, list[Busy]], idle: dict[str, list[float]]) -> str:
    """Lay the medians out, with the aims under them."""
    cpu = {name: statistics.median(one.cpu for one in rounds) for name, rounds in busy.items()}
    lines = [
        f"{'':16}{'µs a delivery':>22}{'x C loop':>11}{'x naive':>10}{'delivered':>12}{'bytes':>8}{'bytes, idle':>14}"
    ]
    for name, rounds in busy.items():
        spread = f"{cpu[name]:.2f} ({min(one.cpu for one in rounds):.2f}-{max(one.cpu for one in rounds):.2f})"
        delivered, size = (statistics.median(one[i] for one in rounds) for i in (1, 2))
        kept = f"{statistics.median(idle[name]):,.0f}" if name in idle else "-"
        ratios = f"{cpu[name] / cpu[FLOOR]:>11.2f}{cpu[name] / cpu[NAIVE]:>10.2f}"
        lines.append(f"{name:16}{spread:>22}{ratios}{delivered:>12.1%}{size:>8.0f}{kept:>14}")
    aims = [f"<= {AIM_OF_FLOOR}", f"<= {AIM_OF_NAIVE}", f"<= {AIM_IDLE:,}"]
    lines.append(f"{'aim, sse-bridge':16}{'':22}{aims[0]:>11}{aims[1]:>10}{'':20}{aims[2]:>14}")
    return "\n".join(lines)


def save(options: argparse.Namespace, busy: dict[str, list[Busy]], idle: dict[str, list[float]]) -> Path:
    """Write every round's figures as JSON."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / time.strftime("fanout-%Y%m%d-%H%M%S.json", time.gmtime())
    result = {
        "options": vars(options),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} cores",
        "busy": {name: [one._asdict() for one in rounds] for name, rounds in busy.items()},
        "idle_bytes": idle,
        "aims": {"of_floor": AIM_OF_FLOOR, "of_naive": AIM_OF_NAIVE, "idle_bytes": AIM_IDLE},
    }
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="bench/fanout",
        description="CPU of a delivery, bytes of an idle connection",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--subscribers", type=int, default=1000, help="who get every event")
    parser.add_argument("--rate", type=float, default=50, help="events a second")
    parser.add_argument("--frame", type=int, default=220, help="bytes of a frame")
    parser.add_argument("--seconds", type=float, default=8, help="measured, each time")
    parser.add_argument("--rounds", type=int, default=3, help="of all three programs")
    parser.add_argument("--idle", type=int, default=4000, help="idle connections to count")
    parser.add_argument("--http", choices=["1.1", "1.0"], default="1.1", help="how subscribers ask")
    return parser.parse_args()


def main() -> None:
    """Run all rounds, interleaved, so that a busy moment of the machine meets all three."""
    options = parse()
    build(HERE / "floor.c")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    busy: dict[str, list[Busy]] = {FLOOR: [], OURS: [], NAIVE: []}
    idle: dict[str, list[float]] = {OURS: [], NAIVE: []}
    title = (
        f"{options.subscribers} subscribers x {options.rate:g} events/s x {options.frame} bytes, HTTP/{options.http}"
    )
    print(f"{title}, {options.rounds} rounds of {options.seconds:g} s")
    for number in range(options.rounds):
        print(f"round {number + 1}", end="", flush=True)
        for name, rounds in busy.items():
            rounds.append(measure_busy(name, options))
            print(f", {name} {rounds[-1].cpu:.2f} µs", end="", flush=True)
        for name, sizes in idle.items():
            sizes.append(measure_idle(name, options))
            print(f", {name} {sizes[-1]:,.0f} bytes", end="", flush=True)
        print()
    print(f"\n{table(busy, idle)}\n\nWritten to {save(options, busy, idle).relative_to(TREE)}")


if __name__ == "__main__":
    main()
