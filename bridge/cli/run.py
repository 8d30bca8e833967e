"""`sse-bridge run`: load the file, serve until told to stop."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Final

import uvloop

from bridge import telemetry
from bridge.app import Bridge
from bridge.config import load
from bridge.config.model import Config
from bridge.errors import BridgeError, ConfigError

OK: Final = 0
FAILED: Final = 1
REFUSED: Final = 2

#: What is shown of a refused configuration: beyond it a reader mends the first and looks again.
MAX_SHOWN: Final = 50


def run(file: Path, *, level: str) -> int:
    """Serve the file's routes; return the exit code."""
    try:
        telemetry.configure(level=level)
    except KeyError:
        say(f"--log-level: {level!r} is not one of debug, info, warning, error")
        return REFUSED
    config = read(file)
    return REFUSED if config is None else serve(config)


def read(file: Path) -> Config | None:
    """Load a configuration, or say what is wrong with it."""
    try:
        config = load(file)
    except ConfigError as error:
        for problem in error.problems[:MAX_SHOWN]:
            say(str(problem))
        if len(error.problems) > MAX_SHOWN:
            say(f"{len(error.problems) - MAX_SHOWN} more")
        return None
    for note in config.notes:
        say(f"{note} (a warning)")
    return config


def serve(
    config: Config,
    started: Callable[[Bridge], None] | None = None,
    beside: Callable[[Bridge], Coroutine[None, None, None]] | None = None,
) -> int:
    """Serve a configuration until SIGTERM or SIGINT, a second one of which ends at once; return the exit code.

    `started` is called once all listens; `beside` is run beside it for as long.
    """
    try:
        uvloop.run(_serve(config, started, beside))
    except BridgeError as error:
        say(str(error))
        return FAILED
    return OK


async def _serve(
    config: Config,
    started: Callable[[Bridge], None] | None,
    beside: Callable[[Bridge], Coroutine[None, None, None]] | None,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stopping, stop, number)
    bridge = Bridge(config)
    task = asyncio.create_task(beside(bridge), name="beside") if beside is not None else None
    try:
        await bridge.run(stop, started)
    finally:
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))


def _stopping(stop: asyncio.Event, number: int) -> None:
    if stop.is_set():
        # The default action from here on: the process dies of the signal, as whoever sent it twice wants.
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    stop.set()


def say(text: str) -> None:
    """Print a line for a person, on standard error."""
    sys.stderr.write(f"{text}\n")
