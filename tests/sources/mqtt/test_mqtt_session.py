"""One connection, and what becomes of it."""

from typing import Any

from bridge.sources.base import Place
from bridge.sources.mqtt import session
from bridge.sources.mqtt.intake import Memory
from tests import packets
from tests.listening import listening

#: Options of MQTT 5 (section 3.8.3.1): what is retained is flagged; what is retained does not come.
TELLS, BRINGS_NOT = 0b1000, 0b10_0000

NO_IDENTIFIERS = packets.properties((0x29, 0))


def asked(peer: Any) -> list[tuple[dict[str, int], int | None]]:
    """Return filters with their options, and the identifier, of each subscription."""
    return [(dict(each.filters), each.properties.get(packets.SUBSCRIPTION)) for each in peer.asked]


def look(peer: Any) -> bytes:
    """Return the properties of what the first subscription brings."""
    return packets.properties((packets.SUBSCRIPTION, asked(peer)[0][1]))


async def test_a_new_session_is_looked_into_and_then_subscribed_to(fake):
    """A look brings what is retained, under an identifier that tells; the subscription replaces it."""
    async with listening(fake.url, "a/{x}", "b/{x}") as heard:
        peer = await fake.welcomed()
        await heard.comes_up()
        filters, ids = zip(*asked(peer), strict=True)
        assert filters == (
            {"a/+": TELLS | 1},
            {"b/+": TELLS | 1},
            {"a/+": BRINGS_NOT | TELLS | 1},
            {"b/+": BRINGS_NOT | TELLS | 1},
        )
        assert ids[2:] == (ids[0] + 1, ids[1] + 1)


async def test_a_broker_without_identifiers_is_asked_once(fake):
    """The flag then means what a subscription brought."""
    async with listening(fake.url, "a/{x}") as heard:
        peer = await fake.welcomed(properties=NO_IDENTIFIERS)
        await heard.comes_up()
        assert asked(peer) == [({"a/+": 1}, None)]


async def test_a_shared_subscription_is_not_looked_into(fake):
    """Nothing that is retained comes to one."""
    async with listening(fake.url, "a/{x}", share="group") as heard:
        peer = await fake.welcomed()
        await heard.comes_up()
        assert [filters for filters, _ in asked(peer)] == [{"$share/group/a/+": BRINGS_NOT | TELLS | 1}]


async def test_a_session_that_goes_on_is_not_subscribed_to_again(fake):
    """All would be sent again that is retained."""
    async with listening(fake.url, "a/{x}") as heard:
        peer = await fake.welcomed()
        await heard.comes_up()
        peer.close()
        again = await fake.welcomed(session=True)
        await heard.comes_up(2)
        assert again.asked == []
        assert heard.losses == []


async def test_a_session_of_another_process_is_subscribed_to(fake):
    """What is retained is a snapshot that this process needs, and nothing is lost that anybody was promised."""
    async with listening(fake.url, "a/{x}") as heard:
        peer = await fake.welcomed(session=True)
        await heard.comes_up()
        assert len(peer.asked) == 2
        assert heard.losses == []


async def test_a_session_that_misses_a_topic_is_completed(fake):
    """One that was refused is asked for again at the next connection."""
    async with listening(fake.url, "a/{x}", "b/{x}") as heard:
        peer = await fake.peer()
        peer.refusals["b/+"] = 0x87
        await peer.welcome()
        await heard.comes_up()
        peer.close()
        again = await fake.welcomed(session=True)
        await heard.comes_up(2)
        assert again.filters.keys() == {"a/+", "b/+"}


async def test_a_retained_message_that_does_not_come_again_is_told_with_the_gap_alone(fake):
    """Nobody says which one was the last, so it may be on its way: no deletion is made of it."""
    async with listening(fake.url, "a/{x}") as heard:
        peer = await fake.welcomed()
        await heard.comes_up()
        for each in ("a/1", "a/2"):
            peer.publish(each, b"1", retain=True, properties=look(peer))
        await heard.payloads(2)
        peer.close()
        again = await fake.welcomed()
        await heard.comes_up(2)
        again.publish("a/1", b"1", retain=True, properties=look(again))
        again.publish("a/3", b"3", retain=True, properties=look(again))
        await heard.payloads(3)
        assert [each.subject for each in heard.messages] == ["a/1", "a/2", "a/3"]
        assert not any(each.is_tombstone for each in heard.messages)
        assert [loss.reason for loss in heard.losses] == ["broker_session_lost"]
        assert heard.heard.index(heard.losses[0]) == 2


async def test_a_burst_is_cut_into_batches(fake, monkeypatch):
    """A turn of the loop takes so many at most; all are acknowledged."""
    sizes: list[int] = []
    async with listening(fake.url) as heard:
        peer = await fake.welcomed()
        await heard.comes_up()
        emit = heard.emit
        monkeypatch.setattr(heard, "emit", lambda batch: (sizes.append(len(batch)), emit(batch))[1])
        raws = [packets.publish("t", b"%d" % n, qos=1, id=n) for n in range(1, 3001)]
        peer.send(b"".join(raws))
        await heard.payloads(3000)
        acknowledged = [(await peer.receive(packets.PUBACK)).id for _ in raws]
        assert acknowledged == list(range(1, 3001))
        assert max(sizes) <= session.BATCH
        assert heard.texts == [b"%d" % n for n in range(1, 3001)]


async def test_what_came_before_the_end_is_taken(fake):
    """Although nobody can acknowledge it any more."""
    async with listening(fake.url) as heard:
        peer = await fake.welcomed()
        await heard.comes_up()
        peer.send(b"".join(packets.publish("t", b"%d" % n) for n in range(2000)))
        peer.close()
        await heard.payloads(2000)


async def test_goodbye_is_said_and_the_session_kept(fake):
    """It is there for the next process."""
    async with listening(fake.url) as heard:
        peer = await fake.welcomed()
        await heard.comes_up()
    (goodbye,) = await peer.rest()
    assert (goodbye.kind, goodbye.body) == (packets.DISCONNECT, b"")


async def test_a_client_id_of_this_process_alone_leaves_no_session_behind(fake):
    """Whoever was thrown out under the name of the host took another, which nobody will use again."""
    async with listening(fake.url) as heard:
        peer = await fake.welcomed()
        await heard.comes_up()
        peer.disconnect(0x8E)
        again = await fake.welcomed()
        await heard.comes_up(2)
        assert again.connect.client_id.startswith(peer.connect.client_id + "-")
        assert "taking a new one" in heard.states[1]
    (goodbye,) = await again.rest()
    assert goodbye.body == b"\0" + b"\5" + packets.properties((packets.SESSION_EXPIRY, 0))


async def test_a_run_goes_on_where_the_one_before_it_stood(fake):
    """After a crash within the process: a session that is gone is a loss then, too."""
    place = Place(name="m")
    async with listening(fake.url, place=place) as heard:
        await fake.welcomed()
        await heard.comes_up()
    assert isinstance(place.kept["mqtt"], Memory)
    async with listening(fake.url, place=place) as heard:
        await fake.welcomed()
        await heard.losses_of("broker_session_lost")


async def test_a_first_packet_that_is_no_connack_ends_the_connection(fake):
    """Nothing of it is taken."""
    async with listening(fake.url) as heard:
        peer = await fake.peer()
        peer.publish("t", b"1")
        assert "CONNACK" in await heard.goes_down()
        assert heard.messages == []
