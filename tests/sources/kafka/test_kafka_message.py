"""Records become messages."""

import time

import pytest

from bridge.event import Message
from bridge.sources.kafka.decoder import Undecodable
from bridge.sources.kafka.message import AHEAD, MAX_HEADER, MAX_HEADERS, Origin, messages
from bridge.sources.kafka.values import Values
from tests.fake_kafka import EPOCH, record

ORIGIN = Origin("orders.eu", 2, {"region": "eu"})
NOW = 1_750_000_000.0


async def made(decode: str = "auto", **changes: object) -> Message | Undecodable:
    """Make the message of one record."""
    given = record("orders.eu", 2, 7, **changes)
    read = await Values(decode, None).reading([given])
    (only,) = messages([given], ORIGIN, ["p_0"], NOW, read)
    return only


async def test_a_record_is_a_message_with_its_place() -> None:
    """Names of the topic, facts of the record, the position it was given."""
    assert await made(key=b"k1", value=b'{"a":1}', headers=[("x", b"1")]) == Message(
        payload=b'{"a":1}',
        time=(EPOCH + 7000) / 1000,
        subject="orders.eu",
        captures={"region": "eu"},
        headers={"x": "1"},
        facts={"topic": "orders.eu", "partition": 2, "offset": 7},
        key="k1",
        position="p_0",
    )


@pytest.mark.parametrize(
    ("key", "text"), [(None, None), (b"", ""), (b"\xff", "\ufffd"), (b"x" * 100_000, "x" * 100_000)]
)
async def test_k17_null_huge_and_foreign_keys(key: bytes | None, text: str | None) -> None:
    """A null key is none, an empty one is one; what is no UTF-8 is replaced."""
    assert (await made(key=key)).key == text


async def test_k15_a_null_value_is_a_tombstone() -> None:
    """An empty value is none."""
    tombstone = await made(value=None, decode="json")
    assert tombstone.is_tombstone
    assert tombstone.payload == ""
    assert not (await made(value=b"")).is_tombstone


async def test_k18_what_is_not_what_decode_says_is_told_in_words() -> None:
    """A bad JSON is one; bytes that are no text are base64 under `auto`."""
    assert isinstance(await made(decode="json", value=b"{"), Undecodable)
    assert (await made(decode="json", value=b"{}")).content_type == "application/json"
    binary = await made(value=b"\xff\x00")
    assert (binary.payload, binary.is_base64) == ("/wA=", True)
    assert (await made(decode="text", value=b"\xff")).payload == b"\xff"
    assert (await made(decode="bytes", value=b"a")).payload == "YQ=="


async def test_k19_repeated_null_and_foreign_headers() -> None:
    """The last wins, one without a value is empty, what is no UTF-8 is replaced."""
    headers = [("a", b"1"), ("a", b"2"), ("b", None), ("c", b"\xff")]
    assert (await made(headers=headers)).headers == {"a": "2", "b": "", "c": "\ufffd"}


async def test_headers_are_bounded() -> None:
    """In number, and each in its length."""
    many = [(f"h{n}", b"") for n in range(1000)]
    assert len((await made(headers=many)).headers) == MAX_HEADERS
    assert (await made(headers=[("a", b"x" * (MAX_HEADER + 1)), ("b", b"x")])).headers == {"b": "x"}


@pytest.mark.parametrize("name", ["content-type", "Content-Type"])
async def test_the_content_type_is_a_header(name: str) -> None:
    """Under `auto` it decides, however it is written."""
    message = await made(value=b"abc", headers=[(name, b" image/png ")])
    assert (message.content_type, message.is_base64) == ("image/png", True)


@pytest.mark.parametrize("timestamp", [-1, None, 0, -(2**62), int((NOW + AHEAD + 1) * 1000), 2**62])
async def test_k26_a_time_that_is_none_is_the_arrival(timestamp: int | None) -> None:
    """Old formats have none, and clocks go wrong."""
    assert (await made(timestamp=timestamp)).time == NOW


async def test_k26_a_time_a_little_ahead_is_one() -> None:
    """Clocks differ by minutes."""
    assert (await made(timestamp=int((NOW + 60) * 1000))).time == NOW + 60


async def test_making_messages_is_quick() -> None:
    """Some 100,000 a second on one slow core."""
    records = [record("orders.eu", 2, at) for at in range(5000)]
    read = await Values("auto", None).reading(records)
    began = time.process_time()
    assert len(messages(records, ORIGIN, ["p"] * 5000, NOW, read)) == 5000
    assert time.process_time() - began < 0.5
