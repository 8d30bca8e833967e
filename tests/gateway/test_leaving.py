"""Streams that end by their age, and what a drain tells of itself; the clock is the test's."""

import asyncio
import math
import random
from collections.abc import Iterator

import pytest

from bridge.gateway.leaving import Ages, Drained
from tests.gateway.fakes import Log, Logging
from tests.support import PLAIN, Client, Served, numbers, running, until

HOUR = 3_600.0


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def aged(served: Served, clock: Clock, uniform: Iterator[float] | None = None) -> Ages:
    """Let streams of a bridge grow an hour old; each draws exactly that, or what comes next."""
    ages = served.bridge.streams.ages
    ages._now = clock
    ages._uniform = lambda low, high: HOUR if uniform is None else low + next(uniform) * (high - low)
    ages.set(HOUR)
    return ages


async def told(client: Client) -> Client:
    """Read to the end of a stream that age has ended."""
    await client.rest()
    bye = client.blocks[-1]
    assert bye.event == "bridge.bye"
    assert bye.told["reason"] == "age"
    assert 3000 <= bye.told["reconnect_in"] == int(bye.get("retry") or "") <= 3750
    assert client.is_whole
    assert not client.is_cut
    return client


async def test_a_stream_ends_at_its_age_and_no_sooner() -> None:
    """`bridge.bye`, `retry` and a close; a younger one goes on."""
    clock = Clock()
    async with running() as served:
        ages = aged(served, clock)
        old = await served.open()
        clock.now += 1
        young = await served.open()
        clock.now += HOUR - 1.01
        ages.look()
        served.publish("before")
        assert (await old.event()).data == (await young.event()).data == "before"
        clock.now += 0.02
        ages.look()
        await told(old)
        served.publish("after")
        assert (await young.event()).data == "after"


async def test_ages_are_spread() -> None:
    """Those who came together leave one by one, over a fifth of the age."""
    clock, drawn = Clock(), iter([0.0, 0.25, 0.5, 0.75, 1.0])
    async with running() as served:
        ages = aged(served, clock, drawn)
        for _ in range(5):
            await served.open()
        left = []
        for minute in range(52, 70):
            clock.now = 1_000.0 + 60 * minute
            ages.look()
            await until(
                lambda: len(served.bridge.streams) == sum(s.due > clock.now for s in served.bridge.pump.subscribers)
            )
            left.append(len(served.bridge.streams))
        assert left == [5, 5, 4, 4, 4, 3, 3, 3, 2, 2, 2, 1, 1, 1, 0, 0, 0, 0]


async def test_the_jitter_is_a_tenth_to_either_side() -> None:
    """Whatever is drawn."""
    async with running() as served:
        ages = Ages(served.bridge.pump, lambda: 0.0, random.Random(7).uniform)
        assert ages.draw() == math.inf
        ages.set(HOUR)
        drawn = [ages.draw() for _ in range(1_000)]
        assert min(drawn) >= 0.9 * HOUR
        assert max(drawn) <= 1.1 * HOUR
        assert max(drawn) - min(drawn) > 0.19 * HOUR
        assert len(set(drawn)) > 990


async def test_another_age_holds_for_streams_that_are_open() -> None:
    """From the moment of the change on; none lets them be; the same one changes nothing."""
    clock = Clock()
    async with running() as served:
        ages = aged(served, clock)
        client = await served.open()
        [subscriber] = served.bridge.pump.subscribers
        due = subscriber.due
        clock.now += 10
        ages.set(HOUR)
        assert subscriber.due == due == 1_000 + HOUR
        ages.set(None)
        clock.now += 2 * HOUR
        ages.look()
        assert subscriber.due == math.inf
        ages._uniform = lambda low, _high: low
        ages.set(10)
        assert subscriber.due == clock.now + 9
        clock.now += 9
        ages.look()
        await told(client)


async def test_what_is_published_at_the_same_moment_is_had_by_the_resume() -> None:
    """The farewell stands before it, and the id that was seen last is the one before."""
    clock = Clock()
    async with running() as served:
        ages = aged(served, clock)
        client = await served.open()
        served.publish("0")
        await client.event()
        clock.now += HOUR
        served.publish("1", "2")
        ages.look()
        await told(client)
        again = await served.open(id=client.last_event_id)
        await again.until(lambda: len(client.data) + len(again.data) == 3)
        assert numbers(client.data + again.data) == [0, 1, 2]
        assert not again.gaps


async def test_a_backlog_is_not_cut() -> None:
    """It is waited for, and the stream ends once it has joined the live events."""
    clock, log = Clock(), Log()
    log.write(*map(str, range(50)), is_live=False)
    async with running(
        "sources: {p: {kind: push}}\nroutes: {/p: {from: p, start: earliest}}\n", {"p": Logging(log=log)}
    ) as served:
        ages = aged(served, clock)
        await until(lambda: log.outlet)
        log.flows.clear()
        client = await served.open()
        await until(lambda: log.readers)
        clock.now += HOUR
        ages.look()
        await turn()
        assert not served.subscriber(client).connection.is_closing
        log.flows.set()
        await client.until(lambda: len(client.data) == 50)
        await until(lambda: served.subscriber(client).audience)
        ages.look()
        await told(client)
        assert numbers(client.data) == list(range(50))


@pytest.mark.parametrize("keys", ["", ", start: earliest"], ids=["greeting", "replay"])
async def test_what_a_newcomer_is_given_is_not_cut(keys: str) -> None:
    """A slow reader of something large would begin anew each time, and never come to its end."""
    clock, large = Clock(), 60_000 * "x"
    text = f"sources: {{tick: {{kind: timer, every: 1h, payload: {large}}}}}\nroutes: {{/t: {{from: tick{keys}}}}}\n"
    async with running(text) as served:
        ages = aged(served, clock)
        await until(lambda: served.bridge.intakes["tick"].inlet.messages)
        client = await served.connect(receive=4096)
        await client.ask("/t")
        await until(lambda: served.bridge.pump.subscribers)
        clock.now += HOUR
        ages.look()
        assert not served.subscriber(client).connection.is_closing
        assert (await client.event()).data == large
        await until(lambda: served.subscriber(client).audience)
        ages.look()
        await told(client)
        assert client.last_event_id == client.events[0].id


async def test_a_run_of_a_visitor_ends_between_two_events() -> None:
    """A task writes it as long as it lasts; its ids are good anywhere."""
    clock = Clock()
    text = 'sources: {ten: {kind: timer, every: 10ms, count: 500, payload: "{n}"}}\nroutes: {/ten: {from: ten}}\n'
    async with running(text) as served:
        ages = aged(served, clock)
        client = await served.open("/ten")
        await client.event()
        clock.now += HOUR
        ages.look()
        await told(client)
        again = await served.open("/ten", id=client.last_event_id)
        await again.event()
        assert numbers(client.data + again.data[:1]) == list(range(len(client.data) + 1))


async def test_the_look_comes_by_itself() -> None:
    """Each second, whatever the age."""
    async with running("server: {listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: 0s, age: 1s}\n" + PLAIN) as served:
        await told(await served.open())


async def test_a_drain_tells_how_many_it_told_and_cut() -> None:
    """Who takes nothing is cut at its end; who has left before is not counted."""
    async with running() as served:
        assert await served.bridge.streams.drain(1) == Drained(0, 0)
    async with running() as served:
        quick = await served.open()
        slow = await served.connect(receive=4096)
        await slow.ask("/p")
        await slow.until(lambda: slow.blocks)
        served.publish(900_000 * "x")
        await quick.event()
        await until(lambda: served.subscriber(slow).connection.is_paused)
        assert await served.bridge.streams.drain(0.5) == Drained(2, 1)


async def turn() -> None:
    """Let every task that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)
