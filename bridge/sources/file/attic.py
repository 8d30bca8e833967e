"""The generations that are not at their path: rotated, renamed, deleted. Where they are, and for how long they matter.

Writers go on writing to a renamed file, some for ever, so it is watched while it stands anywhere in the folders. What
is open is safe: no rename hides it, and its inode gets no other file. What is closed is looked for by its inode, and
its bytes decide whether it is itself.
"""

import os
from typing import Final

from bridge.sources.file.chain import Chain
from bridge.sources.file.discover import Listing
from bridge.sources.file.generation import CLOSED, Generation
from bridge.sources.file.names import originals
from bridge.sources.file.reader import State
from bridge.sources.file.registry import Registry
from bridge.sources.file.succession import Succession

#: A renamed file gives the events of its new path after this long without a new line, seconds.
SETTLE: Final = 5.0
#: A generation that left its path is kept open this long after its last line, seconds.
LINGER: Final = 300.0
#: And this long when it was deleted: open, it holds its space on the disk.
LINGER_DELETED: Final = 30.0
#: Walks that must have missed a closed file before it counts as gone: a rename during a walk hides it from one.
MISSING: Final = 2


class Attic:
    """Looks after the generations that have left their paths."""

    def __init__(self, registry: Registry, succession: Succession) -> None:
        self._registry = registry
        self._succession = succession

    def place(self, chain: Chain, listing: Listing) -> None:
        """Find the generations that are not at the path, wherever they were moved."""
        registry = self._registry
        for gen in list(chain.generations()):
            if chain.is_here and chain.claimed is None and gen is chain.queue[-1]:
                continue
            where = None if gen.is_link else registry.search.moved(gen)
            if where is not None:
                self._find(chain, gen, where)
            elif gen.fd == CLOSED and not listing.is_hidden(gen.place):
                self._miss(chain, gen)

    def _find(self, chain: Chain, gen: Generation, where: str) -> None:
        """Take in where a generation's inode is now, if it still has the same file."""
        registry = self._registry
        is_sure = gen.fd != CLOSED or (gen.place == where and gen.signature is not None)
        try:
            is_other = not is_sure and self.is_doubtful(gen, registry.root.status(where).st_mtime_ns)
            gen.place, gen.missing = where, 0
            if is_other or (not is_sure and registry.reader.check(gen) is State.REWRITTEN):
                self._succession.lost(chain, gen)
            elif gen.seen == 0 and gen in chain.queue:
                # It waits for its turn. Until then its size is all that it is known by.
                gen.size = registry.reader.signature(gen).size
                registry.tell(gen)
        except OSError:
            return  # its own look will tell

    def is_doubtful(self, gen: Generation, mtime_ns: int) -> bool:
        """Tell whether an inode alone, after a restart, is too little to know an old file by.

        One that was empty has no bytes to compare. Written to since, it is rather another file.
        """
        if gen.digest is None or gen.seen or gen.size or gen.mtime_ns == mtime_ns:
            return False
        queue = self._registry.chains[gen.home.relative].queue
        return gen.is_done or gen is not queue[-1] or bool(originals(gen.home.relative.rpartition("/")[2]))

    def _miss(self, chain: Chain, gen: Generation) -> None:
        gen.missing += 1
        if gen.missing < MISSING and not gen.is_done:
            return
        where = None if gen.is_done or gen.is_link else self._registry.search.elsewhere(gen)
        if where is None:
            self._succession.lost(chain, gen)
        else:
            gen.place, gen.missing = where, 0

    def tidy(self, chain: Chain) -> None:
        """Close what has been quiet for long, and forget what is gone."""
        registry = self._registry
        claimed = chain.claimed
        if claimed is not None and claimed.is_done and self._is_quiet(claimed, SETTLE):
            self._succession.adopt(chain)
        for gen in [gen for gen in chain.lingering if gen.fd != CLOSED]:
            limit = LINGER if os.fstat(gen.fd).st_nlink else LINGER_DELETED
            if self._is_quiet(gen, limit):
                registry.reader.close(gen)
                if registry.search.moved(gen) is None:
                    chain.lingering.remove(gen)
                    registry.drop(gen)

    def _is_quiet(self, gen: Generation, limit: float) -> bool:
        return gen.is_drained and self._registry.now - max(gen.grown_at, gen.retired_at or 0.0) > limit
