"""What is known of all generations: their chains by path, themselves by inode, and the steps that tell of changes."""

from contextlib import suppress

from bridge.event import Reason
from bridge.sources.file.beneath import Root
from bridge.sources.file.chain import Chain
from bridge.sources.file.discover import Listing
from bridge.sources.file.generation import Generation, Home, Step
from bridge.sources.file.position import Identity
from bridge.sources.file.reader import Reader
from bridge.sources.file.rotate import Candidate, Search


class Registry:
    """The state of a running source. Only the source's thread touches it."""

    def __init__(self, root: Root, reader: Reader, now: float) -> None:
        self.root = root
        self.reader = reader
        self.chains: dict[str, Chain] = {}
        #: Not those behind links, which are followed under one name only.
        self.known: dict[Identity, Generation] = {}
        #: What the event loop shall do, in order.
        self.steps: list[Step] = []
        #: The last walk, ready to be searched, and the time just before it by the wall clock.
        self.search = Search(root, Listing())
        self.walked_ns = 0
        #: The time of this round by the monotonic clock.
        self.now = now
        self._last_key = 0

    def key(self) -> int:
        """Return the next generation's key."""
        self._last_key += 1
        return self._last_key

    def chain(self, home: Home) -> Chain:
        """Return the chain of a path, made if need be."""
        if home.relative not in self.chains:
            self.chains[home.relative] = Chain(home)
        return self.chains[home.relative]

    def add(self, gen: Generation) -> Generation:
        """Make a generation known."""
        if not gen.is_link:
            self.known[gen.identity] = gen
        self.tell(gen)
        return gen

    def make(self, home: Home, found: Candidate, *, is_link: bool = False) -> Generation:
        """Make a generation that begins at the first byte of a file, known but in no chain yet."""
        gen = Generation(
            key=self.key(),
            home=home,
            identity=found.identity,
            place=found.relative,
            mtime_ns=found.mtime_ns,
            is_link=is_link,
            grown_at=self.now,
        )
        self.hold(gen)
        return self.add(gen)

    def hold(self, gen: Generation) -> None:
        """Open a file before its first byte is read: while it is open its inode gets no other file."""
        with suppress(OSError):  # its own look will tell
            self.reader.open(gen)
            gen.size, gen.mtime_ns, _ = self.reader.signature(gen)

    def tell(self, gen: Generation) -> None:
        """Have the generation's mark written down, once all before it is handed over."""
        self.steps.append(Step(marks={gen.key: gen.mark(gen.position)}))

    def move_up(self, gen: Generation) -> None:
        """Give a generation a new key, since it comes after others that were found later: keys are their order."""
        self.steps.append(Step(marks={gen.key: None}))
        gen.key = self.key()
        self.tell(gen)

    def announce(self, gen: Generation, reason: Reason) -> None:
        """Announce a loss in the events of the generation's path."""
        self.steps.append(Step(loss=gen.loss(reason)))

    def drop(self, gen: Generation) -> None:
        """Forget a generation that is in no chain any more."""
        self.reader.close(gen)
        if self.known.get(gen.identity) is gen:
            del self.known[gen.identity]
        self.steps.append(Step(marks={gen.key: None}))

    def is_free(self, identity: Identity) -> bool:
        """Tell whether a file's bytes are nobody's yet. Those of a muted copy are, until they are taken once."""
        known = self.known.get(identity)
        return known is None or (known.is_muted and not known.is_taken)
