"""Whether one application is well: it is asked every few seconds, over a connection of its own."""

import asyncio
from typing import Final

import aiohttp
import structlog

from bridge.gateway.proxy.target import Target
from bridge.gateway.proxy.trouble import ERRORS, ProxyError, failed
from bridge.gateway.proxy.upstream import Upstream
from bridge.instance import VIA

log = structlog.get_logger()

#: Seconds between two questions; what spreads connections (Kubernetes: 10 s) learns of a change in time.
EVERY: Final = 5.0

#: An answer in this range is a healthy one: an application may redirect to its first page.
WELL: Final = range(200, 400)


#: What may come before the answer, 103 for one.
_ON_THE_WAY: Final = range(100, 200)


class Health:
    """Asks one application, and remembers what it said last."""

    def __init__(self, target: Target, every: float = EVERY) -> None:
        self._target = target
        self._upstream = Upstream(target)
        self._every = every
        #: What is wrong, in words; None where it is well.
        self.hindrance: str | None = f"{target.name} has not been asked for its health yet"
        self._before = self.hindrance

    @property
    def is_asked(self) -> bool:
        """Tell whether it has been asked once."""
        return self.hindrance != self._before

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        try:
            while True:
                found = await self.ask()
                if found != self.hindrance:
                    self._tell(found)
                self.hindrance = found
                await asyncio.sleep(self._every)
        finally:
            await self._upstream.close()

    def _tell(self, found: str | None) -> None:
        if found is None:
            log.info("application is well", application=self._target.name)
        else:
            log.warning("application is not well", application=self._target.name, reason=found)

    async def ask(self) -> str | None:
        """Ask once; return what is wrong."""
        try:
            async with asyncio.timeout(self._every):
                status = await self._status()
        except ProxyError as error:
            return error.words
        except ERRORS as error:
            return failed(error, self._target.name).words
        return None if status in WELL else f"{self._target.name} answers {status} when asked for its health"

    async def _status(self) -> int:
        connection = await self._upstream.connect()
        try:
            protocol = self._upstream.expect(connection, is_bodiless=False)
            if (transport := connection.transport) is None:
                raise aiohttp.ServerDisconnectedError
            transport.write(_question(self._target))
            while True:
                head, _ = await protocol.read()
                if head.code not in _ON_THE_WAY:
                    return int(head.code)
        finally:
            connection.close()


def _question(target: Target) -> bytes:
    named = f"Host: {target.authority}\r\nUser-Agent: sse-bridge\r\nVia: {VIA}\r\n"
    return f"GET {target.health} HTTP/1.1\r\n{named}Accept: */*\r\nConnection: close\r\n\r\n".encode()
