"""One round at a time: walk the folders when it is due, look at what may have grown, read within a budget.

A round is synchronous and takes the time as arguments, so tests drive thousands of them without a wait. The running
source does each round in a thread, since every call in it may block: a network file system may take seconds to answer.
What a round found is a list of steps, done by the event loop in order; nothing of a round that was not handed over is
written to a checkpoint.
"""

import errno
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from bridge.sources.file.begin import Begin, Beginner
from bridge.sources.file.beneath import Root
from bridge.sources.file.chain import Chain
from bridge.sources.file.checkpoint import Loaded
from bridge.sources.file.complaints import Complaints
from bridge.sources.file.discover import Listing, Walker
from bridge.sources.file.generation import Generation, Home, Mark, Step
from bridge.sources.file.lines import Splitter
from bridge.sources.file.reader import Reader, State
from bridge.sources.file.registry import Registry
from bridge.sources.file.succession import Succession
from bridge.sources.file.table import Table
from bridge.template import Template

#: What one round reads: some ten milliseconds of work, after which the event loop has its turn.
ROUND_BYTES: Final = 1024 * 1024
ROUND_LINES: Final = 8_000
#: The first look after a change comes this soon, each next one twice as late, until the next walk sees to it.
QUICK: Final = 0.05
#: Walks take at most this share of the thread's time, however many files there are.
WALK_SHARE: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to follow and how."""

    name: str
    root: Root
    template: Template
    begin: Begin
    splitter: Splitter
    #: Seconds after which a held line is given.
    flush: float
    #: Seconds between two walks.
    poll: float
    #: The most files to hold open.
    descriptors: int
    #: What measures how long a walk takes.
    clock: Callable[[], float] = time.monotonic


class Budget:
    """What is left of a round."""

    def __init__(self) -> None:
        self.bytes = ROUND_BYTES
        self.lines = ROUND_LINES

    @property
    def is_spent(self) -> bool:
        """Tell whether the round should end."""
        return self.bytes <= 0 or self.lines <= 0

    def spend(self, step: Step) -> None:
        """Take off what a step has cost."""
        self.bytes -= step.size
        self.lines -= len(step.messages)


class Round(NamedTuple):
    """What a round has found."""

    steps: list[Step]
    #: When the next round should be at the latest, on the monotonic clock. Not after now: there is more to read.
    due: float
    #: Why the source cannot read; "" if it can.
    trouble: str
    #: After a walk: the captures of all files by path, and the folders to watch with their inodes.
    entries: dict[str, Mapping[str, str]] | None
    folders: dict[str, int] | None


class Tailer:
    """Follows the files of one source. Used by one thread at a time."""

    def __init__(self, plan: Plan, loaded: Loaded, now: float) -> None:
        """Go on from what was loaded."""
        self._plan = plan
        self._reader = Reader(plan.root, plan.splitter, plan.descriptors)
        self._registry = Registry(plan.root, self._reader, now)
        self._succession = Succession(self._registry)
        beginner = Beginner(plan.begin, plan.splitter.window) if loaded.marks is None else None
        self._table = Table(self._registry, self._succession, plan.template, beginner)
        self._walker = Walker(plan.root, plan.template)
        self._listing = Listing()
        self._complaints = Complaints(plan.name)
        # Chains with more to read, in turns; chains to be looked at before the next walk.
        self._pending: dict[Chain, None] = {}
        self._hot: dict[Chain, None] = {}
        # When to walk, when one may be, and the time of the last.
        self._walk_at = self._walk_from = now
        self._walked: float | None = None
        self._registry.walked_ns = loaded.time_ns
        self._resume(loaded.marks or [])

    def round(self, now: float, wall: float, hints: frozenset[str] = frozenset(), *, is_moved: bool = False) -> Round:
        """Walk, look and read once.

        `hints` are relative paths that were written to; `is_moved` says that some file came, went or was renamed.
        """
        self._registry.now = now
        self._walked = None
        if is_moved:
            self._walk_at = min(self._walk_at, max(now, self._walk_from))
        if now >= self._walk_at:
            self._walk(now, wall)
        chains = (self._registry.chains.get(path) for path in hints)
        self._pending |= dict.fromkeys(chain for chain in chains if chain is not None)
        self._pending |= dict.fromkeys(chain for chain in self._hot if chain.look_at <= now)
        self._read(now, wall)
        steps, self._registry.steps = self._registry.steps, []
        is_walk = self._walked is not None
        return Round(
            steps,
            now if self._pending else min([self._walk_at, *(chain.look_at for chain in self._hot)]),
            self._complaints.summary(len(self._listing.files), self._listing.trouble),
            {path: found.captures for path, found in self._listing.files.items()} if is_walk else None,
            self._listing.folders if is_walk else None,
        )

    def open(self, key: int) -> int:
        """Return a new descriptor of a generation's file; raises `OSError`."""
        for chain in self._registry.chains.values():
            for gen in chain.generations():
                if gen.key == key and self._reader.open(gen) is State.SAME:
                    return os.dup(gen.fd)
        raise FileNotFoundError(errno.ENOENT, "this generation of the file is gone")

    def close(self) -> None:
        """Close every file."""
        self._reader.close_all()

    def _resume(self, marks: list[Mark]) -> None:
        registry = self._registry
        for mark in marks:
            captures = self._plan.template.match(mark.home)
            if captures is not None:
                gen = Generation.resume(registry.key(), mark, Home(mark.home, captures), registry.now)
                chain = registry.chain(gen.home)
                (chain.lingering if gen.is_done else chain.queue).append(registry.add(gen))
        for chain in registry.chains.values():
            chain.is_here = bool(chain.queue)

    def _walk(self, now: float, wall: float) -> None:
        """List the folders, settle what changed, and note which files to look at."""
        began = self._plan.clock()
        self._listing = self._walker.walk()
        is_unsure = self._table.settle(self._listing, int(wall * 1e9))
        self._complaints.refuse(self._listing.refused, self._listing.files)
        for relative, chain in self._registry.chains.items():
            found = self._listing.files.get(relative)
            signature = chain.queue[-1].signature if chain.is_settled else None
            if found is None or found.signature != signature or chain.queue[-1].is_racy:
                self._pending[chain] = None
        self._walked = now
        self._walk_from = now + (self._plan.clock() - began) / WALK_SHARE
        self._walk_at = self._walk_from if is_unsure else max(self._walk_from, now + self._plan.poll)

    def _read(self, now: float, wall: float) -> None:
        """Give every pending chain its turns, until the round's budget is spent."""
        budget = Budget()
        while self._pending and not budget.is_spent:
            chain = next(iter(self._pending))
            del self._pending[chain]
            grown = budget.bytes
            if self._attend(chain, budget, now, wall):
                self._pending[chain] = None
            self._schedule(chain, now, has_grown=budget.bytes != grown)

    def _schedule(self, chain: Chain, now: float, *, has_grown: bool) -> None:
        """Look again soon at what has changed, and when a held line is due."""
        chain.delay = QUICK if has_grown else chain.delay * 2
        read = [*chain.lingering, *islice(chain.queue, 1)]
        dues = [self._due(gen) for gen in read if gen.is_holding]
        if 0 < chain.delay < self._plan.poll:
            dues.append(now + chain.delay)
        if dues:
            chain.look_at = min(dues)
            self._hot[chain] = None
        else:
            chain.delay = 0.0
            self._hot.pop(chain, None)

    def _due(self, gen: Generation) -> float:
        """Return when a held line is given though it has no end."""
        if gen.is_copy:
            return 0.0
        # A writer may keep a renamed file for long, but what follows cannot wait for it to finish its line.
        since = gen.grown_at if gen.is_done or gen.retired_at is None else min(gen.grown_at, gen.retired_at)
        return since + self._plan.flush

    def _attend(self, chain: Chain, budget: Budget, now: float, wall: float) -> bool:
        """Read on in the generations of a path, oldest first. Tell whether there is more to read."""
        for gen in list(chain.lingering):
            if self._take(chain, gen, budget, now, wall) is State.SAME and gen.has_more:
                return True
        while chain.queue and not budget.is_spent:
            gen = chain.queue[0]
            self._tell_turn(chain, gen)
            is_last = chain.is_here and chain.claimed is None and len(chain.queue) == 1
            state = self._take(chain, gen, budget, now, wall)
            if state is not State.REWRITTEN:
                if state is not State.SAME or gen.has_more or is_last or not gen.is_read:
                    return state is State.SAME and gen.has_more
                self._succession.finish(chain, gen)
        return bool(chain.queue)

    def _tell_turn(self, chain: Chain, gen: Generation) -> None:
        """Announce what was lost before a generation, and that its turn has come."""
        registry = self._registry
        if gen.gap is not None:
            registry.announce(gen, gen.gap)
            gen.gap = None
            registry.tell(gen)
        if chain.told != gen.key:
            chain.told = gen.key
            registry.steps.append(Step(current=(chain.home.relative, gen.key)))

    def _take(self, chain: Chain, gen: Generation, budget: Budget, now: float, wall: float) -> State:
        """Read a chunk of a generation, if it has changed or its held line is due."""
        try:
            is_final = not gen.has_more and gen.is_holding and self._due(gen) <= now
            if not (is_final or gen.has_more) and self._reader.is_same(gen):
                return State.SAME
            if gen.seen == 0 and self._was_moved(chain, gen, now, wall):
                return State.REWRITTEN
            state = self._pour(budget, self._reader.read(gen, now, wall, is_final=is_final))
            if state is State.REWRITTEN:
                # A copy may have been made since the last walk.
                if self._walked is None:
                    self._walk(now, wall)
                elif gen in chain.generations():
                    self._succession.rewritten(chain, gen)
            elif state is State.GONE:
                self._walk_at = min(self._walk_at, max(self._walk_from, now + QUICK))
        except FileNotFoundError:
            self._walk_at = min(self._walk_at, max(self._walk_from, now + QUICK))
            return State.GONE
        except OSError as error:
            self._reader.close(gen)
            gen.signature = None
            self._complaints.fail(chain.home.relative, error)
            return State.GONE
        self._complaints.clear(chain.home.relative)
        if gen.unfit:
            self._complaints.unfit(chain.home.relative, gen.unfit)
            gen.unfit = ""
        return state

    def _pour(self, budget: Budget, items: Iterable[Step | State]) -> State:
        """Take steps until the budget is spent, or the state that stands in their way."""
        for item in items:
            if isinstance(item, State):
                return item
            self._registry.steps.append(item)
            budget.spend(item)
            # The interpreter's lock is handed on every 5 ms at best; streams should not wait that long.
            time.sleep(0)
            if budget.is_spent:
                break
        return State.SAME

    def _was_moved(self, chain: Chain, gen: Generation, now: float, wall: float) -> bool:
        """Tell whether a file of which nothing was read yet had content that was moved away unseen."""
        mtime_ns = self._reader.signature(gen).mtime_ns
        if gen.mtime_ns in (0, mtime_ns) or gen.is_muted or gen.is_link or gen not in chain.queue:
            return False
        if self._walked is None and now >= self._walk_from:
            self._walk(now, wall)
            return True
        found = self._succession.unseen(chain, gen)
        gen.mtime_ns = mtime_ns
        return found
