"""The faults of clients, C01 to C28, as far as they can befall a bridge without tokens and without compression.

C14 to C16 stand in `tests/gateway/test_handshake.py`, C17 in `test_stream.py`, what needs a browser or a proxy (C21 to
C25) in `tests/e2e`.
"""

import asyncio
import contextlib
import socket

import pytest

from bridge.gateway import connection as connections
from tests.reference import parse
from tests.support import PLAIN, Client, Proxy, Served, numbers, running, until

LONG = PLAIN.replace("{from: p}", "{from: p, history: {events: 10000, bytes: 16MiB}}")


async def stalled(served: Served) -> Client:
    """Open a stream that nobody reads from now on."""
    client = await served.connect(receive=4096)
    await client.ask("/p")
    await client.until(lambda: client.blocks)
    return client


async def test_c01_half_open_is_left_to_the_kernel_for_ten_seconds():
    """A machine that has gone acknowledges nothing: TCP_USER_TIMEOUT counts from the first byte, a heartbeat say."""
    async with running() as served:
        client = await served.open()
        sock = served.subscriber(client).connection.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000


async def test_c02_slow_reader_loses_nothing_that_history_keeps():
    """It lags by megabytes, another gets all meanwhile, and then it gets all too."""
    async with running(LONG) as served:
        slow, quick = await stalled(served), await served.open()
        for n in range(3_000):
            served.publish(f"{n} {'x' * 1000}")
            if n % 50 == 0:
                await quick.until(lambda n=n: len(quick.events) == n + 1)
        await quick.until(lambda: len(quick.events) == 3_000)
        assert len(slow.events) == 0
        await slow.until(lambda: len(slow.events) == 3_000)
        assert [int(text.split()[0]) for text in slow.data] == list(range(3_000))
        assert not slow.controls


async def test_c03_zero_window_is_closed_after_the_stall(monkeypatch):
    """Not one byte is taken while bytes wait."""
    monkeypatch.setattr(connections, "STALL", 0.2)
    async with running(LONG) as served:
        await stalled(served)
        served.publish(900_000 * "x")
        await served.empty()


async def test_c03_zero_window_that_opens_again_in_time_is_kept():
    """A proxy stalls and goes on: nothing is lost."""
    async with running(LONG) as served, Proxy.to(served.port) as proxy:
        client = await Client.to(proxy.port)
        served.clients.append(client)
        await client.ask("/p")
        await client.until(lambda: client.blocks)
        proxy.stall()
        served.publish(*(f"{n} {'x' * 1000}" for n in range(500)))
        [subscriber] = served.bridge.pump.subscribers
        await until(lambda: subscriber.connection.is_paused)
        proxy.go_on()
        await client.until(lambda: len(client.events) == 500)
        assert not client.controls


async def test_c04_disconnect_in_the_middle_of_a_write():
    """Half of a large event is out: the rest is dropped, nothing is left, and a resume gives it whole."""
    async with running() as served:
        client = await stalled(served)
        served.publish(900_000 * "x")
        await until(lambda: served.subscriber(client).connection.is_paused)
        await client.read()
        client.reset()
        await served.empty()
        again = await served.open(id=client.last_event_id)
        assert (await again.event()).data == 900_000 * "x"


async def test_c05_rst_on_the_way_is_resumed_without_loss():
    """The network resets a stream again and again; the chain of connections sees each event once."""
    async with running(LONG) as served, Proxy.to(served.port) as proxy:
        seen: list[str] = []
        id = f"{served.epoch}-0"
        for turn in range(10):
            client = await Client.to(proxy.port)
            served.clients.append(client)
            await client.ask("/p", headers=f"Last-Event-ID: {id}\r\n")
            served.publish(*(str(10 * turn + n) for n in range(10)))
            await client.until(lambda client=client, turn=turn: len(client.events) > turn % 7)
            await proxy.reset()
            # What the kernel had when the reset came may be read or not: only what was read counts.
            with contextlib.suppress(OSError):
                await client.rest()
            seen += client.data
            id = client.last_event_id
        last = await served.open(id=id)
        served.publish("end")
        await last.until(lambda: last.data and last.data[-1] == "end")
        assert numbers(seen + last.data[:-1]) == list(range(100))


async def test_c06_a_crowd_that_reconnects_at_once_is_served():
    """Three hundred resume in one moment, each from an id of its own, and each gets just what it missed."""
    async with running(LONG) as served:
        ids = served.publish(*map(str, range(300)))

        async def come(n: int) -> None:
            client = await served.open(id=ids[n])
            await client.until(lambda: n == 299 or (client.data and client.data[-1] == "299"))
            assert numbers(client.data) == list(range(n + 1, 300))

        async with asyncio.timeout(60):
            await asyncio.gather(*(come(n) for n in range(300)))
        assert len(served.bridge.streams) == 300


async def test_c07_http_1_0_gets_plain_frames_up_to_the_close():
    """Nginx speaks it to its backends by default."""
    async with running() as served:
        client = await served.open(version="1.0")
        served.publish("one")
        await client.event()
        assert "transfer-encoding" not in client.headers
        assert bytes(client.raw).endswith(b"data: one\n\n")


async def test_c08_head_leaks_no_body():
    """Not a byte follows, events or not."""
    async with running() as served:
        client = await served.connect()
        await client.ask("/p", method="HEAD", headers="Connection: close\r\n")
        served.publish("one")
        await client.rest()
        assert client.status == 200
        assert bytes(client.raw).endswith(b"\r\n\r\n")
        assert client.raw.count(b"\r\n\r\n") == 1


async def test_c09_pipelined_requests_behind_a_stream_get_no_answer():
    """The connection ends with the stream."""
    async with running() as served:
        client = await served.connect()
        await client.send(3 * b"GET /p HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.until(lambda: client.blocks)
        assert len(served.bridge.streams) == 1
        served.publish("one")
        assert (await client.event()).data == "one"
        assert client.raw.count(b"HTTP/1.1") == 1


async def test_c10_preflight_opens_nothing():
    """OPTIONS is 204, and no stream is counted."""
    async with running() as served:
        client = await served.connect()
        await client.ask("/p", method="OPTIONS", headers="Origin: https://a.example\r\n")
        await client.until(lambda: client.status)
        assert client.status == 204
        assert len(served.bridge.streams) == 0


@pytest.mark.parametrize("size", [8_191, 20_000, 60_000])
async def test_c11_last_event_id_longer_than_any_parser_likes(size):
    """200 and a gap: a 400 would end the tab."""
    async with running() as served:
        client = await served.open(id=size * "a")
        assert client.status == 200
        await client.control("gap")


async def test_c12_unknown_id_and_old_epoch():
    """200, a gap, and the oldest that is kept."""
    async with running() as served:
        served.publish("0")
        for id in ("never-1", f"{served.epoch}-77"):
            client = await served.open(id=id)
            assert (await client.event()).data == "0"
            assert client.gaps[0]["reason"] == "epoch"


async def test_c13_an_id_that_is_no_ascii():
    """UTF-8 and Latin-1 in the header: 200 and a gap, and nothing of it comes back."""
    async with running() as served:
        for id in (b"caf\xc3\xa9", b"caf\xe9", b"\xff\xfe"):
            client = await served.connect()
            await client.send(b"GET /p HTTP/1.1\r\nHost: x\r\nLast-Event-ID: " + id + b"\r\n\r\n")
            gap = await client.control("gap")
            assert client.status == 200
            assert gap.told["from"] is None


async def test_c20_bfcache_churn_leaves_nothing():
    """A page that is shown and hidden opens and drops streams as fast as it can."""
    async with running() as served:
        for _ in range(100):
            client = await served.connect()
            await client.ask("/p")
            client.reset()
        await served.empty()
        client = await served.open()
        served.publish("still here")
        assert (await client.event()).data == "still here"


async def test_c27_half_close_ends_the_stream_whole():
    """Who says that it will send no more is taken to leave; what was begun is finished."""
    async with running() as served:
        client = await served.open()
        served.publish("one")
        await client.event()
        client.half_close()
        await client.rest()
        assert client.is_whole
        assert not client.is_cut
        await served.empty()


async def test_c27_half_close_with_a_large_event_on_its_way():
    """It comes whole, though its peer was slow; what came later is left to a resume."""
    async with running() as served:
        client = await stalled(served)
        served.publish(600_000 * "x")
        served.publish("later")
        await until(lambda: served.subscriber(client).connection.is_paused)
        client.half_close()
        await client.rest()
        assert client.data[0] == 600_000 * "x"
        assert client.is_whole
        again = await served.open(id=client.last_event_id)
        assert client.data[1:] == ["later"] or (await again.event()).data == "later"


async def test_c28_last_event_id_in_the_query():
    """For clients that cannot set a header; the header beats it."""
    async with running() as served:
        ids = served.publish("0", "1", "2")
        client = await served.open(f"/p?last_event_id={ids[0]}")
        await client.until(lambda: len(client.events) == 2)
        assert client.data == ["1", "2"]
        assert parse(bytes(client.body)).last_event_id == ids[2]
