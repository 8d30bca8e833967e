"""From the start to the end of the process, as seen from outside.

    starting ── serve ──▶ serving ── drain ──▶ prestop ──▶ draining ──▶ drained
    starting ── drain ──▶ draining

    starting   the listeners open one after another; not ready
    serving    the file is loaded, all listeners are up
    prestop    not ready, and yet all goes on: load balancers take note meanwhile
    draining   streams are told to come back, new ones at once
    drained    no stream is left; what else is asked is answered until the process is told to end

Rule 1: there is one drain. Whoever asks for it, a signal or `POST /-/drain`, waits for the same one.
Rule 2: it goes on when whoever asked for it has left.
Rule 3: who was never ready has no prestop: no load balancer knows of it yet.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal, NamedTuple, Self

import structlog

from bridge.gateway.leaving import Drained

log = structlog.get_logger()

#: Seconds from the end of the drain to that of the process: sources acknowledge and close, answers in flight end. What
#: stops processes has to wait for prestop, drain and five seconds (Kubernetes: `terminationGracePeriodSeconds`).
END: Final = 4.5

State = Literal["starting", "serving", "prestop", "draining", "drained"]

#: Why it is not ready in a state, for a person.
WORDS: Final[Mapping[State, str]] = {
    "starting": "starting",
    "prestop": "draining: new streams are still taken until load balancers have noticed",
    "draining": "draining",
    "drained": "drained: waiting to be ended",
}


class Times(NamedTuple):
    """How long a stop may take, in seconds."""

    prestop: float
    drain: float


class Lifecycle:
    """Where the process stands, and the one drain."""

    def __init__(
        self,
        times: Callable[[], Times],
        drain: Callable[[float], Awaitable[Drained]],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`drain` tells all streams to come back within seconds, and waits until they have gone."""
        self._times = times
        self._empty = drain
        self._pause = pause
        self._task: asyncio.Task[Drained] | None = None
        self._end: float | None = None
        self.state: State = "starting"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    def serve(self) -> None:
        """Note that all listeners are up; not where a drain has begun meanwhile."""
        if self.state == "starting":
            self.state = "serving"

    @property
    def is_started(self) -> bool:
        """Tell whether the file is loaded and the listeners have been up."""
        return self.state != "starting"

    @property
    def hindrance(self) -> str | None:
        """Say why it is not ready; None where it is."""
        return WORDS.get(self.state)

    @property
    def grace(self) -> float:
        """Return the seconds that are left until the process should have ended."""
        return END if self._end is None else max(self._end - asyncio.get_running_loop().time(), 0.0)

    async def stop(self) -> None:
        """Drain, or wait for the drain that has begun; then the process ends."""
        await self.drain()
        self._end = asyncio.get_running_loop().time() + END

    async def drain(self) -> Drained:
        """Drain, or wait for the drain that has begun; how it ended."""
        if self._task is None:
            times = self._times()
            if self.state == "starting":
                times = times._replace(prestop=0.0)
            # At once, not with the task's first turn: the next probe must hear it.
            self.state = "prestop" if times.prestop else "draining"
            self._task = asyncio.create_task(self._drain(times), name="drain")
        return await asyncio.shield(self._task)

    async def _drain(self, times: Times) -> Drained:
        if times.prestop:
            log.info("not ready", prestop=times.prestop)
            await self._pause(times.prestop)
        self.state = "draining"
        ended = await self._empty(times.drain)
        self.state = "drained"
        log.info("drained", told=ended.told, left=ended.left)
        return ended
