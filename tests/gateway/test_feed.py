"""Backlogs and runs: what a task writes for one subscriber, and how it joins what all get."""

import asyncio
from typing import cast

import pytest

from bridge.gateway.connection import Connection
from bridge.gateway.feed import BEGINNING, RUN, Pulse, open_back, open_run
from bridge.gateway.supply import Back, Run
from bridge.subscription import Want
from tests.gateway.fakes import Log, Logging
from tests.support import Client, numbers, running, until

TEXT = """
sources: {s: {kind: push}}
routes: {/s: {from: s, start: earliest, heartbeat: HEARTBEAT, history: {events: 3}}}
"""


def stage(log: Log, heartbeat: str = "15s"):
    """Run a bridge whose source reads this log back, and whose channel remembers three events."""
    return running(TEXT.replace("HEARTBEAT", heartbeat), {"s": Logging(log=log)})


def lines(first: int, last: int) -> list[str]:
    """Return numbered lines, `last` not among them."""
    return [str(number) for number in range(first, last)]


async def read_to(client: Client, last: int) -> list[int]:
    """Read until the event that says this number."""
    await client.until(lambda: client.data and client.data[-1] == str(last))
    return numbers(client.data)


async def test_a_newcomer_gets_the_whole_backlog_and_then_live():
    """A history of three joins a log of a hundred without a hole or a repeat."""
    log = Log()
    log.write(*lines(0, 100))
    async with stage(log) as served:
        client = await served.open("/s")
        await read_to(client, 99)
        log.write("100")
        assert await read_to(client, 100) == list(range(101))
        assert not client.controls
        assert len({block.id for block in client.events}) == 101


async def test_live_events_come_while_the_backlog_is_read():
    """What is published during the reading outruns the history many times, and still all comes once, in order."""
    log = Log()
    log.write(*lines(0, 40))
    async with stage(log) as served:
        client = await served.connect()
        log.flows.clear()
        await client.ask("/s")
        await until(lambda: log.readers)
        written = 40
        for _ in range(12):
            log.write(*lines(written, written + 5))
            written += 5
            log.flows.set()
            await client.event()
            log.flows.clear()
        log.flows.set()
        assert await read_to(client, written - 1) == list(range(written))
        assert not client.controls
        await until(lambda: served.subscriber(client).audience is not None)
        assert log.readers == 0


@pytest.mark.parametrize("cut", [0, 1, 7, 30, 39])
async def test_a_backlog_cut_in_the_middle_is_resumed_by_its_mark(cut):
    """The id of any event in it leads on to the next one, although the history has none of them."""
    log = Log()
    log.write(*lines(0, 40))
    async with stage(log) as served:
        first = await served.open("/s")
        await read_to(first, 39)
        id = first.events[cut].id
        first.reset()
        log.write(*lines(40, 60))
        again = await served.open("/s", id=id)
        assert await read_to(again, 59) == list(range(cut + 1, 60))
        assert not again.controls


async def test_a_connection_cut_before_the_first_event_of_a_backlog_begins_it_again():
    """The id of the first block is a mark: the beginning."""
    log = Log()
    log.write(*lines(0, 10))
    async with stage(log) as served:
        log.flows.clear()
        first = await served.open("/s")
        await first.until(lambda: first.blocks)
        assert first.last_event_id.endswith(f".{BEGINNING}")
        first.reset()
        log.flows.set()
        again = await served.open("/s", id=first.last_event_id)
        assert await read_to(again, 9) == list(range(10))
        assert not again.controls


async def test_a_live_id_that_history_lost_is_told_and_served_from_the_source():
    """The channel no longer has what came after it; the log has, and begins with the oldest."""
    log = Log()
    async with stage(log) as served:
        first = await served.open("/s")
        log.write("0")
        id = (await first.event()).id
        first.reset()
        log.write(*lines(1, 29))
        log.write("29")
        again = await served.open("/s", id=id)
        assert await read_to(again, 29) == list(range(30))
        assert [gap["reason"] for gap in again.gaps] == ["evicted"]


async def test_a_live_id_that_history_has_is_resumed_from_it():
    """No backlog is read for one who missed a single event."""
    log = Log()
    async with stage(log) as served:
        first = await served.open("/s")
        log.write("0", "1")
        id = (await first.event()).id
        log.flows.clear()
        again = await served.open("/s", id=id)
        assert (await again.event()).data == "1"
        assert not again.controls


async def test_a_mark_of_a_generation_that_is_gone_is_told_and_the_oldest_follows():
    """What was unread of it cannot be had; what the source still has comes whole, and then live."""
    log = Log()
    log.write(*lines(0, 10))
    async with stage(log) as served:
        first = await served.open("/s")
        await read_to(first, 9)
        id = first.events[4].id
        first.reset()
        log.rotate(keep=1)
        log.write(*lines(10, 30))
        again = await served.open("/s", id=id)
        assert await read_to(again, 29) == list(range(10, 30))
        assert [gap["reason"] for gap in again.gaps] == ["source_rotated"]
        log.write("30")
        assert (await read_to(again, 30))[-1] == 30


async def test_a_generation_that_goes_while_it_is_read_is_told():
    """The gap stands between what was read of it and the next one."""
    log = Log()
    log.write(*lines(0, 20))
    async with stage(log) as served:
        client = await served.open("/s")
        await client.event()
        log.flows.clear()
        seen = len(client.data)
        await until(lambda: log.readers)
        log.rotate(keep=1)
        log.write(*lines(20, 40))
        log.flows.set()
        got = await read_to(client, 39)
        assert got[-20:] == list(range(20, 40))
        assert got == sorted(set(got))
        assert len(got) >= seen + 20
        assert len(client.gaps) == (0 if len(got) == 40 else 1)


async def test_a_reader_that_leaves_ends_its_backlog():
    """Task and reader are gone with the stream, held or not."""
    log = Log()
    log.write(*lines(0, 1_000))
    async with stage(log) as served:
        log.flows.clear()
        client = await served.open("/s")
        await until(lambda: log.readers)
        client.reset()
        await served.empty()
        log.flows.set()
        await until(lambda: log.readers == 0)


async def test_a_backlog_goes_at_the_pace_of_its_reader():
    """A peer that takes nothing stops the reading, and all of it comes later."""
    log = Log()
    log.write(*(f"{n} {'x' * 5000}" for n in range(200)))
    async with stage(log) as served:
        client = await served.connect(receive=4096)
        await client.ask("/s")
        await until(lambda: served.bridge.pump.subscribers)
        connection = served.subscriber(client).connection
        await until(lambda: connection.is_paused)
        read = served.subscriber(client).subscription.delivered
        assert read < 100
        log.write("200 end")
        await client.until(lambda: client.data and client.data[-1] == "200 end")
        assert [int(text.split()[0]) for text in client.data] == list(range(201))
        assert not client.controls


async def test_a_drain_during_a_backlog_ends_with_its_farewell():
    """Nothing is written behind the farewell, though the source goes on; the last id resumes where it ended."""
    log = Log()
    log.write(*(f"{n} {'x' * 3000}" for n in range(100)))
    async with stage(log) as served:
        client = await served.connect(receive=4096)
        await client.ask("/s")
        await until(lambda: served.bridge.pump.subscribers)
        subscriber = served.subscriber(client)
        await until(lambda: subscriber.connection.is_paused)
        await client.until(lambda: subscriber.connection.is_ready or client.data)
        served.bridge.pump.bye(subscriber, "drain")
        await client.rest()
        assert client.blocks[-1].event == "bridge.bye"
        assert client.is_whole
        again = await served.open("/s", id=client.last_event_id)
        await again.until(lambda: again.data and again.data[-1].startswith("99 "))
        assert [int(t.split()[0]) for t in client.data + again.data] == list(range(100))


async def test_nothing_follows_a_farewell_that_still_waits():
    """The farewell is in the transport of a stalled peer, and the next piece comes: it is not written."""
    log = Log(batch=1)
    log.write("0", *(f"{n} {'x' * 9000}" for n in range(1, 60)))
    async with stage(log) as served:
        log.flows.clear()
        client = await served.connect(receive=4096)
        await client.ask("/s")
        await until(lambda: served.bridge.pump.subscribers)
        subscriber = served.subscriber(client)
        connection = subscriber.connection
        # Something waits in the transport, less than would pause it: the task is waiting for the source.
        while not connection.transport.get_write_buffer_size():
            connection.transport.write(connection.framing.piece(b":" + 900 * b"x" + b"\n\n"))
        assert connection.is_ready
        served.bridge.pump.bye(subscriber, "drain")
        log.flows.set()
        await client.until(lambda: client.is_over)
        assert client.blocks[-1].event == "bridge.bye"
        assert client.is_whole


async def test_heartbeats_stand_between_the_pieces_of_a_backlog_that_waits():
    """A source that takes its time does not make the stream silent."""
    log = Log()
    log.write(*lines(0, 4))
    async with stage(log, heartbeat="20ms") as served:
        log.flows.clear()
        client = await served.open("/s")
        await client.until(lambda: client.body.count(b":\n\n") >= 3)
        log.flows.set()
        assert await read_to(client, 3) == [0, 1, 2, 3]


async def test_a_source_that_fails_while_it_is_read_breaks_the_stream_off():
    """The client comes back with its last id; the log says why."""
    log = Log()
    log.write(*lines(0, 8))
    async with stage(log) as served:
        client = await served.open("/s")
        await client.event()
        log.generations[-1][0] = None  # type: ignore[call-overload]  # no message
        again = await served.open("/s")
        await again.rest()
        assert not again.is_whole
        assert served.bridge.streams is not None


class Wire:
    """A connection that keeps what is sent, while it takes anything."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_ready = True

    def send(self, frames: bytes) -> None:
        """Keep it."""
        self.sent.append(frames)


async def test_a_pulse_beats_whenever_nothing_was_written():
    """Not while something was, nor while the peer takes nothing, nor after the end."""
    wire, written = Wire(), list[float]()
    clock = asyncio.get_running_loop().time
    pulse = Pulse(cast("Connection", wire), 0.02, lambda: written.append(clock()) or b"beat")
    while clock() - pulse._last < 0.01 or not wire.sent:
        await asyncio.sleep(0.001)
    pulse.written()
    since = clock()
    await until(lambda: len(wire.sent) == 2)
    assert written[1] - since >= 0.015
    wire.is_ready = False
    count = len(wire.sent)
    beaten = pulse._last
    await until(lambda: pulse._last > beaten)
    assert len(wire.sent) == count
    wire.is_ready = True
    await until(lambda: len(wire.sent) > count)
    pulse.close()
    assert pulse._timer.cancelled()


@pytest.mark.parametrize(
    ("id", "mark", "first"),
    [
        (None, "", b"id: run\n\n"),
        ("run", "", b"id: run\n\n"),
        ("run-3", "3", b"id: run-3\n\n"),
    ],
)
def test_a_run_goes_on_after_its_mark(id, mark, first):
    """Ids of a run are of any process: `run-<mark>`."""
    asked = []
    run = Run(lambda mark: asked.append(mark) or _none(), lambda _: False)
    opening, _ = open_run(run, Want(last_event_id=id))
    assert opening == first
    assert asked == [mark]


@pytest.mark.parametrize("id", ["abcd-3", "run-x", "nonsense", "run-", "-", "\udcff"])
def test_a_run_begins_anew_for_an_id_that_is_not_of_one(id):
    """It says so first."""

    def visit(mark):
        if mark and not mark.isdecimal():
            raise ValueError
        asked.append(mark)
        return _none()

    asked = []
    opening, _ = open_run(Run(visit, lambda _: False), Want(last_event_id=id))
    assert opening.startswith(b"event: bridge.gap\n")
    assert opening.endswith(b"\n\nid: run\n\n")
    assert asked == [""]


@pytest.mark.parametrize(
    ("id", "mark", "reason"),
    [
        (None, "", None),
        ("e-5.start", "", None),
        ("e-5.3.7", "3.7", None),
        ("e-5.started", "started", None),
        ("e-5", "", b"evicted"),
        ("f-5.3.7", "", b"epoch"),
        ("?", "", b"epoch"),
    ],
)
def test_a_backlog_opens_with_the_id_it_goes_on_from(id, mark, reason):
    """A mark of ours is the place; everything else is the beginning, with a gap if an id was given."""
    opening, found = open_back(Back(9, _none), "e", Want(last_event_id=id))
    assert found == mark
    assert (b"bridge.gap" in opening) == (reason is not None)
    assert (reason or b"") in opening
    assert opening.endswith(b"id: e-9.start\n\n" if reason or id is None else f"id: {id}\n\n".encode())


def test_the_epoch_of_runs_is_never_that_of_a_process():
    """An epoch of a process is hexadecimal."""
    with pytest.raises(ValueError, match="hex"):
        bytes.fromhex(RUN)


async def _none(*_):
    for piece in ():
        yield piece
