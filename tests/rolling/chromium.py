"""EventSources of a page in Chromium, with all that they heard."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from playwright.async_api import Page

from tests.rolling.eventsource import Dispatched

NAMES: Final = ["message", "bridge.gap", "bridge.bye", "bridge.source"]

OPEN: Final = """([urls, names]) => {
    window.sources = urls.map((url) => {
        const source = new EventSource(url);
        const log = { source, opened: 0, heard: [] };
        source.onopen = () => log.opened++;
        for (const name of names) source.addEventListener(name, (e) => log.heard.push([e.type, e.data]));
        return log;
    });
}"""

TELL: Final = "() => sources.map(({ source, opened, heard }) => [source.readyState, opened, heard])"
STATE: Final = "() => sources.map(({ source }) => source.readyState)"
STATES: Final = ("connecting", "open", "closed")


@dataclass(frozen=True)
class Tab:
    """One EventSource, as it was when it was looked at."""

    state: str
    opened: int
    heard: Sequence[Dispatched]


async def listen(page: Page, urls: Sequence[str]) -> None:
    """Open an EventSource for each address."""
    await page.evaluate(OPEN, [list(urls), NAMES])


async def states(page: Page) -> list[str]:
    """Look only at whether they are open."""
    return [STATES[state] for state in await page.evaluate(STATE)]


async def tabs(page: Page) -> list[Tab]:
    """Look at them."""
    told = await page.evaluate(TELL)
    return [Tab(STATES[state], opened, [Dispatched(*each) for each in heard]) for state, opened, heard in told]
