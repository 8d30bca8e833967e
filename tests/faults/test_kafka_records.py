"""Kafka's faults of records and batches, K17 to K22 and K26, and thirty bad inputs.

Each bad record stands between two good ones. Whatever it is, the good ones are heard, and it is heard too or told.
"""

import base64
import struct
import time
from typing import Any, Final, NamedTuple

import pytest

from bridge.event import Loss
from tests.kafka_client import CRC_AT, batch, calc_crc32c, patched
from tests.kafka_source import counted, listening
from tests.support import running, until

pytestmark = pytest.mark.live

MIB: Final = 1024 * 1024
UNDECODABLE: Final = "undecodable", 1

#: The largest time that the protocol has, and one that a clock in microseconds makes: milliseconds.
LAST: Final = 2**63 - 1
MICROSECONDS: Final = 1_700_000_000_000_000


class Bad(NamedTuple):
    """A bad record, and what is to be heard of it."""

    #: What the fields of its message must be; None when a loss stands in its place.
    heard: dict[str, Any] | None
    key: bytes | None = None
    value: bytes | None = b"x"
    headers: tuple[tuple[str, bytes | None], ...] = ()
    time: int | None = None
    decode: str = "auto"
    #: The batch as it is, in place of all this.
    raw: bytes | None = None


KEYS: Final = {
    "k17 no key": Bad({"key": None}),
    "k17 an empty key": Bad({"key": ""}, key=b""),
    "k17 a key of 900 KB": Bad({"key": "k" * 900_000}, key=b"k" * 900_000),
    "a key that is no UTF-8": Bad({"key": "\ufffd\ufffd1"}, key=b"\xff\xfe1"),
    "a key with a surrogate in it": Bad({"key": "\ufffd" * 3}, key=b"\xed\xa0\x80"),
    "a key of control characters": Bad({"key": "a\0b\r\nid: 9\n\n"}, key=b"a\0b\r\nid: 9\n\n"),
}
VALUES: Final = {
    "an empty value is no deletion": Bad({"payload": b"", "is_tombstone": False}, value=b""),
    "k15 a null value is a deletion": Bad({"is_tombstone": True, "key": "k"}, key=b"k", value=None),
    "k18 bytes that are no UTF-8": Bad(
        {"is_base64": True, "payload": base64.b64encode(b"\xff\x00\xc3").decode()}, value=b"\xff\x00\xc3"
    ),
    "k18 UTF-8 with a surrogate": Bad({"is_base64": True}, value=b"\xed\xa0\x80"),
    "k18 UTF-16 with its mark": Bad({"is_base64": True}, value="hé".encode("utf-16")),
    "k18 frames within the value": Bad(
        {"payload": b"a\r\n\r\nid: 9\ndata: b\n\n\0"}, value=b"a\r\n\r\nid: 9\ndata: b\n\n\0"
    ),
    "k18 no JSON where JSON is due": Bad(None, value=b'{"a": ', decode="json"),
    "k18 NaN where JSON is due": Bad(None, value=b'{"a": NaN}', decode="json"),
    "k18 nothing where JSON is due": Bad(None, value=b"", decode="json"),
    "k18 JSON nested 100,000 deep": Bad(None, value=b"[" * 100_000, decode="json"),
    "k18 Avro's magic byte and no registry": Bad({}, value=b"\0\0\0\0\x07\x02\x08abcd"),
    "k20 a value of 1.5 MB": Bad({"payload": b"v" * 1_500_000}, value=b"v" * 1_500_000),
}
HEADERS: Final = {
    "k19 a header that stands twice": Bad({"headers": {"a": "2"}}, headers=(("a", b"1"), ("a", b"2"))),
    "k19 a header without a value": Bad({"headers": {"a": ""}}, headers=(("a", None),)),
    "k19 a header that is no UTF-8": Bad({"headers": {"a": "\ufffd"}}, headers=(("a", b"\xff"),)),
    "k19 a header without a name": Bad({"headers": {"": "1"}}, headers=(("", b"1"),)),
    "k19 a header's name with line ends": Bad({"headers": {"a\r\nb": "1"}}, headers=(("a\r\nb", b"1"),)),
    "k19 a thousand headers": Bad({}, headers=tuple((f"h{n}", b"x") for n in range(1_000))),
    "k19 a header of 100 KB": Bad({"headers": {"b": "1"}}, headers=(("a", b"x" * 100_000), ("b", b"1"))),
    "k19 a content type that lies": Bad({"is_base64": True}, value=b"\xff", headers=(("content-type", b"text/plain"),)),
    "k19 a header's name that is no UTF-8": Bad(None, raw=patched(batch(headers=[("ZZ", b"1")]), b"ZZ", b"\xff\xfe")),
}
TIMES: Final = {
    "k26 a time of -1": Bad({}, raw=batch(time=-1)),
    "k26 a time of 0": Bad({}, time=0),
    "k26 a time in microseconds": Bad({}, time=MICROSECONDS),
    "k26 the last time there is": Bad({}, time=LAST),
}
BAD: Final = {**KEYS, **VALUES, **HEADERS, **TIMES}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_a_bad_record_is_heard_or_told_and_what_follows_is_heard(kafka, talk, topic, bad):
    """A good record, the bad one, a good one."""
    await talk.create(topic, message_timestamp_after_max_ms=LAST, max_message_bytes=4 * MIB)
    await talk.send(topic, b"1")
    if bad.raw is None:
        await talk.send(topic, bad.value, bad.key, headers=bad.headers, time=bad.time)
    else:
        await talk.raw(topic, bad.raw)
    await talk.send(topic, b"2")
    async with listening(kafka.address, topic, decode=bad.decode) as heard:
        await heard.until(lambda: heard.texts[-1:] == [b"2"])
        await heard.comes_up()
    first, *between, last = heard.heard
    assert (first.payload, last.payload) == (b"1", b"2")
    assert heard.states == ["up"]
    if bad.heard is None:
        assert [(each.reason, each.missed) for each in between if isinstance(each, Loss)] == [UNDECODABLE]
        assert len(between) == 1
        return
    [found] = between
    assert {name: getattr(found, name) for name in bad.heard} == bad.heard
    if bad.time is not None or bad.raw is not None:
        assert abs(found.time - time.time()) < 60


async def test_k19_what_headers_may_weigh_is_bounded(kafka, talk, topic):
    """Of a thousand headers some are kept, and a header of 100 KB is not."""
    await talk.create(topic)
    await talk.send(topic, b"1", headers=HEADERS["k19 a thousand headers"].headers)
    async with listening(kafka.address, topic) as heard:
        await heard.payloads(1)
    assert 1 <= len(heard.messages[0].headers) < 1_000


async def test_k20_a_record_larger_than_what_is_fetched_at_once_comes_through(kafka, talk, topic):
    """8 MiB: the consumer's limits do not hold it up for ever, nor what stands behind it."""
    await talk.create(topic, max_message_bytes=16 * MIB)
    await talk.send(topic, b"1")
    await talk.send(topic, b"y" * (8 * MIB))
    await talk.send(topic, b"2")
    async with listening(kafka.address, topic) as heard:
        await heard.until(lambda: heard.texts[-1:] == [b"2"])
    assert [len(each.payload) for each in heard.messages] in ([1, 8 * MIB, 1], [1, 1])
    assert len(heard.messages) == 3 or heard.losses == [Loss(reason="oversize", missed=1)]


async def test_k20_a_record_over_the_event_limit_is_cut_and_the_subscriber_told(kafka, talk, topic):
    """The route's policy holds for Kafka too: a gap `oversize`, and the stream goes on."""
    await talk.create(topic, max_message_bytes=16 * MIB)
    await talk.send(topic, b"y" * (8 * MIB))
    await talk.send(topic, b"2")
    spec = f"{{kind: kafka, brokers: ['{kafka.address}'], topics: [{topic}], begin: earliest}}"
    async with running(f"sources: {{k: {spec}}}\nroutes: {{/k: {{from: k, start: earliest}}}}\n") as served:
        client = await served.open("/k")
        await client.until(lambda: client.data[-1:] == ["2"])
        assert [gap["reason"] for gap in client.gaps] == ["oversize"]


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_k21_every_codec_is_read(kafka, talk, topic, codec):
    """A thousand records in few batches."""
    await talk.create(topic)
    producer = await talk.another(compression_type=codec, linger_ms=5)
    await talk.numbers(topic, range(1_000), by=producer)
    async with listening(kafka.address, topic) as heard:
        assert await heard.payloads(1_000) == counted(range(1_000))


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
async def test_k21_a_batch_that_unfolds_a_thousandfold_is_survived(kafka, talk, topic, codec):
    """16 MiB of zeros travel in some KiB, past every limit on what is fetched: it is heard or told, and no more."""
    await talk.create(topic, max_message_bytes=32 * MIB)
    producer = await talk.another(compression_type=codec)
    await talk.send(topic, b"1")
    await producer.send_and_wait(topic, b"\0" * (16 * MIB), partition=0)
    await talk.send(topic, b"2")
    async with listening(kafka.address, topic) as heard:
        await heard.until(lambda: heard.texts[-1:] == [b"2"])
    assert len(heard.messages) + sum(loss.missed or 0 for loss in heard.losses) == 3


def damage(whole: bytes, how: str) -> bytes:
    """Damage a stored batch (format version 2); only `checksum` leaves its checksum wrong."""
    out = bytearray(whole)
    match how:
        case "checksum":
            out[-5] ^= 1
            return bytes(out)
        case "gzip" | "snappy" | "lz4" | "zstd":
            out[22] |= ["gzip", "snappy", "lz4", "zstd"].index(how) + 1
        case "count":
            out[57:61] = struct.pack(">i", 1_000)
        case "codec":
            out[22] |= 7
        case "length":
            out[61] = 0x7E
    return bytes(out[:CRC_AT]) + struct.pack(">I", calc_crc32c(bytes(out[CRC_AT + 4 :]))) + bytes(out[CRC_AT + 4 :])


@pytest.mark.parametrize("how", ["checksum", "gzip", "snappy", "lz4", "zstd", "codec", "count", "length"])
async def test_k22_a_batch_that_rotted_on_the_brokers_disk_is_told_and_passed(kafka, talk, topic, how):
    """The broker sends what its disk says. Nothing mends such a batch: it is announced, and what follows is read."""
    await talk.create(topic)
    await talk.send(topic, b"1")
    segment = kafka.segment(topic)
    first = segment.stat().st_size
    await talk.send(topic, b"QQQQQQQQQQQQQQQQQQQQQ")
    end = segment.stat().st_size
    await talk.send(topic, b"2")
    with segment.open("r+b") as file:
        file.seek(first)
        rotten = damage(file.read(end - first), how)
        file.seek(first)
        file.write(rotten)
    async with listening(kafka.address, topic) as heard:
        await heard.until(lambda: heard.texts[-1:] == [b"2"])
        await talk.send(topic, b"3")
        await heard.until(lambda: heard.texts[-1:] == [b"3"])
    assert heard.texts[0] == b"1"
    told = [loss.reason for loss in heard.losses]
    # Where only the count lies, the record before the lie is whole.
    assert told == ["undecodable"] or (how == "count" and b"QQQQQQQQQQQQQQQQQQQQQ" in heard.texts)


async def test_k18_poison_on_a_route_is_a_gap_and_the_log_is_capped(kafka, talk, topic):
    """A thousand bodies that are no JSON: the subscriber is told, in order, and gets what is JSON."""
    await talk.create(topic)
    await talk.numbers(topic, range(3))
    for _ in range(10):
        await talk.send(topic, b"{")
    await talk.numbers(topic, range(3, 6))
    spec = f"{{kind: kafka, brokers: ['{kafka.address}'], topics: [{topic}], begin: earliest, decode: json}}"
    async with running(f"sources: {{k: {spec}}}\nroutes: {{/k: {{from: k, start: earliest}}}}\n") as served:
        await until(lambda: served.bridge.health.sources["k"].state == "up")
        client = await served.open("/k")
        await client.until(lambda: client.data[-1:] == ["5"])
        assert client.data == ["0", "1", "2", "3", "4", "5"]
        assert {gap["reason"] for gap in client.gaps} == {"undecodable"}
        assert sum(gap["missed"] for gap in client.gaps) == 10
