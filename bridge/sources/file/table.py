"""Which generation belongs to which path: what a walk has found, set against what is known.

A walk sees paths and inodes. From one walk to the next a file may be renamed, replaced, deleted, created, copied, and
an inode may have got another file. The rules:

Rule 1: a path whose inode changed has a new generation. The old one is read to its end first.
Rule 2: an inode known from another path is that file renamed, if its bytes agree. Its last lines are still events of
    the path it had, until it is quiet; then it belongs to the new one.
Rule 3: a new path named like a rotated copy of another, with the same head, is that copy: it is not read again.
Rule 4: a generation that is closed and found nowhere in two walks is lost; what is left of it may stand in a copy.
"""

import os

from bridge.sources.file.attic import Attic
from bridge.sources.file.begin import Beginner
from bridge.sources.file.chain import Chain
from bridge.sources.file.discover import Found, Listing
from bridge.sources.file.generation import CLOSED, Generation, Home
from bridge.sources.file.names import MAGIC, originals, unfit
from bridge.sources.file.position import HEAD, Fingerprint, Position
from bridge.sources.file.reader import State
from bridge.sources.file.registry import Registry
from bridge.sources.file.rotate import Candidate, Search
from bridge.sources.file.succession import Succession
from bridge.template import Template


class Table:
    """Keeps the registry true to what the walks find."""

    def __init__(
        self, registry: Registry, succession: Succession, template: Template, beginner: Beginner | None
    ) -> None:
        self._registry = registry
        self._attic = Attic(registry, succession)
        self._template = template
        # The inodes and paths of files that do not match, as of the last walk.
        self._pairs: set[tuple[int, str]] = set()
        self._succession = succession
        # What begins files at the first walk; None when there was a start before.
        self._beginner = beginner

    def settle(self, listing: Listing, wall_ns: int) -> bool:
        """Take in what a walk has found. Tell whether another walk should follow at once."""
        registry = self._registry
        registry.search = Search(registry.root, listing)
        new = [found for found in listing.files.values() if not self._is_same(found)]
        names = {found.relative for found in new}
        for relative, chain in registry.chains.items():
            is_gone = relative not in listing.files and not listing.is_hidden(relative)
            if chain.is_here and (relative in names or is_gone):
                self._leave(chain)
        for chain in self._unsettled():
            self._attic.place(chain, listing)
        # Names like those of rotated files last: what they are shows when the others are known. Else oldest first.
        for found in sorted(new, key=lambda f: (self._is_like_rotated(f, names), f.signature.mtime_ns, f.relative)):
            self._arrive(found)
        self._orphans(listing)
        for chain in self._unsettled():
            self._attic.tidy(chain)
            if not (chain.is_here or chain.queue or chain.lingering):
                del registry.chains[chain.home.relative]
        self._beginner = None
        registry.walked_ns = wall_ns
        return any(gen.missing for chain in self._unsettled() for gen in chain.queue)

    def _unsettled(self) -> list[Chain]:
        return [chain for chain in self._registry.chains.values() if not chain.is_settled]

    def _is_same(self, found: Found) -> bool:
        chain = self._registry.chains.get(found.relative)
        current = chain.current if chain else None
        # Not the device: a remount gives another number, and the content is compared anyway.
        if current is None or current.identity.inode != found.identity.inode:
            return False
        current.place = found.relative
        return True

    def _is_like_rotated(self, found: Found, names: set[str]) -> bool:
        folder, slash, name = found.relative.rpartition("/")
        paths = (folder + slash + original for original in originals(name))
        return any(path in names or path in self._registry.chains for path in paths)

    def _leave(self, chain: Chain) -> None:
        """Take in that a path does not hold its file any more."""
        chain.is_here = False
        if chain.claimed is not None:
            chain.claimed = None
        else:
            chain.queue[-1].retired_at = self._registry.now

    def _arrive(self, found: Found) -> None:
        """Take in that a path holds a file that it did not hold at the last walk."""
        registry = self._registry
        home = Home(found.relative, found.captures)
        is_first = self._beginner is not None
        if not is_first and not found.is_link and self._is_early(found):
            return
        known = None if found.is_link else registry.known.get(found.identity)
        if known is not None and self._is_itself(known, found):
            self._welcome(home, known)
            return
        chain = registry.chain(home)
        if any(gen.missing for gen in chain.queue):
            return  # what was there before comes first, and the next walk tells where it is
        self._review(chain)
        before = chain.last
        new = registry.make(
            home, Candidate(found.signature.mtime_ns, found.relative, found.identity), is_link=found.is_link
        )
        if self._beginner is not None:
            self._begin(new, self._beginner)
        elif not found.is_link:
            new.is_muted = self._is_copy(found)
            chain.queue.extend(self._succession.between(chain, before, new))
        registry.move_up(new)
        chain.queue.append(new)
        chain.is_here = True

    def _is_itself(self, known: Generation, found: Found) -> bool:
        """Tell whether an inode still has the file that it had; if not, that one is nowhere."""
        if self._attic.is_doubtful(known, found.signature.mtime_ns):
            return False
        if known.fd == CLOSED:
            known.place = found.relative
        try:
            if self._registry.reader.check(known) is State.SAME:
                known.place = found.relative
                return True
        except OSError:
            # It cannot be read for now. The inode is all that can be compared.
            known.place = found.relative
            return True
        return False

    def _welcome(self, home: Home, known: Generation) -> None:
        """Take a file that was renamed to a path, or back to it."""
        registry = self._registry
        chain = registry.chain(home)
        chain.is_here = True
        if known.home.relative != home.relative:
            chain.claimed = known
            return
        chain.remove(known)
        chain.queue.append(known)
        known.is_done, known.retired_at = False, None
        registry.move_up(known)

    def _is_early(self, found: Found) -> bool:
        """Look at the paths that this one may be a copy of; tell whether it is too early to say what it is."""
        chains = self._originals(found)
        for chain in chains:
            self._review(chain)
        if any(gen.missing for chain in chains for gen in chain.queue):
            return True
        return bool(chains) and found.signature.size == 0 and found.identity not in self._registry.known

    def _review(self, chain: Chain) -> None:
        """Look whether the youngest file of a path was truncated, before its copies are taken for something else."""
        gen = chain.queue[-1] if chain.queue else None
        try:
            if gen is not None and self._registry.reader.check(gen) is State.REWRITTEN:
                self._succession.rewritten(chain, gen)
        except OSError:
            return  # its own look will tell

    def _orphans(self, listing: Listing) -> None:
        """Find the rotated files of paths that hold nothing now: created, written, renamed since the last walk."""
        registry = self._registry
        pairs = {(inode, path) for inode, paths in listing.others.items() for path in paths}
        new, self._pairs = pairs - self._pairs, pairs
        if self._beginner is not None:
            return
        for pair in new:
            folder, slash, name = pair[1].rpartition("/")
            for original in originals(name):
                captures = self._template.match(folder + slash + original)
                if captures is not None and folder + slash + original not in listing.files:
                    self._adopt_orphans(registry.chain(Home(folder + slash + original, captures)), pair)

    def _adopt_orphans(self, chain: Chain, pair: tuple[int, str]) -> None:
        self._review(chain)
        if any(gen.missing for gen in chain.queue):
            self._pairs.discard(pair)  # the next walk tells what comes before
        elif not chain.is_here:
            chain.queue.extend(self._succession.between(chain, chain.last, None))

    def _is_copy(self, found: Found) -> bool:
        """Tell whether a new file was read under another name, or has the head of one whose rotated copy it may be."""
        registry = self._registry
        chains = self._originals(found)
        if any((found.identity, found.signature.mtime_ns) in chain.given for chain in chains):
            return True
        try:
            fd = registry.root.open(found.relative)
        except OSError:
            return False
        try:
            head = os.pread(fd, HEAD, 0)
            for chain in chains:
                if any(gone.startswith(head) for gone in chain.truncated):
                    return True
                if any(self._begins_with(gen, head) for gen in chain.generations()):
                    return True
        except OSError:
            return False
        finally:
            os.close(fd)
        return False

    def _begins_with(self, gen: Generation, head: bytes) -> bool:
        if gen.fingerprint.head[: len(head)] == head:
            return True
        # It may have more than was read of the original.
        return gen.fd != CLOSED and os.pread(gen.fd, len(head), 0) == head

    def _originals(self, found: Found) -> list[Chain]:
        folder, slash, name = found.relative.rpartition("/")
        chains = (self._registry.chains.get(folder + slash + original) for original in originals(name))
        return [chain for chain in chains if chain is not None]

    def _begin(self, new: Generation, beginner: Beginner) -> None:
        """Find where to begin in a file that was there at the first start."""
        reader = self._registry.reader
        try:
            reader.open(new)
            size = os.fstat(new.fd).st_size
            new.unfit = unfit(os.pread(new.fd, MAGIC, 0))
            new.position = Position(size, 0) if new.unfit else beginner.position(new.fd, size)
            is_end = beginner.begin == "end" or bool(new.unfit)
            new.seen = size if is_end else new.position.offset
            new.fingerprint = Fingerprint.take(new.fd, new.seen)
        except OSError:
            is_end = beginner.begin != "beginning"
            # It cannot be read, but its size is told. What is lost by the coarser cut is a line at most.
            new.seen = os.lstat(f"{self._registry.root.path}/{new.place}").st_size if is_end else 0
            new.position = Position(new.seen, 0) if is_end else Position()
        new.floor = new.seen if is_end else 0
        new.is_muted = bool(new.unfit)
        new.has_more = not is_end
