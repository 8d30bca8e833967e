"""Opening a stream: room, the first block, drain, and an end that is one."""

import asyncio
from types import SimpleNamespace

import pytest

from bridge import app
from bridge.gateway.connection import HIGH_WATER, SLICE
from tests.gateway.fakes import Ending
from tests.support import PLAIN, Client, Served, numbers, running, until

DRAINING = "server: {listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: DRAIN}\n"


async def refused(served: Served, path: str = "/p") -> Client:
    """Ask for a stream and see it refused as the contract has it: 200, `retry`, and the end."""
    client = await served.open(path)
    await client.rest()
    assert client.status == 200
    assert client.headers["content-type"] == "text/event-stream"
    assert client.headers["connection"] == "close"
    [block] = client.blocks
    assert block.names == ["retry"]
    assert 3000 <= int(block.get("retry") or "") <= 3750
    return client


async def test_streams_above_the_limit_are_asked_to_come_back():
    """Those that are open stay; a place that comes free is taken."""
    async with running(PLAIN + "limits: {subscribers: 3}\n") as served:
        clients = [await served.open() for _ in range(3)]
        await refused(served)
        served.publish("one")
        for client in clients:
            assert (await client.event()).data == "one"
        assert served.bridge.streams.refused == {"subscribers": 1}
        clients[0].reset()
        await until(lambda: len(served.bridge.streams) == 2)
        assert (await served.open()).blocks


async def test_streams_a_second_are_limited(monkeypatch):
    """The next second lets the next ones in; those refused do not count."""
    now = [1_800_000_000.0]
    monkeypatch.setattr(app, "time", SimpleNamespace(time=lambda: now[0]))
    async with running(PLAIN + "limits: {connects: 2/s}\n") as served:
        for _ in range(2):
            await served.open()
        await refused(served)
        await refused(served)
        now[0] += 1
        await served.open()
        assert len(served.bridge.streams) == 3


async def test_c17_streams_of_one_peer_are_limited():
    """All come from one address here."""
    async with running(PLAIN + "limits: {per_peer: 2}\n") as served:
        first = await served.open()
        await served.open()
        await refused(served)
        first.reset()
        await until(lambda: len(served.bridge.streams) == 1)
        await served.open()
        assert len(served.bridge.streams) == 2


async def test_channels_without_room_are_refused_and_those_in_use_stay():
    """A stream for a channel too many is asked to come back."""
    text = 'sources: {p: {kind: push, subject: "{room}"}}\nroutes: {"/room/{room}": {from: p}}\nlimits: {channels: 2}\n'
    async with running(text) as served:
        clients = [await served.open(f"/room/{room}") for room in "ab"]
        await refused(served, "/room/c")
        served.publish("one", source="p", room="a")
        assert (await clients[0].event()).data == "one"
        clients[1].reset()
        await until(lambda: len(served.bridge.streams) == 1)
        assert (await served.open("/room/c")).blocks


@pytest.mark.parametrize("query", ["since=yesterday", "last=-1", "last=ten"])
async def test_a_question_that_cannot_be_read_is_400_in_words(query):
    """No retry makes it better."""
    async with running() as served:
        client = await served.connect()
        await client.ask(f"/p?{query}")
        await client.until(lambda: b"expected" in client.body)
        assert client.status == 400
        assert len(served.bridge.streams) == 0


async def test_a_timer_greets_a_newcomer_with_its_present_value_alone():
    """On a route without `start`; who resumes gets what it missed instead, and is not greeted."""
    text = (
        'sources: {tick: {kind: timer, every: 1h, payload: "{n}"}}\n'
        "routes: {/t: {from: tick}, /live: {from: tick, start: live}}\n"
    )
    async with running(text) as served:
        await until(lambda: served.bridge.intakes["tick"].inlet.messages)
        client = await served.open("/t")
        assert (await client.event()).data == "0"
        assert client.events[0].id == client.last_event_id
        again = await served.open("/t", id=client.last_event_id)
        live = await served.open("/live")
        served.publish("next", source="tick")
        for each in (client, again, live):
            assert await each.until(lambda each=each: each.data and each.data[-1] == "next")
        assert (client.data, again.data, live.data) == (["0", "next"], ["next"], ["next"])
        assert served.subscriber(client).delivered == 2


async def test_what_greets_may_be_of_any_size():
    """The first block is written in slices, like any other."""
    large = 60_000 * "x"
    text = f"sources: {{tick: {{kind: timer, every: 1h, payload: {large}}}}}\nroutes: {{/t: {{from: tick}}}}\n"
    async with running(text) as served:
        await until(lambda: served.bridge.intakes["tick"].inlet.messages)
        client = await served.connect(receive=4096)
        await client.ask("/t")
        await until(lambda: served.bridge.pump.subscribers)
        connection = served.subscriber(client).connection
        assert connection.transport.get_write_buffer_size() <= HIGH_WATER + SLICE
        assert (await client.event()).data == large
        served.publish("next", source="tick")
        assert (await client.event()).data == "next"


async def test_drain_tells_every_stream_and_ends_it_whole():
    """`bridge.bye` with `retry`, the end of the body, a close; then the listener closes."""
    async with running(DRAINING.replace("DRAIN", "2s") + PLAIN) as served:
        clients = [await served.open(version=version) for version in 5 * ("1.0", "1.1")]
        ids = served.publish("one", "two")
        served.stop.set()
        retries = set()
        for client in clients:
            await client.rest()
            assert client.data == ["one", "two"]
            bye = client.blocks[-1]
            assert bye.names == ["retry", "event", "data"]
            assert bye.event == "bridge.bye"
            wanted = {"reason": "drain", "reconnect_in": int(bye.get("retry") or ""), "delivered": 2, "missed": 0}
            assert bye.told == wanted
            retries.add(bye.get("retry"))
            assert client.last_event_id == ids[-1]
            assert not client.is_cut
            assert not client.is_reset
        assert len(retries) > 1
        async with asyncio.timeout(10):
            await served.stopped.wait()


async def test_drain_is_staggered():
    """Streams are told one after another, so that they do not return together."""
    async with running(DRAINING.replace("DRAIN", "0s") + PLAIN) as served:
        clients = [await served.open() for _ in range(5)]
        told = []
        bye = served.bridge.pump.bye
        loop = asyncio.get_running_loop()
        served.bridge.pump.bye = lambda s, reason: (told.append(loop.time()), bye(s, reason))
        begun = loop.time()
        await served.bridge.streams.drain(0.5)
        for n, at in enumerate(told):
            assert at - begun >= 0.5 * 0.7 * n / 5 - 0.01
        for client in clients:
            await client.rest()
            assert client.blocks[-1].event == "bridge.bye"


async def test_drain_does_not_wait_for_those_who_have_left():
    """Its time would last for an hour; the only ones that it waits for are gone."""
    async with running() as served:
        clients = [await served.open() for _ in range(5)]
        draining = asyncio.create_task(served.bridge.streams.drain(3_600))
        await until(lambda: len(served.bridge.streams) == len(clients) - 1)
        for client in clients:
            client.reset()
        await asyncio.wait_for(draining, 20)


async def test_drain_cuts_no_frame_of_a_peer_that_lags():
    """The event that was begun is finished, and then comes the farewell."""
    async with running(DRAINING.replace("DRAIN", "0s") + PLAIN) as served:
        client = await served.connect(receive=4096)
        await client.ask("/p")
        await client.until(lambda: client.blocks)
        served.publish(900_000 * "x", "behind it")
        await until(lambda: served.subscriber(client).connection.is_paused)
        draining = asyncio.create_task(served.bridge.streams.drain(20))
        await client.rest()
        assert client.data[0] == 900_000 * "x"
        assert client.blocks[-1].event == "bridge.bye"
        assert client.blocks[-1].told["delivered"] == len(client.data) == 1
        assert client.is_whole
        await draining


async def test_drain_ends_in_time_though_a_peer_takes_nothing():
    """Its time is over, and what is left is cut off."""
    async with running(DRAINING.replace("DRAIN", "0s") + PLAIN) as served:
        client = await served.connect(receive=4096)
        await client.ask("/p")
        await client.until(lambda: client.blocks)
        served.publish(900_000 * "x")
        await until(lambda: served.subscriber(client).connection.is_paused)
        async with asyncio.timeout(10):
            await served.bridge.streams.drain(0.3)
        await served.empty()


async def test_a_stream_that_comes_during_the_drain_is_asked_to_come_back_and_the_listener_closes_last():
    """A closed port is a proxy's 502, which ends a tab: until the last stream has gone, it is open."""
    async with running(DRAINING.replace("DRAIN", "20s") + PLAIN) as served:
        port = served.port
        slow = await served.connect(receive=4096)
        await slow.ask("/p")
        await slow.until(lambda: slow.blocks)
        served.publish(900_000 * "x")
        served.stop.set()
        await until(lambda: served.bridge.streams.is_draining)
        await refused(served)
        await slow.rest()
        assert slow.blocks[-1].event == "bridge.bye"
        await served.stopped.wait()
        with pytest.raises(ConnectionError):
            await Client.to(port)


async def test_the_last_id_of_an_ended_source_is_204():
    """Who saw all is told never to come back; others get what they missed, and the end."""
    over = asyncio.Event()
    async with running(PLAIN, {"p": Ending(over=over)}) as served:
        client = await served.open()
        ids = served.publish("one", "two")
        await client.event()
        over.set()
        await client.rest()
        assert client.is_whole
        assert not client.controls
        again = await served.open(id=ids[0])
        await again.rest()
        assert again.data == ["two"]
        last = await served.connect()
        await last.ask("/p", headers=f"Last-Event-ID: {ids[1]}\r\n")
        await last.until(lambda: last.status)
        assert last.status == 204


async def test_an_ended_source_that_said_nothing_ends_its_streams_for_good():
    """The first block's id is the last there will ever be, though its channel has been forgotten."""
    over = asyncio.Event()
    over.set()
    async with running(PLAIN, {"p": Ending(over=over)}) as served:
        await until(lambda: not served.bridge.bus.routes[0].running)
        client = await served.open()
        await client.rest()
        assert client.status == 200
        await served.empty()
        again = await served.connect()
        await again.ask("/p", headers=f"Last-Event-ID: {client.last_event_id}\r\n")
        await again.until(lambda: again.status)
        assert again.status == 204


async def test_a_run_of_each_visitor_ends_by_itself_and_resumes_anywhere():
    """Ids of a run are good in any process; each visitor has a run of its own."""
    text = 'sources: {ten: {kind: timer, every: 10ms, count: 5, payload: "{n}"}}\nroutes: {/ten: {from: ten}}\n'
    async with running(text) as served:
        first, second = await served.open("/ten"), await served.open("/ten")
        await first.rest()
        await second.rest()
        assert numbers(first.data) == numbers(second.data) == list(range(5))
        ids = [block.id for block in first.events]
        assert ids == [f"run-{n}" for n in range(5)]
    async with running(text) as served:
        again = await served.open("/ten", id="run-2")
        await again.rest()
        assert again.data == ["3", "4"]
        assert not again.controls


async def test_a_run_that_is_left_ends_with_its_stream():
    """No task is left of it."""
    text = 'sources: {ten: {kind: timer, every: 1h, count: 5, payload: "{n}"}}\nroutes: {/ten: {from: ten}}\n'
    async with running(text) as served:
        client = await served.open("/ten")
        await client.event()
        assert served.bridge.streams._tasks
        client.reset()
        await served.empty()
        assert not served.bridge.streams._tasks


async def test_a_drain_ends_a_run_with_a_farewell():
    """Between two events of the run."""
    text = 'sources: {ten: {kind: timer, every: 1h, count: 5, payload: "{n}"}}\nroutes: {/ten: {from: ten}}\n'
    async with running(text) as served:
        client = await served.open("/ten")
        await client.event()
        await served.bridge.streams.drain(5)
        await client.rest()
        assert client.blocks[-1].told["reason"] == "drain"
        assert client.blocks[-1].told["delivered"] == 1
        assert client.last_event_id == "run-0"


async def test_streams_of_a_source_are_counted():
    """Each route's streams count for each of its sources."""
    text = "sources: {p: {kind: push}, q: {kind: push}}\nroutes: {/p: {from: p}, /both: {from: [p, q]}}\n"
    async with running(text) as served:
        clients = [await served.open(path) for path in ("/p", "/both", "/both")]
        counts = served.bridge.streams.of_source
        assert (counts("p"), counts("q")) == (3, 2)
        clients[1].reset()
        await until(lambda: len(served.bridge.streams) == 2)
        assert (counts("p"), counts("q")) == (2, 1)


async def test_a_newcomer_is_told_which_sources_are_down():
    """In its first block, and again when one comes back; a route that does not notify says nothing."""
    text = "sources: {p: {kind: push}, q: {kind: push}}\nroutes: {/p: {from: [p, q], notify: source}, /q: {from: q}}\n"
    async with running(text) as served:
        early, quiet = await served.open("/p"), await served.open("/q")
        served.bridge.intakes["q"].inlet.down("no broker")
        told = (await early.control("source")).told
        assert (told["source"], told["state"], told["error"]) == ("q", "down", "no broker")
        assert told["since"] > 0
        late = await served.open("/p")
        await late.until(lambda: late.last_event_id)
        assert [block.told["state"] for block in late.controls] == ["down"]
        served.bridge.intakes["q"].inlet.up()
        for client in (early, late):
            await client.until(lambda client=client: len(client.controls) == 2)
            assert client.controls[1].told["state"] == "up"
            assert client.controls[1].id is None
        newest = await served.open("/p")
        served.publish("end", source="q")
        for client in (newest, quiet):
            assert (await client.event()).data == "end"
            assert not client.controls
