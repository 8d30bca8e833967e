"""What MQTT's acknowledgements promise: M11 and M12, with a broker that forgets nothing and one that forgets all."""

from bridge.errors import SourceError
from tests import packets
from tests.listening import both, listening
from tests.packets import PUBACK, PUBCOMP, PUBREC


@both
async def test_m11_it_is_acknowledged_when_it_is_in_its_channel_and_not_before(fake, version):
    """Whoever fails to take a message has it delivered again."""
    async with listening(fake.url, version=version, client_id="bridge") as heard:
        peer = await fake.welcomed()
        peer.publish("t", b"1", qos=1, id=7)
        await heard.payloads(1)
        assert (await peer.receive(PUBACK)).id == 7
        heard.failure = SourceError("the disk is full")
        peer.publish("t", b"2", qos=1, id=8)
        assert "internal error" in await heard.goes_down()
        assert PUBACK not in packets.kinds(await peer.rest())
        again = await fake.welcomed(session=True)
        again.publish("t", b"2", qos=1, id=8, dup=True)
        assert (await again.receive(PUBACK)).id == 8
        assert heard.texts == [b"1", b"2"]
        assert heard.messages[1].facts["dup"]


@both
async def test_m12_qos_2_cut_before_pubrec_is_delivered_once(fake, version):
    """The broker sends it again, since it cannot know; it is one event."""
    async with listening(fake.url, version=version, client_id="bridge", qos=2) as heard:
        first = await fake.welcomed()
        first.publish("t", b"once", qos=2, id=7)
        await heard.payloads(1)
        first.reset()
        second = await fake.welcomed(session=True)
        second.publish("t", b"once", qos=2, id=7, dup=True)
        assert (await second.receive(PUBREC)).id == 7
        second.pubrel(7)
        assert (await second.receive(PUBCOMP)).id == 7
        second.publish("t", b"other", qos=2, id=7)
        assert await heard.payloads(2) == [b"once", b"other"]


@both
async def test_m12_qos_2_cut_before_pubrel_is_delivered_once(fake, version):
    """PUBREL comes over the next connection; its number is free after it."""
    async with listening(fake.url, version=version, client_id="bridge", qos=2) as heard:
        first = await fake.welcomed()
        first.publish("t", b"once", qos=2, id=7)
        assert (await first.receive(PUBREC)).id == 7
        first.reset()
        second = await fake.welcomed(session=True)
        second.pubrel(7)
        assert (await second.receive(PUBCOMP)).id == 7
        second.publish("t", b"other", qos=2, id=7)
        assert await heard.payloads(2) == [b"once", b"other"]


@both
async def test_m12_a_number_of_a_lost_session_is_forgotten(fake, version):
    """Without the session the same number is another message."""
    async with listening(fake.url, version=version, client_id="bridge", qos=2) as heard:
        first = await fake.welcomed()
        first.publish("t", b"one", qos=2, id=7)
        assert (await first.receive(PUBREC)).id == 7
        first.reset()
        second = await fake.welcomed()
        second.publish("t", b"other", qos=2, id=7)
        assert await heard.payloads(2) == [b"one", b"other"]
        await heard.losses_of("broker_session_lost")
