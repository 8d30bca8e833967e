"""The demo's application: three services whose logs grow by a few lines a second."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

#: Seconds from one line to the next, on average: fast enough to look alive, slow enough to read.
PAUSE: Final = 0.4

#: A log over this is rotated: the demo may run for days, and its folder is often memory.
ROTATED: Final = 1024 * 1024

SERVICES: Final = ("api", "web", "worker")

# {n} is a number, {ms} a duration. Several times the same is how often it happens.
_LINES: Final[dict[str, tuple[str, ...]]] = {
    "api": (
        "INFO  GET /orders/{n} 200 in {ms} ms",
        "INFO  GET /orders/{n} 200 in {ms} ms",
        "INFO  POST /orders 201 in {ms} ms",
        "WARN  GET /search 200 in 1{ms} ms, slow",
        "ERROR POST /payments 502, the card network does not answer; order {n} stays open",
    ),
    "web": (
        "INFO  GET / 200",
        "INFO  GET /products/{n} 200",
        "INFO  GET /static/app.css 304",
        "WARN  GET /products/{n} 404",
    ),
    "worker": (
        "INFO  job {n} started: invoice",
        "INFO  job {n} done in {ms} ms",
        "INFO  job {n} done in {ms} ms",
        "WARN  job {n} failed, trying again in 5 s",
    ),
}


async def write(folder: Path, random: Random, clock: Callable[[], float] = time.time) -> None:
    """Append lines to the services' logs until cancelled."""
    for service in SERVICES:
        append(folder / f"{service}.log", line(service, random, clock()))
    while True:
        await asyncio.sleep(random.uniform(0.5, 1.5) * PAUSE)
        service = random.choice(SERVICES)
        append(folder / f"{service}.log", line(service, random, clock()))


def line(service: str, random: Random, now: float) -> str:
    """Return a line as this service would write it."""
    stamp = time.strftime("%H:%M:%S", time.localtime(now)) + f".{int(now * 1000) % 1000:03d}"
    text = random.choice(_LINES[service]).format(n=random.randint(1000, 9999), ms=random.randint(4, 480))
    return f"{stamp} {text}"


def append(log: Path, text: str) -> None:
    """Write a line, and rotate the log when it has grown too long: by rename, one old one kept."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")
    if log.stat().st_size > ROTATED:
        log.rename(log.with_name(f"{log.name}.1"))
