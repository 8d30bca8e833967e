"""The one drain, with a clock that a test holds."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bridge.gateway.leaving import Drained
from bridge.lifecycle import END, Lifecycle, Times


class Held:
    """A lifecycle whose prestop and drain go on when the test says so."""

    def __init__(self, prestop: float = 5.0, drain: float = 10.0) -> None:
        self.slept: list[float] = []
        self.drained: list[float] = []
        self.wakes = asyncio.Event()
        self.gone = asyncio.Event()
        self.lifecycle = Lifecycle(lambda: Times(prestop, drain), self._empty, self._pause)

    async def _pause(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self.wakes.wait()

    async def _empty(self, seconds: float) -> Drained:
        self.drained.append(seconds)
        await self.gone.wait()
        return Drained(3, 1)


async def turn() -> None:
    """Let every task that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    """Make one that serves."""
    made = Held()
    async with made.lifecycle:
        made.lifecycle.serve()
        yield made


async def test_it_is_ready_from_the_listeners_to_the_drain(held: Held) -> None:
    """And started from then on, whatever comes."""
    fresh = Lifecycle(lambda: Times(0, 0), held._empty)
    assert (fresh.hindrance, fresh.is_started) == ("starting", False)
    assert (held.lifecycle.hindrance, held.lifecycle.is_started) == (None, True)


async def test_x07_prestop_comes_before_the_drain_and_is_not_ready(held: Held) -> None:
    """Not ready at once, before anything is told; then the streams; then waiting for the end."""
    stopping = asyncio.create_task(held.lifecycle.stop())
    await asyncio.sleep(0)
    assert held.lifecycle.state == "prestop"
    assert held.lifecycle.hindrance == "draining: new streams are still taken until load balancers have noticed"
    await turn()
    assert (held.slept, held.drained) == ([5.0], [])
    held.wakes.set()
    await turn()
    assert (held.lifecycle.state, held.drained) == ("draining", [10.0])
    held.gone.set()
    await stopping
    assert held.lifecycle.hindrance == "drained: waiting to be ended"
    assert held.lifecycle.is_started


async def test_a_drain_is_not_repeated(held: Held) -> None:
    """Whoever asks for it meanwhile, or later, is told of the same one."""
    held.wakes.set()
    asked = [asyncio.create_task(held.lifecycle.drain()) for _ in range(3)]
    await turn()
    held.gone.set()
    assert await asyncio.gather(*asked) == [Drained(3, 1)] * 3
    await held.lifecycle.stop()
    assert (held.slept, held.drained) == ([5.0], [10.0])


async def test_a_drain_goes_on_when_whoever_asked_has_left(held: Held) -> None:
    """A hook that is killed, or waits no longer."""
    asked = asyncio.create_task(held.lifecycle.drain())
    await turn()
    asked.cancel()
    held.wakes.set()
    await turn()
    held.gone.set()
    assert await held.lifecycle.drain() == Drained(3, 1)


async def test_x07_a_stop_during_the_start_waits_for_no_prestop() -> None:
    """No load balancer knows of who was never ready."""
    held = Held()
    async with held.lifecycle:
        stopping = asyncio.create_task(held.lifecycle.stop())
        await turn()
        assert held.lifecycle.state == "draining"
        held.lifecycle.serve()
        assert held.lifecycle.state == "draining"
        held.gone.set()
        await stopping
        assert not held.slept


async def test_the_end_has_its_time_from_the_stop_on(held: Held) -> None:
    """A drain of long ago, by a hook, leaves it whole."""
    held.wakes.set()
    held.gone.set()
    await held.lifecycle.drain()
    assert held.lifecycle.grace == END
    await held.lifecycle.stop()
    assert 0 < held.lifecycle.grace <= END


async def test_who_is_cancelled_leaves_no_drain_behind() -> None:
    """As where a listener fails while it drains."""
    held = Held()
    async with held.lifecycle:
        asked = asyncio.create_task(held.lifecycle.drain())
        await turn()
        asked.cancel()
    assert [task for task in asyncio.all_tasks() if task.get_name() == "drain"] == []
