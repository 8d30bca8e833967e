"""Drive the rounds of the `file` source by hand: no threads, no waiting, time as a number."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from bridge.event import Loss, Message
from bridge.sources.base import Place
from bridge.sources.file import File
from bridge.sources.file.begin import Begin
from bridge.sources.file.beneath import Root
from bridge.sources.file.checkpoint import Loaded
from bridge.sources.file.generation import Mark
from bridge.sources.file.lines import Splitter
from bridge.sources.file.model import Lines
from bridge.sources.file.tailer import Plan, Round, Tailer
from bridge.sources.file.view import View
from bridge.template import Template

#: Rounds after which a source that still says it has more to do counts as running in circles.
MOST_ROUNDS = 10_000

#: No step of a running source takes as long, however busy the machine; seconds.
DEADLINE = 30.0


class Recorder:
    """An outlet that keeps everything in order."""

    def __init__(self) -> None:
        self.heard: list[Message | Loss] = []
        self.states: list[str] = []
        self.addresses: list[tuple[dict[str, str], str | None, bool]] = []

    def emit(self, messages: Sequence[Message]) -> Sequence[str]:
        """Keep the messages; number them."""
        self.heard += messages
        return [f"e-{n}" for n in range(len(messages))]

    def lose(self, loss: Loss) -> None:
        """Keep the loss in its place."""
        self.heard.append(loss)

    def up(self) -> None:
        """Keep the state."""
        self.states.append("up")

    def address(self, captures: Mapping[str, str], error: str | None, *, is_over: bool = False) -> None:
        """Keep what is told of one address."""
        self.addresses.append((dict(captures), error, is_over))

    def down(self, reason: str) -> None:
        """Keep the state and its words."""
        self.states.append(reason)

    def subscribers(self) -> int:
        """Return that somebody listens."""
        return 1

    @property
    def messages(self) -> list[Message]:
        """Return the messages without the losses."""
        return [heard for heard in self.heard if isinstance(heard, Message)]

    @property
    def losses(self) -> list[Loss]:
        """Return the losses alone."""
        return [heard for heard in self.heard if isinstance(heard, Loss)]

    @property
    def texts(self) -> list[bytes | str]:
        """Return the payloads alone."""
        return [message.payload for message in self.messages]


class Scene(Recorder):
    """A source whose rounds, stops and crashes a test chooses."""

    def __init__(
        self,
        root: Path,
        match: str = "{file}.log",
        *,
        begin: Begin = "beginning",
        lines: Splitter | None = None,
        flush: float = 1.0,
        descriptors: int = 64,
    ) -> None:
        super().__init__()
        self.now = 1_000.0
        self.view = View()
        self.last: Round | None = None
        self.saved = Loaded(None)
        self.tailer: Tailer | None = None
        self._wall_of_round = 0.0
        self._saved = 0
        self.plan = Plan(
            name="logs",
            root=Root(root),
            template=Template.parse(match),
            begin=begin,
            splitter=lines or Lines().splitter(),
            flush=flush,
            poll=1.0,
            descriptors=descriptors,
            clock=lambda: 0.0,
        )

    def start(self) -> None:
        """Begin, or go on from what was saved."""
        self.view, self._saved = View(), 0
        self.tailer = Tailer(self.plan, self.saved, self.now)

    def wall(self) -> float:
        """Return the time of day."""
        return time.time()

    def tick(self, seconds: float = 1.0, *, is_walk: bool = True) -> None:
        """Let the time pass, then do rounds until there is nothing left to do at this moment."""
        if self.tailer is None:
            self.start()
        self.now += seconds
        for _ in range(MOST_ROUNDS):
            self.round(is_moved=is_walk)
            is_walk = False
            if self.last is not None and self.last.due > self.now:
                return
        raise AssertionError("the rounds go in circles")

    def round(self, hints: frozenset[str] = frozenset(), *, is_moved: bool = False) -> Round:
        """Do one round and hand over what it found."""
        assert self.tailer is not None
        wall = self.wall()
        self.last = self.tailer.round(self.now, wall, hints, is_moved=is_moved)
        if self.last.entries is not None:
            self.view.list(self.last.entries)
            self._wall_of_round = wall
        for step in self.last.steps:
            self.view.apply(step, self)
        return self.last

    def save(self) -> None:
        """Write a checkpoint, if there is anything new to write."""
        if self.view.version != self._saved:
            self.saved = Loaded(list(self.view.in_order()), int(self._wall_of_round * 1e9))
            self._saved = self.view.version

    def stop(self) -> None:
        """End as a process does that is asked to."""
        self.save()
        self.crash()

    def crash(self) -> None:
        """End as a process does that is killed."""
        if self.tailer is not None:
            self.tailer.close()
        self.tailer = None

    def restart(self) -> None:
        """End and begin again."""
        self.stop()
        self.start()

    @property
    def marks(self) -> Mapping[int, Mark]:
        """Return what a checkpoint would hold."""
        return self.view.marks


class Running:
    """A source that runs for the time of an `async with`; what it says is here."""

    def __init__(self, source: File, *, state: Path | None = None, outlet: Recorder | None = None) -> None:
        self.outlet = outlet or Recorder()
        self.place = Place(name="logs", state=state)
        self._source = source
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._source.run(self.outlet, self.place))
        await self.until(lambda: bool(self.outlet.states))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition; fail after the deadline, or when the source ends."""
        async with asyncio.timeout(DEADLINE):
            while not condition():
                assert self._task is not None
                if self._task.done():
                    self._task.result()
                await asyncio.sleep(0.002)

    @property
    def heard(self) -> list[Message | Loss]:
        """Return everything in order."""
        return self.outlet.heard

    @property
    def texts(self) -> list[bytes | str]:
        """Return the payloads alone."""
        return self.outlet.texts
