"""The composition root: the only place that knows every part.

    sources ─▶ inlets ─▶ bus ─▶ routes ─▶ channels ─▶ pump ─▶ connections
                                                      ▲
                  listeners: public, admin, health ───┘ open streams

It starts in this order: the parts, the listeners, the sources; then it is ready. It stops in the reverse one: not
ready, streams told and closed over the drain's time (`Lifecycle`), sources, listeners. The public listener stays open
to the last, since a closed port is a proxy's 502, and that ends a browser's tab.

What lives as long as the process is made here. What follows the configuration is `Works`; a reload replaces it part by
part (`reload`, `change`).
"""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from bridge import assemble, view
from bridge.bus import Bus
from bridge.canary import Target
from bridge.channel import Channel
from bridge.config.model import Config
from bridge.console import PAGES
from bridge.gateway import health
from bridge.gateway.access import Hosts, forwarded
from bridge.gateway.admin import CONSOLE_HEADERS, Admin
from bridge.gateway.endpoint import Endpoint, Router
from bridge.gateway.leaving import Drained
from bridge.gateway.loglevel import LogLevel
from bridge.gateway.pages import Pages
from bridge.gateway.proxy.proxy import Proxy
from bridge.gateway.public import Public
from bridge.gateway.pump import Pump
from bridge.gateway.server import Listener
from bridge.gateway.stream import Streams
from bridge.intake import Intake
from bridge.lifecycle import Lifecycle, Times
from bridge.listeners import Handles, Listeners
from bridge.metrics import Live, Page
from bridge.observed import Observed
from bridge.reload import Reloader
from bridge.state import State
from bridge.supervisor import Health, Status
from bridge.telemetry import LOG
from bridge.wire import id_of
from bridge.works import Core, Front, Works

log = structlog.get_logger()

#: Seconds between two looks at channels that nothing is appended to: history's age is kept to this.
EXPIRE_EVERY: Final = 10.0


class Bridge:
    """The parts, wired. Made within a running loop."""

    def __init__(self, config: Config, file: Path | None = None) -> None:
        """`file` is the file, or the folder, that is read again; None where the configuration came otherwise."""
        # Hexadecimal, so that the epoch of a visitor's run is never ours.
        self.bus = Bus(secrets.token_hex(4), assemble.bounds(config), time.time)
        self.health = Health(time.time, self._announce)
        self.pump = Pump(time.time, _newest)
        self.streams = Streams(
            self.bus, self.pump, assemble.stream_bounds(config), now=time.time, uniform=random.uniform
        )
        self.streams.peer = self._peer
        self.streams.ages.set(config.server.age)
        self.lifecycle = Lifecycle(self._times, self._drain)
        self.observed = Observed(self.bus, self.pump, self.health, self._target(), self._kind)
        hindrances = (
            lambda: self.lifecycle.hindrance,
            self._lacking,
            self._unwell,
            lambda: self.observed.hindrance,
            lambda: self.reloader.hindrance,
        )
        self._probes = health.Health(hindrances, lambda: self.lifecycle.is_started)
        self._probes.metrics = Page(self._live()).answer
        self._console = Pages({"/": PAGES}, CONSOLE_HEADERS)
        self.works = Works(config, Core(self.bus, self.health, self.pump, self.streams), self._front)
        self.listeners = Listeners(
            config.server,
            Handles(self._answer_public, self._answer_admin, self._probes.handle),
            assemble.room(config, lambda: len(self.streams) + self.works.behind.tunnels),
            lambda: self.lifecycle.grace,
        )
        self.reloader: Reloader = Reloader(file, self.works, self.listeners, self._applied)
        self.works.renew()

    # -- what follows the configuration

    @property
    def config(self) -> Config:
        """Return the configuration that holds now."""
        return self.works.config

    @property
    def intakes(self) -> Mapping[str, Intake]:
        """Return the sources, by name."""
        return self.works.intakes

    @property
    def endpoints(self) -> list[Endpoint]:
        """Return the routes."""
        return self.works.endpoints

    @property
    def proxy(self) -> Proxy | None:
        """Return what passes requests on; None where no application is behind."""
        return self.works.behind.proxy

    @property
    def public(self) -> Listener:
        """Return the public listener."""
        return self.listeners.public

    @property
    def admin(self) -> Listener:
        """Return the admin listener."""
        return self.listeners.admin

    async def _applied(self, config: Config) -> None:
        """Follow a configuration that was read again, where it is about no part of `Works`."""
        await self.observed.follow(config.server)

    def _front(self, works: Works) -> Front:
        """Make what answers, of the parts as they are now. A reload calls it again, and swaps what it returns."""
        server = works.config.server
        public = Public(
            router=Router(works.endpoints, server.base),
            open_stream=self.streams.open,
            pages=Pages(server.pages),
            ingest=works.ingest if server.push == "public" else None,
            proxy=works.behind.proxy,
            hosts=Hosts(server.hosts),
            hops=server.hops,
            listed=works.config.limits.channels,
            former=Router(works.formers.endpoints, server.base),
            turn_away=self.streams.turn_away,
            canary=self.observed.endpoint,
        )
        admin = Admin(
            public=public,
            health=self._probes,
            ingest=works.ingest,
            console=self._console,
            hosts=Hosts(server.hosts, is_strict=True),
            routes=lambda: view.routes(works.endpoints, self.pump),
            sources=lambda: view.sources(works.intakes, self.health, self.streams),
            applications=lambda: view.applications(works.behind.proxy),
            drain=self._drained,
            log=LogLevel(LOG).handle,
            reload=self.reloader.reload,
            reloaded=self.reloader.told,
        )
        return Front(public, admin)

    async def _answer_public(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self.works.front.public.handle(request)

    async def _answer_admin(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self.works.front.admin.handle(request)

    # -- from the start to the end

    async def run(self, stop: asyncio.Event, started: Callable[["Bridge"], None] | None = None) -> None:
        """Serve until `stop` is set, then drain; raises `ListenError` or `StateError` when it cannot start."""
        async with contextlib.AsyncExitStack() as stack:
            state = stack.enter_context(State.open(self.config.server.state))
            await stack.enter_async_context(self.works.behind)
            await stack.enter_async_context(self.listeners)
            # It ends before them: what the collector takes of the time that is left, answers in flight do not get.
            await stack.enter_async_context(self.observed)
            await stack.enter_async_context(self.lifecycle)
            await stack.enter_async_context(self.works.runs.of(self.works.intakes.values(), state))
            stack.push_async_callback(_cancelled, asyncio.create_task(self._expire(), name="expire"))
            stack.push_async_callback(_cancelled, asyncio.create_task(self.streams.ages.run(), name="ages"))
            await self.observed.follow(self.config.server)
            await stack.enter_async_context(self.reloader)
            if not stop.is_set():
                self._serve(started)
                await stop.wait()
            await self.lifecycle.stop()
        log.info("stopped")

    def _serve(self, started: Callable[["Bridge"], None] | None) -> None:
        self.lifecycle.serve()
        log.info("ready", listen=[str(place) for place in self.public.places])
        if started is not None:
            started(self)

    def _times(self) -> Times:
        return Times(self.config.server.prestop, self.config.server.drain)

    async def _drain(self, seconds: float) -> Drained:
        await self.observed.ground()
        log.info("draining", streams=len(self.streams), within=seconds)
        drained, _ = await asyncio.gather(self.streams.drain(seconds), self.works.behind.drain(seconds))
        return drained

    async def _drained(self) -> dict[str, int]:
        """Drain for whoever asks on the admin port."""
        return (await self.lifecycle.drain())._asdict()

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(EXPIRE_EVERY)
            self.bus.expire()

    # -- what the parts tell each other

    def _live(self) -> Live:
        """Return what a scrape looks at."""
        return Live(
            bus=self.bus,
            pump=self.pump,
            streams=self.streams,
            health=self.health,
            routes=lambda: (endpoint.supply.route for endpoint in self.endpoints),
            intakes=lambda: self.intakes,
            listeners=lambda: (self.listeners.public, self.listeners.admin, self.listeners.health),
            proxy=lambda: self.proxy,
            is_ready=lambda: self._probes.hindrance is None,
            is_draining=lambda: self.streams.is_draining,
            reloads=lambda: self.reloader.reloads,
            is_refused=lambda: self.reloader.refused_since is not None,
            loaded_at=lambda: self.reloader.loaded_at,
            canary=lambda: self.observed.flights,
            canary_seconds=lambda: self.observed.seconds,
            spans=lambda: self.observed.traces.counts() if self.observed.traces is not None else None,
            held_back=lambda: LOG.held_back,
        )

    def _target(self) -> Target:
        """Return where the canary flies to."""
        return Target(
            places=lambda: self.public.places,
            base=lambda: self.config.server.base,
            hosts=lambda: self.config.server.hosts,
            is_full=lambda: self.public.is_full,
        )

    def _kind(self, source: str) -> str | None:
        intake = self.intakes.get(source)
        return intake.spec.kind if intake is not None else None

    def _lacking(self) -> str | None:
        """Say which required sources are not up."""
        return self.health.hindrance(name for name, intake in self.intakes.items() if intake.spec.required)

    def _unwell(self) -> str | None:
        """Say which applications are not well, of those that are asked for their health."""
        return self.works.behind.hindrance

    def _announce(self, source: str, status: Status) -> None:
        if status.state == "ended":
            self.bus.end(source)
        if self.intakes[source].spec.source.rules():
            return  # its subscribers choose the address, and are told how theirs is
        self.streams.tell(source, self.bus.announce(source, status.state, status.since, status.error))

    def _peer(self, request: web.BaseRequest) -> str:
        return str(forwarded(request, self.config.server.hops).client)


def _newest(channel: Channel) -> str | None:
    newest = channel.newest
    return id_of(newest.frame) if newest is not None and not newest.is_control else None


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))
