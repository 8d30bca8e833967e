"""Read the configuration again, when its files change or somebody asks, and let it hold if it is right.

    a file changes ─┐
    SIGHUP          ├─▶ read and check, in a thread ─▶ refused: nothing changes, and it is told
    POST /-/reload ─┘                               └▶ change: applied as a difference

Rule 1: one at a time. Who asks meanwhile is answered by the next one, which sees whatever they have written.
Rule 2: what is half written is refused like anything that is wrong, and read again when it changes again. So waiting
    for a writer to end only saves a line in the log.
Rule 3: what was read is what holds at the end of the reading: a mount that is swapped meanwhile is read again.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple, Self

import structlog

from bridge.change import change
from bridge.config.files import files_of
from bridge.config.load import Loaded, load_draft
from bridge.config.model import Config
from bridge.contents import digest
from bridge.errors import BridgeError, ConfigError, Problem
from bridge.listeners import Listeners
from bridge.watch import Sight, fixed
from bridge.works import Works

log = structlog.get_logger()

#: Seconds between two looks at the files. A person who saves one and looks at the browser takes longer; Kubernetes
#: takes up to a minute to bring a ConfigMap here. A look is a `stat` a file, some microseconds.
EVERY: Final = 1.0

#: Seconds in which files that have changed must stay as they are, and how often that is waited for: editors and copies
#: write in steps.
SETTLE: Final = 0.1
SETTLES: Final = 20

#: How often files are read again that change while they are read.
READS: Final = 3

#: Problems of a refused file that are logged, a line each; the admin port has all of them.
LOGGED: Final = 5

#: Files that a line of the log names.
NAMED: Final = 8

Word = Literal["applied", "unchanged", "refused"]


class Outcome(NamedTuple):
    """What came of one reading."""

    word: Word
    #: The difference, as a document.
    told: Mapping[str, object] = {}
    #: Why it was refused: each with its place in the file, where it has one.
    problems: tuple[str, ...] = ()


#: What is answered at the end.
GOING: Final = Outcome("refused", problems=("the bridge is going down",))


class Reloader:
    """Reads the file again, and keeps account of it."""

    def __init__(
        self, file: Path | None, works: Works, listeners: Listeners, applied: Callable[[Config], Awaitable[None]]
    ) -> None:
        """`file` is the file or the folder, None where the configuration came otherwise; `applied` is told of each."""
        self.file = file
        self._works = works
        self._listeners = listeners
        self._applied = applied
        #: Readings by outcome.
        self.reloads: Counter[str] = Counter()
        #: Since when the file on disk is refused, Unix seconds; None where it is not.
        self.refused_since: float | None = None
        #: When the configuration that holds was read, Unix seconds.
        self.loaded_at = time.time()
        #: What came of the last one.
        self.last: Outcome | None = None
        #: What the files held when they were last read.
        self._read = dict(works.config.contents)
        #: Who is answered by the reading that goes on now, and who by the next one.
        self._asking: list[asyncio.Future[Outcome]] = []
        self._waiting: list[asyncio.Future[Outcome]] = []
        self._wanted = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def hindrance(self) -> str | None:
        """Say why we are not ready, where a refused file is to make us so."""
        terms = self._works.config.server.reload
        if self.refused_since is None or terms is None or not terms.ready or self.last is None:
            return None
        return f"the configuration on disk is refused: {self.last.problems[0]}"

    async def __aenter__(self) -> Self:
        self._begin(self._work, "reload")
        if self.file is not None:
            self._begin(partial(self._watch, self.file), "watch of the configuration")
            if self._is_watching:
                await asyncio.to_thread(_warn_fixed, list(self._read))
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        _answer([*self._asking, *self._waiting], GOING)

    def _begin(self, work: Callable[[], Coroutine[None, None, None]], name: str) -> None:
        """Do some work in a task. One that fails is a bug, which must not leave the process deaf: it begins again."""

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("reading again failed", task=name, exc_info=error)
                waiting, self._waiting = [*self._asking, *self._waiting], []
                _answer(waiting, Outcome("refused", problems=("an internal error: the log has it",)))
                asyncio.get_running_loop().call_later(EVERY, self._begin, work, name)

        task = asyncio.create_task(work(), name=name)
        self._tasks.add(task)
        task.add_done_callback(ended)

    async def reload(self) -> Outcome:
        """Read the configuration again, and let it hold if it is right; what came of it."""
        if self.file is None:
            return Outcome("refused", problems=("this bridge was not started from a file: there is nothing to read",))
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._wanted.set()
        return await answer

    def ask(self) -> None:
        """Ask for the same without waiting for it: a signal has come."""
        if self.file is None:
            log.warning("nothing to read again", reason="this bridge was not started from a file")
        self._wanted.set()

    def told(self) -> dict[str, object]:
        """Return how it stands with the configuration, as a document."""
        return {
            "file": str(self.file) if self.file is not None else None,
            "outcome": self.last.word if self.last is not None else None,
            "problems": list(self.last.problems) if self.last is not None else [],
            "refused_since": self.refused_since,
            "reloads": dict(self.reloads),
            "leaving": [endpoint.text for endpoint in self._works.formers.endpoints],
        }

    # -- one at a time

    async def _work(self) -> None:
        """Read again whenever it is wanted, and forget removed routes when their time is over."""
        loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._works.formers.due):
                    await self._wanted.wait()
            if self._works.formers.expire(loop.time()):
                self._works.renew()
            if not self._wanted.is_set():
                continue
            self._wanted.clear()
            self._asking, self._waiting = self._waiting, []
            if self.file is not None:
                _answer(self._asking, await self._once(self.file))

    async def _once(self, file: Path) -> Outcome:
        if self._works.core.streams.is_draining:
            return GOING
        try:
            loaded = await asyncio.to_thread(self._load, file)
            _check(self._works.config, loaded)
            found = await change(self._works, self._listeners, loaded.config)
        except ConfigError as error:
            outcome = Outcome("refused", problems=tuple(map(str, error.problems)))
        except BridgeError as error:
            outcome = Outcome("refused", problems=(str(error),))
        else:
            outcome = Outcome("unchanged") if found.is_none else Outcome("applied", found.told())
            await self._applied(loaded.config)
            for note in loaded.config.notes:
                log.warning("worth a look", note=str(note))
        self._note(outcome)
        return outcome

    def _load(self, file: Path) -> Loaded:
        """Read the files as they are now. Runs in a thread."""
        for number in range(READS):
            contents: dict[Path, str] = {}
            try:
                loaded = load_draft(file, os.environ, contents)
            except ConfigError:
                if _is_still(contents) or number == READS - 1:
                    raise
            else:
                if _is_still(contents) or number == READS - 1:
                    return loaded
            finally:
                self._read = contents
        raise AssertionError

    def _note(self, outcome: Outcome) -> None:
        self.last = outcome
        self.reloads[outcome.word] += 1
        if outcome.word != "refused":
            self.refused_since = None
            self.loaded_at = time.time()
            words = "configuration applied" if outcome.word == "applied" else "configuration is what it was"
            log.info(words, **{part: said for part, said in outcome.told.items() if said})
            return
        self.refused_since = self.refused_since or time.time()
        for problem in outcome.problems[:LOGGED]:
            log.error("configuration refused", problem=problem)
        if len(outcome.problems) > LOGGED:
            log.error("configuration refused", more=len(outcome.problems) - LOGGED)

    # -- the watch

    @property
    def _is_watching(self) -> bool:
        terms = self._works.config.server.reload
        return terms is not None and terms.watch

    async def _watch(self, file: Path) -> None:
        sight = Sight()
        while True:
            await asyncio.sleep(EVERY)
            if self._is_watching and await self._has_changed(file, sight):
                await self.reload()

    async def _has_changed(self, file: Path, sight: Sight) -> bool:
        """Tell whether the files hold something else than what was read last, and have come to rest."""
        found = await asyncio.to_thread(_look, file, self._read, sight)
        if found == self._read:
            return False
        for _ in range(SETTLES):
            await asyncio.sleep(SETTLE)
            before, found = found, await asyncio.to_thread(_look, file, self._read, sight)
            if found == before:
                break
        # An editor may have put back what was there.
        return found != self._read


def _answer(waiting: Iterable[asyncio.Future[Outcome]], outcome: Outcome) -> None:
    for each in waiting:
        if not each.done():
            each.set_result(outcome)


def _look(file: Path, read: Mapping[Path, str], sight: Sight) -> dict[Path, str]:
    """Return what the files hold now that a reading would read, and those that the last one did."""
    return sight.look({*files_of(file), *read})


def _is_still(contents: Mapping[Path, str]) -> bool:
    return all(digest(path) == held for path, held in contents.items())


def _check(before: Config, loaded: Loaded) -> None:
    """Refuse what cannot change while the process runs; raises `ConfigError`."""
    if loaded.config.server.state == before.server.state:
        return
    root = loaded.draft.root
    node = root.at("server", "state") or root.at("server") or root
    words = "server.state: takes a restart, since sources have their checkpoints there; put back what it was until then"
    raise ConfigError([Problem(*node.mark, words)])


def _warn_fixed(paths: list[Path]) -> None:
    """Warn of files that can never change here."""
    found = fixed(paths)
    if found:
        log.warning(
            "a change of these files will not be seen",
            files=[str(path) for path in found[:NAMED]],
            reason="each is mounted by itself (`subPath` of a volume, or a bind mount of one file), so what takes its "
            "place outside never arrives here: mount the folder instead",
        )
