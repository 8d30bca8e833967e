"""The pump: shared bytes for those at the head, a cursor of its own for whoever lags."""

import asyncio
import random
import socket
import struct
import tracemalloc

import pytest

from bridge import assemble
from bridge.gateway import connection as connections, pump
from bridge.gateway.connection import BATCH, HIGH_WATER, SLICE, Connection
from bridge.gateway.framing import Framing
from tests.support import PLAIN, Client, Proxy, Served, numbers, running, until

SMALL = "sources: {p: {kind: push}}\nroutes: {/p: {from: p, history: {events: 20, bytes: 1MiB}}}\n"
CLOSING = "sources: {p: {kind: push}}\nroutes: {/p: {from: p, slow: disconnect, history: {events: 20}}}\n"
BEATING = "sources: {p: {kind: push}}\nroutes: {/p: {from: p, heartbeat: HEARTBEAT}}\n"

#: Linux's SO_MEMINFO (uapi/asm-generic/socket.h), and where the bytes of the send queue stand in it.
SO_MEMINFO = 55
WMEM_QUEUED = 5


def queued(connection: Connection) -> int:
    """Return what the kernel holds for a connection's peer, its own overhead included."""
    sock: socket.socket = connection.transport.get_extra_info("socket")
    info = sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36)
    return struct.unpack("9I", info)[WMEM_QUEUED]


async def stalled(served: Served, path: str = "/p") -> Client:
    """Open a stream that nobody reads from now on."""
    client = await served.connect(receive=4096)
    await client.ask(path)
    await client.until(lambda: client.blocks)
    return client


async def test_all_at_the_head_get_the_same_bytes_in_one_write(monkeypatch):
    """A batch is joined once and framed once, whatever the number of peers."""
    async with running() as served:
        clients = [await served.open() for _ in range(20)]
        pieces = []
        plain = Framing.piece
        monkeypatch.setattr(Framing, "piece", lambda s, b: pieces.append(b) or plain(s, b))
        served.publish(*(str(n) for n in range(50)))
        for client in clients:
            await client.until(lambda client=client: len(client.data) == 50)
            assert numbers(client.data) == list(range(50))
        assert len(pieces) == 1


async def test_a_batch_larger_than_the_history_reaches_all_who_read():
    """What came in one piece stays until more comes, so nobody is called slow who had no chance to read it."""
    async with running(SMALL) as served:
        clients = [await served.open() for _ in range(3)]
        served.publish(*(str(n) for n in range(100)))
        for client in clients:
            await client.until(lambda client=client: client.data and client.data[-1] == "99")
            assert numbers(client.data) == list(range(100))
            assert not client.gaps


async def test_bursts_larger_than_the_history_are_told_to_all():
    """Between two turns of the loop more came than is kept: each is told how much, and gets the rest."""
    async with running(SMALL) as served:
        clients = [await served.open() for _ in range(3)]
        served.publish(*(str(n) for n in range(50)))
        served.publish(*(str(n) for n in range(50, 100)))
        for client in clients:
            await client.until(lambda client=client: client.data and client.data[-1] == "99")
            assert numbers(client.data) == list(range(50, 100))
            assert [(gap["reason"], gap["missed"]) for gap in client.gaps] == [("slow", 50)]
            names = [block.event for block in client.blocks]
            assert names.index("bridge.gap") == 1  # behind the first block, before the events


async def test_a_burst_within_the_history_pins_a_slice_a_peer():
    """Nothing is lost, and no more than a slice waits at once for those who lag."""
    text = PLAIN.replace("{from: p}", "{from: p, history: {events: 5000, bytes: 16MiB}}")
    async with running(text) as served:
        lagging = await stalled(served)
        quick = await served.open()
        served.publish(*(f"{n} {'x' * 1000}" for n in range(4000)))
        connection = served.subscriber(lagging).connection
        await until(lambda: connection.is_paused)
        await quick.until(lambda: len(quick.events) == 4000)
        assert connection.transport.get_write_buffer_size() <= HIGH_WATER + SLICE
        await lagging.until(lambda: len(lagging.events) == 4000)
        assert [int(text.split()[0]) for text in lagging.data] == list(range(4000))
        assert not lagging.controls


async def test_a_slow_reader_costs_little_and_slows_nobody():
    """Peers that read nothing hold less than 64 KiB each of this process, and the tuned buffer of the kernel."""
    async with running(SMALL) as served:
        slow = [await stalled(served) for _ in range(20)]
        quick = await served.open()
        ends = [served.subscriber(client).connection for client in slow]
        count = 0

        async def publish(events: int) -> None:
            """Publish, and go on when the quick one has read it: nothing but the slow ones can hold it up."""
            nonlocal count
            for _ in range(events):
                served.publish(f"{count} " + 2000 * "x")
                count += 1
                await quick.event()

        await publish(60)
        await until(lambda: all(end.is_paused for end in ends))
        await publish(20)  # the history is full
        tracemalloc.start()
        await publish(1)
        before, _ = tracemalloc.get_traced_memory()
        seen = len(quick.raw)
        await publish(300)
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert numbers(text.split()[0] for text in quick.data) == list(range(count))
        # What the quick reader itself keeps of what it read is the test's own memory: the bytes thrice over.
        assert after - before - 4 * (len(quick.raw) - seen) < 64 * 1024 * len(slow)
        for end in ends:
            assert end.transport.get_write_buffer_size() + len(end._pending) < 64 * 1024
            assert queued(end) <= 64.5 * 1024


async def test_c02_a_slow_reader_is_told_exactly_how_many_it_missed():
    """What it read and what it is said to have missed is all that there was."""
    async with running(SMALL) as served:
        slow = await stalled(served)
        end = served.subscriber(slow)
        for n in range(300):
            served.publish(f"{n} " + 2000 * "x")
            await asyncio.sleep(0)
        await until(lambda: end.connection.is_paused)
        await slow.until(lambda: slow.data and slow.data[-1].startswith("299 "))
        got = [int(text.split()[0]) for text in slow.data]
        assert got == sorted(set(got))
        assert slow.gaps
        assert {gap["reason"] for gap in slow.gaps} == {"slow"}
        assert len(got) + sum(gap["missed"] for gap in slow.gaps) == 300
        assert end.delivered == len(got)
        assert end.subscription.missed == 300 - len(got)
        # A gap stands just where the numbers jump, and says to which id.
        for at, block in enumerate(slow.blocks):
            if block.event == "bridge.gap":
                assert block.told["to"] == slow.blocks[at + 1].id


async def test_slow_disconnect_says_goodbye_and_a_return_is_told():
    """The route's policy: `bridge.bye` with what was missed, and a close; who comes back hears of the gap."""
    async with running(CLOSING) as served:
        slow = await stalled(served)
        end = served.subscriber(slow)
        for n in range(300):
            served.publish(f"{n} " + 2000 * "x")
            await asyncio.sleep(0)
        await slow.rest()
        bye = slow.blocks[-1]
        assert bye.names == ["retry", "event", "data"]
        assert bye.event == "bridge.bye"
        assert bye.told["reason"] == "slow"
        assert bye.told["reconnect_in"] == int(bye.get("retry") or "") == end.retry
        assert bye.told["delivered"] == len(slow.events)
        assert bye.told["delivered"] + bye.told["missed"] == 280
        assert slow.is_whole
        again = await served.open(id=slow.last_event_id)
        await again.until(lambda: again.data and again.data[-1].startswith("299 "))
        assert again.gaps[0]["reason"] == "evicted"
        assert again.gaps[0]["from"] == slow.last_event_id
        assert len(again.events) == 20


async def test_c03_a_peer_that_takes_not_one_byte_is_closed_and_others_go_on(monkeypatch):
    """After `STALL` with bytes waiting it is gone, and nothing of it is left."""
    monkeypatch.setattr(connections, "STALL", 0.3)
    async with running(SMALL) as served:
        await stalled(served)
        quick = await served.open()
        published = 0
        async with asyncio.timeout(20):
            while len(served.bridge.streams) == 2:
                served.publish(f"{published} " + 2000 * "x")
                published += 1
                await quick.event()
        assert numbers(text.split()[0] for text in quick.data) == list(range(published))


async def test_a_large_event_arrives_whole_at_a_peer_that_drips():
    """A megabyte through a wire of 700 bytes at a time, and what came meanwhile behind it."""
    async with running() as served, Proxy.to(served.port) as proxy:
        proxy.slice = 700
        client = await Client.to(proxy.port, receive=4096)
        served.clients.append(client)
        await client.ask("/p")
        await client.until(lambda: client.blocks)
        large = "0 " + 1_000_000 * "x" + " end"
        served.publish(large)
        served.publish("1", "2")
        await client.until(lambda: len(client.events) == 3)
        assert client.data == [large, "1", "2"]


async def test_large_events_are_not_copied_for_each_that_lags():
    """Stalled peers behind a megabyte hold one megabyte together, the history's."""
    async with running() as served:
        slow = [await stalled(served) for _ in range(8)]
        ends = [served.subscriber(client).connection for client in slow]
        served.publish(80_000 * "a")
        await until(lambda: all(end.is_paused for end in ends))
        served.publish(1_000_000 * "b")
        for client in slow:  # each reads on alone to the large one, and stops within it
            await client.until(lambda client=client: len(client.events) == 1)
        await until(lambda: all(end._pending for end in ends))
        assert len({id(end._pending.obj) for end in ends}) == 1


async def test_heartbeats_come_when_a_stream_is_idle():
    """A comment and a blank line, again and again; the cursor stays."""
    async with running(BEATING.replace("HEARTBEAT", "20ms")) as served:
        client = await served.open()
        await client.until(lambda: client.body.count(b":\n\n") >= 3)
        assert client.body.endswith(b":\n\n")
        assert client.last_event_id == f"{served.epoch}-0"


async def test_no_heartbeat_comes_while_events_do():
    """A stream that is written to needs none: the time is that since the last write."""
    async with running(BEATING.replace("HEARTBEAT", "10s")) as served:
        client = await served.open()
        [audience] = served.bridge.pump._audiences.values()
        audience.last = written = audience.last - 1  # a loop's clock may stand still for a millisecond
        served.publish("one")
        await client.event()
        assert audience.last > written
        beat = audience.pulse
        assert beat is not None
        # The pulse that was due looks again, and only sets itself anew.
        beat.cancel()
        served.bridge.pump._beat(audience, audience.heartbeat)
        served.publish("two")
        await client.event()
        assert b":\n\n" not in client.body


async def test_streams_that_come_do_not_put_off_the_heartbeat_of_those_that_wait():
    """A busy doorway is no traffic on an idle stream."""
    async with running(BEATING.replace("HEARTBEAT", "100ms")) as served:
        client = await served.open()
        async with asyncio.timeout(20):
            beat = asyncio.create_task(client.until(lambda: client.body.count(b":\n\n") >= 2))
            while not beat.done():
                other = await served.open()
                other.reset()
            await beat


async def test_heartbeats_are_each_routes_own():
    """One route has them, the other has none."""
    text = "sources: {p: {kind: push}}\nroutes: {/p: {from: p, heartbeat: 20ms}, /q: {from: p, heartbeat: none}}\n"
    async with running(text) as served:
        beats, silent = await served.open("/p"), await served.open("/q")
        await beats.until(lambda: beats.body.count(b":\n\n") >= 5)
        served.publish("end")
        await silent.event()
        assert b":\n\n" not in silent.body
        assert [audience.pulse for audience in served.bridge.pump._audiences.values()].count(None) == 1


async def test_a_visible_heartbeat_tells_live_from_stale():
    """Interval, time, the newest id of the channel, and no id of its own."""
    text = BEATING.replace("HEARTBEAT", "{every: 30ms, visible: true}")
    async with running(text) as served:
        client = await served.open()
        beat = await client.control("heartbeat")
        assert beat.told["interval"] == 0.03
        assert beat.told["head"] is None
        [id] = served.publish("one")
        await client.event()
        await client.until(lambda: client.controls[-1].told["head"] == id)
        assert beat.id is None
        assert client.last_event_id == id


async def test_a_channel_without_streams_has_no_pulse():
    """The last one to leave stops the clock."""
    async with running(BEATING.replace("HEARTBEAT", "10s")) as served:
        client = await served.open()
        [audience] = served.bridge.pump._audiences.values()
        pulse = audience.pulse
        client.reset()
        await served.empty()
        assert pulse.cancelled()
        assert not served.bridge.pump._audiences


async def test_whoever_has_caught_up_is_back_in_the_group():
    """A slow reader that reads again shares the bytes of all."""
    async with running() as served:
        client = await stalled(served)
        subscriber = served.subscriber(client)
        served.publish(*(1000 * "x" for _ in range(200)))
        await until(lambda: subscriber.connection.is_paused)
        assert subscriber.audience is None
        await client.until(lambda: len(client.events) == 200)
        await until(lambda: subscriber.audience is not None)
        served.publish("live")
        await client.until(lambda: client.data[-1] == "live")
        assert subscriber.delivered == 201


async def test_one_that_reads_a_long_history_lets_others_have_their_turn(monkeypatch):
    """A replay is cut into turns: the pump gives each reader `TURN` writes and then the loop."""
    text = PLAIN.replace("{from: p}", "{from: p, start: earliest, history: {events: 100000, bytes: 64MiB}}")
    monkeypatch.setattr(connections, "HIGH_WATER", 1 << 30)  # a peer that takes everything at once
    async with running(text) as served:
        served.publish(*(1000 * "x" for _ in range(10_000)))
        turns = []
        go_on = served.bridge.pump._go_on
        monkeypatch.setattr(served.bridge.pump, "_go_on", lambda s: (turns.append(1), go_on(s)))
        client = await served.open()
        await client.until(lambda: len(client.events) == 10_000)
        assert len(turns) >= 10_000 * 1000 // (BATCH * pump.TURN) // 2


async def test_a_thousand_come_and_go_and_leave_nothing():
    """No task, no audience, no channel, no subscriber; `running` looks at the rest."""
    text = 'sources: {p: {kind: push, subject: "{room}"}}\nroutes: {"/room/{room}": {from: p}}\n'
    async with running(text) as served:
        tasks = len(asyncio.all_tasks())
        route = served.bridge.bus.routes[0]
        dice = random.Random(7)
        for turn in range(20):
            clients = [await served.open(f"/room/{dice.randrange(30)}") for _ in range(50)]
            if turn % 5 == 0:
                assert served.bridge.pump.count(route.channels.values()) == 50
            for client in clients:
                client.reset() if dice.random() < 0.5 else client.close()
            await served.empty()
        assert not route.channels
        assert not served.bridge.pump._audiences
        await until(lambda: len(asyncio.all_tasks()) == tasks)


async def test_an_ended_source_ends_its_streams_behind_its_last_event():
    """All that came is delivered, then the body ends; there is no farewell, since nobody should come back."""
    text = "sources: {p: {kind: push}}\nroutes: {/p: {from: p}}\n"
    async with running(text) as served:
        quick, slow = await served.open(), await stalled(served)
        served.publish(*(f"{n} {'x' * 1000}" for n in range(200)))
        served.bridge.health.tell("p", "ended")
        for client in (quick, slow):
            await client.rest()
            assert [int(text.split()[0]) for text in client.data] == list(range(200))
            assert client.is_whole
            assert not client.controls


def test_the_worst_that_a_subscriber_holds_is_what_the_limit_reckons_with():
    """A transport at its mark, a slice on top, and the kernel's doubled buffer: under 64 KiB and a half."""
    assert assemble.WORST == HIGH_WATER + SLICE + 2 * connections.SEND_BUFFER
    assert assemble.WORST <= 64 * 1024


class Follower:
    """A client that drops at random and resumes; it notes each event's id, and each gap."""

    def __init__(self, served: Served, dice: random.Random) -> None:
        self._served = served
        self._dice = dice
        self.noted: list[str] = []

    async def follow(self) -> None:
        """Read, drop and resume until the last event."""
        id = f"{self._served.epoch}-0"
        while True:
            client = await self._served.connect(receive=self._dice.choice([4096, 65_536]))
            await client.ask("/p", headers=f"Last-Event-ID: {id}\r\n")
            enough = self._dice.randrange(200, 60_000)
            while len(client.raw) < enough and not client.is_over and not self._is_at_end(client):
                await client.read(self._dice.choice([100, 5_000, 65_536]))
            for block in client.blocks:
                if block.event == "bridge.gap":
                    self.noted.append("gap")
                elif block.data is not None and not block.is_control:
                    self.noted.append(block.id or "")
            id = client.last_event_id or id
            if self._is_at_end(client):
                return
            client.reset()

    @staticmethod
    def _is_at_end(client: Client) -> bool:
        return client.data[-1:] == ["end"]


def unexplained(noted: list[str], published: list[str]) -> list[tuple[int, int]]:
    """Return the places where a follower's events jump without a gap, come twice, or out of order."""
    found, last, is_told = [], -1, False
    for note in noted:
        if note == "gap":
            is_told = True
            continue
        place = published.index(note)
        if place <= last or (place != last + 1 and not is_told):
            found.append((last, place))
        last, is_told = place, False
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_clients_that_drop_at_random_see_every_event_once_or_are_told(seed):
    """Six clients of every temper and a small history: where one of them misses an event, it was told."""
    dice = random.Random(seed)
    async with running(SMALL) as served, asyncio.timeout(60):
        followers = [Follower(served, random.Random(10 * seed + n)) for n in range(6)]
        async with asyncio.TaskGroup() as group:
            for follower in followers:
                group.create_task(follower.follow())
            await until(lambda: len(served.bridge.streams) == 6)
            published: list[str] = []
            for n in range(400):
                published += served.publish(f"{n} " + dice.randrange(1500) * "x")
                if dice.random() < 0.3:
                    await asyncio.sleep(0)
            published += served.publish("end")
        for follower in followers:
            assert unexplained(follower.noted, published) == []
            assert follower.noted[-1] == published[-1]
