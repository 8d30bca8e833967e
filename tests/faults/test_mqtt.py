"""MQTT's faults of connections and sessions, with a real broker: restarts, cuts, silence, two of one name."""

import asyncio

import pytest
from structlog.testing import capture_logs

from bridge.sources.mqtt import follow
from tests.devices import Device, Sent, numbered, send, texts
from tests.listening import Heard, both, listening
from tests.mosquitto import broker
from tests.network import Net

pytestmark = pytest.mark.live


def is_whole(heard: Heard, count: int) -> bool:
    """Tell whether all numbers came, each after those before it; and what came again says so."""
    seen = set()
    for each in heard.messages:
        if each.payload in seen and not each.facts["dup"]:
            return False
        seen.add(each.payload)
    return list(dict.fromkeys(heard.texts)) == texts(count)


@both
async def test_m01_a_restart_by_sigterm_loses_nothing(mosquitto, version):
    """50 messages that came while nobody listened are there after it, and no gap is announced."""
    async with (
        Net.to(mosquitto.port) as net,
        listening(net.url, version=version, client_id="bridge") as heard,
    ):
        await heard.comes_up()
        await send(mosquitto.port, *numbered("t", 10))
        await heard.payloads(10)
        net.cut()
        await heard.goes_down()
        await send(mosquitto.port, *numbered("t", 50, 10))
        await mosquitto.stop()
        await mosquitto.start()
        net.mend()
        await heard.payloads(60)
        await heard.comes_up(2)
        await send(mosquitto.port, *numbered("t", 10, 60))
        await heard.until(lambda: b"69" in heard.texts)
        assert is_whole(heard, 70)
        assert heard.losses == []


@both
async def test_m02_sigkill_loses_the_session_and_says_so(mosquitto, version):
    """What was queued is gone: one loss, without a number, before all that comes after."""
    async with (
        Net.to(mosquitto.port) as net,
        listening(net.url, version=version, client_id="bridge") as heard,
    ):
        await heard.comes_up()
        await send(mosquitto.port, *numbered("t", 10))
        await heard.payloads(10)
        net.cut()
        await heard.goes_down()
        await send(mosquitto.port, *numbered("t", 50, 10))
        await mosquitto.kill()
        await mosquitto.start()
        net.mend()
        await heard.comes_up(2)
        await send(mosquitto.port, *numbered("t", 10, 60))
        await heard.payloads(20)
        assert heard.texts == texts(10) + texts(10, 60)
        assert [(loss.reason, loss.missed) for loss in heard.losses] == [("broker_session_lost", None)]
        assert heard.heard.index(heard.losses[0]) == 10


@both
async def test_m02_a_session_from_an_older_store_cannot_be_told_from_a_whole_one(mosquitto, version):
    """Killed after it has once saved its sessions, the broker says that ours is there; what was queued since is not."""
    async with (
        Net.to(mosquitto.port) as net,
        listening(net.url, version=version, client_id="bridge") as heard,
    ):
        await heard.comes_up()
        net.cut()
        await heard.goes_down()
        await mosquitto.stop()  # which saves
        await mosquitto.start()
        await send(mosquitto.port, *numbered("t", 50))
        await mosquitto.kill()
        await mosquitto.start()
        net.mend()
        await heard.comes_up(2)
        await send(mosquitto.port, *numbered("t", 10, 50))
        await heard.payloads(10)
        assert heard.texts == texts(10, 50)
        assert heard.losses == []


@both
async def test_m03_a_broker_that_is_not_there_at_the_start_is_awaited(tmp_path, free_port, version):
    """Down, with the reason in words and no loss announced; up by itself once the broker is there."""
    async with listening(f"mqtt://127.0.0.1:{free_port}", version=version) as heard:
        assert "refuses" in await heard.goes_down()
        async with broker(tmp_path, free_port) as mosquitto:
            await heard.comes_up()
            await send(mosquitto.port, *numbered("t", 3))
            assert await heard.payloads(3) == texts(3)
            assert heard.losses == []


async def test_m03_a_broker_that_stays_away_is_logged_once(free_port, monkeypatch):
    """Each attempt has the same reason: it is one fact."""
    attempts = []
    plain = follow.Session.run

    async def counted(session: follow.Session) -> object:
        attempts.append(session)
        return await plain(session)

    monkeypatch.setattr(follow.Session, "run", counted)
    with capture_logs() as lines:
        async with listening(f"mqtt://127.0.0.1:{free_port}") as heard:
            await heard.until(lambda: len(attempts) >= 10)
    assert len(lines) <= 1, lines


@both
async def test_m04_a_reset_in_the_middle_loses_nothing(mosquitto, version):
    """The broker sends again what was not acknowledged: all is there, in order, and a repetition says it is one."""
    async with (
        Net.to(mosquitto.port) as net,
        listening(net.url, version=version, client_id="bridge") as heard,
        Device(mosquitto.port) as device,
    ):
        await heard.comes_up()
        for turn in range(3):
            await device.send(*numbered("t", 300, turn * 300))
            await heard.payloads(turn * 300 + 1)
            net.reset()
            await heard.comes_up(turn + 2)
        await heard.until(lambda: b"899" in heard.texts)
        assert is_whole(heard, 900)
        assert heard.losses == []


@both
async def test_m04_what_was_sent_with_qos_0_is_lost_with_the_connection_and_told(mosquitto, version):
    """The session is kept, but nobody keeps those: a gap stands before what comes after."""
    async with Net.to(mosquitto.port) as net, listening(net.url, version=version, client_id="bridge") as heard:
        await heard.comes_up()
        await send(mosquitto.port, Sent("t", "0", qos=0))
        await heard.payloads(1)
        net.cut()
        await heard.goes_down()
        await mosquitto.misses("bridge")
        await send(mosquitto.port, Sent("t", "lost", qos=0), Sent("t", "kept"))
        net.mend()
        await heard.until(lambda: b"kept" in heard.texts)
        assert [each for each in heard.texts if each != b"lost"] == [b"0", b"kept"]
        assert [loss.reason for loss in heard.losses] == ["broker_session_lost"]
        assert heard.heard.index(heard.losses[0]) == 1


@both
async def test_m05_a_peer_that_falls_silent_is_noticed(mosquitto, version):
    """No byte comes and no connection ends: the keepalive fires, and the session goes on."""
    keys = {"version": version, "client_id": "bridge", "keepalive": "1s"}
    async with Net.to(mosquitto.port) as net, listening(net.url, **keys) as heard:
        await heard.comes_up()
        net.stall()
        await send(mosquitto.port, Sent("t", "meanwhile"))
        assert "answer" in await heard.goes_down()
        net.mend()
        net.reset()
        await heard.comes_up(2)
        assert await heard.payloads(1) == [b"meanwhile"]
        assert heard.losses == []


async def test_m05_a_broker_that_hangs_is_noticed(mosquitto):
    """Its kernel takes every byte, and nobody reads them."""
    async with listening(mosquitto.url, client_id="bridge", keepalive="1s") as heard:
        await heard.comes_up()
        mosquitto.freeze()
        assert "answer" in await heard.goes_down()
        mosquitto.thaw()
        await heard.comes_up(2)
        await send(mosquitto.port, Sent("t", "1"))
        assert await heard.payloads(1) == [b"1"]
        assert heard.losses == []


@both
async def test_m09_replicas_on_two_hosts_have_two_client_ids(mosquitto, version, monkeypatch):
    """Two connections, and no more: nobody throws anybody out."""
    hosts = iter(["pod-0", "pod-1"])
    monkeypatch.setattr(follow, "host", lambda: next(hosts))
    async with (
        listening(mosquitto.url, version=version, is_alone=False) as one,
        listening(mosquitto.url, version=version, is_alone=False) as other,
    ):
        await one.comes_up()
        await other.comes_up()
        await send(mosquitto.port, *numbered("t", 10))
        assert await one.payloads(10) == await other.payloads(10) == texts(10)
        assert mosquitto.greeted("sse-bridge-m-") == 2


@both
async def test_m09_bridges_on_one_host_part_ways(mosquitto, version):
    """They begin with one client id and throw each other out, until one takes another; then both hear all."""
    async with (
        listening(mosquitto.url, version=version, is_alone=False) as one,
        listening(mosquitto.url, version=version, is_alone=False) as other,
        Device(mosquitto.port) as device,
    ):
        await one.comes_up()
        await other.comes_up()
        sent = 0
        while len(set(one.texts[-10:]) & set(other.texts[-10:])) < 10:
            await device.send(Sent("t", str(sent)))
            sent += 1
        before = mosquitto.greeted("sse-bridge-m-")
        assert before <= 10
        await device.send(*numbered("t", 100, sent))
        for each in (one, other):
            await each.until(lambda each=each: each.texts[-100:] == texts(100, sent))
        assert mosquitto.greeted("sse-bridge-m-") == before


@both
async def test_m09_one_client_id_given_twice_is_no_endless_fight(mosquitto, version):
    """A few turns, then whoever is thrown out waits for long, and says what is wrong."""
    async with (
        listening(mosquitto.url, version=version, client_id="same", is_alone=False) as one,
        listening(mosquitto.url, version=version, client_id="same", is_alone=False) as other,
    ):
        words = "`client_id: same` is used twice"
        await one.until(lambda: any(words in state for state in one.states + other.states))
        await asyncio.sleep(1.0)  # in which two that come back at once would meet fifty times
        assert mosquitto.greeted("same") <= 10
        assert one.states[-1] == "up" or other.states[-1] == "up"


@both
async def test_m11_what_was_not_acknowledged_comes_again_and_says_so(mosquitto, version):
    """Five messages are delivered, their acknowledgements are lost: they are passed on again, flagged."""
    async with Net.to(mosquitto.port) as net, listening(net.url, version=version, client_id="bridge") as heard:
        await heard.comes_up()
        net.stall_up()
        await send(mosquitto.port, *numbered("t", 5))
        await heard.payloads(5)
        net.reset()
        net.mend()
        assert await heard.payloads(10) == texts(5) * 2
        assert [bool(each.facts.get("dup")) for each in heard.messages] == [False] * 5 + [True] * 5
