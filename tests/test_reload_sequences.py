"""Two hundred histories of a file, made at random: whoever comes back sees each event, or a gap where one is missing.

Sources and routes come, change and go while events are published, also within each reading of the file. An event is
owed to a tab when the file, at that moment, gave its route the event's source. Nothing is owed while a route is
removed; what comes all the same comes in order and once.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from tests.reloading import Reloaded, Tab, check, reloading
from tests.support import SERVER, until

#: Sequences of one test, and readings of one sequence.
SEQUENCES = 25
READINGS = 5

#: What a timer says by itself, which is owed to nobody.
TICK = "tick"

SOURCES = (
    "{kind: push}",
    "{kind: push, max: 64KiB}",
    "{kind: push, dedup: 1m}",
    "{kind: file, root: ., match: '{x}.none', poll: 1h}",
    "{kind: file, root: .., match: '{x}.none', poll: 1h}",
    f"{{kind: timer, every: 1h, payload: {TICK}}}",
)
MANNERS = (
    "retry: 5s",
    "retry: 6s",
    "heartbeat: 1h",
    "history: {events: 4}",
    "history: {events: 500}",
    "start: earliest",
)
FRAMES = ("event: a", "event: b", "oversize: skip", "format: raw")
LIMITS = ("", "limits: {event: 64KiB}\n", "limits: {subscribers: 50}\n", "limits: {memory: 2MiB}\n")
PATHS = ("/r0", "/r1", "/r2")


class History:
    """One file's life, and what its readers are owed."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.sources = {"s0": SOURCES[0], "s1": SOURCES[0]}
        self.routes = dict.fromkeys(PATHS, (("s0", "s1"), "retry: 5s"))
        self.limits = ""
        self.count = 0
        #: Numbers that each route owes to its readers.
        self.owed: dict[str, list[int]] = {path: [] for path in PATHS}

    @property
    def text(self) -> str:
        """Return the file."""
        sources = ", ".join(f"{name}: {keys}" for name, keys in self.sources.items())
        routes = ", ".join(f"{path}: {{from: [{', '.join(f)}], {keys}}}" for path, (f, keys) in self.routes.items())
        return f"{SERVER}{self.limits}sources: {{{sources}}}\nroutes: {{{routes}}}\n"

    def turn(self) -> None:
        """Change something, or a few things."""
        random = self.random
        for _ in range(random.choice((1, 1, 2, 4))):
            name, path = random.choice(("s0", "s1")), random.choice(PATHS)
            match random.randrange(6):
                case 0:
                    self.sources[name] = random.choice(SOURCES)
                case 1:
                    self.sources.pop(name, None)
                case 2:
                    self.routes.pop(path, None)
                case 3 | 4:
                    feeds = random.choice((("s0",), ("s1",), ("s0", "s1")))
                    self.routes[path] = feeds, random.choice(MANNERS + FRAMES)
                case _:
                    self.limits = random.choice(LIMITS)
        self._mend()

    def whole(self) -> None:
        """Put everything back."""
        self.sources = {"s0": SOURCES[0], "s1": SOURCES[0]}
        self.routes |= {path: (("s0", "s1"), "retry: 7s") for path in PATHS if path not in self.routes}
        self._mend()

    def _mend(self) -> None:
        self.sources = self.sources or {"s0": SOURCES[0]}
        for path, (feeds, keys) in list(self.routes.items()):
            there = tuple(name for name in feeds if name in self.sources)
            self.routes[path] = there or tuple(self.sources)[:1], keys
        if not self.routes:
            self.routes["/r0"] = tuple(self.sources)[:1], "retry: 5s"

    def publish(self, served: Reloaded, name: str = "") -> None:
        """Let some source hear something, and note whom it is owed to by the configuration that holds."""
        name = name or self.random.choice(list(served.bridge.intakes))
        for path, spec in served.bridge.config.routes.items():
            if any(feed.source == name for feed in spec.feeds):
                self.owed[path].append(self.count)
        served.publish(str(self.count), source=name)
        self.count += 1


class Witness(Tab):
    """A tab that keeps its events and its gaps in one row: None stands for a gap."""

    row: list[int | None]

    def _note(self, block: object) -> None:
        events, gaps = len(self.data), len(self.gaps)
        super()._note(block)
        if len(self.gaps) > gaps:
            self.row.append(None)
        if len(self.data) > events and self.data[-1] != TICK:
            self.row.append(int(self.data[-1]))


def missing(owed: list[int], row: list[int | None]) -> Iterator[int]:
    """Yield what a reader was owed, and neither saw nor was told the loss of."""
    last, is_told = -1, False
    for item in row:
        if item is None:
            is_told = True
            continue
        if not is_told:
            yield from (number for number in owed if last < number < item)
        last, is_told = item, False
    if not is_told:
        yield from (number for number in owed if number > last)


async def lived(seed: int, file: Path) -> None:
    """Live one history through."""
    history = History(Random(seed))
    async with reloading(history.text, file) as served, contextlib.AsyncExitStack() as stack:
        tabs = {}
        for path in PATHS:
            tab = tabs[path] = Witness(lambda: served.port, path)
            tab.row = []
            await stack.enter_async_context(tab)
        for _ in range(READINGS):
            history.publish(served)
            history.turn()
            await read(history, served)
            check(served.bridge)
        history.whole()
        await read(history, served)
        await settled(history, served, tabs)
        for path, tab in tabs.items():
            numbers = [item for item in tab.row if item is not None]
            assert numbers == sorted(set(numbers)), f"seed {seed}, {path}: out of order, or twice: {tab.row}"
            lost = list(missing(history.owed[path], tab.row))
            assert not lost, f"seed {seed}, {path}: {lost} of {history.owed[path]} are missing in {tab.row}"


async def read(history: History, served: Reloaded) -> None:
    """Have the file read, and publish all the while."""
    served.write(history.text)
    reading = asyncio.create_task(served.reload())
    while not reading.done():
        if history.random.random() < 0.3:
            history.publish(served)
        await asyncio.sleep(0)
    assert reading.result().word in {"applied", "unchanged"}, reading.result()


async def settled(history: History, served: Reloaded, tabs: dict[str, Witness]) -> None:
    """Publish until each tab has come back and seen the newest."""
    while not await seen(history, tabs):
        for name in served.bridge.intakes:
            history.publish(served, name)


async def seen(history: History, tabs: dict[str, Witness]) -> bool:
    """Tell whether each tab has come back and seen the newest that it is owed, within a moment."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            await until(lambda: all(newest(tab.row) >= newest(history.owed[path]) for path, tab in tabs.items()))
            return True
    return False


def newest(row: Sequence[int | None]) -> int:
    """Return the last number of a row; -1 where it ends in a gap."""
    return -1 if not row or row[-1] is None else row[-1]


@pytest.mark.parametrize("first", range(0, 200, SEQUENCES))
async def test_each_event_is_seen_or_its_loss_is_told(first: int, tmp_path: Path) -> None:
    """Whatever happens to the file."""
    for seed in range(first, first + SEQUENCES):
        folder = tmp_path / str(seed)
        folder.mkdir()
        await lived(seed, folder / "routes.yaml")
