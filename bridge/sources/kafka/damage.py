"""Find a way around records that cannot be read.

A batch whose checksum is wrong, whose compression is broken, or in which one header's name is no UTF-8 makes the
library raise each time it is fetched, and with it all that was fetched together. So the partition is read one record
at a time up to that place; if it raises there again and again, the end of the damage is looked for by seeking, since
only from behind the batch the partition can be read on.
"""

import struct
import zlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any, Final

from aiokafka import errors as kafka  # type: ignore[import-untyped]  # it has no types
from cramjam import CompressionError, DecompressionError

#: What the library lets through from the bytes of a batch.
DAMAGE: Final = (
    kafka.CorruptRecordException,
    kafka.UnsupportedCodecError,
    CompressionError,
    DecompressionError,
    struct.error,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    ArithmeticError,
    AssertionError,
    MemoryError,
)

#: Times that a place is read before it counts as damaged: a bit that fell over on the way is not there the next time.
TRIES: Final = 3

#: Milliseconds for a fetch here. What does not come within them counts as readable: it is the end of the log.
WAIT: Final = 2_000

#: Records that are read with care at a time. The damage is within what was fetched together.
MAX_CAREFUL: Final = 5_000

#: How far the end of the damage is looked for, offsets: a batch holds at most 2^31, and no real one a million.
MAX_LEAP: Final = 1 << 22


async def suspects(consumer: Any, partitions: Iterable[Any]) -> list[Any]:
    """Return those of the partitions that have something which was not read: one of them raised."""
    held = [each for each in partitions if each in consumer.assignment()]
    return [each for each in held if (consumer.highwater(each) or 0) > await consumer.position(each)]


async def around(consumer: Any, partition: Any) -> AsyncGenerator[tuple[Sequence[Any], int | None]]:
    """Yield the records up to the damage, each with None; then, where there is one, nothing with the end of it.

    At the end the consumer stands behind the damage.
    """
    failures = 0
    for _ in range(MAX_CAREFUL):
        try:
            fetched = await consumer.getmany(partition, timeout_ms=WAIT, max_records=1)
        except DAMAGE:
            failures += 1
            if failures >= TRIES:
                break
            continue
        if not fetched:
            return
        yield fetched[partition], None
    else:
        return
    start = await consumer.position(partition)
    end = await _end(consumer, partition, start)
    consumer.seek(partition, end)
    yield (), end


async def _end(consumer: Any, partition: Any, start: int) -> int:
    """Return the first offset from which the partition can be read on: by leaps, then by halves."""
    bad, leap = start, 1
    while leap < MAX_LEAP and not await _is_readable(consumer, partition, start + leap):
        bad, leap = start + leap, leap * 2
    good = start + leap
    while good - bad > 1:
        middle = (bad + good) // 2
        if await _is_readable(consumer, partition, middle):
            good = middle
        else:
            bad = middle
    return good


async def _is_readable(consumer: Any, partition: Any, offset: int) -> bool:
    consumer.seek(partition, offset)
    try:
        await consumer.getmany(partition, timeout_ms=WAIT, max_records=1)
    except kafka.OffsetOutOfRangeError:
        return True  # beyond the end
    except DAMAGE:
        return False
    return True
