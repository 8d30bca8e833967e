"""Measure what a request through sse-bridge costs, beside the same one through nginx.

    make bench-proxy         or        .venv/bin/python -m bench.proxy --seconds 10 --connections 100

One small application, an nginx that serves two files, is asked by wrk four ways, one after another, several rounds:

- directly, which is what wrk and the application can do by themselves;
- through an nginx that does nothing but `proxy_pass`, with kept connections;
- through sse-bridge, the real program, with `server.upstream`;
- through `naive.py`, which is aiohttp's client behind aiohttp's server.

Each is one process with one loop. Connections are kept on both sides, and a round counts only if every request was
answered with 200. CPU is the proxy's own user and system time over the run (from /proc), divided by the requests that
wrk counted. wrk and the application share the machine, and on two cores three processes do not run beside one another:
the CPU of a request says more than the requests a second do, and the ratios more than either.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.sink import BUILD, LOG, RESULTS, TREE, cpu_seconds, free_port

HERE = Path(__file__).parent

DIRECT, NGINX, OURS, NAIVE = "no proxy", "nginx proxy_pass", "sse-bridge", "naive aiohttp"

#: The replies: their names, and their bytes.
REPLIES = {"200 bytes": 200, "100 KB": 100_000}

#: Seconds for a program to start on a busy machine, and between two looks at it.
PATIENCE = 30.0
GLANCE = 0.05

#: Seconds, whole ones as wrk wants them, of a first run that is not measured: connections are made, code is brought in.
WARM = 1


class Figures(NamedTuple):
    """One round's figures of one way to the application."""

    rate: float  # requests a second
    cpu: float  # microseconds of the proxy a request
    middle: float  # milliseconds of the median request
    late: float  # and of the slowest in a hundred


class Way(NamedTuple):
    """A way to the application."""

    port: int
    #: The process whose time is counted; None where there is no proxy.
    pid: int | None


def executable(name: str) -> str:
    """Return the path of a Debian program, which a plain user's own need not name."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin")
    return found or sys.exit(f"bench: {name} is needed: scripts/debian nginx wrk")


@contextlib.contextmanager
def running(*command: str | Path, port: int, **environment: str) -> Iterator[int]:
    """Run a program until it answers at its port; give its process id."""
    with LOG.open("ab") as log:
        process = subprocess.Popen(command, cwd=TREE, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        _await(port, process)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _await(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/200-bytes"):
            return
        time.sleep(GLANCE)
    sys.exit(f"{process.args!r} does not answer, see {LOG}")


@contextlib.contextmanager
def nginx(folder: Path, config: str, **values: object) -> Iterator[Way]:
    """Run nginx, as one process alone."""
    port = free_port()
    text = (HERE / config).read_text()
    for name, value in {"folder": folder, "port": port, **values}.items():
        text = text.replace(f"@{name}@", str(value))
    path = folder / config
    path.write_text(text)
    # Without a master the process that is started is the one that works.
    settings = "master_process off; user root;" if os.geteuid() == 0 else "master_process off;"
    command = (executable("nginx"), "-e", folder / "error.log", "-c", path, "-g", settings)
    with running(*command, port=port) as pid:
        yield Way(port, pid)


@contextlib.contextmanager
def bridge(application: int) -> Iterator[Way]:
    """Run sse-bridge."""
    port = free_port()
    environment = {
        "LISTEN": f"127.0.0.1:{port}",
        "ADMIN": f"127.0.0.1:{free_port()}",
        "APPLICATION": f"127.0.0.1:{application}",
    }
    command = (sys.executable, "-m", "bridge", "run", HERE / "routes.yaml")
    with running(*command, port=port, **environment) as pid:
        yield Way(port, pid)


@contextlib.contextmanager
def naive(application: int) -> Iterator[Way]:
    """Run the proxy that everyone writes first."""
    port = free_port()
    with running(sys.executable, HERE / "naive.py", str(port), f"127.0.0.1:{application}", port=port) as pid:
        yield Way(port, pid)


@contextlib.contextmanager
def ways(folder: Path) -> Iterator[dict[str, Way]]:
    """Run the application and the proxies."""
    files = folder / "files"
    files.mkdir()
    for name, size in REPLIES.items():
        (files / _file(name)).write_bytes(b"x" * size)
    with contextlib.ExitStack() as stack:
        application = stack.enter_context(nginx(folder, "application.conf"))
        yield {
            DIRECT: Way(application.port, None),
            NGINX: stack.enter_context(nginx(folder, "proxy.conf", application=application.port)),
            OURS: stack.enter_context(bridge(application.port)),
            NAIVE: stack.enter_context(naive(application.port)),
        }


def _file(name: str) -> str:
    return name.replace(" ", "-")


def ask(way: Way, reply: str, connections: int, seconds: int) -> Figures:
    """Let wrk ask for a reply, over kept connections."""
    url = f"http://127.0.0.1:{way.port}/{_file(reply)}"
    command = [executable("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url]
    before = 0.0 if way.pid is None else cpu_seconds(way.pid)
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + PATIENCE).stdout
    cpu = 0.0 if way.pid is None else cpu_seconds(way.pid) - before
    if "Non-2xx" in said or "Socket errors" in said:
        sys.exit(f"not every request was answered:\n{said}")
    requests = int(_found(r"(\d+) requests in", said))
    rate = float(_found(r"Requests/sec:\s+([\d.]+)", said))
    return Figures(rate, cpu * 1e6 / requests, _milliseconds(said, 50), _milliseconds(said, 99))


def _found(pattern: str, said: str) -> str:
    found = re.search(pattern, said)
    return found[1] if found else sys.exit(f"wrk said something else than it used to:\n{said}")


def _milliseconds(said: str, share: int) -> float:
    value = _found(rf"^\s+{share}%\s+([\d.]+(?:us|ms|s))$".replace("^", "(?m:^)").replace("$", "(?m:$)"), said)
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", value).groups()
    return float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


def table(figures: dict[str, dict[str, list[Figures]]]) -> str:
    """Lay the medians out, as multiples of nginx's."""
    lines = [
        f"{'':18}{'requests/s':>26}{'x nginx':>9}{'µs CPU each':>20}{'x nginx':>9}{'ms, median':>12}{'ms, 99 %':>10}"
    ]
    for reply, rounds in figures.items():
        lines.append(reply)
        medians = {
            way: [statistics.median(one[i] for one in found) for i in range(len(Figures._fields))]
            for way, found in rounds.items()
        }
        for way, (rate, cpu, middle, late) in medians.items():
            rates, cpus = _spread([one.rate for one in rounds[way]], 0), _spread([one.cpu for one in rounds[way]], 1)
            cost = f"{cpus:>20}{cpu / medians[NGINX][1]:>9.2f}" if cpu else f"{'-':>20}{'-':>9}"
            lines.append(f"  {way:16}{rates:>26}{rate / medians[NGINX][0]:>9.2f}{cost}{middle:>12.2f}{late:>10.2f}")
    return "\n".join(lines)


def _spread(values: list[float], digits: int) -> str:
    middle, least, most = (f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({least}-{most})"


def save(options: argparse.Namespace, figures: dict[str, dict[str, list[Figures]]]) -> Path:
    """Write every round's figures as JSON."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / time.strftime("proxy-%Y%m%d-%H%M%S.json", time.gmtime())
    result = {
        "options": vars(options),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} cores",
        "figures": {
            reply: {way: [one._asdict() for one in found] for way, found in rounds.items()}
            for reply, rounds in figures.items()
        },
    }
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="bench/proxy",
        description="requests a second through sse-bridge and through nginx",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--connections", type=int, default=32, help="that wrk keeps, each with one request at a time")
    parser.add_argument("--seconds", type=int, default=5, help="measured, each time")
    parser.add_argument("--rounds", type=int, default=4, help="of all ways")
    return parser.parse_args()


def main() -> None:
    """Run all rounds, interleaved, so that a busy moment of the machine meets all ways."""
    options = parse()
    BUILD.mkdir(parents=True, exist_ok=True)
    LOG.write_bytes(b"")
    figures: dict[str, dict[str, list[Figures]]] = {reply: {} for reply in REPLIES}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ways(Path(folder)) as there:
        print(f"{options.connections} connections, {options.rounds} rounds of {options.seconds} s")
        for reply in REPLIES:
            for way in there.values():
                ask(way, reply, options.connections, WARM)
        for number in range(options.rounds):
            print(f"round {number + 1}")
            for reply, rounds in figures.items():
                print(f"  {reply}", end="", flush=True)
                for name, way in there.items():
                    found = ask(way, reply, options.connections, options.seconds)
                    rounds.setdefault(name, []).append(found)
                    print(f", {name} {found.rate:,.0f}/s {found.cpu:.0f} µs", end="", flush=True)
                print()
    print(f"\n{table(figures)}\n\nWritten to {save(options, figures).relative_to(TREE)}")


if __name__ == "__main__":
    main()
