"""The running sources: a task each, started and stopped one by one."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Collection, Iterable
from pathlib import Path
from typing import Final

import structlog

from bridge.intake import Intake
from bridge.state import State
from bridge.supervisor import Health, supervise

log = structlog.get_logger()

#: Seconds for a source to let go when the configuration takes it away: the longest that one takes by itself is five,
#: for the last checkpoint on a disk that hangs.
STOP: Final = 10.0


class Runs:
    """The tasks of the sources."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._state = State(None)

    @contextlib.asynccontextmanager
    async def of(self, intakes: Iterable[Intake], state: State) -> AsyncIterator[None]:
        """Keep the sources running, and those that come meanwhile, for as long as the block lasts."""
        self._state = state
        for intake in intakes:
            self._health.add(intake.place.name)
            intake.place.state = state.folder(intake.place.name)
            self.start(intake)
        try:
            yield
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def folder(self, name: str) -> Path | None:
        """Return where a source keeps its checkpoints, made; raises `OSError`, and touches the disk."""
        return self._state.folder(name)

    def start(self, intake: Intake) -> None:
        """Run a source that does not run."""
        running = supervise(intake.spec.source, intake.inlet, intake.place, self._health, random.uniform)
        self._tasks[intake.place.name] = asyncio.create_task(running, name=f"source {intake.place.name}")

    async def stop(self, names: Collection[str]) -> None:
        """End these sources' tasks; on return nothing of them is emitted any more."""
        tasks = [self._tasks[name] for name in names if name in self._tasks]
        for task in tasks:
            task.cancel()
        if not tasks:
            return
        _, pending = await asyncio.wait(tasks, timeout=STOP)
        for task in pending:
            log.error("source does not end", task=task.get_name(), within=STOP)
        for name in names:
            self._tasks.pop(name, None)
