"""Which addresses are read, and what is remembered of them."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import structlog

from bridge.demand import Asked, Demand
from bridge.errors import SourceError
from bridge.sources.base import Outlet, Place
from bridge.sources.sse.memory import Memory, load, save
from bridge.sources.sse.plan import Plan
from bridge.sources.sse.standing import Standing
from bridge.sources.sse.upstream import Upstream
from bridge.sources.web.attend import Attendance
from bridge.sources.web.client import Client

log = structlog.get_logger()

#: Seconds between two writes of the last ids: at most so much comes twice after a crash.
EVERY: Final = 1.0


class _EndedError(SourceError):
    """The one address of the source has ended."""


class Follower:
    """One run of the source."""

    def __init__(self, plan: Plan, outlet: Outlet, place: Place) -> None:
        self._plan = plan
        self._outlet = outlet
        self._place = place
        kept = place.kept.setdefault("sse", Memory(plan.url))
        self._memory = kept if isinstance(kept, Memory) else Memory(plan.url)
        self._standing = Standing(outlet)
        self._upstreams: dict[Asked, Upstream] = {}
        #: What the file has, and why it could not be written.
        self._saved: Mapping[str, str] = {}
        self._trouble = ""

    async def run(self) -> None:
        """Read, until cancelled or until the one address says that nothing will come any more."""
        self._place.detail = self._detail
        await self._recall()
        over = asyncio.Event()
        keeping = asyncio.create_task(self._keep(over), name=f"last ids of {self._plan.name}")
        try:
            async with Client(self._plan.remote) as client:
                await self._read(client)
        finally:
            over.set()
            await keeping

    async def _read(self, client: Client) -> None:
        demand = self._place.demand
        if not self._plan.is_listened or demand is None:
            await self._one(client, {})
            return
        self._outlet.up()
        with suppress(_EndedError):
            await self._listened(client, demand)

    async def _listened(self, client: Client, demand: Demand) -> None:
        async def start(captures: Mapping[str, str]) -> None:
            await self._one(client, captures)
            if not captures:
                raise _EndedError

        plan = self._plan
        await Attendance(demand, start, linger=plan.linger, at_once=plan.at_once).run()

    async def _one(self, client: Client, captures: Mapping[str, str]) -> None:
        """Read one address, until the upstream says that nothing will come any more."""
        asked = tuple(captures.items())
        try:
            upstream = Upstream(self._plan, self._outlet, self._memory.cursor(asked), captures, self._standing)
        except ValueError as error:
            # The rules of the file let a value pass that no address can hold.
            log.warning("address refused", source=self._plan.name, reason=str(error))
            return
        self._upstreams[asked] = upstream
        try:
            await upstream.run(client)
        finally:
            del self._upstreams[asked]

    def _detail(self) -> Mapping[str, object]:
        return {"addresses": [each.detail() for each in self._upstreams.values()]}

    async def _recall(self) -> None:
        """Take over what the process before this one has kept."""
        if self._place.state is None:
            return
        ids = await asyncio.to_thread(load, self._place.state)
        if ids is None:
            log.warning("the last ids are damaged; going on without them", source=self._plan.name)
        else:
            self._memory.recall(ids)
            self._saved = ids

    async def _keep(self, over: asyncio.Event) -> None:
        """Write now and then, and at the end; one write at a time, so none is cut by cancelling it."""
        while not over.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await over.wait()
            await self._save()

    async def _save(self) -> None:
        """Write the last ids down, where they have changed."""
        ids = self._memory.ids()
        if self._place.state is None or ids == self._saved:
            return
        try:
            await asyncio.to_thread(save, self._place.state, ids)
        except OSError as error:
            # A full disk costs what comes twice after a restart, nothing more.
            if self._trouble != str(error):
                log.warning("the last ids cannot be kept", source=self._plan.name, reason=error.strerror)
            self._trouble = str(error)
        else:
            self._saved, self._trouble = ids, ""


async def follow(plan: Plan, outlet: Outlet, place: Place) -> None:
    """Follow the streams of a plan until cancelled, or until there is nothing more to come."""
    await Follower(plan, outlet, place).run()
