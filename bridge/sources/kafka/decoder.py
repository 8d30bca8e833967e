"""Turn records that were written with a schema registry into JSON: `decode: avro`.

A payload in Confluent's wire format is a zero byte, the schema's id in four bytes, and the value in Avro. What has an
id in the registry never changes, so it is asked for once, and most batches ask for nothing.
"""

import asyncio
import random
import struct
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Final, NamedTuple

from bridge.sources.decode import JSON, Decoded
from bridge.sources.kafka.avro import AvroError, Schema
from bridge.sources.kafka.registry import Registry
from bridge.sources.kafka.schemas import MAX_ID, RegistryError, asked

#: Schemas that are kept, and bytes that they came in: a topic has a few, unless somebody registers one a record.
MAX_KEPT: Final = 1_000
MAX_KEPT_BYTES: Final = 16 * 1024 * 1024

#: Seconds for which an id stays unknown. Records that were written with it come in numbers, and would ask each.
FORGET_AFTER: Final = 60.0

#: Seconds until an id that is unknown is asked for again before its records are given up: of several nodes of a
#: registry one may not know yet what another has just taken in.
SECOND_LOOK: Final = 0.5

#: Seconds of work on end, while nobody else is served.
SLICE: Final = 0.005

#: Seconds before a registry that cannot be had is asked again, and the longest wait.
FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 30.0

_HEADER: Final = struct.Struct(">BI")


class Undecodable(NamedTuple):
    """Why a payload cannot be told as JSON, in words that hold nothing of it."""

    reason: str


_NO_HEADER: Final = Undecodable("the payload does not begin with a zero byte and a schema's id")


class _Known(NamedTuple):
    """What the registry said of an id."""

    schema: Schema | Undecodable
    #: Bytes that it came in.
    size: int = 0
    #: When it is to be asked for again, in seconds of the steady clock.
    until: float = inf


class Decoder:
    """Decodes the records of one source, and keeps the schemas that it has asked for."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        #: By id, the one longest unused first.
        self._known: OrderedDict[int, _Known] = OrderedDict()
        self._size = 0

    async def decode(self, payloads: Sequence[bytes | None]) -> list[Decoded | Undecodable | None]:
        """Return what each payload says, None for None.

        Raises `RegistryError`, in words, when a schema cannot be had now.
        """
        schemas = await self._schemas({_id(payload) for payload in payloads if payload is not None})
        decoded: list[Decoded | Undecodable | None] = []
        began = time.monotonic()
        for payload in payloads:
            decoded.append(None if payload is None else await _one(payload, schemas))
            if time.monotonic() - began > SLICE:
                await asyncio.sleep(0)
                began = time.monotonic()
        return decoded

    async def decode_patiently(
        self, payloads: Sequence[bytes | None], down: Callable[[str], None], up: Callable[[], None]
    ) -> list[Decoded | Undecodable | None]:
        """Decode, and wait as long as the registry cannot be had; `down` is told why, `up` that it is had again."""
        delay, is_down = FIRST_DELAY, False
        while True:
            try:
                decoded = await self.decode(payloads)
            except RegistryError as error:
                down(str(error))
                is_down = True
            else:
                if is_down:
                    up()
                return decoded
            # Half fixed, half drawn: replicas do not ask in step.
            await asyncio.sleep(delay / 2 + random.uniform(0, delay / 2))
            delay = min(delay * 2, LONGEST_DELAY)

    async def _schemas(self, ids: Iterable[int]) -> Mapping[int, Schema | Undecodable]:
        """Return what is known of the ids, which is asked for where it is not."""
        now = time.monotonic()
        found: dict[int, Schema | Undecodable] = {0: _NO_HEADER}
        missing: list[int] = []
        for id in ids:
            known = self._known.get(id)
            if known is not None and now < known.until:
                self._known.move_to_end(id)
                found[id] = known.schema
            elif id:
                missing.append(id)
        if missing:
            found |= await self._asked(missing)
        return found

    async def _asked(self, ids: Iterable[int]) -> dict[int, Schema | Undecodable]:
        found: dict[int, Schema | Undecodable] = {}
        unknown = await self._ask(ids, found)
        if unknown:
            await asyncio.sleep(SECOND_LOOK)
        for id in await self._ask(unknown, found):
            found[id] = Undecodable(f"the registry has no schema {id}")
            self._keep(id, _Known(found[id], until=time.monotonic() + FORGET_AFTER))
        return found

    async def _ask(self, ids: Iterable[int], found: dict[int, Schema | Undecodable]) -> list[int]:
        """Ask for the ids, one after another; put what is had into `found`, return those that are unknown."""
        unknown: list[int] = []
        if not ids:
            return unknown
        async with asked(self._registry) as questions:
            for id in ids:
                answer: tuple[Schema | Undecodable, int] | None
                try:
                    answer = await questions.schema(id)
                except AvroError as error:
                    answer = Undecodable(f"schema {id}: {error}"), 0
                if answer is None:
                    unknown.append(id)
                else:
                    found[id] = answer[0]
                    self._keep(id, _Known(*answer))
        return unknown

    def _keep(self, id: int, known: _Known) -> None:
        before = self._known.pop(id, None)
        self._size += known.size - (before.size if before is not None else 0)
        self._known[id] = known
        while len(self._known) > MAX_KEPT or self._size > MAX_KEPT_BYTES:
            _, oldest = self._known.popitem(last=False)
            self._size -= oldest.size


def _id(payload: bytes) -> int:
    """Return the schema's id; 0, which is none, where the payload has no header."""
    if len(payload) < _HEADER.size:
        return 0
    magic, id = _HEADER.unpack_from(payload)
    return id if magic == 0 and id <= MAX_ID else 0


async def _one(payload: bytes, schemas: Mapping[int, Schema | Undecodable]) -> Decoded | Undecodable:
    schema = schemas[_id(payload)]
    if isinstance(schema, Undecodable):
        return schema
    data = payload[_HEADER.size :]
    try:
        if not schema.is_safe(len(data)):
            # Up to a second for a large one. What follows is some hundredths, and has to hold the interpreter.
            await asyncio.to_thread(schema.check, data)
        return Decoded(schema.read(data), JSON)
    except AvroError as error:
        return Undecodable(str(error))
