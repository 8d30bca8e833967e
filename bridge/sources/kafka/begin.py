"""Where a source begins in the partitions that are there at its first start."""

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from bridge.position import MAX_OFFSET
from bridge.units import Duration

#: Nothing is kept in a topic for longer, and a longer time is a mistake.
MAX_SINCE: Final = 10 * 366 * 86_400.0

#: Partitions that `offsets` may name; a topic with more is read by many, and no person writes so many places down.
MAX_NAMED: Final = 10_000

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


def _check_since(age: float) -> float:
    if 0 < age <= MAX_SINCE:
        return age
    raise PydanticCustomError("since", "expected a time to go back, for example 10m or 7d")


def _check_offsets(offsets: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    named = [(number, offset) for topic in offsets.values() for number, offset in topic.items()]
    if not named or len(named) > MAX_NAMED:
        raise PydanticCustomError("offsets", "expected offsets by topic and partition, { orders: { '0': 123 } }")
    if not all(_NUMBER.fullmatch(number) for number, _ in named):
        raise PydanticCustomError("offsets", "a partition is a number in quotes, for example { orders: { '0': 123 } }")
    if not all(0 <= offset <= MAX_OFFSET for _, offset in named):
        raise PydanticCustomError("offsets", "an offset is 0 or more, for example { orders: { '0': 123 } }")
    return offsets


class Since(BaseModel):
    """Begin with the records of the last while."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    since: Annotated[Duration, AfterValidator(_check_since)] = Field(
        description="How far to go back, by the records' timestamps, at most 3660d.", examples=["10m"]
    )


class Offsets(BaseModel):
    """Begin at places by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    offsets: Annotated[dict[str, dict[str, int]], AfterValidator(_check_offsets)] = Field(
        description=(
            "The next offset by topic and partition, of at most 10,000. Partitions that are not named begin at their "
            "end."
        ),
        examples=[{"orders": {"0": 123, "1": 456}}],
    )


def _form(value: object) -> str | None:
    """Tell which of its forms a value is meant to be, so that only that one finds fault with it."""
    if isinstance(value, Mapping):
        return "offsets" if "offsets" in value else "since"
    if isinstance(value, Since | Offsets):
        return type(value).__name__.lower()
    return "word" if isinstance(value, str) else None


Begin = Annotated[
    Annotated[Literal["latest", "earliest"], Tag("word")]
    | Annotated[Since, Tag("since")]
    | Annotated[Offsets, Tag("offsets")],
    Discriminator(_form, "begin", "expected latest, earliest, `{ since: 10m }` or `{ offsets: … }`"),
]


async def offsets(begin: Begin, consumer: Any, partitions: Collection[Any], now: float) -> Mapping[Any, int]:
    """Ask where to begin in partitions; raises aiokafka's errors."""
    if not partitions:
        return {}
    if begin == "earliest":
        first: Mapping[Any, int] = await consumer.beginning_offsets(partitions)
        return first
    if isinstance(begin, Since):
        return await at(consumer, partitions, now - begin.since)
    ends: Mapping[Any, int] = await consumer.end_offsets(partitions)
    if isinstance(begin, Offsets):
        # One beyond the end would be taken for a topic that was made anew.
        return {each: min(_named(begin, each, ends[each]), ends[each]) for each in partitions}
    return ends


async def at(consumer: Any, partitions: Collection[Any], time: float) -> Mapping[Any, int]:
    """Ask for the first offset that is not older than a time, or the end; raises aiokafka's errors."""
    # The end first: what comes between the two answers must not be passed over.
    ends: Mapping[Any, int] = await consumer.end_offsets(partitions)
    moment = max(int(time * 1000), 0)
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, moment))
    return {each: found[each].offset if found.get(each) is not None else ends[each] for each in partitions}


def _named(begin: Offsets, partition: Any, end: int) -> int:
    return begin.offsets.get(partition.topic, {}).get(str(partition.partition), end)
