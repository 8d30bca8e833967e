"""Packets out of a stream of bytes, however it is cut; each is made by an encoder that shares nothing with ours."""

import random

import pytest
from hypothesis import given, strategies as st

from bridge.sources.mqtt.packets import (
    Packet,
    Publish,
    Splitter,
    identified,
    identifier,
    puback,
    pubcomp,
    publish as decode,
    pubrec,
)
from bridge.sources.mqtt.properties import MalformedError
from tests import packets

LIMIT = 1024 * 1024


def split(data: bytes, *sizes: int, limit: int = LIMIT) -> list[Packet]:
    """Return the packets of a stream that comes in pieces of these sizes, in turn."""
    splitter, found, at, turn = Splitter(limit), [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)] if sizes else len(data)
        splitter.feed(data[at : at + size])
        at, turn = at + size, turn + 1
        while (packet := splitter.next()) is not None:
            found.append(packet)
    return found


STREAM = (
    packets.packet(packets.CONNACK, b"\0\0\0")
    + packets.publish("a/b", b"x" * 300, qos=1, id=7)
    + packets.publish("a", b"", retain=True)
    + packets.packet(packets.PUBREL, b"\0\7", 2)
    + packets.publish("t", b"y" * 70_000, qos=2, id=65_535, dup=True)
    + packets.packet(packets.PINGRESP)
)


@pytest.mark.parametrize("sizes", [(), (1,), (2,), (3, 1), (7,), (100, 1)])
def test_a_stream_gives_the_same_packets_however_it_is_cut(sizes):
    """Whole, byte by byte, and in between."""
    found = split(STREAM, *sizes)
    assert [each.kind for each in found] == [2, 3, 3, 6, 3, 13]
    assert b"".join(each.raw for each in found) == STREAM
    assert not any(each.is_oversize for each in found)


def test_what_is_not_whole_waits():
    """Nothing comes before its last byte."""
    splitter = Splitter(LIMIT)
    for byte in STREAM[:4]:
        splitter.feed(bytes([byte]))
        assert splitter.next() is None
    splitter.feed(STREAM[4:5])
    assert splitter.next() is not None
    assert splitter.next() is None


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=20), st.binary(max_size=400), st.integers(0, 2), st.booleans()),
        max_size=8,
    ),
    st.lists(st.integers(1, 200), min_size=1, max_size=5),
    st.booleans(),
)
def test_messages_come_out_as_they_went_in(messages, sizes, is_five):
    """Any topic, any payload, any QoS, cut anywhere."""
    more = b"" if is_five else None
    stream = b"".join(
        packets.publish(topic, payload, qos=qos, id=9 if qos else 0, retain=retain, properties=more)
        for topic, payload, qos, retain in messages
    )
    found = [decode(packet, is_five=is_five) for packet in split(stream, *sizes)]
    assert found == [
        Publish(topic.encode(), qos, retain, is_dup=False, mid=9 if qos else 0, payload=payload)
        for topic, payload, qos, retain in messages
    ]


@pytest.mark.parametrize("sizes", [(), (1,), (50,), (1000, 3)])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_over_the_limit_costs_itself_only(sizes, qos):
    """Its head is told, so that it can be acknowledged; what follows is whole."""
    long = packets.publish("a/b", b"x" * 5_000, qos=qos, id=77 if qos else 0)
    short = packets.publish("a/b", b"ok")
    first, second = split(long + short, *sizes, limit=1000)
    assert first.is_oversize
    told = decode(first, is_five=True)
    assert (told.topic, told.qos, told.mid, told.payload) == (b"a/b", qos, 77 if qos else 0, b"")
    assert identified(first) == (qos, 77 if qos else 0)
    assert decode(second, is_five=True).payload == b"ok"


def test_a_message_of_nothing_but_its_topic_may_be_too_long():
    """The head is all of it then."""
    long = packets.publish("a" * 2_000, properties=None)
    first, second = split(long + packets.publish("b", properties=None), limit=1000)
    assert first.is_oversize
    assert decode(second, is_five=False).topic == b"b"


def test_what_is_skipped_is_not_held():
    """A payload of 200 MB passes through a few kilobytes."""
    splitter = Splitter(1000)
    size = 200_000_000
    splitter.feed(b"\x30" + packets.varint(size + 3) + packets.text("t"))
    assert splitter.next() is not None
    piece = b"x" * 1_000_000
    for _ in range(size // len(piece)):
        splitter.feed(piece)
        assert splitter.next() is None
        assert len(splitter._bytes) < 10_000
    splitter.feed(packets.packet(packets.PINGRESP))
    assert splitter.next() is not None


@pytest.mark.parametrize(
    "data",
    [
        b"\x20\xff\xff\xff\xff\x01",
        b"\x90\xff\xff\xff\x7f",
        b"\x30\xff\xff\x7f\xff\xff" + bytes(65_535),
    ],
)
def test_what_is_no_mqtt_is_refused_before_it_costs_memory(data):
    """A length of five bytes; a long packet of a kind that is short."""
    splitter = Splitter(1000)
    splitter.feed(data)
    if data[0] == 0x30:
        assert splitter.next() is not None
        return
    with pytest.raises(MalformedError):
        splitter.next()


@pytest.mark.parametrize(
    ("flags", "body"),
    [
        (6, b"\0\1a\0\1"),
        (0, b""),
        (0, b"\0"),
        (0, b"\0\5a"),
        (2, b"\0\1a"),
        (2, b"\0\1a\0"),
        (0, b"\0\1a\x05"),
        (0, b"\0\1a\xff\xff\xff\xff"),
        (0, b"\0\1a\x02\xee\x01"),
        (0, b"\0\1a\x03\x26\0\x09"),
        (0, b"\0\1a\x02\x02\0"),
    ],
)
def test_a_message_that_is_wrong_inside_is_refused(flags, body):
    """In one way, whatever is wrong."""
    with pytest.raises(MalformedError):
        decode(Packet(3, flags, body, len(body)), is_five=True)


def test_noise_is_refused_in_one_way_or_taken():
    """Ten thousand bodies of random bytes raise nothing else."""
    dice = random.Random(0)
    for _ in range(10_000):
        body = dice.randbytes(dice.randrange(40))
        packet = Packet(3, dice.randrange(16), body, len(body))
        for call in (lambda p: decode(p, is_five=True), lambda p: decode(p, is_five=False), identified, identifier):
            try:
                call(packet)
            except MalformedError:
                continue


def test_acknowledgements_are_as_the_standard_has_them():
    """Four bytes each."""
    assert puback(0x1234) == packets.packet(packets.PUBACK, b"\x12\x34")
    assert pubrec(0x1234) == packets.packet(packets.PUBREC, b"\x12\x34")
    assert pubcomp(0x1234) == packets.packet(packets.PUBCOMP, b"\x12\x34")
