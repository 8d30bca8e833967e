"""Somebody who asks for pages while bridges are replaced."""

import asyncio
from collections import Counter
from typing import Final

import aiohttp

#: Seconds between two pages: often enough to meet every moment of a stop.
EVERY: Final = 0.02

#: Seconds for one page on a busy machine.
PATIENCE: Final = 30.0


class Visitor:
    """Asks for one page after another, over a connection that is kept, and counts what comes back."""

    def __init__(self, url: str) -> None:
        self._url = url
        #: What is going on, as the test says.
        self.during = ""
        #: Answers: what was going on, and the status or the error.
        self.answers: Counter[tuple[str, str]] = Counter()

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until told to stop."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE)) as session:
            while not stop.is_set():
                during, answer = self.during, await self._ask(session)
                if during == self.during:  # else it belongs to neither
                    self.answers[during, answer] += 1
                await asyncio.sleep(EVERY)

    async def _ask(self, session: aiohttp.ClientSession) -> str:
        try:
            async with session.get(self._url) as response:
                await response.read()
                return str(response.status)
        except aiohttp.ClientError as error:
            return type(error).__name__
