"""Bad input over MQTT: payloads, topics, properties and packets that somebody else chose.

Each is sent between two good messages, which arrive in any case. It becomes an event with just these bytes, or an
announced loss, or, where nobody can tell where the next packet begins, the end of the connection.
"""

import base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from tests import packets
from tests.fake_mqtt import Fake
from tests.listening import listening
from tests.packets import PUBACK, PUBLISH, packet, properties, publish, text
from tests.support import running, until

MEGA = 1024 * 1024


class Case(NamedTuple):
    """A message, and what becomes of it."""

    raw: bytes
    #: The payload of its event; None where there is none.
    told: bytes | str | None = None
    #: The reason of its loss.
    loss: str = ""
    #: The connection ends.
    left: bool = False
    keys: Mapping[str, Any] = MappingProxyType({})


def user(*pairs: tuple[str | bytes, str | bytes]) -> bytes:
    """Encode user properties."""
    return properties(*((packets.USER, pair) for pair in pairs))


def numbered(raw: bytes) -> bytes:
    """Give an encoded PUBLISH of QoS 0 QoS 1, and the number 9."""
    at = 2
    while raw[at - 1] & 0x80:
        at += 1
    topic = at + 2 + int.from_bytes(raw[at : at + 2], "big")
    return packet(PUBLISH, raw[at:topic] + b"\0\x09" + raw[topic:], 2)


FORGED = b"a\r\nevent: evil\r\rdata: b\n\nid: 7\n\n"
DEEP = b"[" * 100_000

CASES = {
    # Payloads.
    "payload_empty": Case(publish("t"), b""),
    "payload_binary": Case(publish("t", b"\x80\xff\0"), base64.b64encode(b"\x80\xff\0").decode()),
    "payload_nul": Case(publish("t", b"a\0b"), b"a\0b"),
    "payload_forging_an_event": Case(publish("t", FORGED), FORGED),
    "payload_of_5_mib": Case(publish("t", b"x" * 5 * MEGA), b"x" * 5 * MEGA, keys={"max": "8MiB"}),
    "payload_over_the_maximum": Case(publish("t", b"x" * 2 * MEGA), loss="oversize", keys={"max": "1MiB"}),
    "payload_no_json": Case(publish("t", b"{'a': 1}"), loss="undecodable", keys={"decode": "json"}),
    "payload_deep_json": Case(publish("t", DEEP), loss="undecodable", keys={"decode": "json"}),
    "payload_nan": Case(publish("t", b"[NaN, 1e400]"), loss="undecodable", keys={"decode": "json"}),
    # Topics.
    "topic_empty": Case(publish("", b"x"), loss="undecodable"),
    "topic_not_utf8": Case(publish(b"t\xff", b"x"), loss="undecodable"),
    "topic_surrogate": Case(publish(b"t\xed\xa0\x80", b"x"), loss="undecodable"),
    "topic_nul": Case(publish("t\0x", b"x"), loss="undecodable"),
    "topic_with_wildcard": Case(publish("t/+/#", b"x"), loss="undecodable"),
    "topic_of_the_broker": Case(publish("$SYS/broker/uptime", b"up"), b"up"),
    "topic_of_65535_bytes": Case(publish("t" * 65_535, b"long"), b"long"),
    # Properties.
    "property_unknown": Case(publish("t", b"x", properties=b"\x7f\0"), loss="undecodable"),
    "property_twice": Case(
        publish("t", b"x", properties=properties(*[(packets.CONTENT_TYPE, "text/plain")] * 2)), b"x"
    ),
    "property_cut_short": Case(packet(PUBLISH, text("t") + b"\x7f\x03\0\1"), loss="undecodable"),
    "property_user_not_utf8": Case(publish("t", b"x", properties=user((b"\xff", b"\xfe"))), b"x"),
    "property_user_10000": Case(publish("t", b"many", properties=user(*[("k", "v")] * 10_000)), b"many"),
    "property_text_that_is_none": Case(
        publish("t", b"\xff", properties=properties((packets.FORMAT, 1))), base64.b64encode(b"\xff").decode()
    ),
    # Packets.
    "packet_without_number": Case(publish("t", b"x", qos=1, id=0), b"x"),
    "packet_of_qos_3": Case(publish("t", b"x", qos=3, id=1), left=True),
    "packet_cut_within_topic": Case(packet(PUBLISH, b"\0\x20t"), loss="undecodable"),
}


def test_there_are_as_many_cases_as_are_named():
    """25 of 25."""
    assert len(CASES) == 25


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_m19_m20_bad_input_costs_itself_only(fake, case):
    """The good messages around it arrive, and of it comes what is said."""
    async with listening(fake.url, **case.keys) as heard:
        peer = await fake.welcomed()
        peer.publish("t", b'"before"')
        peer.send(case.raw)
        if case.left:
            peer = await fake.welcomed()
        peer.publish("t", b'"after"')
        await heard.until(lambda: b'"after"' in heard.texts)
        told = [] if case.told is None else [case.told]
        assert heard.texts == [b'"before"', *told, b'"after"']
        losses = [loss.reason for loss in heard.losses if loss.reason != "broker_session_lost"]
        assert losses == ([case.loss] if case.loss else [])
        assert fake.count == 1 + case.left


#: Those whose number can be told.
LOST = {name: case for name, case in CASES.items() if case.loss and name != "packet_cut_within_topic"}


@pytest.mark.parametrize("case", LOST.values(), ids=LOST)
async def test_m19_m20_what_is_lost_by_its_own_fault_is_acknowledged(fake, case):
    """Else it would come for ever."""
    async with listening(fake.url, **case.keys) as heard:
        peer = await fake.welcomed()
        peer.send(numbered(case.raw))
        assert (await peer.receive(PUBACK)).id == 9
        await heard.losses_of(case.loss)


async def test_m19_headers_are_bounded(fake):
    """A device's thousands of user properties cost no thousands of headers with each event."""
    async with listening(fake.url) as heard:
        peer = await fake.welcomed()
        pairs = [(f"k{n}", "v" * 50) for n in range(10_000)]
        peer.publish("t", b"x", properties=user(*pairs))
        await heard.payloads(1)
        assert len(heard.messages[0].headers) <= 1_000


async def test_m19_no_payload_forges_an_event():
    """To the end of the wire: what a device sends is data."""
    async with Fake.open() as fake:
        text = (
            f"sources: {{m: {{kind: mqtt, url: '{fake.url}', topics: ['{{rest*}}']}}}}\nroutes: {{/m: {{from: m}}}}\n"
        )
        async with running(text) as bridge:
            peer = await fake.welcomed()
            await until(lambda: bridge.bridge.health.sources["m"].state == "up")
            client = await bridge.open("/m")
            peer.publish("t", FORGED)
            peer.publish("t", b"\xff\0")
            peer.publish("t", b"")
            await client.until(lambda: len(client.events) >= 3)
            assert client.data[0] == "a\nevent: evil\n\ndata: b\n\nid: 7\n\n"
            assert base64.b64decode(client.data[1]) == b"\xff\0"
            assert client.data[2] == ""
            assert {block.event for block in client.events} == {""}
