"""The shell: connect, read, and connect again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.sources.base import Place
from bridge.sources.kafka import follow as module, session
from bridge.sources.kafka.follow import STAND, follow
from bridge.sources.kafka.metadata import Broker
from bridge.sources.kafka.trouble import ConflictError, LostError
from tests.fake_kafka import FakeConsumer, FakeLink, Outlet, plan
from tests.support import until


@pytest.fixture(autouse=True)
def cluster(consumer: FakeConsumer, link: FakeLink, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Connect to the cluster in memory; return what was done."""
    done: list[str] = []

    @contextlib.asynccontextmanager
    async def opened(*_: object) -> AsyncIterator[Any]:
        done.append("open")
        try:
            yield consumer
        finally:
            done.append("close")

    async def close() -> None:
        done.append("end")

    link.close = close  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "opened", opened)
    monkeypatch.setattr(module, "Link", lambda *_: link)
    monkeypatch.setattr(module, "FIRST_DELAY", 0.002)
    monkeypatch.setattr(module, "LONGEST_DELAY", 0.01)
    monkeypatch.setattr(session, "EVERY", 0.005)
    monkeypatch.setattr(session, "WAIT", 1)
    consumer.fill("orders", 0, range(3))
    link.make("orders")
    return done


@contextlib.asynccontextmanager
async def following(outlet: Outlet, place: Place, **changes: Any) -> AsyncIterator["asyncio.Task[None]"]:
    """Run it; at the end nothing is left."""
    task = asyncio.create_task(follow(plan(**changes), outlet, place))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_k03_it_connects_again_until_it_is_let_in(link: FakeLink, outlet: Outlet, cluster: list[str]) -> None:
    """Each attempt says why it failed, and leaves nothing open."""
    link.failure = LostError("kafka:9092 refuses connections")
    place = Place(name="k")
    async with following(outlet, place):
        await until(lambda: len(outlet.states) >= 3)
        assert place.log is None
        link.failure = None
        await until(lambda: len(outlet.messages) == 3 and outlet.states[-1] == "up")
    assert set(outlet.states[:-1]) == {"kafka:9092 refuses connections"}
    assert outlet.states[-1] == "up"
    assert cluster[-2:] == ["close", "end"]
    assert cluster.count("open") == cluster.count("close") == 1


async def test_k27_nowhere_to_fetch_from(link: FakeLink, outlet: Outlet, cluster: list[str]) -> None:
    """When no leader is where it says, nothing is opened."""

    async def prove(brokers: Any) -> dict[Broker, str]:
        return dict.fromkeys(brokers, "advertised listener: the name of kafka:9092 cannot be resolved")

    link.prove = prove  # type: ignore[method-assign]
    async with following(outlet, Place(name="k")):
        await until(lambda: outlet.states)
    assert outlet.states[0].startswith("advertised listener")
    assert "open" not in cluster


async def test_k02_after_a_loss_it_goes_on_where_it_was(link: FakeLink, consumer: FakeConsumer, outlet: Outlet) -> None:
    """Nothing twice, nothing left out."""
    async with following(outlet, Place(name="k")):
        await until(lambda: outlet.states == ["up"])
        link.failure = LostError("gone")
        await until(lambda: len(outlet.states) > 1)
        consumer.fill("orders", 0, range(3, 6))
        link.failure = None
        await until(lambda: len(outlet.messages) == 6)
    assert outlet.texts == [b"%d" % n for n in range(6)]


async def test_another_run_in_the_process_goes_on_where_the_last_one_was(
    consumer: FakeConsumer, outlet: Outlet
) -> None:
    """Also where `begin` says the end; and the log is there at once."""
    place = Place(name="k")
    async with following(outlet, place):
        await until(lambda: len(outlet.messages) == 3)
        assert place.log is not None
    place.log = None
    consumer.fill("orders", 0, range(3, 6))
    async with following(outlet, place, begin="latest"):
        await asyncio.sleep(0)
        assert place.log is not None
        await until(lambda: len(outlet.messages) == 6)
    assert place.log.start.weight == 0


async def test_what_is_kept_must_be_ours(outlet: Outlet) -> None:
    """A name in the file may change its kind; the process begins anew then."""
    with pytest.raises(TypeError):
        await follow(plan(), outlet, Place(name="k", kept={STAND: 1}))


async def test_k08_a_name_that_another_has_is_not_claimed_again_soon(
    link: FakeLink, outlet: Outlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two would take it from each other for ever."""
    monkeypatch.setattr(module, "CONFLICT", 1000.0)
    link.failure = ConflictError("another process")
    async with following(outlet, Place(name="k")):
        await until(lambda: outlet.states)
        for _ in range(20):
            await asyncio.sleep(0.002)
    assert outlet.states == ["another process"]
