"""`sse-bridge demo`: a bridge with something to show, which needs nothing else and leaves nothing behind."""

import asyncio
import contextlib
import importlib.util
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from bridge.app import Bridge
from bridge.cli.run import REFUSED, say, set_up_log
from bridge.cli.serving import serve
from bridge.config.files import folder_of, read
from bridge.config.load import checked
from bridge.config.model import Config
from bridge.config.node import Node
from bridge.config.problems import Problems
from bridge.config.validate import Surroundings
from bridge.demo import ROUTES, console, devices, notices, shop, writer
from bridge.errors import ConfigError

#: Where the demo listens unless the environment says otherwise, and unless another program is there already.
PORTS: Final = {"LISTEN": 8080, "ADMIN": 9090}

HOST: Final = "127.0.0.1"

PLANT: Final = "/plants/oslo"

#: What is worth opening first, after the console: a path, and what is there.
SIGHTS: Final = {
    "/": "a shop's own page, passed through, with its orders live (also /orders, /sales)",
    "/logs/api": "a log that grows (also /logs/web, /logs/worker)",
    "/logs": "all three on one stream",
    PLANT: "devices, the latest value of each at once (also /plants/lyon)",
    "/clock": "the time, each second",
    "/notices": "what another program pushes",
}

#: The source in the demo's configuration that needs a broker.
DEVICES: Final = "devices"

HOW: Final = "Without devices: their broker comes with `make demo`, or with `pip install 'sse-bridge[demo]'`"

NOWHERE: Final = "The demo writes its logs to a temporary folder, and finds none: give it one, such as `--tmpfs /tmp`"


def run(*, level: str | None, format: str | None = None) -> int:
    """Run the demo until SIGTERM or Ctrl-C; return the exit code."""
    if not set_up_log(level, format):
        return REFUSED
    try:
        folder = tempfile.TemporaryDirectory(prefix="sse-bridge-demo-", ignore_cleanup_errors=True)
    except OSError as error:
        say(f"{NOWHERE} ({error.strerror})")
        return REFUSED
    with folder as name, contextlib.ExitStack() as stack:
        logs = Path(name) / "logs"
        logs.mkdir()
        broker = stack.enter_context(_listening()) if has_broker() else None
        behind = stack.enter_context(shop.listen())
        try:
            config = configured(logs, broker, behind, os.environ)
        except ConfigError as error:
            say(str(error))
            return REFUSED
        if not has_broker() and not is_wide(config):
            say(HOW)
        return _serve(config, Beside(logs, broker, behind, is_wide(config)), folder)


def is_wide(config: Config) -> bool:
    """Tell whether other machines reach the public port: then a browser on one of them cannot reach the admin port."""
    return any(not address.is_loopback for address in config.server.listen)


def has_broker() -> bool:
    """Tell whether the extra `demo` of the package is installed."""
    return importlib.util.find_spec("amqtt") is not None


def configured(logs: Path, broker: socket.socket | None, behind: socket.socket, environ: Mapping[str, str]) -> Config:
    """Return the demo's configuration, without the devices where there is no broker; raises `ConfigError`."""
    given = {
        "LOGS": str(logs),
        "BROKER": f"mqtt://{HOST}:{_port(broker)}" if broker is not None else "",
        "SHOP": f"http://{HOST}:{_port(behind)}",
    }
    around = Surroundings(folder=folder_of(ROUTES), environ=places(environ) | given)
    problems = Problems()
    root = read(ROUTES, around.environ, problems)
    if root is not None and broker is None:
        root = _without_devices(root)
    return checked(root, around, problems).config


def _without_devices(root: Node) -> Node:
    sources, routes = root.mapping["sources"], root.mapping["routes"]
    fed = [path for path, route in routes.mapping.items() if route.mapping["from"].text == DEVICES]
    return root.with_mapping({**root.mapping, "sources": sources.without(DEVICES), "routes": routes.without(*fed)})


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


def _listening() -> socket.socket:
    # The extra is not there for everyone.
    from bridge.demo import broker  # noqa: PLC0415

    return broker.listen()


def _port(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])


class Beside(NamedTuple):
    """What runs beside the bridge: where logs are written, the broker's socket if there is one, the application's."""

    logs: Path
    broker: socket.socket | None
    shop: socket.socket
    #: The application shows the console on the public port.
    is_wide: bool


def _serve(config: Config, there: Beside, folder: tempfile.TemporaryDirectory[str]) -> int:
    listening = asyncio.Event()

    def started(bridge: Bridge) -> None:
        _tell(bridge, there)
        listening.set()

    async def beside(bridge: Bridge) -> None:
        await listening.wait()
        async with _shop(bridge, there), _broker(there.broker), asyncio.TaskGroup() as group:
            group.create_task(writer.write(there.logs, Random()), name="demo log")
            url = f"http://{bridge.admin.places[0]}/-/push/notices"
            group.create_task(notices.push(url, Random()), name="demo notices")
            if there.broker is not None:
                group.create_task(devices.publish(HOST, _port(there.broker), Random()), name="demo devices")

    return serve(config, started, beside, abandon=folder.cleanup)


@contextlib.asynccontextmanager
async def _shop(bridge: Bridge, there: Beside) -> AsyncIterator[None]:
    """Run the application, with the console in front of it where that is reached by no other way."""
    async with contextlib.AsyncExitStack() as stack:
        opened = console.opened(str(bridge.admin.places[0]))
        front = await stack.enter_async_context(opened) if there.is_wide else ()
        await stack.enter_async_context(shop.running(there.shop, Random(), front=front))
        yield


@contextlib.asynccontextmanager
async def _broker(listening: socket.socket | None) -> AsyncIterator[None]:
    """Run the broker, where there is one."""
    if listening is None:
        yield
        return
    from bridge.demo import broker  # noqa: PLC0415

    async with broker.running(listening):
        yield


def _tell(bridge: Bridge, there: Beside) -> None:
    public, admin = bridge.public.places[0], bridge.admin.places[0]
    # All addresses are none that one can open.
    at = f"localhost:{public.port}" if there.is_wide else str(public)
    sights = {path: about for path, about in SIGHTS.items() if path != PLANT or has_broker()}
    if there.is_wide:
        sights = {"/shop" if path == "/" else path: about for path, about in sights.items()}
    width = max(map(len, sights))
    lines = [
        "The demo runs. Open the console:",
        "",
        f"    http://{at if there.is_wide else admin}/",
        "",
        "It shows these streams, which any page or `curl -N` can read too:",
        "",
        *(f"    http://{at}{path:{width}}   {about}" for path, about in sights.items()),
        "",
        f"The configuration is {ROUTES}",
        f"The logs are in {there.logs}",
        "Ctrl-C ends it and removes them.",
    ]
    print("\n".join(lines), flush=True)  # noqa: T201 -- the command's answer
