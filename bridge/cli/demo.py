"""`sse-bridge demo`: a bridge with something to show, which needs nothing else and leaves nothing behind."""

import asyncio
import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Final

from bridge import telemetry
from bridge.app import Bridge
from bridge.cli.run import REFUSED, say
from bridge.cli.serving import serve
from bridge.config import load
from bridge.config.model import Config
from bridge.demo import ROUTES, notices, writer
from bridge.errors import ConfigError

#: Where the demo listens unless the environment says otherwise, and unless another program is there already.
PORTS: Final = {"LISTEN": 8080, "ADMIN": 9090}

HOST: Final = "127.0.0.1"

#: What is worth opening first, after the console: a path, and what is there.
SIGHTS: Final = {
    "/logs/api": "a log that grows (also /logs/web, /logs/worker)",
    "/logs": "all three on one stream",
    "/clock": "the time, each second",
    "/notices": "what another program pushes",
}


def run(*, level: str) -> int:
    """Run the demo until SIGTERM or Ctrl-C; return the exit code."""
    telemetry.configure(level=level)
    with tempfile.TemporaryDirectory(prefix="sse-bridge-demo-") as folder:
        logs = Path(folder) / "logs"
        logs.mkdir()
        try:
            config = load(ROUTES, places(os.environ) | {"LOGS": str(logs)})
        except ConfigError as error:
            say(str(error))
            return REFUSED
        return _serve(config, logs)


def places(environ: Mapping[str, str]) -> dict[str, str]:
    """Return where to listen: as the environment says, else at the usual ports, else at any that are free."""
    return {name: environ.get(name) or f"{HOST}:{port if _is_free(port) else 0}" for name, port in PORTS.items()}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the listener does: a connection of the run before, still in TIME_WAIT, does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _serve(config: Config, logs: Path) -> int:
    listening = asyncio.Event()

    def started(bridge: Bridge) -> None:
        _tell(bridge, logs)
        listening.set()

    async def beside(bridge: Bridge) -> None:
        await listening.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(writer.write(logs, Random()), name="demo log")
            url = f"http://{bridge.admin.places[0]}/-/push/notices"
            group.create_task(notices.push(url, Random()), name="demo notices")

    return serve(config, started, beside)


def _tell(bridge: Bridge, logs: Path) -> None:
    public, admin = bridge.public.places[0], bridge.admin.places[0]
    width = max(map(len, SIGHTS))
    lines = [
        "The demo runs. Open the console:",
        "",
        f"    http://{admin}/",
        "",
        "It shows these streams, which any page or `curl -N` can read too:",
        "",
        *(f"    http://{public}{path:{width}}   {about}" for path, about in SIGHTS.items()),
        "",
        f"The configuration is {ROUTES}",
        f"The logs are in {logs}",
        "Ctrl-C ends it and removes them.",
    ]
    print("\n".join(lines), flush=True)  # noqa: T201 -- the command's answer
