"""The faults of the host that a bridge without history on disk can meet; most against a process of its own."""

import asyncio
import signal
import socket
import time
from types import SimpleNamespace

import pytest

from bridge import app
from bridge.gateway.server import ListenError
from bridge.state import State, StateError
from tests.process import TICKING, process
from tests.support import PLAIN, Client, configured, numbers, running


@pytest.mark.parametrize("broken", ["file", "lock"])
def test_x03_a_state_folder_that_cannot_be_written_is_refused_in_words(broken, tmp_path):
    """A file stands in its place, or where its lock should be."""
    root = tmp_path / "state"
    if broken == "file":
        root.write_text("", "utf-8")
    else:
        (root / "lock").mkdir(parents=True)
    with pytest.raises(StateError, match=r"server\.state: .* cannot be written"), State.open(root):
        pass


async def test_x03_the_process_says_so_and_ends(tmp_path):
    """Exit code 1, one line, no traceback."""
    (tmp_path / "state").write_text("", "utf-8")
    text = TICKING.replace("drain: 2s", f"drain: 2s, state: {tmp_path / 'state' / 'here'}")
    async with process(tmp_path, text) as bridge:
        assert await bridge.ended() == 1
        said = bridge.log.read_text("utf-8")
        assert "server.state: " in said
        assert "Traceback" not in said


async def test_x04_descriptors_run_out_and_streams_go_on(tmp_path):
    """Two hundred connections for a hundred descriptors: streams live, a free place is taken, the log is short."""
    async with process(tmp_path, descriptors=128) as bridge:
        first = await bridge.open("/tick")
        port = await bridge.port()
        # Those that are not accepted wait in the kernel's queue.
        crowd = [await Client.to(port) for _ in range(200)]
        bridge.clients += crowd
        begun = time.monotonic()
        seen = len(first.events)
        await first.until(lambda: len(first.events) > seen + 50)
        for client in crowd:
            client.close()
        again = await bridge.open("/tick", first.events[10].id)
        assert (await again.event()).data == "11"
        seconds = time.monotonic() - begun + 2
        warnings = [fact for fact in bridge.facts if fact["level"] in {"warning", "error"}]
        assert len(warnings) <= 10 * seconds
        assert numbers(first.data) == list(range(len(first.data)))


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
async def test_x06_a_jump_of_the_wall_clock_loses_nothing(jump, monkeypatch):
    """A day forward or back: streams, replay and limits go on; only the age of history reads that clock."""
    skew = [0.0]
    monkeypatch.setattr(app, "time", SimpleNamespace(time=lambda: time.time() + skew[0]))
    text = PLAIN.replace("{from: p}", "{from: p, heartbeat: 20ms}") + "limits: {connects: 1000/s}\n"
    async with running(text) as served:
        live = await served.open()
        [id] = served.publish("0")
        await live.event()
        skew[0] = jump
        await live.until(lambda: live.body.count(b":\n\n") >= 2)
        served.publish("1", "2")
        await live.until(lambda: len(live.events) == 3)
        assert not live.controls
        again = await served.open(id=id)
        served.publish("3")
        await again.until(lambda: again.data and again.data[-1] == "3")
        # Forward, what is a day old now is dropped, and the gap says so where it concerns the reader.
        missed = sum(gap["missed"] or 0 for gap in again.gaps)
        assert len(again.data) + missed == 3


async def test_x12_sigstop_loses_nothing(tmp_path):
    """The process stands still for a while; its streams then go on where they were."""
    async with process(tmp_path) as bridge:
        client = await bridge.open("/tick")
        await client.event()
        bridge.process.send_signal(signal.SIGSTOP)
        await asyncio.to_thread(time.sleep, 1.5)  # the fault itself
        bridge.process.send_signal(signal.SIGCONT)
        seen = len(client.events)
        await client.until(lambda: len(client.events) > seen + 20)
        assert numbers(client.data) == list(range(len(client.data)))
        assert not client.controls
        late = await bridge.open("/tick", client.events[0].id)
        assert (await late.event()).data == "1"


async def test_x15_a_port_that_is_taken_is_named_and_the_process_ends(tmp_path):
    """Exit code 1 and one line for a person; what was bound before is let go."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = TICKING.replace("listen: 127.0.0.1:0", f"listen: 127.0.0.1:{port}")
        async with process(tmp_path, text) as bridge:
            assert await bridge.ended() == 1
            said = bridge.log.read_text("utf-8")
            assert f"127.0.0.1:{port} is in use" in said
            assert "Traceback" not in said


async def test_x15_an_admin_port_that_is_taken_leaves_nothing_open():
    """The public port was bound first, and is free again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = f"server: {{listen: 127.0.0.1:0, admin: 127.0.0.1:{taken.getsockname()[1]}}}\n{PLAIN}"
        made = app.Bridge(configured(text))
        with pytest.raises(ListenError, match="is in use"):
            await made.run(asyncio.Event())
        assert not made.public.places


async def test_x18_a_loop_that_is_blocked_loses_nothing():
    """Something slow holds the loop for half a second while a source has much to say."""
    async with running() as served:
        client = await served.open()
        served.publish(*map(str, range(100)))
        time.sleep(0.5)  # the fault itself
        served.publish(*map(str, range(100, 200)))
        await client.until(lambda: len(client.events) == 200)
        assert numbers(client.data) == list(range(200))
        assert not client.controls
