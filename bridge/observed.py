"""How the process is watched, as its configuration says: the log, the traces, the canary. It follows a reload."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from importlib import import_module
from typing import Self

from bridge.bus import Bus
from bridge.canary import Canary, Target
from bridge.config import observed
from bridge.config.server import Server
from bridge.gateway.endpoint import Endpoint
from bridge.gateway.pump import Pump
from bridge.supervisor import Health
from bridge.telemetry import LOG
from bridge.trace import Tracing


class Observed:
    """What watches, and starts and ends with the configuration that asks for it."""

    def __init__(self, bus: Bus, pump: Pump, health: Health, target: Target, kind: Callable[[str], str | None]) -> None:
        """`kind` tells the kind of a source of the file, None for any other."""
        #: None while nobody flies, and while nobody traces.
        self.canary: Canary | None = None
        self.traces: Tracing | None = None
        self._bus = bus
        self._pump = pump
        self._health = health
        self._target = target
        self._kind = kind
        self._server: Server | None = None
        self._flying = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.ground()
        await self._trace(None)

    @property
    def hindrance(self) -> str | None:
        """Return why the canary says that we are not ready, None where it is well or does not fly."""
        return self.canary.hindrance if self.canary is not None else None

    @property
    def flights(self) -> dict[str, int] | None:
        """Count the canary's flights by outcome; None where none flies."""
        canary = self.canary
        if canary is None:
            return None
        return {"passed": canary.passed, "missed": canary.missed, "refused": canary.refused}

    @property
    def seconds(self) -> float | None:
        """Return what the last flight that came through took, in seconds; None before the first."""
        return self.canary.latency if self.canary is not None and self.canary.passed else None

    def endpoint(self, path: str) -> Endpoint | None:
        """Return the canary's route if this is its address."""
        return self.canary.endpoint(path) if self.canary is not None else None

    async def follow(self, server: Server) -> None:
        """Do as the configuration says, now or anew; what it says as before goes on."""
        before, self._server = self._server, server
        LOG.follow(server.log.level, server.log.format)
        if before is None or before.traces != server.traces:
            await self._trace(server.traces)
        if before is None or before.canary != server.canary:
            await self.ground()
            if server.canary is not None:
                await self._fly(server.canary)

    async def ground(self) -> None:
        """Let no canary fly any more: a drain has begun, which turns it away like everyone."""
        self.canary = None
        await self._flying.aclose()

    async def _fly(self, terms: observed.Canary) -> None:
        canary = Canary(terms.every, terms.within, bus=self._bus, health=self._health, target=self._target)
        self.canary = await self._flying.enter_async_context(canary.flying())

    async def _trace(self, terms: observed.Traces | None) -> None:
        if terms is not None:
            # It takes half a second to load, and streams go on meanwhile.
            await asyncio.to_thread(import_module, "bridge.traces")
        before, self.traces = self.traces, None if terms is None else _tracing(terms, self._kind)
        self._bus.tracer = self._pump.tracer = self.traces
        if before is not None:
            await before.close()


def _tracing(terms: observed.Traces, kind: Callable[[str], str | None]) -> Tracing:
    # The extra `otel` is there: the configuration is refused without it.
    from bridge.traces import Collector, Traces  # noqa: PLC0415

    headers = {name: value if isinstance(value, str) else value.reveal() for name, value in terms.headers.items()}
    collector = Collector(terms.url, headers)
    return Traces(collector, terms.sample, kind, uniform=random.uniform)
