"""Streams that are ended for a reason of the process: the drain, and the age.

Both end a stream with `bridge.bye` and a `retry` of its own, so that those who leave together do not return together.

Rule 1: a drain tells one after another, spread over its time, and waits for no one who has left.
Rule 2: age ends nobody who is still being given what was there before: a backlog, a greeting, a replay. A slow reader
    of a large greeting would begin it anew each time, and never come to its end.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Final, NamedTuple

from bridge.gateway.pump import Pump
from bridge.gateway.subscriber import Subscriber

#: The part of a drain in which streams are told; the rest is for what waits in their buffers to leave.
DRAIN_SPREAD: Final = 0.7

#: A stream's age is drawn from [0.9, 1.1] of what is configured, so that those who came together do not leave together.
AGE_JITTER: Final = 0.1

#: Seconds between two looks at all streams' ages. A look costs some 50 ns a stream; a timer for each would cost each of
#: them 600 bytes for as long as it is open.
AGE_LOOK: Final = 1.0


class Drained(NamedTuple):
    """How a drain ended."""

    #: Streams that were told to come back.
    told: int
    #: Those of them that had not gone when the time was over, and were cut.
    left: int


async def drain(pump: Pump, gone: asyncio.Event, seconds: float) -> Drained:
    """Tell all streams to come back elsewhere, spread over the time, and wait until they have `gone`."""
    begun, told = asyncio.get_running_loop().time(), 0
    subscribers = pump.subscribers
    for number, subscriber in enumerate(subscribers):
        # Whoever has left by themselves need not be waited for: perhaps they all have.
        await _until(begun + seconds * DRAIN_SPREAD * number / len(subscribers), gone)
        told += not subscriber.connection.is_closing
        pump.bye(subscriber, "drain")
    await _until(begun + seconds, gone)
    left = pump.subscribers
    for subscriber in left:
        subscriber.connection.abort()
    return Drained(told, len(left))


async def _until(time: float, gone: asyncio.Event) -> None:
    """Wait for that time of the loop, or until no stream is open."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(time):
            await gone.wait()


class Ages:
    """How old streams may get."""

    def __init__(self, pump: Pump, now: Callable[[], float], uniform: Callable[[float, float], float]) -> None:
        """`now` is a clock that never jumps."""
        self._pump = pump
        self._now = now
        self._uniform = uniform
        self._longest: float | None = None

    def set(self, longest: float | None) -> None:
        """Change it, in seconds, for the streams that are open too; None for any age."""
        if longest == self._longest:
            return
        self._longest = longest
        for subscriber in self._pump.subscribers:
            subscriber.due = self.draw()

    def draw(self) -> float:
        """Return when a stream that begins now has to end."""
        if self._longest is None:
            return math.inf  # one float for all of them
        return self._now() + self._uniform(self._longest * (1 - AGE_JITTER), self._longest * (1 + AGE_JITTER))

    async def run(self) -> None:
        """End those that are old enough, until cancelled."""
        while True:
            await asyncio.sleep(AGE_LOOK)
            if self._longest is not None:
                self.look()

    def look(self) -> None:
        """End those that are old enough now."""
        now = self._now()
        for subscriber in self._pump.subscribers:
            if subscriber.due <= now and _has_all(subscriber):
                self._pump.bye(subscriber, "age")


def _has_all(subscriber: Subscriber) -> bool:
    """Tell whether a stream was given what was there before; a visitor's own run goes on after any of its ids."""
    return subscriber.audience is not None or subscriber.endpoint.supply.run is not None
