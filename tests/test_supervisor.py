"""Sources that fail, come back, and end; time is the loop's, and waits are looked at instead of waited for."""

import asyncio
from collections.abc import Callable, Sequence
from typing import ClassVar

import pytest
import structlog

from bridge import supervisor
from bridge.errors import SourceError
from bridge.event import Loss, Message
from bridge.sources.base import Outlet, Place, Source
from bridge.supervisor import FIRST_DELAY, LONGEST_DELAY, STABLE_AFTER, TRANSITIONS, Health, Status, supervise


class Quiet:
    """An outlet that only notes up and down."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def emit(self, messages: Sequence[Message]) -> Sequence[str]:
        """Drop them."""
        return []

    def lose(self, loss: Loss) -> None:
        """Forget it."""

    def up(self) -> None:
        """Note it."""
        self._health.tell("s", "up")

    def down(self, reason: str) -> None:
        """Note it."""
        self._health.tell("s", "down", reason)

    def subscribers(self) -> int:
        """Nobody listens."""
        return 0


class Scripted(Source):
    """Does one thing a run: raises it, calls it, or ends on None."""

    script: ClassVar[list[BaseException | Callable[[Outlet], None] | None]] = []

    async def run(self, outlet: Outlet, place: Place) -> None:
        """Do the next thing."""
        outlet.up()
        step = self.script.pop(0)
        if isinstance(step, BaseException):
            raise step
        if step is not None:
            step(outlet)
            raise SourceError("scripted")


class Clock:
    """The loop's time, which a source can let pass, and the sleeps that the supervisor asks for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passed = 0.0
        self.sleeps: list[float] = []
        self.drawn: list[tuple[float, float]] = []
        monkeypatch.setattr(supervisor.asyncio, "get_running_loop", lambda: self)
        monkeypatch.setattr(supervisor.asyncio, "sleep", self.sleep)

    def time(self) -> float:
        """Tell the time."""
        return self.passed

    async def sleep(self, delay: float) -> None:
        """Note it, and let it pass."""
        self.sleeps.append(delay)
        self.passed += delay

    def pass_by(self, delay: float) -> Callable[[Outlet], None]:
        """Make a step of a script that takes its time."""

        def step(_: Outlet) -> None:
            self.passed += delay

        return step


class Table(Health):
    """Health that remembers what it was told to announce."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, str | None]] = []
        super().__init__(lambda: 5.0, lambda _, status: self.changes.append((status.state, status.error)))
        self.add("s")


@pytest.fixture
def clock(monkeypatch):
    """Take the waiting out."""
    return Clock(monkeypatch)


async def supervised(
    health: Health, *script: BaseException | Callable[[Outlet], None] | None, drawn: float = 0.0
) -> None:
    """Run a source through its script; `drawn` is where in its range each jitter falls, from 0 to 1."""
    Scripted.script[:] = script

    def uniform(low: float, high: float) -> float:
        assert low == 0
        return low + (high - low) * drawn

    await supervise(Scripted(), Quiet(health), Place(name="s"), health, uniform)


# -- the table of states


@pytest.mark.parametrize("fact", ["up", "down", "ended"])
@pytest.mark.parametrize("state", ["starting", "up", "down", "ended"])
def test_a_fact_changes_a_state_as_the_table_says(state, fact):
    """What is not in it changes nothing, and is not told again; the first `up` is no news, another reason is."""
    health = Table()
    health.sources["s"] = Status(state, 1.0, "before")
    health.tell("s", fact, "why" if fact == "down" else None)
    expected = TRANSITIONS.get((state, fact))
    if (state, fact) == ("down", "down"):
        assert health.sources["s"] == Status("down", 1.0, "why")
        assert health.changes == [("down", "why")]
        return
    if expected is None:
        assert health.sources["s"] == Status(state, 1.0, "before")
        assert health.changes == []
        return
    error = "why" if fact == "down" else None
    assert health.sources["s"] == Status(expected, 5.0, error)
    assert health.changes == ([] if (state, fact) == ("starting", "up") else [(expected, error)])


def test_nothing_comes_after_the_end():
    """An ended source stays so."""
    assert not any(state == "ended" for state, _ in TRANSITIONS)


def test_sources_that_are_not_up_are_said_in_words():
    """One a line, of those that are asked for; one that has ended has done its work."""
    health = Table()
    for name in ("new", "good", "bad", "mute", "over", "other"):
        health.sources[name] = Status()
    health.tell("good", "up")
    health.tell("bad", "down", "connection refused")
    health.tell("mute", "down")
    health.tell("over", "ended")
    assert health.hindrance(["new", "good", "bad", "mute", "over"]) == (
        "source new is not up yet\nsource bad is down: connection refused\nsource mute is down: it does not say why"
    )
    assert health.hindrance(["good", "over"]) is None
    assert health.hindrance(["not entered"]) == "source not entered is not up yet"


def test_changes_are_logged_once():
    """By name, with the reason."""
    health = Table()
    with structlog.testing.capture_logs() as logs:
        for fact in ("up", "up", "down", "down", "up", "ended", "ended"):
            health.tell("s", fact, "why" if fact == "down" else None)
    assert [(line["event"], line["log_level"], line["source"]) for line in logs] == [
        *(("source is up", "info", "s"), ("source is down", "warning", "s")),
        *(("source is up", "info", "s"), ("source has ended", "info", "s")),
    ]
    assert logs[1]["reason"] == "why"


# -- keeping a source running


async def test_a_source_that_returns_has_ended(clock):
    """It is not started again."""
    health = Table()
    await supervised(health, None)
    assert health.changes == [("ended", None)]
    assert clock.sleeps == []


async def test_a_source_that_fails_is_started_again(clock):
    """It is down in between, with the reason in its own words."""
    health = Table()
    await supervised(health, SourceError("the broker is gone"), None)
    assert health.changes == [("down", "the broker is gone"), ("up", None), ("ended", None)]
    assert len(clock.sleeps) == 1


async def test_a_crash_is_caught_logged_and_kept_inside(clock):
    """The class of the error is told to subscribers, not what it says; the log has it all."""
    health = Table()
    with structlog.testing.capture_logs() as logs:
        await supervised(health, ValueError("secret"), ExceptionGroup("both", [KeyError("secret")]), None)
    assert [error for state, error in health.changes if state == "down"] == [
        "internal error: ValueError",
        "internal error: ExceptionGroup",
    ]
    crashes = [line for line in logs if line["event"] == "source crashed"]
    assert [(line["source"], line["log_level"]) for line in crashes] == [("s", "error"), ("s", "error")]
    assert all("secret" not in str(line.get("reason")) for line in logs)
    assert len(clock.sleeps) == 2


@pytest.mark.parametrize("drawn", [0.0, 0.5, 1.0])
async def test_waits_double_up_to_the_longest_with_jitter(clock, drawn):
    """Half is fixed, half is drawn."""
    await supervised(Table(), *[SourceError("x")] * 10, None, drawn=drawn)
    delays = [min(FIRST_DELAY * 2**number, LONGEST_DELAY) for number in range(10)]
    assert clock.sleeps == [delay / 2 + delay / 2 * drawn for delay in delays]


async def test_a_long_run_forgets_the_failures_before_it(clock):
    """A run just as long as the bound does not."""
    fail = SourceError("x")
    await supervised(Table(), fail, fail, clock.pass_by(STABLE_AFTER), clock.pass_by(STABLE_AFTER + 1), fail, None)
    halves = [FIRST_DELAY * factor / 2 for factor in (1, 2, 4, 1, 2)]
    assert clock.sleeps == halves


async def test_a_cancelled_source_is_not_started_again():
    """Shutdown cancels it, wherever it waits."""

    class Waiting(Source):
        """Waits for ever."""

        async def run(self, outlet: Outlet, place: Place) -> None:
            """Say that it runs."""
            outlet.up()
            running.set()
            await asyncio.Event().wait()

    running = asyncio.Event()
    health = Table()
    task = asyncio.create_task(supervise(Waiting(), Quiet(health), Place(name="s"), health, lambda low, _: low))
    async with asyncio.timeout(20):
        await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert health.sources["s"].state == "up"


async def test_a_source_that_fails_while_it_is_cancelled_is_not_started_again():
    """The end of the process waits for it, so a failure within a task group must not swallow its cancellation."""
    begun = asyncio.Event()

    class Failing(Source):
        async def run(self, outlet: Outlet, place: Place) -> None:
            """Fail at the end, as a task group does whose task fails at the same moment."""
            try:
                begun.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                raise SourceError("failed at the end") from error

    health = Health(lambda: 0.0, lambda *_: None)
    health.add("s")
    task = asyncio.create_task(supervise(Failing(), Quiet(health), Place(name="s"), health, lambda *_: 0.0))
    await begun.wait()
    task.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert health.sources["s"].state == "starting"


@pytest.mark.parametrize(("said", "told"), [("scripted", []), ("unplugged", [("down", "scripted")])])
async def test_one_that_fails_while_down_tells_only_a_new_reason(clock, said, told):
    """It said itself that it is down; the same words again are no news."""
    health = Table()
    await supervised(health, lambda outlet: outlet.down(said), None)
    assert health.changes == [("down", said), *told, ("up", None), ("ended", None)]
    assert len(clock.sleeps) == 1
