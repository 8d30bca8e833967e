"""`sse-bridge health`: tell whether the bridge beside us lives; for HEALTHCHECK, without a shell or curl in the image.

It runs every few seconds beside the bridge and within its bound of memory. So it reads the file without the models, and
asks without an HTTP library. What is wrong in the file does not matter: the bridge may run with an older one.
"""

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bridge.config.files import read
from bridge.config.problems import Problems
from bridge.demo import ROUTES
from bridge.errors import ConfigError

OK: Final = 0
FAILED: Final = 1

#: What holds where the file names no admin port: the default of `server.admin`, which is with the models.
DEFAULT: Final = "127.0.0.1:9090"

#: Seconds for an answer. Docker's own default is 30; a loop that does not turn for three is none that serves.
WITHIN: Final = 3.0

#: Bytes of the answer that are looked at: its first line.
ENOUGH: Final = 64

_PATH: Final = "/-/live"


def run(file: Path, environ: Mapping[str, str] = os.environ) -> int:
    """Ask whether the bridge lives; return the exit code.

    Without a file it is the demo that runs (`run --else-demo`), and its file says where.
    """
    place = admin(file if os.path.lexists(file) else ROUTES, environ)
    try:
        line = _first_line(*place)
    except OSError as error:
        return _not_well(f"{place[0]}:{place[1]}: {error.strerror or error}")
    # "HTTP/1.1 200 OK"
    return OK if line.split(b" ")[1:2] == [b"200"] else _not_well(line.decode(errors="replace") or "no answer")


def admin(file: Path, environ: Mapping[str, str]) -> tuple[str, int]:
    """Return where the file's bridge is asked, on this machine."""
    text = _named(file, environ) or DEFAULT
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    # Who listens on all addresses is reached on this machine's own.
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), _number(port)  # noqa: S104


def _named(file: Path, environ: Mapping[str, str]) -> str | None:
    try:
        root = read(file, environ, Problems())
    except ConfigError:
        return None
    node = root.at("server", "admin") if root is not None else None
    return str(node.value) if node is not None and node.value is not None else None


def _number(port: str) -> int:
    usual = int(DEFAULT.rpartition(":")[2])
    return int(port) if port.isascii() and port.isdigit() and int(port) <= 65_535 else usual  # noqa: PLR2004 -- of TCP


def _first_line(host: str, port: int) -> bytes:
    with socket.create_connection((host, port), timeout=WITHIN) as connection:
        at = f"[{host}]" if ":" in host else host
        connection.sendall(f"GET {_PATH} HTTP/1.1\r\nHost: {at}:{port}\r\nConnection: close\r\n\r\n".encode())
        return connection.recv(ENOUGH).split(b"\r\n")[0]


def _not_well(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return FAILED
