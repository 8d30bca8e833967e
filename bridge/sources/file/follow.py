"""The shell around the rounds: a thread for what may block, the event loop for what is handed over."""

import asyncio
import functools
import os
import resource
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

import structlog

from bridge.errors import SourceError
from bridge.event import Loss
from bridge.sources.base import Backlog, Outlet, Place
from bridge.sources.file import checkpoint
from bridge.sources.file.backlog import FileBacklog, Shelf
from bridge.sources.file.generation import Home, Mark
from bridge.sources.file.tailer import Plan, Round, Tailer
from bridge.sources.file.view import View
from bridge.sources.file.watch import Watch

log = structlog.get_logger()

#: Seconds that the last checkpoint may take. A file system that hangs must not hold up the end of the process.
CLOSE: Final = 5.0
#: A source's share of the descriptors, and bounds: the streams need theirs, and idle files are opened anew.
SHARE: Final = 8
FEWEST: Final = 16
MOST: Final = 1024

#: What `Place.kept` holds of us.
MARKS: Final = "file"

T = TypeVar("T")


class Kept(NamedTuple):
    """Where a run stood, and beneath which folder."""

    root: str
    loaded: checkpoint.Loaded


def descriptors() -> int:
    """Return how many files one source holds open at most."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else min(max(soft // SHARE, FEWEST), MOST)


class Thread:
    """One thread: everything of a source that may block, one thing after another."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"file {name}")

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]:
        """Run a function in the thread."""
        try:
            return asyncio.get_running_loop().run_in_executor(self._executor, function)
        except RuntimeError as error:
            raise SourceError("the source has ended") from error

    def end(self) -> None:
        """Let the thread end after what it was given."""
        self._executor.shutdown(wait=False)


@dataclass(slots=True, eq=False)
class Follower:
    """One run of the source."""

    plan: Plan
    outlet: Outlet
    place: Place
    view: View
    thread: Thread
    tailer: Tailer | None = None
    is_up: bool | None = None
    trouble: str = ""
    #: The view's version that the checkpoint holds, and when one was last written.
    saved: int = 0
    saved_at: float = -checkpoint.EVERY
    save_error: str = ""
    #: When the last walk began whose findings were handed over, unix nanoseconds.
    walked_ns: int = 0
    #: What the run before this one left, until a walk has gone beyond it.
    before: object = None

    async def run(self) -> None:
        """Follow the files until cancelled."""
        self.place.entries = self.view.entries
        shelf = Shelf(self.thread, self._open)
        self.place.backlog = functools.partial(self._backlog, shelf)
        watch = Watch(self.place.name, self.plan.root.path)
        try:
            await self._start()
            await self._follow(watch)
        except asyncio.CancelledError:
            # Whoever changes our keys runs us again. After a failure we begin as at a start: it may be of these marks.
            self._keep()
            raise
        finally:
            watch.close()
            await self._end()

    async def _follow(self, watch: Watch) -> None:
        while True:
            found = await self._round(watch)
            await self._save()
            await watch.wait(found.due - time.monotonic())

    def _keep(self) -> None:
        """Leave to the next run in this process where this one stands."""
        if self.walked_ns:
            loaded = checkpoint.Loaded(list(self.view.in_order()), self.walked_ns)
            self.before = Kept(self.plan.root.path, loaded)
        self.place.kept[MARKS] = self.before

    async def _start(self) -> None:
        kept = self.before = self.place.kept.pop(MARKS, None)
        if isinstance(kept, Kept) and kept.root == self.plan.root.path:
            loaded = kept.loaded  # not older than what is written down
        else:
            loaded = await self.thread(lambda: checkpoint.load(self.place.state, self.plan.root.path))
        if loaded.is_damaged:
            log.warning("the checkpoint is damaged; beginning anew", source=self.place.name)
            self.outlet.lose(Loss(reason="source_reset"))
        self.tailer = Tailer(self.plan, loaded, time.monotonic())

    async def _round(self, watch: Watch) -> Round:
        tailer = self.tailer
        if tailer is None:
            raise SourceError("the source has not begun")
        hints, is_moved = watch.take()
        wall = time.time()
        found = await self.thread(lambda: tailer.round(time.monotonic(), wall, hints, is_moved=is_moved))
        if found.entries is not None:
            self.view.list(found.entries)
        self._tell(found.trouble)
        for step in found.steps:
            self.view.apply(step, self.outlet)
            if step.messages:
                # A burst must not keep the loop from the streams.
                await asyncio.sleep(0)
        if found.folders is not None:
            self.walked_ns = int(wall * 1e9)
            watch.follow(found.folders)
        return found

    def _tell(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            self.outlet.down(trouble)
        elif not trouble and (self.trouble or not self.is_up):
            self.is_up = True
            self.outlet.up()
        self.trouble = trouble

    async def _save(self) -> None:
        if self.view.version != self.saved and time.monotonic() - self.saved_at >= checkpoint.EVERY:
            await self.thread(self._saving())
            self.saved_at = time.monotonic()

    def _saving(self) -> Callable[[], None]:
        """Return what writes down all that was handed over until now."""
        marks, time_ns, version = self.view.in_order(), self.walked_ns, self.view.version
        return lambda: self._write(marks, time_ns, version)

    def _write(self, marks: Sequence[Mark], time_ns: int, version: int) -> None:
        if self.place.state is None:
            return
        try:
            checkpoint.save(self.place.state, self.plan.root.path, marks, time_ns)
        except OSError as error:
            # A full disk costs a repeat after a crash, nothing more.
            if self.save_error != str(error):
                log.warning("the checkpoint cannot be written", source=self.place.name, reason=str(error))
            self.save_error = str(error)
        else:
            self.save_error, self.saved = "", version

    async def _end(self) -> None:
        """Write the last checkpoint and close the files, after whatever the thread is doing."""
        ended = asyncio.ensure_future(self.thread(self._ending()))
        self.thread.end()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE):
                await asyncio.shield(ended)

    def _ending(self) -> Callable[[], None]:
        write = self._saving() if self.view.version != self.saved else None

        def end() -> None:
            if write is not None:
                write()
            if self.tailer is not None:
                self.tailer.close()

        return end

    def _open(self, key: int) -> int:
        if self.tailer is None:
            raise FileNotFoundError
        return self.tailer.open(key)

    def _backlog(self, shelf: Shelf, captures: Mapping[str, str]) -> Backlog | None:
        found = self.view.current(captures)
        if found is None:
            return None
        return FileBacklog(shelf, self.plan.splitter, Home(found[1].home, captures), found)


async def follow(plan: Plan, outlet: Outlet, place: Place) -> None:
    """Follow the files of a plan until cancelled."""
    await Follower(plan, outlet, place, View(), Thread(place.name)).run()


def absolute(path: str) -> str:
    """Return a path that does not depend on the working directory."""
    return os.path.abspath(path)  # noqa: PTH100  # links are resolved at each look, not here
