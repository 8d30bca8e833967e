"""Measure what a scrape of `/-/metrics` costs, and how long it keeps the loop at a time.

    .venv/bin/python -m bench.scrape --routes 500 --streams 10000

The parts of a bridge are made in this process, with streams whose transports take everything; nothing listens. The CPU
is the process's own, of the best of five scrapes; the longest turn is the time for which a scrape does not give way.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import uvloop

from bridge.app import Bridge
from bridge.config.load import load
from bridge.gateway.connection import Connection
from bridge.gateway.framing import FRAMINGS
from bridge.gateway.subscriber import Subscriber
from bridge.metrics import Page

SCRAPES = 5


class Cost(NamedTuple):
    """What a scrape took, in milliseconds."""

    cpu: float
    longest: float
    lines: int


class Willing(asyncio.Transport):
    """Takes everything."""

    def write(self, data: object) -> None:
        """Forget it."""

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0


def made(routes: int, streams: int) -> Bridge:
    """Return a bridge with so many routes, and so many streams spread over their channels."""
    paths = "".join(f"  /r{number}/{{name}}: {{from: p}}\n" for number in range(routes))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "routes.yaml")
        file.write_text(f"sources: {{p: {{kind: push, subject: '{{name}}'}}}}\nroutes:\n{paths}")
        bridge = Bridge(load(file, {}))
    for number in range(streams):
        endpoint = bridge.endpoints[number % routes]
        route = endpoint.supply.route
        channel = bridge.bus.channel(route, {"name": str(number // routes)})
        assert channel is not None
        connection = Connection(Willing(), FRAMINGS[True, False], bridge.pump)
        cursor = route.subscribe(channel, bridge.bus.epoch)
        bridge.pump.admit(Subscriber(cursor, connection, endpoint, retry=1_000, left=lambda _: None))
    return bridge


async def measure(page: Page) -> Cost:
    """Scrape once, with somebody else on the loop."""
    scrape = asyncio.create_task(page.scrape())
    longest, last = 0.0, (begun := time.process_time())
    while not scrape.done():
        await asyncio.sleep(0)
        now = time.process_time()
        longest, last = max(longest, now - last), now
    return Cost((last - begun) * 1e3, longest * 1e3, scrape.result().count(b"\n"))


async def main() -> None:
    """Measure, and say it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routes", type=int, default=500)
    parser.add_argument("--streams", type=int, default=10_000)
    options = parser.parse_args()
    page = Page(made(options.routes, options.streams)._live())  # noqa: SLF001
    best = min([await measure(page) for _ in range(SCRAPES)])
    print(f"{best.lines:,} lines: {best.cpu:.1f} ms of CPU, {best.longest:.1f} ms at a time")


if __name__ == "__main__":
    uvloop.run(main())
