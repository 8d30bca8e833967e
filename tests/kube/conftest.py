"""The image, and a pod of the chart with an application that writes a log."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.image.containers import build
from tests.kube.podman import Pod, rendered

#: The image's own base is there once the image is, and has a Python.
BASE: Final = ("docker.io/library/python", "3.13-slim")

#: Whoever writes the log, another than the bridge.
WRITER: Final = 20001

#: Writes a line ten times a second, which only its group may read, until SIGTERM; as the first process of its container
#: it must say itself that it ends on that.
APPLICATION: Final = """
import os, signal, sys, threading
os.umask(0o027)
over = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: over.set())
print("user", os.getuid(), "of group", os.getgid(), flush=True)
with open("/var/log/app/app.log", "a", buffering=1) as log:
    number = 0
    while not over.wait(0.1):
        number += 1
        log.write(f"line {number}\\n")
"""


@dataclass(frozen=True)
class Played:
    """A running pod, and its bridge's ports on this machine."""

    pod: Pod
    ports: dict[str, int]


@pytest.fixture(scope="session")
def image() -> tuple[str, str]:
    """Give the repository and the tag of the image, built from the tree as it is."""
    repository, _, tag = build().rpartition(":")
    return repository, tag


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def pod(
    image: tuple[str, str], free_ports: Callable[[], int], tmp_path: Path, _numbers: Iterator[int]
) -> Iterator[Played]:
    """Run the chart's companion in plain containers, with an application of another user that writes a log."""
    ports = {name: free_ports() for name in ("public", "health", "admin")}
    release = f"kube-{os.getpid()}-{next(_numbers)}"
    made = Pod(release, rendered(release, _values(image, ports, free_ports()), tmp_path), WRITER)
    try:
        made.play()
        yield Played(made, ports)
    finally:
        made.remove()


def _values(image: tuple[str, str], ports: dict[str, int], port: int) -> dict[str, Any]:
    application = {
        "image": {"repository": BASE[0], "tag": BASE[1]},
        "port": port,
        "command": ["python3", "-c"],
        # A text that begins with an empty line podman writes anew as what it cannot read.
        "args": [APPLICATION.strip()],
        # podman knows no `fsGroup`, which would have handed the folder's group on to the log: here the writer has it.
        "securityContext": {
            "runAsUser": WRITER,
            "runAsGroup": 10001,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    routes = {
        "version": 1,
        "auth": "anonymous",
        "sources": {"log": {"kind": "file", "path": "${LOGS}/app.log"}},
        "routes": {"/log": {"from": "log"}},
    }
    return {
        "mode": "companion",
        "sidecar": {"native": False},
        "image": {"repository": image[0], "tag": image[1]},
        "logs": {"enabled": True},
        "drain": {"seconds": 3, "prestop": 1},
        "ports": ports,
        "companion": application,
        "routes": routes,
    }
