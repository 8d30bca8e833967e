"""Serving until told to stop: what `run`, `serve` and `demo` share."""

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Final

import structlog
import uvloop

from bridge.app import Bridge
from bridge.cli.run import FAILED, OK, say
from bridge.config.model import Config
from bridge.errors import BridgeError
from bridge.lifecycle import END
from bridge.telemetry import LOG, tell_loop_error

log = structlog.get_logger()

#: What shells add to a signal's number for the exit code of who died of it.
BY_SIGNAL: Final = 128

#: Seconds from the end of the drain to that of the process, whatever has not ended then. What stops processes waits for
#: five (`END`), and Python for threads: one that asks for a name of no server takes ten, in Kubernetes ten for each
#: domain that is searched.
LAST: Final = END + 0.4

#: Containers that are made and not gone before the collector looks for cycles: some megabyte of them.
COLLECT_AFTER: Final = 10_000


def serve(
    config: Config,
    started: Callable[[Bridge], None] | None = None,
    beside: Callable[[Bridge], Coroutine[None, None, None]] | None = None,
    abandon: Callable[[], None] | None = None,
    file: Path | None = None,
) -> int:
    """Serve a configuration until SIGTERM or SIGINT, a second one of which ends at once; return the exit code.

    `started` is called once all listens; `beside` is run beside it for as long; `abandon` is called before a second
    signal ends the process, or its last seconds are over, where nothing else comes to its end; `file` is what is read
    again when it changes, and at a SIGHUP.
    """
    try:
        _spare_collections()
        last = uvloop.run(_serve(config, started, beside, abandon, file))
    except BridgeError as error:
        say(str(error))
        return FAILED
    last.cancel()
    return OK


def _spare_collections() -> None:
    """Let the garbage collector leave alone what lives as long as the process, and come less often.

    What the bridge makes by the million goes by its reference count, and records are out of the collector's sight. With
    its usual threshold a flood of records costs a tenth more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def tell_console(bridge: Bridge) -> None:
    """Log where the console is: a line of the log like others, so that a log of JSON stays one."""
    log.info("console", url=f"http://{bridge.admin.places[0]}/")


async def _serve(
    config: Config,
    started: Callable[[Bridge], None] | None,
    beside: Callable[[Bridge], Coroutine[None, None, None]] | None,
    abandon: Callable[[], None] | None,
    file: Path | None,
) -> threading.Timer:
    """Serve, and return the clock of the last seconds: it runs on while Python waits for threads."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(tell_loop_error)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stopping, stop, number, abandon)
    bridge = Bridge(config, file)
    # Not by the loop, which gives a signal its default action back when it closes: one more would then end us.
    signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(bridge.reloader.ask))
    last = threading.Timer(LAST, _cut_off, (abandon,))
    last.daemon = True
    tasks = [asyncio.create_task(_bound(bridge, stop, last), name="the last seconds")]
    if beside is not None:
        tasks.append(asyncio.create_task(beside(bridge), name="beside"))
    try:
        await bridge.run(stop, started)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return last


async def _bound(bridge: Bridge, stop: asyncio.Event, last: threading.Timer) -> None:
    """Count the last seconds from the end of the drain."""
    await stop.wait()
    await bridge.lifecycle.drain()
    last.start()


def _cut_off(abandon: Callable[[], None] | None) -> None:
    """End the process. Called by a thread of its own: the loop may be what does not end."""
    log.warning("cut off what does not end", within=LAST)
    LOG.tell_held()
    if abandon is not None:
        abandon()
    os._exit(OK)


def _stopping(stop: asyncio.Event, number: int, abandon: Callable[[], None] | None) -> None:
    if stop.is_set():
        if abandon is not None:
            abandon()
        # The default action from here on: the process dies of the signal, as whoever sent it twice wants.
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        # The first process of a container has no default actions.
        os._exit(BY_SIGNAL + number)
    stop.set()
