"""MQTT's faults that no well-behaved broker shows: silence, refusals, cuts between two packets, broken packets."""

import socket
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.sources.mqtt import session
from tests import packets
from tests.devices import texts
from tests.fake_mqtt import Fake, good
from tests.listening import both, listening
from tests.packets import DISCONNECT, PUBACK, properties


@pytest.mark.parametrize(("keys", "seconds"), [({}, 3_600), ({"session": {"expiry": "5m"}}, 300)])
async def test_m02_a_session_is_kept_for_a_bounded_time(fake, keys, seconds):
    """A pod that never comes back under its name leaves no queue behind for ever."""
    async with listening(fake.url, **keys):
        peer = await fake.peer()
        assert peer.connect.properties[packets.SESSION_EXPIRY] == seconds
        assert not peer.connect.is_clean


@pytest.mark.parametrize("keys", [{}, {"client_id": "bridge"}])
async def test_m02_a_session_of_311_is_kept_only_under_a_chosen_name(fake, keys):
    """It would be kept for ever."""
    async with listening(fake.url, version="3.1.1", **keys):
        peer = await fake.peer()
        assert peer.connect.is_clean == (not keys)


@both
async def test_m06_a_broker_that_accepts_and_says_nothing_is_given_up(fake, version, monkeypatch):
    """No CONNACK ever: down in words within the time for an answer, and tried again."""
    monkeypatch.setattr(session, "ANSWER", 0.3)
    async with listening(fake.url, version=version) as heard:
        silent = await fake.peer()
        assert "answer" in await heard.goes_down()
        await silent.rest()
        await good(await fake.welcomed(), heard)


@both
@pytest.mark.parametrize("stage", ["connect", "subscribe", "up"])
async def test_m06_a_source_that_is_stopped_leaves_at_every_stage(fake, version, stage):
    """The broker sees the end of the connection, whatever it was waited for."""
    async with listening(fake.url, version=version) as heard:
        peer = await fake.peer()
        if stage == "subscribe":
            peer.is_mute = True
        if stage != "connect":
            await peer.welcome()
        if stage == "up":
            await heard.comes_up()
    packets_left = await peer.rest()
    assert packets.kinds(packets_left) in ([], [DISCONNECT])
    assert fake.count == 1


async def test_m05_the_keepalive_that_the_broker_wants_is_kept(fake):
    """MQTT 5 lets it ask for a shorter one: whoever does not ping then is thrown out."""
    async with listening(fake.url, keepalive="1h") as heard:
        peer = await fake.welcomed(properties=properties((packets.KEEPALIVE, 1)))
        await heard.until(lambda: peer.pings >= 1)


REFUSALS = {
    (5, 0x84): "version",
    (5, 0x85): "client id",
    (5, 0x86): "password",
    (5, 0x87): "rules",
    (5, 0x88): "starting",
    (5, 0x89): "busy",
    (5, 0x8A): "banned",
    (5, 0x9C): "another server",
    (5, 0x9D): "moved",
    ("3.1.1", 1): "version",
    ("3.1.1", 2): "client id",
    ("3.1.1", 3): "starting",
    ("3.1.1", 4): "password",
    ("3.1.1", 5): "rules",
}


@pytest.mark.parametrize(("version", "code"), REFUSALS)
async def test_m07_a_refusal_is_told_in_its_own_words(fake, version, code):
    """And tried again: whoever corrects the broker need not touch the bridge."""
    async with listening(fake.url, version=version) as heard:
        refused = await fake.peer()
        refused.connack(code)
        refused.close()
        assert REFUSALS[version, code] in (await heard.goes_down()).lower()
        await good(await fake.welcomed(), heard)


def test_m07_no_two_refusals_of_one_version_share_their_words():
    """A wrong password does not look like a broker that is busy."""
    for version in (5, "3.1.1"):
        words = [word for (of, _), word in REFUSALS.items() if of == version]
        assert len(words) == len(set(words))


DENIALS = [(5, 0x80), (5, 0x87), (5, 0x8F), ("3.1.1", 0x80)]


@pytest.mark.parametrize(("version", "code"), DENIALS)
async def test_m08_a_refused_topic_is_told_and_the_others_are_read(fake, version, code):
    """One of two is refused: the other's messages arrive, and a line in the log names the refused one."""
    with capture_logs() as lines:
        async with listening(fake.url, "open/{a}", "closed/{b}", version=version) as heard:
            peer = await fake.peer()
            peer.refusals["closed/+"] = code
            await peer.welcome()
            await heard.comes_up()
            peer.publish("open/1", b"good")
            assert await heard.payloads(1) == [b"good"]
    [told] = [line for line in lines if line["event"] == "topic refused"]
    assert told["topic"] == "closed/+"
    assert f"{code:#x}" in told["reason"]


@pytest.mark.parametrize(("version", "code"), DENIALS)
async def test_m08_a_source_whose_every_topic_is_refused_is_down(fake, version, code):
    """It says why, and is up by itself when the broker grants them."""
    async with listening(fake.url, "closed/{b}", version=version) as heard:
        peer = await fake.peer()
        peer.refusals["closed/+"] = code
        peer.connack()
        reason = await heard.goes_down()
        assert "closed/+" in reason
        assert f"{code:#x}" in reason
        (await fake.welcomed()).publish("closed/1", b"good")
        assert await heard.payloads(1) == [b"good"]


@pytest.mark.parametrize("code", [0x8B, 0x8D, 0x8E, 0x93, 0x95, 0x97, 0x98])
async def test_m10_a_broker_that_says_why_it_leaves_is_quoted(fake, code):
    """Down in words of its reason, then back, without a loss where the session is kept."""
    words = {
        0x8B: "shut",
        0x8D: "keepalive",
        0x8E: "same client id",
        0x93: "inflight",
        0x95: "large",
        0x97: "quota",
        0x98: "administrat",
    }
    async with listening(fake.url, client_id="bridge") as heard:
        first = await fake.welcomed()
        await good(first, heard, b"before")
        first.disconnect(code)
        assert words[code] in (await heard.goes_down()).lower()
        second = await fake.welcomed(session=True)
        await good(second, heard, b"after")
        assert heard.losses == []


async def test_m10_a_brokers_own_words_are_passed_on_as_text(fake):
    """Its reason string may hold anything."""
    async with listening(fake.url) as heard:
        first = await fake.welcomed()
        first.disconnect(0x80, properties((packets.REASON, "disk\r\nfull\x1b[31m")))
        reason = await heard.goes_down()
        assert "disk" in reason
        assert not set(reason) & set("\r\n\x1b")


async def test_m15_copies_for_several_subscriptions_are_one_event(fake):
    """MQTT 5 may send a copy for each subscription that matches, each with its identifier."""
    async with listening(fake.url, "a/{b}", "{rest*}") as heard:
        peer = await fake.welcomed()
        await heard.comes_up()
        copies = {
            filter: properties((packets.SUBSCRIPTION, asked.properties[packets.SUBSCRIPTION]))
            for filter, asked in peer.filters.items()
        }
        assert set(copies) == {"a/+", "#"}
        for n in (b"1", b"1", b"2"):
            for each in copies.values():
                peer.publish("a/x", n, properties=each)
        peer.publish("end", b"end", properties=copies["#"])
        await heard.until(lambda: b"end" in heard.texts)
        assert heard.texts == [b"1", b"1", b"2", b"end"]


async def test_m21_a_topic_alias_that_nobody_allowed_is_no_silent_loss(fake):
    """The source allows none (Topic Alias Maximum 0), so a broker may not use one; if it does, it is told."""
    async with listening(fake.url) as heard:
        peer = await fake.welcomed()
        assert not peer.connect.properties.get(packets.ALIAS_MAXIMUM)
        alias = properties((packets.ALIAS, 1))
        peer.publish("a", b"1", properties=alias, qos=1, id=1)
        peer.publish("", b"2", properties=alias, qos=1, id=2)
        peer.close()
        await good(await fake.welcomed(session=True), heard)
        assert b"2" not in heard.texts
        assert [loss.reason for loss in heard.losses] == ["undecodable"], heard.losses


@pytest.mark.parametrize("inflight", [1, 100])
async def test_m26_the_receive_maximum_is_told_and_never_leaves_the_broker_waiting(fake, inflight):
    """A broker that sends just so many before it waits gets them all acknowledged, again and again."""
    async with listening(fake.url, inflight=inflight) as heard:
        peer = await fake.welcomed()
        assert peer.connect.properties[packets.RECEIVE_MAXIMUM] == inflight
        for turn in range(20):
            for n in range(inflight):
                peer.publish("t", b"%d" % (turn * inflight + n), qos=1, id=n + 1)
            assert [(await peer.receive(PUBACK)).id for _ in range(inflight)] == list(range(1, inflight + 1))
        assert heard.texts == texts(20 * inflight)


@both
async def test_m22_a_packet_over_the_maximum_costs_itself_only(fake, version):
    """It is announced, acknowledged so that it does not come for ever, and what follows arrives."""
    async with listening(fake.url, version=version, max="1KiB") as heard:
        peer = await fake.welcomed()
        peer.publish("t", b"x" * 100_000, qos=1, id=7)
        assert (await peer.receive(PUBACK)).id == 7
        await good(peer, heard)
        assert [(loss.reason, loss.missed) for loss in heard.losses] == [("oversize", 1)]
        assert fake.count == 1


async def test_m24_a_name_that_moves_is_looked_up_again(monkeypatch, free_port):
    """After a cut the name leads elsewhere, and the source goes there."""
    where = "127.0.0.1"
    plain = socket.getaddrinfo

    def lookup(host: Any, *more: Any, **named: Any) -> Any:
        return plain(where if host in ("broker.test", b"broker.test") else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    async with listening(f"mqtt://broker.test:{free_port}") as heard:
        async with Fake.open(free_port) as old:
            await good(await old.welcomed(), heard, b"old")
        where = "127.0.0.2"
        async with Fake.open(free_port, where) as new:
            await good(await new.welcomed(), heard, b"new")


async def test_m24_a_name_that_is_not_known_is_told(monkeypatch):
    """The words name it."""

    def lookup(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    async with listening("mqtt://broker.test") as heard:
        assert "broker.test" in await heard.goes_down()
