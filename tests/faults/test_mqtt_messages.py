"""MQTT's faults of messages, with a real broker: retained, shared, expired, too many, topics of its own."""

import asyncio

import pytest

from bridge.errors import ConfigError
from tests.devices import Sent, burst, numbered, send, texts
from tests.listening import both, listening, source
from tests.mosquitto import broker
from tests.network import Net

pytestmark = pytest.mark.live


@both
async def test_m13_a_retained_message_is_not_repeated_to_who_has_it(mosquitto, version):
    """It comes once, told apart; after a reconnect only what has changed since does."""
    await send(mosquitto.port, Sent("a", "1", retain=True), Sent("b", "1", retain=True))
    async with Net.to(mosquitto.port) as net, listening(net.url, version=version) as heard:
        await heard.comes_up()
        await heard.payloads(2)
        assert [each.facts["retained"] for each in heard.messages] == [True, True]
        net.cut()
        await heard.goes_down()
        # Without its session, as after the end of its expiry, it must subscribe anew.
        await mosquitto.kill()
        await mosquitto.start()
        await send(mosquitto.port, Sent("a", "1", retain=True), Sent("b", "2", retain=True))
        net.mend()
        await heard.comes_up(2)
        await send(mosquitto.port, Sent("c", "live"))
        await heard.until(lambda: b"live" in heard.texts)
        assert [(each.subject, each.payload) for each in heard.messages[2:]] == [("b", b"2"), ("c", b"live")]


@both
async def test_m13_a_value_that_went_and_came_back_while_nobody_listened_is_told(mosquitto, version):
    """The subscribers' last word is the live one between; the older one, retained again, is news to them."""
    await send(mosquitto.port, Sent("a", "old", retain=True))
    async with Net.to(mosquitto.port) as net, listening(net.url, version=version) as heard:
        await heard.payloads(1)
        await heard.comes_up()
        await send(mosquitto.port, Sent("a", "new", retain=True))
        await heard.payloads(2)
        net.cut()
        await heard.goes_down()
        await mosquitto.kill()
        await mosquitto.start()
        await send(mosquitto.port, Sent("a", "old", retain=True))
        net.mend()
        assert await heard.payloads(3) == [b"old", b"new", b"old"]


@both
async def test_m14_a_cleared_retained_message_is_a_deletion(mosquitto, version):
    """An empty payload with the retain flag deletes; the device's next word is a message again."""
    async with listening(mosquitto.url, "plants/{plant}", version=version) as heard:
        await heard.comes_up()
        for payload in ("21", "", "22"):
            await send(mosquitto.port, Sent("plants/oslo", payload, retain=True))
        await heard.payloads(3)
        assert [each.is_tombstone for each in heard.messages] == [False, True, False]
        assert heard.messages[1].captures == {"plant": "oslo"}


@both
async def test_m15_overlapping_subscriptions_deliver_once(mosquitto, version):
    """Three templates match; the most special one names the parts."""
    templates = ("{rest*}", "plants/{plant}/{device}/temperature", "plants/{rest*}")
    async with listening(mosquitto.url, *templates, version=version) as heard:
        await heard.comes_up()
        await send(mosquitto.port, Sent("plants/oslo/p1/temperature", "21"), Sent("plants/oslo/p1/temperature", "21"))
        await send(mosquitto.port, Sent("end", "end"))
        assert await heard.payloads(3) == [b"21", b"21", b"end"]


@both
async def test_m16_a_shared_subscription_gives_each_message_to_one(mosquitto, version):
    """Two sources of one share: together they have everything, once, and topics are without the share."""
    async with (
        listening(mosquitto.url, "t/{n}", version=version, share="bridges", client_id="one") as one,
        listening(mosquitto.url, "t/{n}", version=version, share="bridges", client_id="other") as other,
    ):
        await one.comes_up()
        await other.comes_up()
        await send(mosquitto.port, *(Sent(f"t/{n}", str(n)) for n in range(100)))
        await one.until(lambda: len(one.messages) + len(other.messages) >= 100)
        assert sorted([int(text) for text in one.texts + other.texts]) == list(range(100))
        assert one.texts
        assert other.texts
        assert {each.captures["n"] for each in one.messages + other.messages} == {str(n) for n in range(100)}


@both
async def test_m17_what_a_full_queue_drops_leaves_the_rest_in_order(tmp_path, free_port, version):
    """The broker keeps the oldest of what came while nobody listened, and says nothing of the others."""
    async with (
        broker(tmp_path, free_port, queue=100) as mosquitto,
        Net.to(mosquitto.port) as net,
        listening(net.url, version=version, client_id="bridge") as heard,
    ):
        await heard.comes_up()
        net.cut()
        await heard.goes_down()
        await mosquitto.misses("bridge")
        await send(mosquitto.port, *numbered("t", 150))
        net.mend()
        await heard.comes_up(2)
        await send(mosquitto.port, Sent("t", "end"))
        await heard.until(lambda: b"end" in heard.texts)
        kept = heard.texts[:-1]
        assert kept == texts(len(kept))
        assert 100 <= len(kept) < 150


async def test_m18_an_expired_message_does_not_come(mosquitto):
    """What still lives says how long it has left."""
    async with Net.to(mosquitto.port) as net, listening(net.url, client_id="bridge") as heard:
        await heard.comes_up()
        net.cut()
        await heard.goes_down()
        await mosquitto.misses("bridge")
        await send(mosquitto.port, Sent("t", "short", expiry=1), Sent("t", "long", expiry=100))
        await asyncio.sleep(2.1)  # the message's time, which Mosquitto counts in whole seconds
        net.mend()
        assert await heard.payloads(1) == [b"long"]
        assert 90 <= heard.messages[0].facts["expiry"] <= 98


@both
async def test_m20_topics_of_the_broker_come_only_where_they_are_asked_for(mosquitto, version):
    """`#` takes none that begin with `$` (section 4.7.2)."""
    async with (
        listening(mosquitto.url, "{rest*}", version=version) as most,
        listening(mosquitto.url, "$SYS/broker/{what*}", version=version, client_id="sys") as broker_only,
    ):
        await broker_only.until(lambda: any(each.captures["what"] == "version" for each in broker_only.messages))
        await most.comes_up()
        await send(mosquitto.port, Sent("t", "1"))
        assert await most.payloads(1) == [b"1"]


@pytest.mark.parametrize(
    "topic", ["plants/+/x", "plants/#", "", "$share/g/plants", "a\0b", "t" * 65_536, "{a}{b}", "{a*}/{b*}"]
)
def test_m20_a_topic_that_is_none_is_refused_by_the_configuration(topic):
    """A wildcard has a name here, and nothing else stands for one."""
    with pytest.raises(ConfigError):
        source("mqtt://broker", topic)


@both
async def test_m22_a_message_over_the_maximum_is_told(mosquitto, version):
    """A broker that was asked to keep it back would do so without a word."""
    async with listening(mosquitto.url, version=version, max="64KiB") as heard:
        await heard.comes_up()
        await send(mosquitto.port, Sent("t", "1"), Sent("t", b"x" * 100_000), Sent("t", "2"))
        assert await heard.payloads(2) == [b"1", b"2"]
        assert [(loss.reason, loss.missed) for loss in heard.losses] == [("oversize", 1)]
        assert heard.heard.index(heard.losses[0]) == 1


@both
@pytest.mark.parametrize(("qos", "count"), [(0, 10_000), (1, 50_000), (2, 10_000)])
async def test_m26_a_burst_arrives_whole(mosquitto, version, qos, count):
    """In order and once each, with a hundred unacknowledged at most."""
    async with listening(mosquitto.url, version=version, inflight=100, qos=qos) as heard:
        await heard.comes_up()
        await burst(mosquitto.port, "t", count)
        await heard.until(lambda: len(heard.messages) >= count)
        assert heard.texts == texts(count)
        assert heard.losses == []
