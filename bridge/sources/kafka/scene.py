"""How a source stood in its topics when something was to be read back, and what of them can be read."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bridge.event import EMPTY, Loss
from bridge.position import Part, Position
from bridge.sources.kafka.consumer import partition
from bridge.sources.kafka.message import Origin


class Scene(NamedTuple):
    """How a source stood when a backlog was made."""

    head: Position
    origins: Mapping[Part, Origin]
    #: Partitions that lack offsets, so that a difference of two is no count of records.
    holed: frozenset[Part]
    #: Partitions that are there, also those that nothing is read of yet.
    seen: frozenset[Part] = frozenset()
    #: Partitions that cannot be read now, and those of topics that were deleted.
    away: frozenset[Part] = frozenset()
    gone: frozenset[Part] = frozenset()

    def partitions(self) -> Mapping[Any, Part]:
        """Return our names of the partitions that can be read, by the library's."""
        out = self.away | self.gone
        known = [(part, origin) for part, origin in self.origins.items() if part not in out]
        return {partition(origin.topic, origin.partition): part for part, origin in known}

    def beside(self, place: Position | None) -> Mapping[Part, int]:
        """Return where a reader stands in what cannot be read."""
        place = place or Position({})
        # Nobody read there yet: the place stays ahead of the head until somebody has, and the reader waits.
        ahead = {part: place.next(part) for part in self.seen - self.origins.keys() if place.next(part)}
        away = {part: place.next(part) for part in self.away}
        return {**ahead, **away, **{part: self.head.next(part) for part in self.gone}}

    def lost(self, place: Position) -> Sequence[Loss]:
        """Return what lies between a place and the head in topics that are not there any more."""
        tags = {part.tag for part in self.seen.union(self.origins)}
        is_other = any(offsets for tag, offsets in place.offsets.items() if tag not in tags)
        missed = {part.tag: part for part in sorted(self.gone) if place.next(part) != self.head.next(part)}
        captures = [EMPTY] * is_other + [self.origins[part].captures for part in missed.values()]
        return [Loss(reason="source_reset", captures=each) for each in captures]

    def told(self, part: Part, loss: Loss) -> Loss:
        """Return a loss as a subscriber hears of it."""
        missed = None if loss.reason == "evicted" and part in self.holed else loss.missed
        return Loss(reason=loss.reason, missed=missed, captures=self.origins[part].captures)

    def owed(self, offsets: Mapping[Part, int]) -> str:
        """Return the topic of which something is yet to be read, but not now; "" for none."""
        owed = [self.origins[part].topic for part in self.away if offsets[part] < self.head.next(part)]
        return min(owed, default="")
