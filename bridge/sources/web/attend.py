"""One task for each address that is listened to, and for a while after.

    state       what it is                                  goes on as
    absent      nobody listens, nothing runs                running: somebody listens
    running     somebody listens, a task runs               lingering: the last listener left; done: the task returned
    lingering   nobody listens, the task runs on            running: somebody is back; ending: its time is over, or its
                                                            place is needed; absent: the task returned
    done        somebody listens, the task has returned     absent: nobody listens any more
    ending      its task was cancelled and is not over yet  absent: it is over

A task that raises ends them all. One that returned is not started again before its listeners have left.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Final

from bridge.demand import Asked, Demand

Start = Callable[[Mapping[str, str]], Coroutine[object, object, None]]

#: Characters of a task's name that its address takes.
MAX_NAME: Final = 64


class Attendance:
    """The tasks of one source, by address."""

    def __init__(self, demand: Demand, start: Start, *, linger: float, at_once: int) -> None:
        self._demand = demand
        self._start = start
        self._linger = linger
        self._at_once = at_once
        #: Running and lingering; which of them linger until when, oldest first; ending; done.
        self._tasks: dict[Asked, asyncio.Task[None]] = {}
        self._until: dict[Asked, float] = {}
        self._ending: dict[Asked, asyncio.Task[None]] = {}
        self._done: set[Asked] = set()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Start and end the tasks, until cancelled; raises what one of them raised."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch(), name="demand")
                while True:
                    self._settle(tasks, asyncio.get_running_loop().time())
                    await self._sleep()
        except BaseExceptionGroup as failed:
            # One is enough to say what happened; the others were cancelled for it.
            raise failed.exceptions[0] from None

    async def _watch(self) -> None:
        while True:
            await self._demand.changed()
            self._wake.set()

    async def _sleep(self) -> None:
        """Wait for a change, for a task's end, or for the first that has lingered enough."""
        first = min(self._until.values(), default=None)
        try:
            async with asyncio.timeout_at(first):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    def _settle(self, tasks: asyncio.TaskGroup, now: float) -> None:
        """Make of each address what the table says. Nothing awaits here."""
        wanted = self._demand.wanted
        self._done.intersection_update(wanted)
        for asked in self._tasks:
            if asked in wanted:
                self._until.pop(asked, None)
            else:
                self._until.setdefault(asked, now + self._linger)
        for asked in [asked for asked, until in self._until.items() if until <= now]:
            self._end(asked)
        for asked in wanted:
            if asked not in self._tasks and asked not in self._ending and asked not in self._done:
                self._begin(asked, tasks)

    def _begin(self, asked: Asked, tasks: asyncio.TaskGroup) -> None:
        while len(self._tasks) >= self._at_once and self._until:
            self._end(next(iter(self._until)))
        named = ",".join(value for _, value in asked)[:MAX_NAME]
        task = tasks.create_task(self._start(dict(asked)), name=f"attend {named}".strip())
        self._tasks[asked] = task
        task.add_done_callback(lambda _: self._over(asked))

    def _end(self, asked: Asked) -> None:
        del self._until[asked]
        task = self._ending[asked] = self._tasks.pop(asked)
        task.cancel()

    def _over(self, asked: Asked) -> None:
        """Note that a task is over."""
        if self._ending.pop(asked, None) is None:
            self._tasks.pop(asked, None)
            self._until.pop(asked, None)
            self._done.add(asked)
        self._wake.set()
