"""The applications behind: the proxy that holds now, and those of earlier configurations while they drain."""

import asyncio
import contextlib
import random
from typing import Final, Self

import structlog

from bridge.config.server import Server
from bridge.gateway import descriptors
from bridge.gateway.proxy.proxy import Proxy

log = structlog.get_logger()

#: Seconds for a new application to say how it is, before it takes the place of another; and between two looks.
ASKED: Final = 2.0
LOOK: Final = 0.02

#: Seconds that requests on their way have at least when the application is another one: the process does not end.
LEAVE: Final = 10.0


def made(server: Server) -> Proxy | None:
    """Return the proxy of a configuration; None where it names no application."""
    targets = [upstream.target(path, strips=upstream.strip_prefix) for path, upstream in server.upstreams.items()]
    if server.upstream is not None:
        targets.append(server.upstream.target())
    if not targets:
        return None
    limit = descriptors.proxied(descriptors.raise_limit())
    return Proxy(targets, limit=limit, uniform=random.uniform, hops=server.hops)


async def asked(proxy: Proxy) -> None:
    """Wait until those that are asked for their health have been, so that we are not unready for a moment."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ASKED):
            while not proxy.is_asked:  # noqa: ASYNC110  each health is asked in a task of its own
                await asyncio.sleep(LOOK)


class Behind:
    """The proxy, and those that are about to end."""

    def __init__(self, proxy: Proxy | None) -> None:
        self.proxy = proxy
        self._leaving: dict[asyncio.Task[None], Proxy] = {}

    @property
    def tunnels(self) -> int:
        """Count the connections that are HTTP no more."""
        there = [self.proxy, *self._leaving.values()]
        return sum(proxy.tunnels for proxy in there if proxy is not None)

    @property
    def hindrance(self) -> str | None:
        """Say why we should get no more requests."""
        return self.proxy.hindrance if self.proxy is not None else None

    async def __aenter__(self) -> Self:
        if self.proxy is not None:
            await self.proxy.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self._leaving):
            task.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        if self.proxy is not None:
            await self.proxy.__aexit__(None, None, None)

    async def drain(self, seconds: float) -> None:
        """End what goes to applications, spread over the time."""
        if self.proxy is not None:
            await self.proxy.drain(seconds)

    def replace(self, proxy: Proxy | None, seconds: float) -> None:
        """Take another proxy, which has begun; the one before it drains beside it, within the time or some seconds."""
        before, self.proxy = self.proxy, proxy
        if before is None:
            return
        task = asyncio.create_task(_leave(before, max(seconds, LEAVE)), name="earlier applications")
        self._leaving[task] = before
        task.add_done_callback(self._leaving.pop)


async def _leave(proxy: Proxy, seconds: float) -> None:
    try:
        await proxy.drain(seconds)
    finally:
        await proxy.__aexit__(None, None, None)
