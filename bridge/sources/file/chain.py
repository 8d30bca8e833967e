"""The generations of one path, in the order in which their lines are given."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bridge.sources.file.generation import Generation, Home
from bridge.sources.file.position import Identity

#: Generations that have left the path are watched for late lines: writers keep them open for a while, some for ever.
#: Three rotations are longer than any program forgets to open its log anew.
LINGERING: Final = 3
#: Files that are remembered after that: more than anybody rotates between two looks.
GIVEN: Final = 64


@dataclass(slots=True, eq=False)
class Chain:
    """One path and what it has held: done with, being read, still to be read."""

    home: Home
    #: The first is being read. The last is the file at the path, if there is one.
    queue: deque[Generation] = field(default_factory=deque)
    #: Read to their end and not at the path any more, the youngest last.
    lingering: list[Generation] = field(default_factory=list)
    #: Whether a file stands at the path.
    is_here: bool = False
    #: The file at the path when it was renamed to it from another one whose events it may still give.
    claimed: Generation | None = None
    #: The generation whose turn was told.
    told: int | None = None
    #: The heads of generations that were truncated away: their copies may turn up later, and are not read again.
    truncated: deque[bytes] = field(default_factory=lambda: deque(maxlen=LINGERING))
    #: Files that were read to their end and are watched no more, with their last write: not to be taken for news.
    given: deque[tuple[Identity, int]] = field(default_factory=lambda: deque(maxlen=GIVEN))
    #: The last write to any generation that was forgotten, unix nanoseconds.
    forgotten_ns: int = 0
    #: How long to wait between two looks (0: the next walk is soon enough), and when the next one is.
    delay: float = 0.0
    look_at: float = 0.0

    @property
    def current(self) -> Generation | None:
        """Return the file at the path."""
        if not self.is_here:
            return None
        return self.claimed or self.queue[-1]

    @property
    def is_settled(self) -> bool:
        """Tell whether there is nothing but the file at its path."""
        return self.is_here and self.claimed is None and len(self.queue) == 1 and not self.lingering

    @property
    def last(self) -> Generation | None:
        """Return the youngest generation of this path, at it or not."""
        if self.queue:
            return self.queue[-1]
        return self.lingering[-1] if self.lingering else None

    def generations(self) -> Iterator[Generation]:
        """Yield them all, oldest first."""
        yield from self.lingering
        yield from self.queue

    @property
    def written_ns(self) -> int:
        """Return the last write to any generation of this path, unix nanoseconds; 0 if none is known."""
        return max([self.forgotten_ns, *(gen.mtime_ns for gen in self.generations())])

    def remove(self, gen: Generation) -> None:
        """Take a generation out."""
        self.forgotten_ns = max(self.forgotten_ns, gen.mtime_ns)
        if gen in self.lingering:
            self.lingering.remove(gen)
        else:
            self.queue.remove(gen)
