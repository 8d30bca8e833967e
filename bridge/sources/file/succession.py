"""What follows a generation whose bytes are gone from its file, or whose file is gone.

Rule 1: what was not read of it is first read from a copy, when one beneath the root holds its bytes.
Rule 2: that a file was truncated is always announced, between its generations: what was written after the copy was
    made is nowhere. A rename is never announced: nothing is lost by it.
Rule 3: generations that came and went unseen are read in between, oldest first.
"""

from bridge.event import Reason
from bridge.sources.file.chain import LINGERING, Chain
from bridge.sources.file.generation import CLOSED, Generation
from bridge.sources.file.registry import Registry
from bridge.sources.file.rotate import Candidate


class Succession:
    """Turns the ends of generations into the beginnings of others."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def rewritten(self, chain: Chain, gen: Generation) -> None:
        """Take in that the bytes of a generation are not in its file any more."""
        registry = self._registry
        is_resumed = gen.digest is not None
        if gen in chain.lingering:
            # Closed and read to its end, its inode has another file by now: nothing of it was lost.
            if not is_resumed and gen.fd != CLOSED:
                registry.announce(gen, "source_rotated")
            chain.remove(gen)
            registry.drop(gen)
            return
        copy = registry.search.copy(gen, registry.is_free)
        reason: Reason = "source_reset" if is_resumed and copy is None else "source_rotated"
        is_current = chain.is_here and chain.claimed is None and gen is chain.queue[-1]
        new = self._renew(gen) if is_current else None
        if copy is not None:
            # Before others are looked for, so that it is none of them.
            self._continue_in(gen, copy)
        if new is not None:
            at = chain.queue.index(gen) + 1
            for follower in (new, *reversed(self.between(chain, gen, new))):
                chain.queue.insert(at, follower)
            registry.move_up(new)
        self._gap_after(chain, gen, reason)
        if copy is None:
            # There may be one that is shorter than what was read: made while the file still grew.
            chain.truncated.append(gen.fingerprint.head)
            chain.remove(gen)
            registry.drop(gen)

    def lost(self, chain: Chain, gen: Generation) -> None:
        """Take in that a file is nowhere: go on in a copy of it, or tell that its end is not known."""
        if not gen.is_done:
            if copy := self._registry.search.copy(gen, self._registry.is_free):
                self._continue_in(gen, copy)
                return
            self._gap_after(chain, gen, "source_reset")
            if gen.seen == 0:
                at = chain.queue.index(gen) + 1
                for follower in reversed(self.between(chain, None, None, since_ns=gen.mtime_ns)):
                    chain.queue.insert(at, follower)
        chain.remove(gen)
        self._registry.drop(gen)

    def unseen(self, chain: Chain, gen: Generation) -> bool:
        """Before the first byte of a file that stood empty: find what was written to it and moved away since."""
        found = self.between(chain, gen, gen, since_ns=gen.mtime_ns)
        if found:
            at = chain.queue.index(gen)
            for follower in reversed(found):
                chain.queue.insert(at, follower)
            gen.gap = gen.gap or "source_rotated"
            self._registry.move_up(gen)
        return bool(found)

    def between(
        self, chain: Chain, before: Generation | None, new: Generation | None, since_ns: int = 0
    ) -> list[Generation]:
        """Make the generations of a path that were rotated away between two looks, oldest first."""
        registry = self._registry
        since = since_ns or chain.written_ns or registry.walked_ns
        found = registry.search.between(chain.home.relative, since, before, registry.is_free)
        given = set(chain.given)
        made = [registry.make(chain.home, item) for item in found if (item.identity, item.mtime_ns) not in given]
        for gen in made:
            gen.retired_at = registry.now
        follower = made[0] if made else new
        if before is not None and follower is not None and registry.search.has_hole(chain.home.relative, before.place):
            follower.gap = "source_rotated"
            registry.tell(follower)
        return made

    def finish(self, chain: Chain, gen: Generation) -> None:
        """Take the first of the queue as read to its end: the next one has its turn."""
        chain.queue.popleft()
        gen.is_done = True
        if gen.is_link:
            self._registry.drop(gen)
            return
        chain.lingering.append(gen)
        self._registry.tell(gen)
        if len(chain.lingering) > LINGERING:
            # Its last write tells what was written since, so the one with the newest stays.
            oldest = min(chain.lingering, key=lambda known: known.mtime_ns)
            claimer = self._registry.chains.get(oldest.place)
            if claimer is not None and claimer.claimed is oldest:
                self.adopt(claimer)
            else:
                chain.given.append((oldest.identity, oldest.mtime_ns))
                chain.remove(oldest)
                self._registry.drop(oldest)

    def adopt(self, chain: Chain) -> None:
        """Let a renamed file give the events of the path that it has now."""
        gen = chain.claimed
        if gen is None:
            return
        self._registry.chains[gen.home.relative].remove(gen)
        gen.home, gen.is_done, gen.is_copy, gen.retired_at = chain.home, False, False, None
        chain.claimed = None
        chain.queue.append(gen)
        self._registry.move_up(gen)

    def _renew(self, gen: Generation) -> Generation:
        """Make the generation that begins anew in the same file, and has its descriptor."""
        registry = self._registry
        new = Generation(
            key=registry.key(),
            home=gen.home,
            identity=gen.identity,
            place=gen.place,
            is_link=gen.is_link,
            grown_at=registry.now,
        )
        registry.reader.take_over(gen, new)
        registry.add(new)
        registry.hold(new)
        return new

    def _continue_in(self, gen: Generation, copy: Candidate) -> None:
        """Let a generation go on in a copy of its file, which is complete."""
        registry = self._registry
        registry.reader.close(gen)
        if registry.known.get(gen.identity) is gen:
            del registry.known[gen.identity]
        gen.identity, gen.place, gen.is_copy, gen.is_link = copy.identity, copy.relative, True, False
        gen.retired_at, gen.missing, gen.signature = registry.now, 0, None
        registry.known.setdefault(gen.identity, gen).is_taken = True
        registry.tell(gen)

    def _gap_after(self, chain: Chain, gen: Generation, reason: Reason) -> None:
        """Announce a loss after what is still read of a generation."""
        after = chain.queue.index(gen) + 1
        if after == len(chain.queue):
            self._registry.announce(gen, reason)
            return
        follower = chain.queue[after]
        follower.gap = follower.gap or reason
        self._registry.tell(follower)
