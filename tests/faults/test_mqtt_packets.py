"""M25: packets of a broker that are none (CVE-2024-10525 was one of them, in Mosquitto's own client)."""

import asyncio

import pytest

from tests import packets
from tests.fake_mqtt import good
from tests.listening import both, listening
from tests.packets import DISCONNECT, PUBACK, PUBLISH, SUBACK, packet

BROKEN = {
    "suback_empty": packet(SUBACK),  # CVE-2024-10525: read past its end
    "suback_without_codes": packet(SUBACK, b"\0\1"),
    "suback_short_properties": packet(SUBACK, b"\0\1\x7f\0"),
    "suback_unknown": packet(SUBACK, b"\xff\xff\0\0"),
    "kind_0": packet(0),
    "auth": packet(15, b"\x18\0"),
    "length_of_five_bytes": b"\x30\xff\xff\xff\xff\x01",
    "publish_qos_3": packet(PUBLISH, b"\0\1tx", 6),
    "publish_empty": packet(PUBLISH),
    "connect": packet(packets.CONNECT, b"\0\4MQTT\5\2\0\0\0\0\0"),
    "second_connack": packet(packets.CONNACK, b"\0\0\0"),
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "noise": bytes(range(256)) * 4,
    "puback_short": packet(PUBACK, b"\0"),
    "pubrel_unknown": packet(packets.PUBREL, b"\x12\x34", 2),
    "pubrel_short": packet(packets.PUBREL, b"", 2),
    "disconnect_short_properties": packet(DISCONNECT, b"\x8b\x7f"),
    "huge_control_packet": packet(SUBACK, b"\0\1" + b"\0" * 300_000),
}


@both
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_m25_a_broken_packet_crashes_nothing(fake, version, broken):
    """The source reads on or connects anew; either way what comes after it arrives."""
    async with listening(fake.url, version=version) as heard:
        peer = await fake.welcomed()
        await good(peer, heard, b"before")
        peer.send(broken)
        peer.publish("t", b"after")
        peer.close()
        again = await fake.welcomed()
        await good(again, heard, b"new")
        assert [text for text in heard.texts if text != b"after"] == [b"before", b"new"]
        assert not [state for state in heard.states if "internal error" in state]


@both
async def test_m25_a_broken_packet_in_place_of_connack_crashes_nothing(fake, version):
    """Any of them, before the connection is one."""
    async with listening(fake.url, version=version) as heard:
        for broken in BROKEN.values():
            peer = await fake.peer()
            peer.send(broken)
            peer.close()
        await good(await fake.welcomed(), heard)


@both
async def test_m25_packets_may_come_byte_by_byte(fake, version):
    """And many in one piece."""
    async with listening(fake.url, version=version) as heard:
        peer = await fake.welcomed()
        await heard.comes_up()  # else an answer to a subscription falls between two bytes
        more = None if version != 5 else b""
        raw = b"".join(packets.publish("t", b"%d" % n, properties=more) for n in range(20))
        for at in range(len(raw)):
            peer.send(raw[at : at + 1])
            await asyncio.sleep(0)
        peer.send(raw * 50)
        assert (await heard.payloads(1_020))[:20] == [b"%d" % n for n in range(20)]
