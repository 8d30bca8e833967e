"""What every test may lean on: ports, hypothesis' profiles, and nothing left running behind it."""

import contextlib
import itertools
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.certificates import authority
from tests.kafka import kafka, kafka_server
from tests.kafka_client import kafka_net, talk, topic

#: Fixtures that stand beside what they give.
__all__ = ["authority", "kafka", "kafka_net", "kafka_server", "talk", "topic"]

# Programs of the environment first; and Debian keeps nginx, haproxy and logrotate out of a plain user's path.
os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin"

# No deadline in either: two workers on two busy cores stretch any single example.
# `ci` runs the same examples each time, so that what passes once passes again; `HYPOTHESIS_PROFILE=soak pytest`, which
# looks for new ones, is for a long night.
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, database=None, print_blob=True)
settings.register_profile("soak", deadline=None, max_examples=10_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# What stands here runs against real programs, marked or not.
LIVE_FOLDERS = {"e2e", "image", "kube", "live"}

# Asked for by its name alone (`make test-cluster`): it wants a control plane, which takes minutes to build.
collect_ignore = ["cluster"]

# Below 32768 the kernel picks no port for an outgoing connection, so nobody takes one between its choice and its use.
FIRST_PORT = 20_000
PORTS_PER_WORKER = 1_000

# Characters of a test's id that one of its values takes.
LONGEST_ID = 60

# A child that was told to end just now gets this long, seconds, before it counts as left behind.
PATIENCE = 5.0


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Call bytes that are no short text by their argument: what gzip makes of a text holds the time, so each worker's
    collection would have names of its own.
    """
    if isinstance(val, bytes) and not (len(val) <= LONGEST_ID and val.isascii() and val.decode().isprintable()):
        return argname
    return None


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests of a real server or browser on one worker, one after another: each of them wants a core to itself."""
    for item in items:
        if LIVE_FOLDERS.intersection(item.path.relative_to(item.config.rootpath).parts):
            item.add_marker(pytest.mark.live)
        if item.get_closest_marker("live"):
            item.add_marker(pytest.mark.xdist_group("live"))


def _is_free(port: int) -> bool:
    families = [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
    for family, host in families if socket.has_dualstack_ipv6() else families[:1]:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


@pytest.fixture(scope="session")
def free_ports(worker_id: str) -> Callable[[], int]:
    """Give a port that is free on every address and that no other test is given, with each call."""
    worker = 0 if worker_id == "master" else int(worker_id.removeprefix("gw"))
    first = FIRST_PORT + worker * PORTS_PER_WORKER
    # Past the last one it begins anew: whoever had those has long closed them.
    candidates = itertools.cycle(range(first, first + PORTS_PER_WORKER))
    return lambda: next(port for port in itertools.islice(candidates, PORTS_PER_WORKER) if _is_free(port))


@pytest.fixture
def free_port(free_ports: Callable[[], int]) -> int:
    """Give a port for a program that cannot be told to listen on port 0."""
    return free_ports()


def _children(pid: int) -> Iterator[int]:
    """Name the living descendants of a process, parents before children."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended since
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                yield int(stat.parent.name)
                yield from _children(int(stat.parent.name))


@pytest.fixture(scope="session", autouse=True)
def no_child_is_left() -> Iterator[None]:
    """Kill the processes that tests started and did not end, and say that there were some."""
    yield
    deadline = time.monotonic() + PATIENCE
    while (left := list(_children(os.getpid()))) and time.monotonic() < deadline:
        time.sleep(0.05)
    commands = []
    for pid in left:
        with contextlib.suppress(OSError):
            commands.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            os.kill(pid, signal.SIGKILL)
    assert not commands, f"left running by a test: {commands}"
