"""Bridges that are replaced behind a proxy, as a Deployment does it and in rougher ways, and what is told to them."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from tests.e2e.programs import Bridge, bridge, running
from tests.rolling.fronts import Place

#: Bridges that serve at a time; one more while one is replaced (`maxSurge: 1`, `maxUnavailable: 0`).
SERVING: Final = 2

#: Seconds for one push, or one hook, on a busy machine.
PATIENCE: Final = 30.0


@dataclass(frozen=True)
class Member:
    """One process, and where it listens."""

    name: str
    place: Place
    bridge: Bridge


class Fleet:
    """The processes that serve now."""

    def __init__(self, stack: AsyncExitStack, routes: Path, places: Sequence[Place]) -> None:
        self._stack = stack
        self._routes = routes
        self._free = list(places)
        self.members: list[Member] = []
        #: Processes that were started.
        self.started = 0

    async def start(self, place: Place | None = None) -> None:
        """Start one, and wait until it is ready."""
        at = place or self._free.pop(0)
        if place is None:
            assert len(self.members) <= SERVING
        self.started += 1
        name = f"process {self.started}"
        env = {"HEALTH": f"127.0.0.1:{at.health}"}
        made = await self._stack.enter_async_context(bridge(self._routes, at.public, at.admin, env))
        self.members.append(Member(name, at, made))

    async def end(self, member: Member, *, has_hook: bool) -> None:
        """End one as a Deployment does, after its preStop hook if it has one, and wait until it has gone."""
        if has_hook:
            hook = (sys.executable, "-m", "bridge", "drain", "--admin", f"127.0.0.1:{member.place.admin}")
            async with running(*hook) as program, asyncio.timeout(PATIENCE):
                assert await program.process.wait() == 0, program.printed
        assert await member.bridge.program.end() == 0, member.bridge.program.printed
        self.members.remove(member)
        self._free.append(member.place)

    async def kill(self, *members: Member) -> None:
        """End some without a word."""
        for member in members:
            self.members.remove(member)
        await asyncio.gather(*(member.bridge.program.end(signal.SIGKILL) for member in members))

    async def push(self, number: int, took: Callable[[str], None]) -> None:
        """Tell all that serve of an event; `took` hears who did, but not of those that died meanwhile."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE)) as session:
            await asyncio.gather(*(_push(session, member, number, took) for member in self.members))


async def _push(session: aiohttp.ClientSession, member: Member, number: int, took: Callable[[str], None]) -> None:
    url = f"{member.bridge.admin}/-/push/notices"
    with contextlib.suppress(aiohttp.ClientError):
        async with session.post(url, json={"by": member.name, "n": number}) as response:
            if response.status == 202:
                took(member.name)


async def roll(fleet: Fleet) -> None:
    """Replace all, one after another, each when its successor is ready; the first with a hook, the rest without."""
    for number, old in enumerate(list(fleet.members)):
        await fleet.start()
        await fleet.end(old, has_hook=number == 0)


async def crash_one(fleet: Fleet) -> None:
    """Kill each in its turn; it comes back where it was while the other serves."""
    for old in list(fleet.members):
        await fleet.kill(old)
        await fleet.start(old.place)


async def crash_all(fleet: Fleet) -> None:
    """Kill all at once: until they are back there is nobody but the proxy."""
    killed = list(fleet.members)
    await fleet.kill(*killed)
    await asyncio.gather(*(fleet.start(old.place) for old in killed))
