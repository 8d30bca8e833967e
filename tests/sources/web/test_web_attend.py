"""One task for each address that is listened to: when it begins, how long it goes on, and what ends it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import pytest

from bridge.demand import Demand
from bridge.errors import SourceError
from bridge.sources.web.attend import Attendance
from tests.support import until

#: Long enough that no test sees its end.
LONG = 1_000.0


class Stage:
    """A demand, an attendance, and tasks that say what they do."""

    def __init__(self, *, linger: float, at_once: int, places: int) -> None:
        self.demand = Demand(("n",), at_once=places)
        self.attendance = Attendance(self.demand, self.start, linger=linger, at_once=at_once)
        #: How often each has been started, which run, and which are being cancelled.
        self.starts: list[str] = []
        self.running: list[str] = []
        self.cancelled: list[str] = []
        #: What a task does in place of running until it is cancelled.
        self.returns: set[str] = set()
        self.raises: dict[str, BaseException] = {}
        #: Cleared, a cancelled task takes its time.
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.go = asyncio.Event()

    async def start(self, captures: Mapping[str, str]) -> None:
        """Run as the test wants it."""
        name = captures["n"]
        self.starts.append(name)
        self.running.append(name)
        try:
            while name not in self.returns and name not in self.raises:
                self.go.clear()
                await self.go.wait()
            if name in self.raises:
                raise self.raises[name]
        except asyncio.CancelledError:
            self.cancelled.append(name)
            await self.may_end.wait()
            raise
        finally:
            self.running.remove(name)

    def enter(self, *names: str) -> None:
        """Open a stream to each."""
        for name in names:
            self.demand.enter({"n": name})

    def leave(self, *names: str) -> None:
        """Close a stream to each."""
        for name in names:
            self.demand.leave({"n": name})

    async def runs(self, *names: str) -> None:
        """Wait until exactly these run."""
        await until(lambda: sorted(self.running) == sorted(names))

    async def lingers(self, *names: str) -> None:
        """Wait until exactly these run without listeners."""
        await until(lambda: sorted(asked[0][1] for asked in self.attendance._until) == sorted(names))


@contextlib.asynccontextmanager
async def attending(*, linger: float = LONG, at_once: int = 3, places: int = 100) -> AsyncIterator[Stage]:
    """Run an attendance, and see that its end ends all."""
    stage = Stage(linger=linger, at_once=at_once, places=places)
    task = asyncio.create_task(stage.attendance.run(), name="attendance")
    others = asyncio.all_tasks()
    try:
        yield stage
    finally:
        stage.may_end.set()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert not stage.running
        assert not asyncio.all_tasks() - others


async def test_nothing_runs_while_nobody_listens() -> None:
    """Not even once."""
    async with attending() as stage:
        await asyncio.sleep(0)
        assert not stage.starts


async def test_one_task_serves_all_who_listen_to_an_address() -> None:
    """It is started for the first, and goes on for the last."""
    async with attending(linger=0.0) as stage:
        stage.enter("a", "a", "b")
        await stage.runs("a", "b")
        stage.leave("a")
        stage.enter("c")
        await stage.runs("a", "b", "c")
        assert sorted(stage.starts) == ["a", "b", "c"]
        stage.leave("a")
        await stage.runs("b", "c")


async def test_a_task_lingers_and_is_there_for_who_comes_back() -> None:
    """Nothing is started again."""
    async with attending() as stage:
        stage.enter("a")
        await stage.runs("a")
        stage.leave("a")
        await stage.lingers("a")
        stage.enter("a")
        await stage.lingers()
        assert stage.starts == ["a"]
        assert not stage.cancelled


async def test_a_task_ends_when_it_has_lingered() -> None:
    """Those that are listened to go on."""
    async with attending(linger=0.01) as stage:
        stage.enter("a", "b")
        await stage.runs("a", "b")
        stage.leave("a")
        await stage.runs("b")
        assert stage.cancelled == ["a"]
        stage.enter("a")
        await stage.runs("a", "b")
        assert stage.starts.count("a") == 2


async def test_who_comes_back_begins_the_time_anew() -> None:
    """The time counts from when the last listener left."""
    async with attending() as stage:
        stage.enter("a", "b")
        await stage.runs("a", "b")
        stage.leave("a")
        await stage.lingers("a")
        stage.leave("b")
        await stage.lingers("a", "b")
        first = dict(stage.attendance._until)
        stage.enter("a")
        await stage.lingers("b")
        stage.leave("a")
        await until(lambda: len(stage.attendance._until) == 2)
        assert list(stage.attendance._until) == [(("n", "b"),), (("n", "a"),)]
        assert stage.attendance._until[("n", "a"),] > first[("n", "a"),]


async def test_the_oldest_that_lingers_makes_room() -> None:
    """And only as many as are needed."""
    async with attending(at_once=3) as stage:
        stage.enter("a", "b", "c")
        await stage.runs("a", "b", "c")
        stage.leave("b")
        await stage.lingers("b")
        stage.leave("a")
        await stage.lingers("b", "a")
        stage.enter("d")
        await stage.runs("a", "c", "d")
        assert stage.cancelled == ["b"]


async def test_who_comes_and_goes_before_it_is_seen_costs_nothing() -> None:
    """Demand is what is wanted now."""
    async with attending() as stage:
        stage.enter("a")
        stage.leave("a")
        stage.enter("b")
        await stage.runs("b")
        assert stage.starts == ["b"]


async def test_demand_that_flaps_starts_one_task() -> None:
    """Whatever it does meanwhile."""
    async with attending() as stage:
        for _ in range(50):
            stage.enter("a")
            await asyncio.sleep(0)
            stage.leave("a")
            await asyncio.sleep(0)
        stage.enter("a")
        await stage.runs("a")
        assert stage.starts == ["a"]


async def test_an_address_is_not_started_again_before_its_task_is_over() -> None:
    """One that takes its time to end keeps its address."""
    async with attending(linger=0.0) as stage:
        stage.may_end.clear()
        stage.enter("a")
        await stage.runs("a")
        stage.leave("a")
        await until(lambda: stage.cancelled == ["a"])
        stage.enter("a", "b")
        await stage.runs("a", "b")
        assert stage.starts == ["a", "b"]
        stage.may_end.set()
        await until(lambda: stage.starts == ["a", "b", "a"])
        await stage.runs("a", "b")


async def test_a_task_that_returns_is_not_started_again_while_it_is_wanted() -> None:
    """A break without listeners starts it again."""
    async with attending() as stage:
        stage.returns.add("a")
        stage.enter("a", "b")
        await stage.runs("b")
        stage.enter("a", "c")
        await stage.runs("b", "c")
        assert stage.starts.count("a") == 1
        stage.leave("a", "a")
        stage.enter("d")
        await stage.runs("b", "c", "d")
        stage.enter("a")
        await until(lambda: stage.starts.count("a") == 2)


async def test_a_task_that_returns_while_it_lingers_is_started_for_the_next_who_comes() -> None:
    """Nobody listened when it was over."""
    async with attending() as stage:
        stage.enter("a")
        await stage.runs("a")
        stage.leave("a")
        await stage.lingers("a")
        stage.returns.add("a")
        stage.go.set()
        await stage.runs()
        stage.returns.clear()
        stage.enter("a")
        await stage.runs("a")
        assert stage.starts == ["a", "a"]


@pytest.mark.parametrize("error", [SourceError("it is gone"), ZeroDivisionError("a bug")])
async def test_a_task_that_raises_ends_all(error: Exception) -> None:
    """Its error is raised as it is, not as one of a group."""
    stage = Stage(linger=LONG, at_once=10, places=10)
    stage.enter("a", "b")
    task = asyncio.create_task(stage.attendance.run())
    await stage.runs("a", "b")
    stage.raises["a"] = error
    stage.go.set()
    stage.leave("b")
    with pytest.raises(type(error)) as caught:
        await task
    assert caught.value is error
    assert not stage.running


async def test_listeners_of_before_are_served_at_once() -> None:
    """A source that is started again finds its streams open."""
    stage = Stage(linger=LONG, at_once=10, places=10)
    stage.enter("a")
    for _ in range(2):
        task = asyncio.create_task(stage.attendance.run())
        await stage.runs("a")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        stage.attendance = Attendance(stage.demand, stage.start, linger=LONG, at_once=10)


async def test_a_source_without_names_has_one_address() -> None:
    """It is `()`."""
    started = asyncio.Event()

    async def start(captures: Mapping[str, str]) -> None:
        assert captures == {}
        started.set()
        await asyncio.Event().wait()

    demand = Demand((), at_once=1)
    task = asyncio.create_task(Attendance(demand, start, linger=0.0, at_once=1).run())
    demand.enter({"other": "x"})
    await started.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
