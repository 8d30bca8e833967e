"""Records that were written with a registry, as JSON; and a registry that is not there."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from bridge.sources.decode import Decoded
from bridge.sources.kafka import decoder as module
from bridge.sources.kafka.decoder import Decoder, Undecodable
from bridge.sources.kafka.registry import Registry
from bridge.sources.kafka.schemas import RegistryError
from tests.registry import StandInRegistry, framed, running_registry
from tests.support import until

RECORD = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}
LIST = {"type": "record", "name": "L", "fields": [{"name": "n", "type": ["null", "L"]}]}

Said = Sequence[Decoded | Undecodable | None]


@pytest.fixture
async def server() -> AsyncIterator[StandInRegistry]:
    """Serve a registry."""
    async with running_registry() as running:
        yield running


@pytest.fixture
def decoder(server: StandInRegistry) -> Decoder:
    """Give a decoder that asks the registry."""
    return Decoder(Registry(url=server.url))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less than in earnest."""
    monkeypatch.setattr(module, "SECOND_LOOK", 0.01)
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(module, "LONGEST_DELAY", 0.02)


def values(said: Said) -> list[object]:
    """Return what the payloads say, or why they say nothing."""
    return [json.loads(each.payload) if isinstance(each, Decoded) else each for each in said]


def reason(said: Said) -> str:
    """Return why the only payload says nothing."""
    [only] = said
    assert isinstance(only, Undecodable)
    return only.reason


async def test_a_batch_is_decoded_in_order(server: StandInRegistry, decoder: Decoder) -> None:
    """A tombstone stays one; schemas of several kinds stand side by side."""
    one, two = server.register(RECORD), server.register("string")
    payloads = [server.encode(one, RECORD, {"a": 1}), None, server.encode(two, "string", "x"), framed(one, b"\4")]
    said = await decoder.decode(payloads)
    assert values(said) == [{"a": 1}, None, "x", {"a": 2}]
    assert said[0] == Decoded(b'{"a":1}', "application/json")


async def test_a_schema_is_asked_for_once(server: StandInRegistry, decoder: Decoder) -> None:
    """What has an id never changes: batches after the first ask nothing, and do not wait."""
    id = server.register(RECORD)
    for _ in range(3):
        await decoder.decode([framed(id, b"\2")] * 5)
    assert server.count == 1
    server.mode = "broken"
    coroutine = decoder.decode([framed(id, b"\2")])
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    assert values(ended.value.value) == [{"a": 1}]


async def test_an_empty_batch_asks_nothing(server: StandInRegistry, decoder: Decoder) -> None:
    """Nor does one of tombstones."""
    assert await decoder.decode([]) == []
    assert await decoder.decode([None]) == [None]
    assert not server.count


@pytest.mark.parametrize(
    "payload",
    [b"", b"\0", b"\0\0\0\0", b'{"a": 1}', framed(0, b"\2"), b"\0\xff\xff\xff\xff\2", b"\1\0\0\0\1\2"],
)
async def test_k18_what_has_no_header_is_undecodable(payload: bytes, server: StandInRegistry, decoder: Decoder) -> None:
    """It is not worth a question, and does not hold up its neighbours."""
    id = server.register(RECORD)
    said = await decoder.decode([payload, framed(id, b"\2")])
    assert values(said) == [Undecodable("the payload does not begin with a zero byte and a schema's id"), {"a": 1}]
    assert server.count == 1


@pytest.mark.parametrize("data", [b"", b"\x80", b"\2\2", b"\xff" * 100])
async def test_k18_a_value_of_another_schema_is_undecodable(
    data: bytes, server: StandInRegistry, decoder: Decoder
) -> None:
    """In words that hold nothing of it."""
    id = server.register(RECORD)
    assert reason(await decoder.decode([framed(id, data)])).startswith("the payload")


async def test_k18_a_value_without_end_is_undecodable(server: StandInRegistry, decoder: Decoder) -> None:
    """A type that holds itself is walked first, in a thread, and read where it goes well."""
    id = server.register(LIST)
    said = await decoder.decode([framed(id, b"\2\2\0"), framed(id, b"\2" * 500_000 + b"\0")])
    assert values(said[:1]) == [{"n": {"n": {"n": None}}}]
    assert "nested deeper" in reason(said[1:])


async def test_k18_an_unknown_id_is_undecodable(server: StandInRegistry, decoder: Decoder) -> None:
    """It is asked for twice, and then not again for a while."""
    for _ in range(3):
        assert reason(await decoder.decode([framed(7, b"\2")])) == "the registry has no schema 7"
    assert server.asked == ["/schemas/ids/7"] * 2


async def test_an_id_that_is_new_to_a_node_is_asked_for_again(server: StandInRegistry, decoder: Decoder) -> None:
    """One node of a registry may not know yet what another has just taken in."""
    id = server.register(RECORD)
    server.lag = 1
    assert values(await decoder.decode([framed(id, b"\2")])) == [{"a": 1}]


async def test_an_unknown_id_may_be_known_later(
    server: StandInRegistry, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was given up is not given up for ever."""
    monkeypatch.setattr(module, "FORGET_AFTER", 0.0)
    reason(await decoder.decode([framed(1, b"\2")]))
    server.register(RECORD, id=1)
    assert values(await decoder.decode([framed(1, b"\2")])) == [{"a": 1}]


async def test_a_schema_that_is_of_no_use_is_asked_for_once(server: StandInRegistry, decoder: Decoder) -> None:
    """Its records are undecodable, with its number and why."""
    id = server.register({}, kind="PROTOBUF")
    for _ in range(2):
        assert reason(await decoder.decode([framed(id, b"\2")])) == f"schema {id}: the schema is not Avro"
    assert server.count == 1


async def test_no_record_is_lost_while_the_registry_is_down(server: StandInRegistry, decoder: Decoder) -> None:
    """The batch fails as a whole, and can be tried again; what was had is kept."""
    one, two = server.register(RECORD), server.register("int")
    await decoder.decode([framed(one, b"\2")])
    server.mode = "broken"
    payloads = [framed(one, b"\2"), framed(two, b"\2")]
    with pytest.raises(RegistryError, match="answers with an error"):
        await decoder.decode(payloads)
    server.mode = "ok"
    assert values(await decoder.decode(payloads)) == [{"a": 1}, 1]


async def test_a_registry_that_is_down_is_waited_for(server: StandInRegistry, decoder: Decoder) -> None:
    """It is told in words that it is down, and once that it is back."""
    id = server.register(RECORD)
    server.mode = "refused"
    told: list[str] = []
    task = asyncio.create_task(decoder.decode_patiently([framed(id, b"\2")], told.append, lambda: told.append("up")))
    await until(lambda: len(told) >= 3)
    server.mode = "ok"
    assert values(await task) == [{"a": 1}]
    assert set(told[:-1]) == {"the schema registry refuses us (401): check user and password, or the token"}
    assert told[-1] == "up"
    # With nothing wrong nothing is told.
    await decoder.decode_patiently([framed(id, b"\2")], told.append, told.clear)
    assert told[-1] == "up"


async def test_whoever_waits_can_be_ended(server: StandInRegistry, decoder: Decoder) -> None:
    """Also amid a question."""
    server.mode = "slow"
    task = asyncio.create_task(decoder.decode_patiently([framed(1, b"\2")], pytest.fail, pytest.fail))
    await until(lambda: server.count > 0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_is_kept_is_bounded(
    server: StandInRegistry, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By number and by size, the one longest unused first; a batch of more is decoded all the same."""
    monkeypatch.setattr(module, "MAX_KEPT", 2)
    ids = [server.register("int") for _ in range(3)]
    first, second, third = (framed(id, b"\2") for id in ids)
    assert values(await decoder.decode([first, second, third])) == [1, 1, 1]
    assert server.count == 3
    await decoder.decode([second])
    await decoder.decode([first])
    assert server.count == 4
    await decoder.decode([second])
    assert server.count == 4
    monkeypatch.setattr(module, "MAX_KEPT_BYTES", 0)
    assert values(await decoder.decode([third])) == [1]
    assert not decoder._known
    assert decoder._size == 0


async def test_a_large_batch_lets_others_run(server: StandInRegistry, decoder: Decoder) -> None:
    """While it is decoded, the loop turns every few milliseconds."""
    schema = {"type": "array", "items": "long"}
    id = server.register(schema)
    payload = server.encode(id, schema, list(range(20_000)))
    await decoder.decode([payload])
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(turn())
    began = time.monotonic()
    await decoder.decode([payload] * 100)
    spent = time.monotonic() - began
    task.cancel()
    # Each slice ends with the payload that fills it.
    assert turns >= spent / (module.SLICE + spent / 50) / 2
