"""A stop in a rolling update, and what probes are told meanwhile; half of it in processes of their own."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from bridge.app import Bridge
from tests.crowd import Crowd
from tests.gateway.replicas import every, filled, replica
from tests.http_server import HttpServer, answer
from tests.mosquitto import broker
from tests.process import TICKING, Process, process
from tests.support import DEADLINE, PLAIN, Client, Served, configured, numbers, running, until

HERE = "server: {listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: DRAIN, prestop: PRESTOP}\n"

#: What a stop logs.
STEPS = ["not ready", "draining", "drained", "stopped"]

#: Streams that a stop has to tell in the test that counts them.
MANY = 1_000


def stopping(drain: str, prestop: str = "0s") -> str:
    """Return the section of the configuration that says how a stop goes."""
    return HERE.replace("DRAIN", drain).replace("PRESTOP", prestop)


async def ask(admin: str, path: str, method: str = "GET") -> tuple[int, str]:
    """Ask on the admin port."""
    async with aiohttp.request(method, admin + path, timeout=aiohttp.ClientTimeout(total=DEADLINE)) as answer:
        return answer.status, await answer.text()


async def push(admin: str, text: str) -> int:
    """Push an event; return the status."""
    plain = {"Content-Type": "text/plain"}
    async with aiohttp.request("POST", f"{admin}/-/push/p", data=text, headers=plain) as pushed:
        return pushed.status


def admin_of(served: Served) -> str:
    """Return the address of a bridge's admin port."""
    return f"http://127.0.0.1:{served.bridge.admin.port}"


async def refused(port: int, path: str) -> None:
    """Ask for a stream while it drains: 200, `retry` and the end, and no 5xx ever."""
    client = await Client.to(port)
    try:
        await client.ask(path)
        await client.rest()
    finally:
        client.close()
    assert client.status == 200
    assert client.headers["content-type"] == "text/event-stream"
    assert [block.names for block in client.blocks] == [["retry"]]
    assert not client.is_reset


def farewell(client: Client) -> int:
    """Check that a stream ended as it should in a drain; return its `retry`."""
    bye = client.blocks[-1]
    assert bye.event == "bridge.bye"
    assert bye.told["reason"] == "drain"
    assert client.is_whole
    assert not client.is_cut
    assert not client.is_reset
    return int(bye.get("retry") or "")


@contextlib.contextmanager
def held(served: Served) -> Iterator[asyncio.Event]:
    """Let the prestop of a bridge last until the event is set."""
    go_on = asyncio.Event()

    async def pause(_: float) -> None:
        await go_on.wait()

    served.bridge.lifecycle._pause = pause
    try:
        yield go_on
    finally:
        go_on.set()


async def test_x07_readiness_is_gone_before_the_first_farewell_and_meanwhile_all_goes_on():
    """In the prestop load balancers take note: streams go on, new ones open, pushes are taken."""
    async with running(stopping("2s", "1h") + PLAIN) as served:
        admin = admin_of(served)
        assert await ask(admin, "/-/ready") == (200, "ready\n")
        with held(served) as go_on:
            client = await served.open()
            served.stop.set()
            await until(lambda: served.bridge.lifecycle.state == "prestop")
            status, words = await ask(admin, "/-/ready")
            assert (status, words.partition(":")[0]) == (503, "draining")
            assert await ask(admin, "/-/live") == (200, "live\n")
            assert await ask(admin, "/-/started") == (200, "started\n")
            late = await served.open()
            assert await push(admin, "pushed") == 202
            served.publish("one")
            for each in (client, late):
                assert [(await each.event()).data for _ in range(2)] == ["pushed", "one"]
                assert not each.controls
            go_on.set()
            for each in (client, late):
                await each.rest()
                assert farewell(each)


async def test_x07_a_drain_by_the_admin_port_is_not_repeated_and_the_process_goes_on():
    """Streams are asked to come back, the application behind is served as before; a stop then ends it quickly."""
    async with HttpServer.serving(answer(body=b"here")) as behind:
        text = stopping("60s").replace("prestop", f"upstream: '{behind.url('')}', prestop") + PLAIN
        async with running(text) as served:
            clients = [await served.open() for _ in range(3)]
            draining = asyncio.create_task(ask(admin_of(served), "/-/drain", "POST"))
            await until(lambda: len(served.bridge.streams) == 2)
            for client in clients:
                client.reset()  # it would last for some 40 s
            assert await draining == (200, '{"told":1,"left":0}')
            assert await ask(admin_of(served), "/-/drain", "POST") == (200, '{"told":1,"left":0}')
            await refused(served.port, "/p")
            assert await ask(admin_of(served), "/-/ready") == (503, "drained: waiting to be ended\n")
            assert await push(admin_of(served), "pushed") == 503
            assert await ask(f"http://127.0.0.1:{served.port}", "/other") == (200, "here")
            begun = time.monotonic()
            served.stop.set()
            await served.stopped.wait()
            assert time.monotonic() - begun < 30  # of the 60 that a drain may take


async def test_x07_the_drain_of_the_admin_port_is_for_nobody_else():
    """It takes a POST, of no page of another origin."""
    async with running() as served:
        assert (await ask(admin_of(served), "/-/drain"))[0] == 405
        url = admin_of(served) + "/-/drain"
        async with aiohttp.request("POST", url, headers={"Origin": "http://evil.example"}) as refusal:
            assert refusal.status == 403
        assert (await ask(f"http://127.0.0.1:{served.port}", "/-/drain", "POST"))[0] == 404
        assert served.bridge.lifecycle.state == "serving"


async def test_x07_what_comes_after_a_farewell_is_told_by_a_gap_elsewhere():
    """The source goes on until all streams have gone: what it then hands over has no reader, and is not kept silent."""
    async with running() as served, running() as other:
        client = await served.open()
        served.publish("0", "1")
        await client.until(lambda: len(client.data) == 2)
        assert (await served.bridge.streams.drain(1)).told == 1
        await client.rest()
        served.publish("2")
        other.publish("3")
        again = await other.open(id=client.last_event_id)
        await again.event()
        assert (client.data, again.data) == (["0", "1"], ["3"])
        [gap] = again.gaps
        assert (gap["reason"], gap["missed"], gap["from"]) == ("epoch", None, client.last_event_id)


async def test_x07_what_comes_after_a_farewell_is_had_elsewhere_where_ids_are_positions():
    """Another replica has it from the log."""
    topic = filled(6, 6)
    async with replica(topic, (0, 0)) as first, replica(topic, (0, 0)) as second:
        client = await first.served.open("/s")
        await first.follow(client, (0, 0, 1), (1, 0))
        await first.served.bridge.streams.drain(1)
        await client.rest()
        first.emit(0, 1, 1)
        second.emit(*6 * (0,), *6 * (1,))
        data, again = await second.all(12 - len(client.data), id=client.last_event_id)
        assert sorted(client.data + data) == every(topic, 0, 0)
        assert not again.gaps


async def test_x07_a_stop_during_the_start_ends_well():
    """It does not become ready, waits for no prestop, and closes what it has opened."""
    bridge, stop, told = Bridge(configured(stopping("60s", "1h") + PLAIN)), asyncio.Event(), list[Bridge]()
    stop.set()
    await asyncio.wait_for(bridge.run(stop, told.append), DEADLINE)
    assert not told
    assert not bridge.public.places


async def test_x17_started_waits_for_no_application_and_ready_says_what_it_waits_for():
    """An application that is not there yet, and that waits for us: a native sidecar's startup probe lets it begin."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    text = stopping("0s").replace("prestop", f"upstream: {{url: 'http://127.0.0.1:{port}', health: /healthz}}, prestop")
    text += "sources: {p: {kind: push, required: true}, q: {kind: push, required: true}, r: {kind: push}}\n"
    text += "routes: {/p: {from: [p, q, r]}}\n"
    async with running(text) as served:
        admin = admin_of(served)
        assert await ask(admin, "/-/started") == (200, "started\n")
        served.bridge.intakes["q"].inlet.down("no broker")
        served.bridge.intakes["r"].inlet.down("this one is not required")
        status, words = await ask(admin, "/-/ready")
        assert status == 503
        source, application = words.splitlines()
        assert source == "source q is down: no broker"
        assert "the application" in application
        async with HttpServer.serving(answer(), port=port):
            served.bridge.intakes["q"].inlet.up()
            async with asyncio.timeout(DEADLINE):
                while (await ask(admin, "/-/ready"))[0] != 200:
                    await asyncio.sleep(0.1)


@pytest.mark.live
async def test_x17_a_broker_that_is_required_holds_readiness_back_until_it_is_up(tmp_path, free_port):
    """In words, with its name and the reason; and again while it is down. Streams open all the same."""
    async with broker(tmp_path, free_port) as mosquitto:
        await mosquitto.stop()
        sources = (
            f"sources: {{b: {{kind: mqtt, url: '{mosquitto.url}', topics: [a], required: true}}, p: {{kind: push}}}}\n"
        )
        async with running(stopping("0s") + sources + "routes: {/b: {from: b}, /p: {from: p}}\n") as served:

            async def readiness(wanted: str) -> None:
                async with asyncio.timeout(DEADLINE):
                    while wanted not in (await ask(admin_of(served), "/-/ready"))[1]:
                        await asyncio.sleep(0.05)

            assert (await ask(admin_of(served), "/-/started"))[0] == 200
            await readiness("source b is down: ")
            assert (await served.open("/b")).status == (await served.open("/p")).status == 200
            await mosquitto.start()
            await readiness("ready\n")
            await mosquitto.stop()
            await readiness("source b is down: ")
            await mosquitto.start()
            await readiness("ready\n")


# -- processes of their own


async def opened(bridge: Process, count: int, path: str, receive: int | None = None) -> list[Client]:
    """Open streams, some at a time."""
    port, found = await bridge.port(), list[Client]()

    async def one() -> None:
        client = await Client.to(port, receive=receive)
        found.append(client)
        bridge.clients.append(client)
        await client.ask(path)
        await client.until(lambda: client.blocks)

    for first in range(0, count, 50):
        await asyncio.gather(*(one() for _ in range(first, min(first + 50, count))))
    return found


async def asked_until_closed(port: int, path: str) -> int:
    """Ask for streams again and again until the port is closed; return how many times that was answered."""
    for asked in range(100_000):
        try:
            client = await Client.to(port)
        except ConnectionError:
            return asked
        try:
            await client.ask(path)
            await client.rest()
        except ConnectionError:
            return asked  # it was in the kernel's queue when the port closed
        finally:
            client.close()
        if client.is_reset or not client.raw:
            return asked
        assert client.status == 200
        assert [block.names for block in client.blocks] == [["retry"]]
        await asyncio.sleep(0.01)
    raise AssertionError("the port does not close")


async def test_x07_sigterm_tells_a_thousand_streams_one_after_another_and_ends_in_time(tmp_path):
    """Each with a `retry` of its own, no torn frame, readiness gone before, the port open to the last, exit code 0."""
    text = TICKING.replace("drain: 2s", "drain: 3s, prestop: 4s").replace("10ms", "500ms")
    async with process(tmp_path, text) as bridge:
        port, admin = await bridge.port(), await bridge.admin()
        with Crowd(port, MANY, "/tick") as crowd:
            await until(lambda: crowd.opened == MANY)
            assert await ask(admin, "/-/ready") == (200, "ready\n")
            sent = time.monotonic()
            bridge.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(DEADLINE):
                while (await ask(admin, "/-/ready"))[0] != 503:
                    await asyncio.sleep(0.01)
            assert not crowd.left
            late = await bridge.open("/tick")
            await late.event()
            await bridge.told("draining")
            answered = await asked_until_closed(port, "/tick")
            await late.rest()
            assert await bridge.ended() == 0
            assert time.monotonic() - sent < 4 + 3 + 5
            await until(lambda: crowd.is_over)
            clients = [*crowd.clients, late]
            retries = {farewell(client) for client in clients}
            assert len(retries) > 200
            assert 3000 <= min(retries) <= max(retries) <= 3750
            for client in clients:
                assert numbers(client.data) == list(range(len(client.data)))
            # A schedule: nobody is told before their turn, however busy the machine.
            assert len(crowd.left) == MANY
            for number, at in enumerate(sorted(crowd.left)):
                assert at - sent >= 4 + 3 * 0.7 * number / (MANY + 1) - 0.05
            assert answered > 10
            events = [fact["event"] for fact in bridge.facts]
            assert [each for each in events if each in STEPS] == STEPS


async def test_x07_stalled_readers_cost_a_stop_only_themselves(tmp_path):
    """They are cut at the end of the drain; the others are told in their turn, and all ends in time."""
    text = stopping("3s") + "sources: {p: {kind: push}, q: {kind: push}}\nroutes: {/p: {from: p}, /q: {from: q}}\n"
    async with process(tmp_path, text) as bridge:
        stalled = await opened(bridge, 20, "/p", receive=4096)
        clients, admin = await opened(bridge, 50, "/q"), await bridge.admin()
        assert await push(admin, 900_000 * "x") == 202
        sent = time.monotonic()
        bridge.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*(client.rest() for client in clients))
        assert len({farewell(client) for client in clients}) > 10
        assert await bridge.ended() == 0
        assert time.monotonic() - sent < 3 + 5
        [drained] = [fact for fact in bridge.facts if fact["event"] == "drained"]
        assert (drained["told"], drained["left"]) == (70, 20)
        assert len(stalled) == 20


async def test_x07_a_prestop_hook_drains_and_sigterm_then_ends_quickly(tmp_path, free_ports):
    """`sse-bridge drain` finds the admin port in the file, waits until the streams have gone, and says how many."""
    text = TICKING.replace("admin: 127.0.0.1:0", f"admin: 127.0.0.1:{free_ports()}")
    async with process(tmp_path, text) as bridge:
        clients = await opened(bridge, 20, "/tick")
        command = (sys.executable, "-m", "bridge", "drain", "--file", str(tmp_path / "routes.yaml"))
        hook = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        await asyncio.gather(*(client.rest() for client in clients))
        said, _ = await asyncio.wait_for(hook.communicate(), DEADLINE)
        assert (hook.returncode, said) == (0, b"told 20 streams; 0 of them had to be cut\n")
        for client in clients:
            assert farewell(client)
        await refused(await bridge.port(), "/tick")
        assert await ask(await bridge.admin(), "/-/ready") == (503, "drained: waiting to be ended\n")
        assert await ask(await bridge.admin(), "/-/live") == (200, "live\n")
        bridge.process.send_signal(signal.SIGTERM)
        assert await bridge.ended() == 0
        events = [fact["event"] for fact in bridge.facts]
        assert (events.count("draining"), events[-1]) == (1, "stopped")


@pytest.mark.parametrize("prestop", ["0s", "60s"], ids=["draining", "prestop"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_x07_a_second_signal_ends_at_once(number, prestop, tmp_path):
    """Whoever asks twice does not want to wait."""
    text = TICKING.replace("drain: 2s", f"drain: 60s, prestop: {prestop}")
    async with process(tmp_path, text) as bridge:
        clients = [await bridge.open("/tick") for _ in range(3)]
        bridge.process.send_signal(number)
        await bridge.told("draining" if prestop == "0s" else "not ready")
        bridge.process.send_signal(number)
        assert await bridge.ended() == -number
        assert clients


def catches(pid: int, number: int) -> bool:
    """Tell whether a process has a handler of its own for a signal."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return False
    found = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return found is not None and bool(int(found[1], 16) >> (number - 1) & 1)


async def test_x07_sigterm_while_it_loads_ends_well(tmp_path):
    """There is nothing to drain yet: exit code 0, and not a word."""
    async with process(tmp_path) as bridge:
        await until(lambda: catches(bridge.process.pid, signal.SIGTERM))
        bridge.process.send_signal(signal.SIGTERM)
        assert await bridge.ended() == 0
        assert "Traceback" not in bridge.log.read_text("utf-8")


async def test_x07_a_request_to_read_again_ends_nothing(tmp_path):
    """Whoever sends SIGHUP without a pause, from the first moment to the last, does not make the exit code another."""
    async with process(tmp_path, TICKING.replace("drain: 2s", "drain: 0s")) as bridge:
        await until(lambda: catches(bridge.process.pid, signal.SIGTERM))

        async def ask_on() -> None:
            while bridge.process.poll() is None:
                bridge.process.send_signal(signal.SIGHUP)
                await asyncio.sleep(0.001)

        asking = asyncio.create_task(ask_on())
        await bridge.told("ready")
        bridge.process.send_signal(signal.SIGTERM)
        assert await bridge.ended() == 0
        await asking


def _can_be_first() -> bool:
    tried = subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, check=False)
    return tried.returncode == 0


#: Starts a process as the first one of a namespace of its own, as a container does.
FIRST = ("unshare", "--pid", "--fork", "--kill-child")
first = pytest.mark.skipif(not _can_be_first(), reason="no process namespace of our own here")


async def child_of(bridge: Process) -> int:
    """Return the process that is the first of its namespace, as it is called outside."""
    children = Path(f"/proc/{bridge.process.pid}/task/{bridge.process.pid}/children")
    return int(await until(lambda: children.read_text("utf-8").strip()))


@first
async def test_x19_signals_reach_pid_1(tmp_path):
    """In a container it is the first process, to which the kernel gives no default actions."""
    async with process(tmp_path, TICKING, *FIRST) as bridge:
        client = await bridge.open("/tick")
        await client.event()
        os.kill(await child_of(bridge), signal.SIGTERM)
        await client.rest()
        assert farewell(client)
        assert await bridge.ended() == 0


@first
async def test_x19_a_second_signal_ends_pid_1_at_once(tmp_path):
    """By an exit code, since no signal's default action ends it."""
    async with process(tmp_path, TICKING.replace("drain: 2s", "drain: 60s"), *FIRST) as bridge:
        assert [await bridge.open("/tick") for _ in range(3)]
        child = await child_of(bridge)
        os.kill(child, signal.SIGTERM)
        await bridge.told("draining")
        os.kill(child, signal.SIGTERM)
        assert await bridge.ended() == 128 + signal.SIGTERM


@first
async def test_x19_sigterm_reaches_pid_1_while_it_loads(tmp_path):
    """A pod that is deleted just as it starts must not wait for its whole grace."""
    async with process(tmp_path, TICKING, *FIRST) as bridge:
        child = await child_of(bridge)
        await until(lambda: catches(child, signal.SIGTERM))
        os.kill(child, signal.SIGTERM)
        assert await bridge.ended() == 0
