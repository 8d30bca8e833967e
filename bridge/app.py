"""The composition root: the only place that knows every part.

    sources ─▶ inlets ─▶ bus ─▶ routes ─▶ channels ─▶ pump ─▶ connections
                                                      ▲
                  listeners: public, admin, health ───┘ open streams

It starts in this order: the parts, the listeners, the sources; then it is ready. It stops in the reverse one: not
ready, streams told and closed over the drain's time, sources, listeners. The public listener stays open to the last,
since a closed port is a proxy's 502, and that ends a browser's tab.
"""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

import structlog
from aiohttp import web

from bridge import assemble
from bridge.bus import Bus
from bridge.channel import Channel
from bridge.config.machine import memory_limit
from bridge.config.model import Config
from bridge.console import PAGES
from bridge.gateway import descriptors, health, listing, stream
from bridge.gateway.access import Hosts, forwarded
from bridge.gateway.admin import CONSOLE_HEADERS, Admin
from bridge.gateway.connection import HIGH_WATER, SEND_BUFFER, SLICE
from bridge.gateway.endpoint import Endpoint, Router
from bridge.gateway.ingest import Ingest
from bridge.gateway.pages import Pages
from bridge.gateway.proxy.proxy import Proxy
from bridge.gateway.public import Public
from bridge.gateway.pump import Pump
from bridge.gateway.server import Listener, Place, Room
from bridge.gateway.stream import Streams
from bridge.sources.push import Push
from bridge.state import State
from bridge.supervisor import Health, Status, supervise
from bridge.wire import id_of

log = structlog.get_logger()

#: Seconds between two looks at channels that nothing is appended to: history's age is kept to this.
EXPIRE_EVERY: Final = 10.0

#: What a subscriber may hold of memory at worst: its transport's buffer, a slice, the kernel's send buffer (which
#: Linux doubles).
WORST: Final = HIGH_WATER + SLICE + 2 * SEND_BUFFER

#: Channels of a route that the console offers to pick from; any other can be typed.
OFFERED: Final = 100

#: The part of the memory that subscribers may take where `limits.subscribers` is not given.
SHARE: Final = 1 / 4


class Bridge:
    """The parts, wired. Made within a running loop."""

    def __init__(self, config: Config) -> None:
        self._config = config
        # Hexadecimal, so that the epoch of a visitor's run is never ours.
        self.bus = Bus(secrets.token_hex(4), assemble.bounds(config), time.time)
        self.health = Health(time.time, self._announce)
        self.pump = Pump(time.time, _newest)
        self.streams = Streams(self.bus, self.pump, self._bounds(), now=time.time, uniform=random.uniform)
        self.streams.peer = self._peer
        self.intakes = assemble.intakes(config, self.bus, self.health, self.streams.of_source)
        self.endpoints = assemble.endpoints(config, self.bus, self.intakes)
        self._hindrance: str | None = "starting"
        self._ingest = Ingest(
            {
                name: intake.spec.source.door(intake.inlet)
                for name, intake in self.intakes.items()
                if isinstance(intake.spec.source, Push)
            },
            is_draining=lambda: self.streams.is_draining,
        )
        server = config.server
        limit = descriptors.raise_limit()
        self.proxy = self._proxy(limit)
        self._public = Public(
            router=Router(self.endpoints, server.base),
            open_stream=self.streams.open,
            pages=Pages(server.pages),
            ingest=self._ingest if server.push == "public" else None,
            proxy=self.proxy,
            hosts=Hosts(server.hosts),
            hops=server.hops,
            listed=config.limits.channels,
        )
        probes = health.Health(self._hindered)
        admin = Admin(
            public=self._public,
            health=probes,
            ingest=self._ingest,
            console=Pages({"/": PAGES}, CONSOLE_HEADERS),
            hosts=Hosts(server.hosts, is_strict=True),
            routes=self.routes,
            sources=self.sources,
        )
        cap = descriptors.connections(limit, proxies=self.proxy is not None)
        room = Room(cap, streams=lambda: len(self.streams) + (self.proxy.tunnels if self.proxy is not None else 0))
        self.public = Listener("public", [Place(*at) for at in server.listen], self._public.handle, room=room)
        self.admin = Listener("admin", [Place(*server.admin)], admin.handle)
        self._listeners = [self.public, self.admin]
        if server.health is not None:
            self._listeners.append(Listener("health", [Place(*server.health)], probes.handle))

    async def run(self, stop: asyncio.Event, started: Callable[["Bridge"], None] | None = None) -> None:
        """Serve until `stop` is set, then drain; raises `ListenError` or `StateError` when it cannot start."""
        server = self._config.server
        async with contextlib.AsyncExitStack() as stack:
            state = stack.enter_context(State.open(server.state))
            if self.proxy is not None:
                await stack.enter_async_context(self.proxy)
            for listener in self._listeners:
                await stack.enter_async_context(listener)
            await stack.enter_async_context(self._running(state))
            self._hindrance = None
            log.info("ready", listen=[str(place) for place in self.public.places])
            if started is not None:
                started(self)
            await stop.wait()
            self._hindrance = "draining"
            log.info("draining", streams=len(self.streams), within=server.drain)
            drains = [self.streams.drain(server.drain)]
            if self.proxy is not None:
                drains.append(self.proxy.drain(server.drain))
            await asyncio.gather(*drains)
        log.info("stopped")

    @contextlib.asynccontextmanager
    async def _running(self, state: State) -> AsyncIterator[None]:
        """Keep the sources running for as long as the block lasts."""
        tasks: list[asyncio.Task[None]] = []
        for name, intake in self.intakes.items():
            intake.place.state = state.folder(name)
            self.health.add(name)
            running = supervise(intake.spec.source, intake.inlet, intake.place, self.health, random.uniform)
            tasks.append(asyncio.create_task(running, name=f"source {name}"))
        tasks.append(asyncio.create_task(self._expire(), name="expire"))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(EXPIRE_EVERY)
            self.bus.expire()

    def _proxy(self, limit: int) -> Proxy | None:
        server = self._config.server
        targets = [upstream.target(path, strips=upstream.strip_prefix) for path, upstream in server.upstreams.items()]
        if server.upstream is not None:
            targets.append(server.upstream.target())
        if not targets:
            return None
        return Proxy(targets, limit=descriptors.proxied(limit), uniform=random.uniform, hops=server.hops)

    def _hindered(self) -> str | None:
        if self._hindrance is not None or self.proxy is None:
            return self._hindrance
        return self.proxy.hindrance

    def _announce(self, source: str, status: Status) -> None:
        if status.state == "ended":
            self.bus.end(source)
        if self.intakes[source].spec.source.rules():
            return  # its subscribers choose the address, and are told how theirs is
        self.streams.tell(source, self.bus.announce(source, status.state, status.since, status.error))

    def _bounds(self) -> stream.Bounds:
        limits = self._config.limits
        # Below the cap of connections, so that one too many can still be told to come back.
        proxies = self._config.server.upstream is not None or bool(self._config.server.upstreams)
        most = descriptors.streams(descriptors.raise_limit(), proxies=proxies)
        memory = memory_limit()
        allowed = most if memory is None else min(most, max(int(memory * SHARE) // WORST, 1))
        return stream.Bounds(
            subscribers=min(limits.subscribers or allowed, most),
            connects=limits.connects,
            per_peer=limits.per_peer,
            replay=assemble.replay(self._config),
        )

    def _peer(self, request: web.BaseRequest) -> str:
        return str(forwarded(request, self._config.server.hops).client)

    # -- what the admin port tells

    def routes(self) -> list[dict[str, object]]:
        """Return the routes, for the console."""
        return [self._route(endpoint) for endpoint in self.endpoints]

    def _route(self, endpoint: Endpoint) -> dict[str, object]:
        route = endpoint.supply.route
        channels = route.channels.values()
        return {
            "path": endpoint.text,
            "names": list(endpoint.names),
            "channels": listing.addresses(endpoint, OFFERED) if endpoint.names else [],
            "gone": endpoint.gone,
            "sources": list(route.feeds),
            "subscribers": self.pump.count(route.channels.values()),
            "events": sum(channel.events for channel in channels),
            "history": {"channels": len(channels), "bytes": sum(channel.bytes for channel in channels)},
            "skipped": dict(route.skipped),
            "list": endpoint.listing.path if endpoint.listing is not None else None,
        }

    def sources(self) -> list[dict[str, object]]:
        """Return how each source is."""
        return [
            {
                "name": name,
                "kind": self.intakes[name].spec.kind,
                "state": status.state,
                "since": status.since,
                "error": status.error,
                "messages": self.intakes[name].inlet.messages,
                "subscribers": self.streams.of_source(name),
                "detail": self.intakes[name].place.detail(),
            }
            for name, status in self.health.sources.items()
        ]


def _newest(channel: Channel) -> str | None:
    newest = channel.newest
    return id_of(newest.frame) if newest is not None and not newest.is_control else None
