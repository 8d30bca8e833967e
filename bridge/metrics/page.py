"""The answer to `/-/metrics`: a look at everything, a few hundred lines at a time.

A scrape reads on the loop, since nothing there is guarded by locks, and gives way often, since streams go on. So it is
no picture of one instant: a counter is as of when it was read, which Prometheus does not mind.

Rule 1: one scrape is made at a time, and whoever asks meanwhile is given the same: ten who ask cost what one does.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, TypeVar

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from bridge.gateway import reply
from bridge.meter import Meter
from bridge.metrics.live import Live
from bridge.metrics.metric import Section, Thing
from bridge.metrics.process import LISTENERS, PROCESS
from bridge.metrics.routes import ROUTES, Held, Readers, RouteView
from bridge.metrics.sources import SOURCES, SourceView
from bridge.metrics.text import lines

#: Things that are looked at, and signs that are written, between two turns of the loop: half a millisecond's worth.
TURN: Final = 500
SIGNS: Final = 32 * 1024

#: OpenMetrics by name, and the versions of it that ours is; "" asks for any.
_OPEN: Final = "application/openmetrics-text"
_VERSIONS: Final = frozenset({"", "1.0.0"})

T = TypeVar("T")


class Page:
    """Answers scrapes."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._running: dict[bool, asyncio.Task[bytes]] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._process = ProcessCollector(registry=self._registry)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer a request."""
        if request.method not in {"GET", "HEAD"}:
            return reply.refused("GET, HEAD")
        is_open = _takes_open(",".join(request.headers.getall("Accept", ())))
        content_type = openmetrics.CONTENT_TYPE_LATEST if is_open else CONTENT_TYPE_PLAIN_0_0_4
        body = await self.scrape(is_open=is_open)
        return web.Response(body=body, headers={**reply.COMMON, "Content-Type": content_type})

    async def scrape(self, *, is_open: bool = False) -> bytes:
        """Look at everything; `is_open` for OpenMetrics."""
        task = self._running.get(is_open)
        if task is None:
            task = self._running[is_open] = asyncio.create_task(self._scrape(is_open=is_open), name="scrape")
            task.add_done_callback(lambda _: self._running.pop(is_open))
        # Whoever leaves meanwhile does not take it from the others.
        return await asyncio.shield(task)

    async def _scrape(self, *, is_open: bool) -> bytes:
        parts: list[bytes] = []
        found: list[str] = []
        signs = 0
        for section, things in await self._look():
            for text in lines(section, things, is_open=is_open):
                found.append(text)
                signs += len(text)
                if signs >= SIGNS:
                    parts.append("".join(found).encode())
                    found, signs = [], 0
                    await asyncio.sleep(0)
        # A process outside of Linux is told nothing of here.
        foreign = (openmetrics.generate_latest if is_open else generate_latest)(self._registry)
        return b"".join([*parts, "".join(found).encode(), foreign])

    async def _look(self) -> list[tuple[Section[Any], list[Thing[Any]]]]:
        live = self._live
        return [
            (ROUTES, await self._routes(await self._readers())),
            (SOURCES, self._sources()),
            (PROCESS, [Thing("", live)]),
            (LISTENERS, [Thing(each.name, each) for each in live.listeners() if each.places]),
        ]

    async def _readers(self) -> dict[Meter, Readers]:
        """Walk all open streams. Those of an earlier route of a path have the meter of the one that took its place."""
        found: dict[Meter, Readers] = {}
        for turn in _turns(self._live.pump.subscribers):
            for subscriber in turn:
                readers = found.get(subscriber.meter)
                if readers is None:
                    readers = found[subscriber.meter] = Readers()
                readers.waiting += subscriber.connection.waiting
                if subscriber.audience is not None:
                    readers.live += 1
                elif subscriber.is_feeding:
                    readers.replaying += 1
                else:
                    readers.lagging += 1
            await asyncio.sleep(0)
        return found

    async def _routes(self, readers: Mapping[Meter, Readers]) -> list[Thing[RouteView]]:
        found: list[Thing[RouteView]] = []
        looked = 0
        for route in list(self._live.routes()):
            held = Held(len(route.channels))
            for turn in _turns(route.channels.values()):
                held = held.plus(turn)
                looked += len(turn)
                if looked >= TURN:
                    looked = 0
                    await asyncio.sleep(0)
            found.append(Thing(route.terms.path, RouteView(route, held, readers.get(route.meter) or Readers())))
        return found

    def _sources(self) -> list[Thing[SourceView]]:
        live, health = self._live, self._live.health
        return [
            Thing(
                name,
                SourceView(
                    intake,
                    health.sources[name],
                    health.restarts[name],
                    health.downs[name],
                    live.streams.of_source(name),
                ),
            )
            for name, intake in live.intakes().items()
            if name in health.sources
        ]


def _takes_open(accept: str) -> bool:
    """Tell whether an Accept header names OpenMetrics, in a version that we write."""
    for each in accept.split(","):
        name, *more = (part.strip() for part in each.split(";"))
        if name == _OPEN and dict(part.partition("=")[::2] for part in more).get("version", "") in _VERSIONS:
            return True
    return False


def _turns(things: Collection[T]) -> Iterator[list[T]]:
    """Yield them, as they are now, some at a time."""
    there = list(things)
    for start in range(0, len(there), TURN):
        yield there[start : start + TURN]
