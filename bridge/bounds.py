"""How much of the past is kept: by a channel, and by all of them together."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from bridge.event import Record

#: What a kept record costs beside its frame, in bytes: the struct, the bytes' header, its numbers, its list slots.
OVERHEAD: Final = 240


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
