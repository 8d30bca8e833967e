"""Where a position of a partitioned log stands in a channel, for routes whose ids are positions.

The records of a channel are a chain: each one's position is beyond that of the one before. So a position that this
process gave out is found by bisection. Any other, of a replica that took the partitions in another order, has no
single place here: of what the channel keeps, each record is then asked whether the position has it.

Nothing is guessed. Where what is kept cannot tell, the answer is None, and the log itself is read back.
"""

from collections.abc import Callable
from typing import Protocol

from bridge import wire
from bridge.channel import Channel
from bridge.event import Record
from bridge.position import Position


class Positions(Protocol):
    """Where a source stands in its log."""

    @property
    def start(self) -> Position:
        """Where this process began to read, or went on after a loss."""

    @property
    def head(self) -> Position:
        """Where it stands now: just after the last message that was published."""


#: Tells where the route's source stands; None before it knows, and for a source that is no log.
Where = Callable[[], Positions | None]


def nowhere() -> None:
    """Stand in for a source that is no log."""


def position(record: Record) -> Position | None:
    """Return the place just after a record; None for a notice, a part of an event, and one with another kind of id."""
    return None if record.is_control else Position.parse(wire.id_of(record.frame))


def moves(record: Record) -> bool:
    """Tell whether the record moves a client's cursor: it is no notice, and no part but the last of an event."""
    return not record.is_control and bool(wire.id_of(record.frame))


def find(channel: Channel, wanted: Position, log: Positions) -> int | None:
    """Return the ordinal from which on nothing was seen yet by who has seen all before the position.

    None where what the channel keeps cannot tell: some of it may be seen, or some of what was not is gone.
    """
    at = _bisect(channel, wanted.weight)
    prior, after = _prior(channel, at), _after(channel, at)
    later = after[1] if after is not None else log.head
    if not log.start.is_behind(wanted):
        return None  # a loss lies between, of which not every record here knows
    if not wanted.is_behind(later) or (after is not None and _has(wanted, later)):
        return None
    floor = prior[1] if prior is not None else _floor(channel, after[1] if after is not None else None, log)
    if floor is None or not floor.is_behind(wanted):
        return None
    ordinal = prior[0] + 1 if prior is not None else channel.first
    # An event that was numbered, because its position had no room in an id, stands at no place that is known.
    until = after[0] if after is not None else channel.next
    return None if any(moves(channel.at(each)) for each in range(ordinal, until)) else ordinal


def covers(channel: Channel, wanted: Position, log: Positions) -> bool:
    """Tell whether the channel keeps all that the position lacks, in whatever order it came there."""
    oldest = _after(channel, channel.first)
    floor = _floor(channel, oldest[1] if oldest is not None else None, log)
    is_whole = floor is not None and floor.is_behind(wanted)
    return is_whole and log.start.is_behind(wanted) and wanted.is_behind(log.head)


def unseen(channel: Channel, ordinal: int, seen: Position) -> tuple[Position, bytes]:
    """Return the place after a record for who has seen another part of the log, and what that one gets of it.

    The frame says the new place as its id, since that of the record knows nothing of what else was seen.
    """
    record = channel.at(ordinal)
    own = position(record)
    if own is None and record.is_control:
        lost = Position.parse(record.key) if record.key is not None else None
        return seen, b"" if lost is not None and _has(seen, lost) else record.frame
    if own is None:
        whole = _after(channel, ordinal) if _is_part(record) else None
        return seen, b"" if whole is not None and _has(seen, whole[1]) else record.frame
    if own.last is None or seen.has(own.last, own.offset):
        return seen, b""
    reached = seen.after(own.last, own.offset)
    return reached, record.frame.replace(f"id: {own}\n".encode(), f"id: {reached}\n".encode(), 1)


def before(channel: Channel, ordinal: int, log: Positions) -> Position | None:
    """Return the place just before a record of the channel; None where it is not known."""
    after = _after(channel, ordinal)
    return after[1].before if after is not None else log.head


def _bisect(channel: Channel, weight: int) -> int:
    """Return the ordinal of the first record whose position weighs more; notices count with what follows them."""
    low, high = channel.first, channel.next
    while low < high:
        middle = (low + high) // 2
        found = _after(channel, middle)
        if found is None or found[1].weight > weight:
            high = middle
        else:
            low = found[0] + 1
    return low


def _after(channel: Channel, ordinal: int) -> tuple[int, Position] | None:
    return _first(channel, range(ordinal, channel.next))


def _prior(channel: Channel, ordinal: int) -> tuple[int, Position] | None:
    return _first(channel, range(ordinal - 1, channel.first - 1, -1))


def _first(channel: Channel, ordinals: range) -> tuple[int, Position] | None:
    found = ((at, position(channel.at(at))) for at in ordinals)
    return next(((at, each) for at, each in found if each is not None), None)


def _floor(channel: Channel, oldest: Position | None, log: Positions) -> Position | None:
    """Return a place before which all that has left the log lies; None where that is not known.

    What left the log of a keyed channel may still be in its table, but there it is found by its number alone.
    """
    if not channel.lost_through and not channel.first:
        return log.start
    if oldest is None or _is_part(channel.at(channel.first)):
        return None
    return oldest.before


def _has(wanted: Position, later: Position) -> bool:
    return later.last is not None and wanted.has(later.last, later.offset)


def _is_part(record: Record) -> bool:
    """Tell whether it is a part of an event that is not the last one."""
    return not record.is_control and not wire.id_of(record.frame)
