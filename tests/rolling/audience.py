"""All who listen: EventSources of the tests' own, and some in Chromium."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from playwright.async_api import Page

from tests.rolling import chromium
from tests.rolling.eventsource import Dispatched, EventSource
from tests.rolling.ledger import GAP


class Figures(NamedTuple):
    """What became of them."""

    streams: int
    closed: int
    reconnects: int
    #: Reconnects that were answered with nothing but the time to come back at, of our own EventSources.
    sent_away: int
    events: int
    gaps: int


@dataclass
class Audience:
    """Each of ours and each tab with the path that it listens to."""

    ours: Sequence[tuple[str, EventSource]]
    page: Page
    tabs: Sequence[str]

    async def is_open(self) -> bool:
        """Tell whether all are open; fail if one has been closed for good."""
        states = [source.state for _, source in self.ours]
        closed = {source.closed_by for _, source in self.ours if source.state == "closed"}
        assert not closed, f"closed for good by {closed}"
        states += await chromium.states(self.page)
        assert "closed" not in states, "closed for good in Chromium"
        return set(states) == {"open"}

    async def all_heard(self, told: Callable[[str, Sequence[Dispatched]], bool]) -> bool:
        """Tell whether what each has heard on its path is enough."""
        if not all(told(path, source.memory.heard) for path, source in self.ours):
            return False
        tabs = await chromium.tabs(self.page)
        return all(told(path, tab.heard) for path, tab in zip(self.tabs, tabs, strict=True))

    async def outcomes(self) -> dict[str, Counter[str]]:
        """Count the states of each kind."""
        return {
            "ours": Counter(source.state for _, source in self.ours),
            "chromium": Counter(await chromium.states(self.page)),
        }

    async def faults(self, find: Callable[[str, Sequence[Dispatched]], list[str]]) -> list[str]:
        """Collect what is wrong with what each has heard."""
        tabs = await chromium.tabs(self.page)
        found = [f"{path}: {fault}" for path, source in self.ours for fault in find(path, source.memory.heard)]
        told = zip(self.tabs, tabs, strict=True)
        return found + [f"Chromium, {path}: {fault}" for path, tab in told for fault in find(path, tab.heard)]

    async def figures(self) -> Figures:
        """Count all together."""
        tabs = await chromium.tabs(self.page)
        heard = [*(source.memory.heard for _, source in self.ours), *(tab.heard for tab in tabs)]
        names = Counter(name for each in heard for name, _ in each)
        opened = sum(source.opened for _, source in self.ours) + sum(tab.opened for tab in tabs)
        states = [*(source.state for _, source in self.ours), *(tab.state for tab in tabs)]
        return Figures(
            streams=len(heard),
            closed=states.count("closed"),
            reconnects=opened - len(heard),
            sent_away=sum(source.sent_away for _, source in self.ours),
            events=names["message"],
            gaps=names[GAP],
        )
