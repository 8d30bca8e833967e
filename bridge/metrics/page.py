"""The answer to `/-/metrics`: a look at everything, a few hundred lines at a time.

A scrape reads on the loop, since nothing there is guarded by locks, and gives way often, since streams go on. So it is
no picture of one instant: a counter is as of when it was read, which Prometheus does not mind.

Rule 1: one scrape is made at a time, and whoever asks meanwhile is given the same: ten who ask cost what one does.
"""

import asyncio
from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple, TypeVar

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from bridge.gateway import reply
from bridge.meter import Meter
from bridge.metrics.live import Live
from bridge.metrics.metric import Section, Thing
from bridge.metrics.process import LISTENERS, PROCESS
from bridge.metrics.routes import ROUTES, Held, Readers, RouteView
from bridge.metrics.sources import SOURCES, SourceView
from bridge.metrics.text import EOF, lines
from bridge.route import Route

#: Things that are looked at between two turns of the loop: half a millisecond's worth.
TURN: Final = 500

_OPEN: Final = "application/openmetrics-text"

T = TypeVar("T")


class Answer(NamedTuple):
    """A scrape."""

    body: bytes
    content_type: str


class Page:
    """Answers scrapes."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._running: dict[str, asyncio.Task[Answer]] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._process = ProcessCollector(registry=self._registry)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer a request."""
        if request.method not in {"GET", "HEAD"}:
            return reply.refused("GET, HEAD")
        body, content_type = await self.scrape(",".join(request.headers.getall("Accept", ())))
        return web.Response(body=body, headers={**reply.COMMON, "Content-Type": content_type})

    async def scrape(self, accept: str = "") -> Answer:
        """Look at everything; the format is by the Accept header."""
        encode, content_type = choose_encoder(accept)
        task = self._running.get(content_type)
        if task is None:
            task = asyncio.create_task(self._scrape(encode, content_type), name="scrape")
            self._running[content_type] = task
            task.add_done_callback(lambda _: self._running.pop(content_type))
        # Whoever leaves meanwhile does not take it from the others.
        return await asyncio.shield(task)

    async def _scrape(self, encode: Any, content_type: str) -> Answer:
        is_open = content_type.startswith(_OPEN)
        found: list[str] = []
        for section, things in await self._look():
            for number, text in enumerate(lines(section, things, is_open=is_open)):
                found.append(text)
                if number % TURN == TURN - 1:
                    await asyncio.sleep(0)
        # A process outside of Linux is told nothing of here.
        foreign = encode(self._registry).decode().removesuffix(EOF)
        return Answer(("".join(found) + foreign + (EOF if is_open else "")).encode(), content_type)

    async def _look(self) -> list[tuple[Section[Any], list[Thing[Any]]]]:
        live = self._live
        readers = await self._readers()
        routes = [
            Thing(route.terms.path, RouteView(route, await _held(route), readers.get(route.meter) or Readers()))
            for route in list(live.bus.routes)
        ]
        return [
            (ROUTES, routes),
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


async def _held(route: Route) -> Held:
    events = size = 0
    for turn in _turns(route.channels.values()):
        for channel in turn:
            events += channel.next - channel.first
            size += channel.bytes
        if len(turn) == TURN:
            await asyncio.sleep(0)
    return Held(len(route.channels), events, size)


def _turns(things: Collection[T]) -> Iterator[list[T]]:
    """Yield them, as they are now, some at a time."""
    there = list(things)
    for start in range(0, len(there), TURN):
        yield there[start : start + TURN]
