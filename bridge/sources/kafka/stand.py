"""Where a source stands in its topics: what was emitted, and where it goes on.

One `Stand` lives as long as the process, over all connections and starts anew of the source: it is what `Place.kept`
holds. It moves when a batch has been emitted, without awaiting: whoever looks at it sees a place between two batches.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple, Self

from bridge.position import MAX_TEXT, Part, Position, Writer, digits, tag
from bridge.sources.kafka.ledger import Ledger, Segment
from bridge.sources.kafka.message import Origin

#: Digits that each offset has room for (900 million records), and one more than it has where that is not enough.
ROOM: Final = 5

#: Who waits for the source to come as far as another replica was, at most; each is a request without an answer yet.
MAX_WAITING: Final = 1_000

#: Seconds after which a topic that nobody knows any more counts as deleted. A broker that has just come back may not
#: know all topics yet.
GRACE: Final = 10.0


class Topic(NamedTuple):
    """A topic that the source reads."""

    name: str
    #: What tells it from another topic of that name, made before or after.
    id: str
    captures: Mapping[str, str]
    #: Its name in a position.
    tag: str

    @classmethod
    def of(cls, name: str, id: str, captures: Mapping[str, str]) -> Self:
        """Return the topic with its tag."""
        return cls(name, id, captures, tag(name, id))


class Stand:
    """The next offset of each partition, and the topics that they are of."""

    def __init__(self, *, is_positional: bool = True) -> None:
        self.topics: dict[str, Topic] = {}
        self.next: dict[Part, int] = {}
        #: Where this process began, or went on after a loss.
        self.start = Position({})
        #: Whether it is known where to begin.
        self.is_begun = False
        #: Partitions that were there then, but nobody led them: they begin as the others did, when they can.
        self.late: set[Part] = set()
        self.ledger = Ledger()
        #: Partitions in which offsets were seen to be missing: compacted, or of transactions.
        self.holed: set[Part] = set()
        #: Partitions that were there at the last look, also those that nothing is read of yet.
        self.seen: frozenset[Part] = frozenset()
        #: Tags of the topics that were not, and since when; infinity where they may well be there.
        self._missing: dict[str, float] = {}
        self._last: Part | None = None
        self._writer = Writer(Position({}))
        self._fits = is_positional
        self._origins: dict[Part, Origin] = {}
        self._waiting: dict[asyncio.Future[bool], Position] = {}

    @property
    def head(self) -> Position:
        """Return the place just after the last message emitted."""
        return Position.of(self.next.items())._replace(last=self._last)

    @property
    def is_positional(self) -> bool:
        """Tell whether positions fit an id, with room to grow."""
        return self._fits

    @property
    def origins(self) -> Mapping[Part, Origin]:
        """Return what all records of each partition share, as it is now."""
        return dict(self._origins)

    def origin(self, part: Part) -> Origin:
        """Return what all records of a partition share."""
        return self._origins[part]

    def enter(self, topic: Topic, offsets: Mapping[int, int]) -> None:
        """Go on in these partitions of a topic from these offsets. Those of an earlier topic of that name are gone."""
        before = self.topics.get(topic.name)
        if before is not None and before.id != topic.id:
            self._leave(before)
        self.topics[topic.name] = topic
        for number, offset in offsets.items():
            part = Part(topic.tag, number)
            self.next[part] = offset
            self.late.discard(part)
            self._origins[part] = Origin(topic.name, number, topic.captures)
        self.settle()
        # Once they do not fit, ids are numbers for as long as the process runs: to and fro would help nobody.
        self._fits = self._fits and _fits(self.head)

    def see(self, parts: Collection[Part], hidden: Collection[str]) -> None:
        """Note which partitions are there, and the names of topics that may be, but cannot be read now."""
        now = time.monotonic()
        tags = {part.tag for part in parts}
        missing = [topic for topic in self.topics.values() if topic.tag not in tags]
        self.seen = frozenset(parts)
        self._missing = {
            topic.tag: float("inf") if topic.name in hidden else min(self._missing.get(topic.tag, now), now)
            for topic in missing
        }

    @property
    def away(self) -> frozenset[Part]:
        """Return the partitions that cannot be read now."""
        return frozenset(part for part in self.next if part.tag in self._missing) - self.gone

    @property
    def gone(self) -> frozenset[Part]:
        """Return the partitions of topics that were deleted. They stay in positions, which never go back."""
        due = time.monotonic() - GRACE
        return frozenset(part for part in self.next if self._missing.get(part.tag, due + 1) <= due)

    def move(self, part: Part, offset: int) -> None:
        """Go on in a partition elsewhere than after the last message."""
        self.next[part] = offset
        self.settle()

    def settle(self) -> None:
        """Write positions from where all partitions stand now."""
        if self._last is not None and not self.next.get(self._last):
            self._last = None
        self._writer = Writer(self.head)

    def lost(self) -> None:
        """Begin anew here: what lies before is not whole."""
        self.start = self.head
        self.ledger.forget()

    def texts(self, part: Part, offsets: Sequence[int]) -> Sequence[str]:
        """Return the position just after each of these messages, the next ones; "" where positions do not fit."""
        return self._writer.steps(part, offsets) if self._fits else [""] * len(offsets)

    def emitted(self, ids: Sequence[str], segments: Sequence[Segment]) -> None:
        """Note that these messages are in their channels, under these ids."""
        for part, offsets in segments:
            self.next[part] = offsets[-1] + 1
            self._last = part
        self.ledger.add(ids, segments)
        if self._waiting:
            self._tell()

    def refused(self, part: Part, offset: int) -> None:
        """Note that a record has been told as lost."""
        self.next[part] = offset + 1
        self.ledger.refuse(part, offset)

    async def reach(self, position: Position, seconds: float) -> bool:
        """Wait until all before the position has been emitted; tell whether that came to be in time."""
        if position.is_behind(self.head):
            return True
        if len(self._waiting) >= MAX_WAITING:
            return False
        reached: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[reached] = position
        try:
            async with asyncio.timeout(seconds):
                return await reached
        except TimeoutError:
            return False
        finally:
            del self._waiting[reached]

    def _tell(self) -> None:
        head = self.head
        for reached, position in self._waiting.items():
            if not reached.done() and position.is_behind(head):
                reached.set_result(True)

    def _leave(self, topic: Topic) -> None:
        for part in [part for part in self.next if part.tag == topic.tag]:
            del self.next[part], self._origins[part]
            self.holed.discard(part)


def _fits(head: Position) -> bool:
    """Tell whether the text of a position has room left for offsets to grow."""
    lengths = [len(digits(offset)) for known in head.offsets.values() for offset in known]
    room = sum(max(length + 1, ROOM) - length for length in lengths)
    return len(str(head._replace(last=None))) + len("-zzz") + room <= MAX_TEXT
