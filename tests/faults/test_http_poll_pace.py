"""Faults of polling that have to do with time (H02, H30, H31), and the promise of who is asked at all."""

import asyncio
import time

from bridge.sources.http import polite
from tests.http_server import Drip, Each, Reply, Request, Wire
from tests.polled import polled, text
from tests.support import until


class Counter:
    """Answers with the number of the request, from 1."""

    def __init__(self) -> None:
        self.count = 0
        self.times: list[float] = []
        self.reply = Each(self._next)

    def _next(self, _: Request) -> Reply:
        self.count += 1
        self.times.append(time.monotonic())
        return text(str(self.count))


class Slow:
    """Answers when a test says so, and counts how many wait at a time."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.now = 0
        self.most = 0

    async def __call__(self, request: Request, wire: Wire) -> None:
        """Play it."""
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.may.wait()
            await wire.send(text("late"))
        finally:
            self.now -= 1


async def drip(_: Request, wire: Wire) -> None:
    """Send a head at once, and of a body a byte now and then."""
    await wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10000\r\n\r\n")
    await wire.drip(b"x" * 10_000, 1, 0.01)


async def test_h02_a_server_that_drips_is_left_within_the_time_of_a_poll(monkeypatch):
    """Bytes keep coming, so no timeout of a single read would ever fire."""
    monkeypatch.setattr(polite, "FIRST_DELAY", 0.1)
    async with polled(drip, timeout="500ms") as made:
        client = await made.served.open()
        assert await made.down() == "HOST did not finish its answer within 500ms"
        await made.server.asked(2)
        made.server.play(text("a"))
        assert (await client.event()).data == "a"
        await made.up()


async def test_h02_a_head_that_drips_is_too():
    """Whatever it is that does not come to its end."""
    async with polled(Drip(text("a"), size=1, pause=0.05), timeout="300ms") as made:
        await made.served.open()
        assert await made.down() == "HOST did not answer within 300ms"
        assert made.shown["failures"] == 1


async def test_h30_polls_do_not_overlap():
    """A reply that is slower than the interval is waited for; nobody is asked meanwhile, nor twice after."""
    slow = Slow()
    async with polled(slow) as made:
        client = await made.served.open()
        await made.server.asked(1)
        await asyncio.sleep(0.5)  # five intervals
        assert made.requests == 1
        counter = Counter()
        made.server.play(counter.reply)
        slow.may.set()
        assert (await client.event()).data == "late"
        await made.server.asked(4)
        assert slow.most == 1
        assert min(b - a for a, b in zip(counter.times, counter.times[1:], strict=False)) > 0.05


async def test_h31_the_wall_clock_moves_no_poll(monkeypatch):
    """A day forward, a day back: the polls go on, and their events have the time that the clock shows."""
    counter = Counter()
    async with polled(counter.reply, route="/p") as made:
        client = await made.served.open()
        await client.event()
        real = time.time
        for offset in (86_400.0, -86_400.0):
            monkeypatch.setattr(time, "time", lambda offset=offset: real() + offset)
            count = counter.count
            await until(lambda count=count: counter.count >= count + 4)
        assert max(b - a for a, b in zip(counter.times, counter.times[1:], strict=False)) < 10.0
        assert [block.data for block in client.events] == [str(n + 1) for n in range(len(client.events))]


async def test_without_a_listener_there_is_no_request():
    """None before the first one comes, and none after the last has gone."""
    counter = Counter()
    async with polled(counter.reply) as made:
        await asyncio.sleep(0.3)  # three intervals: there is nothing to wait for
        assert made.server.connections == 0
        client = await made.served.open()
        await client.event()
        client.reset()
        await until(lambda: made.shown["state"] == "idle")
        count = counter.count
        await asyncio.sleep(0.3)
        assert counter.count == count
        # Who comes back is greeted with what is known, and then told what has changed meanwhile.
        again = await made.served.open()
        assert [(await again.event()).data for _ in "ab"] == [str(count), str(count + 1)]


async def test_one_request_an_interval_however_many_listen():
    """Thirty streams cost the server what one does."""
    counter = Counter()
    async with polled(counter.reply, every="300ms") as made:
        clients = [await made.served.open() for _ in range(30)]
        assert [(await client.event()).data for client in clients[:1]] == ["1"]
        began = time.monotonic()
        first = counter.count
        for client in clients:
            await client.until(lambda client=client: "4" in client.data)
        elapsed = time.monotonic() - began
        assert counter.count - first <= elapsed / 0.27 + 2
        for client in clients:
            assert client.data == [str(n) for n in range(int(client.data[0]), int(client.data[-1]) + 1)]


async def test_who_comes_and_goes_all_the_time_does_not_hurry_the_polls():
    """Twenty visits within one interval are one request."""
    counter = Counter()
    async with polled(counter.reply, every="30s") as made:
        for _ in range(20):
            client = await made.served.open()
            assert (await client.event()).data == "1"
            client.reset()
            await until(lambda: made.shown["state"] == "idle")
        assert counter.count == 1


async def test_a_page_that_is_loaded_anew_finds_its_address_polled():
    """Within `linger` the polls just go on."""
    counter = Counter()
    async with polled(counter.reply, linger="20s") as made:
        client = await made.served.open()
        await client.event()
        client.reset()
        await made.served.empty()
        count = counter.count
        await made.server.asked(count + 3)
        assert made.shown["state"] == "up"


async def test_each_address_is_polled_once_for_all_who_ask_for_it():
    """And what nobody may ask for is not asked for."""
    async with polled(
        Each(lambda request: text(request.target)),
        route="/p/{x}",
        query="?x={x}&fixed=1",
        params={"x": {"in": ["EUR", "US D&x"]}},
    ) as made:
        euro = [await made.served.open("/p/EUR") for _ in range(3)]
        dollar = await made.served.open("/p/US%20D&x")
        assert {(await client.event()).data for client in euro} == {"/page?x=EUR&fixed=1"}
        assert (await dollar.event()).data == "/page?x=US%20D%26x&fixed=1"
        refused = await made.served.open("/p/GBP")
        assert refused.status == 404
        assert {request.target for request in made.server.requests} == {
            "/page?x=EUR&fixed=1",
            "/page?x=US%20D%26x&fixed=1",
        }
        assert "?" not in repr(made.place.detail())


async def test_one_address_too_many_is_told_to_come_back():
    """With a 200, so that a browser does; and with those that are polled all is well."""
    async with polled(text("a"), route="/p/{x}", query="?x={x}", params={"x": {"pattern": "[a-z]"}}, at_once=2) as made:
        first = await made.served.open("/p/a")
        await made.served.open("/p/b")
        third = await made.served.open("/p/c")
        assert third.status == 200
        await third.rest()
        assert b"retry:" in third.body
        assert third.events == []
        again = await made.served.open("/p/a")
        assert [(await client.event()).data for client in (first, again)] == ["a", "a"]


async def test_a_post_is_polled_with_its_body():
    """Each time the same."""
    async with polled(text("a"), method="POST", body={"query": "{ orders }"}) as made:
        await made.served.open()
        request = await made.server.asked(2)
        assert (request.method, bytes(request.body)) == ("POST", b'{"query":"{ orders }"}')
        assert request.header("content-type") == "application/json"


async def test_a_cron_line_polls_while_somebody_listens():
    """At once what is not known yet, then each second."""
    counter = Counter()
    async with polled(counter.reply, every=None, cron="* * * * * *") as made:
        assert made.requests == 0
        client = await made.served.open()
        assert [(await client.event()).data for _ in range(3)] == ["1", "2", "3"]
        assert counter.times[2] - counter.times[1] > 0.8
