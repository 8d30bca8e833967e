"""The canary: an event of our own that goes the whole way, again and again, over a real connection to ourselves.

    Inlet ─▶ normalise ─▶ bus ─▶ route ─▶ channel ─▶ pump ─▶ socket ─▶ our own public listener ─▶ here

Rule 1: each probe is a connection anew: what breaks for newcomers alone, breaks for it too.
Rule 2: its address holds a random token, and it stands in no list, no hint and no log.
Rule 3: a stream that is turned away for want of room (200, `retry`, close) proves nothing: it is neither a success nor
    a miss. A full house is not a broken path.

`docs/why/canary.md` has the reasons.
"""

import asyncio
import contextlib
import hmac
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, Self

import structlog

from bridge.bounds import Bounds
from bridge.bus import Bus
from bridge.event import Message
from bridge.gateway.endpoint import Endpoint, Retry
from bridge.gateway.server import Place
from bridge.gateway.supply import Supply
from bridge.inlet import Inlet
from bridge.normalise import Normaliser
from bridge.route import Feed, Route, Terms
from bridge.supervisor import Health
from bridge.template import Template

log = structlog.get_logger()

#: No source of the file has a slash in its name.
NAME: Final = "/-/canary"

#: Bytes of the token: nobody finds it by trying.
TOKEN: Final = 16

#: Misses in a row that make not ready: one is a busy machine, three are a fault.
MISSES: Final = 3

#: Bytes of an answer's head, and of what comes before the event.
MAX_READ: Final = 64 * 1024

#: Where a listener on every address is reached from here.
LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  it is compared with, not bound to


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the canary flies to, as it is at this moment."""

    places: Callable[[], list[Place]]
    #: The path under which a proxy shows us.
    base: Callable[[], str]
    #: The names that a request may ask for; empty for any.
    hosts: Callable[[], tuple[str, ...]]
    #: The listener accepts no more for now.
    is_full: Callable[[], bool]


class MissedError(Exception):
    """The event did not come, in words."""


class TurnedAwayError(Exception):
    """There was no room for one more stream."""


class Canary:
    """One canary, and what became of its flights."""

    def __init__(self, every: float, within: float, *, bus: Bus, health: Health, target: Target) -> None:
        self.every = every
        self.within = within
        #: Flights that came through, that did not, and that were turned away.
        self.passed = 0
        self.missed = 0
        self.refused = 0
        #: Seconds from the source to the socket: of the last that came through, and of all together.
        self.latency = 0.0
        self.seconds = 0.0
        #: How many in a row did not come through, and why the last did not.
        self.misses = 0
        self.reason = ""
        self._bus = bus
        self._target = target
        self._path = f"{NAME}/{secrets.token_hex(TOKEN)}"
        # One event is enough, and nobody comes back for it. Metrics may name the path, but not the token.
        terms = Terms(path=NAME, bounds=Bounds(events=1, bytes=MAX_READ, age=every))
        self._route = Route(terms, [Feed(source=NAME)], budget=bus.budget, limit=bus.bounds.event)
        normaliser = Normaliser(NAME, capture={}, parses=False)
        self._inlet = Inlet(NAME, normaliser, bus, health, lambda: 0)
        self._endpoint = Endpoint(
            path=Template.parse(self._path), supply=Supply(route=self._route), retry=Retry(every, exact=True)
        )

    @property
    def hindrance(self) -> str | None:
        """Return why we are not ready, in words; None where the last flights are well."""
        if self.misses < MISSES:
            return None
        return f"the canary did not come through {self.misses} times in a row: {self.reason}"

    def endpoint(self, path: str) -> Endpoint | None:
        """Return the canary's own route if this is its address, in a time that tells nothing of it."""
        return self._endpoint if hmac.compare_digest(path.encode("utf-8", "replace"), self._path.encode()) else None

    @contextlib.asynccontextmanager
    async def flying(self) -> AsyncIterator[Self]:
        """Let it fly for as long as the block lasts."""
        self._bus.attach(self._route)
        task = asyncio.create_task(self._fly_on(), name="canary")
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait((task,))
            self._bus.detach(self._route)

    async def _fly_on(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            await self.fly()
            await asyncio.sleep(max(begun + self.every - loop.time(), 0.0))

    async def fly(self) -> None:
        """Send one, and note what became of it."""
        try:
            async with asyncio.timeout(self.within):
                latency = await self._flight()
        except TurnedAwayError:
            self.refused += 1
        except MissedError as error:
            self._miss(str(error))
        except TimeoutError:
            if self._target.is_full():
                self.refused += 1  # it waits in the kernel's queue, as others do
            else:
                self._miss(f"it took longer than {self.within:g} s")
        except OSError as error:
            self._miss(f"no connection to the public listener: {error.strerror or type(error).__name__}")
        else:
            self._pass(latency)

    def _pass(self, latency: float) -> None:
        self.passed += 1
        self.latency = latency
        self.seconds += latency
        if self.misses:
            log.info("canary comes through again", missed=self.misses)
        self.misses, self.reason = 0, ""

    def _miss(self, reason: str) -> None:
        self.missed += 1
        self.misses += 1
        self.reason = reason
        # The third is what readiness tells; those after it are the same fact.
        if self.misses <= MISSES:
            log.warning("canary did not come through", reason=reason, in_a_row=self.misses)

    async def _flight(self) -> float:
        """Return the seconds that an event took; raises `MissedError`, `TurnedAwayError` or `OSError`."""
        place = self._target.places()[0]
        host = LOOPBACK.get(place.host, place.host)
        reader, writer = await asyncio.open_connection(host, place.port, limit=MAX_READ)
        try:
            writer.write(self._request(host))
            await _opened(reader)
            begun, word = time.perf_counter(), secrets.token_hex(TOKEN)
            self._inlet.emit([Message(payload=word, time=time.time())])
            await reader.readuntil(f"data: {word}\n".encode())
            return time.perf_counter() - begun
        except asyncio.IncompleteReadError:
            raise MissedError("the stream ended before the event") from None
        except asyncio.LimitOverrunError:
            raise MissedError("the stream holds something else than the event") from None
        finally:
            writer.close()

    def _request(self, host: str) -> bytes:
        names = self._target.hosts()
        name = names[0] if names else host
        name = f"[{name}]" if name.count(":") > 1 and not name.startswith("[") else name
        lines = [
            f"GET {self._target.base()}{self._path} HTTP/1.1",
            f"Host: {name}",
            "Accept: text/event-stream",
            "Connection: close",
        ]
        return "\r\n".join([*lines, "", ""]).encode()


async def _opened(reader: asyncio.StreamReader) -> None:
    """Read the answer's head and its first block: from here on the stream is at the channel's head."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = head.split(" ", 2)[1]
    if status != "200":
        raise MissedError(f"the public listener answers {status}")
    if "\r\ncontent-length:" in head:
        # No stream has one: it is the answer to one stream too many.
        raise TurnedAwayError
    await reader.readuntil(b"\n\n")
