"""How much of the past is kept: by a channel, and by all of them together."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from bridge.event import Record

#: What a kept record costs beside its frame, in bytes: the struct, the bytes' header, its numbers, its list slots.
OVERHEAD: Final = 240

#: Control records whose place is remembered so that `missed` counts events alone. Past it, old ones count as
#: events: a number too high by a few in a channel that had thousands of gaps.
MAX_CONTROLS: Final = 1_024

#: Control records that may follow the newest event before it, too, is evicted: a source that comes and goes while
#: nothing happens must not fill memory, but one notice must not cost a newcomer the present value.
MAX_TRAILING: Final = 64

#: The age of history is kept to this fraction of itself: a mark each, instead of a clock reading a record.
AGE_MARKS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much of the past a channel keeps: whichever is met first."""

    events: int = 1_000
    bytes: int = 1024 * 1024
    #: Seconds.
    age: float = 3_600.0
    #: Keys of the table.
    keys: int = 10_000


class Budget:
    """The bytes of all histories together."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0


def cost(record: Record) -> int:
    """Return what keeping the record takes, in bytes."""
    return len(record.frame) + OVERHEAD


class Lost(NamedTuple):
    """What earlier channels of a name kept when they were dropped."""

    #: The highest sequence number.
    through: int = 0
    #: The newest time, Unix seconds.
    since: float = float("-inf")


NOTHING: Final = Lost()
