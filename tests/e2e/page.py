"""What a page in Chromium saw of a stream."""

from dataclasses import dataclass
from typing import Any

from playwright.async_api import Page

from tests.e2e.programs import until

OPEN = """([url, names]) => {
    const log = window.log = { events: [], opened: 0, errors: 0 };
    const source = window.source = new EventSource(url);
    source.onopen = () => log.opened++;
    source.onerror = () => log.errors++;
    const note = (e) => log.events.push({ name: e.type, data: e.data, id: e.lastEventId });
    for (const name of ["message", "bridge.gap", "bridge.bye", "bridge.source", "bridge.heartbeat", ...names]) {
        source.addEventListener(name, note);
    }
}"""

CLOSED = 2


@dataclass(frozen=True)
class Seen:
    """One event as a listener of the page got it."""

    name: str
    data: str
    id: str


class Listener:
    """An EventSource in a page, with all that its listeners heard."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def open(self, url: str, *names: str) -> None:
        """Open an EventSource that listens to unnamed events, ours, and these names; do not wait for it."""
        await self.page.evaluate(OPEN, [url, list(names)])

    async def _log(self, what: str) -> Any:
        return await self.page.evaluate(f"window.log.{what}")

    async def events(self) -> list[Seen]:
        """Return the events so far."""
        return [Seen(**event) for event in await self._log("events")]

    async def opened(self, times: int = 1) -> None:
        """Wait until the stream has been opened so many times."""

        async def enough() -> bool:
            return await self._log("opened") >= times

        try:
            await until(enough, f"opened {times} times")
        except BaseException as late:
            late.add_note(f"state {await self.state()}, log {await self.page.evaluate('log')}")
            raise

    async def state(self) -> int:
        """Return the EventSource's readyState."""
        return int(await self.page.evaluate("window.source.readyState"))

    async def closed(self) -> None:
        """Wait until the browser has given up for good."""

        async def given_up() -> bool:
            return await self.state() == CLOSED

        await until(given_up, "the browser gives up")

    async def heard(self, count: int) -> list[Seen]:
        """Wait for so many events, and return all there are."""

        async def enough() -> bool:
            return len(await self._log("events")) >= count

        try:
            await until(enough, f"{count} events")
        except BaseException as late:
            late.add_note(f"heard {await self.events()}")
            raise
        return await self.events()
