"""Find where the bytes of a file went: the copy of a truncated one, the generations that were never seen at their path.

Names and times only make candidates; of a copy the content decides. A generation that came and went between two looks
has no content that we know, so there the name must be that of a rotated file, its last write must be later than all we
saw, and no other path may claim it.
"""

import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from bridge.sources.file.beneath import Root, close
from bridge.sources.file.discover import Listing, search
from bridge.sources.file.generation import Generation
from bridge.sources.file.names import MAGIC, number, originals, unfit
from bridge.sources.file.position import HEAD, Identity

#: Candidates whose content is compared, and files in a folder that are looked at whatever their names.
MAX_CANDIDATES: Final = 64
MAX_NEIGHBOURS: Final = 500

#: The highest number that counts rotations. `app.log.20261121` and `app.log.100` are stamps, not the hundredth copy.
MAX_INDEX: Final = 64


class Candidate(NamedTuple):
    """A file that may hold what is missed."""

    mtime_ns: int
    relative: str
    identity: Identity


class Search:
    """One listing, turned into what rotation needs of it: files by the name that they were rotated from."""

    def __init__(self, root: Root, listing: Listing) -> None:
        self._root = root
        self._listing = listing
        self._rotated: dict[str, list[str]] | None = None
        self._inodes: dict[int, str] | None = None
        self._deep: list[tuple[int, str]] | None = None

    def moved(self, gen: Generation) -> str | None:
        """Return where a file stands now by its inode, among those listed."""
        if paths := self._listing.others.get(gen.identity.inode):
            return paths[0]
        if self._inodes is None:
            self._inodes = {f.identity.inode: f.relative for f in self._listing.files.values() if not f.is_link}
        return self._inodes.get(gen.identity.inode)

    def elsewhere(self, gen: Generation) -> str | None:
        """Return where a file stands that no listed folder has: rotated files may lie in one of their own."""
        if self._deep is None:
            self._deep = [(entry.inode(), relative) for relative, entry in search(self._root)]
        return next((relative for inode, relative in self._deep if inode == gen.identity.inode), None)

    def copy(self, gen: Generation, is_free: Callable[[Identity], bool]) -> Candidate | None:
        """Return the file that holds what was seen of `gen`, and so perhaps what was not."""
        name = gen.home.relative.rpartition("/")[2]
        groups: tuple[Callable[[], Iterable[str]], ...] = (
            lambda: self._of(name),
            lambda: self._beside(gen.home.relative),
            lambda: (relative for relative, entry in search(self._root) if name in originals(entry.name)),
        )
        for group in groups:
            for found in self._newest(group())[:MAX_CANDIDATES]:
                if found.identity != gen.identity and is_free(found.identity) and self._holds(found, gen):
                    return found
        return None

    def between(
        self, relative: str, since_ns: int, before: Generation | None, is_free: Callable[[Identity], bool]
    ) -> list[Candidate]:
        """Return the rotated generations of a path that were last written after `since_ns`, oldest first.

        A copy of `before` is not one of them.
        """
        folder, _, name = relative.rpartition("/")
        paths = (path for path in self._of(name) if path.rpartition("/")[0] == folder)
        late = (found for found in self._newest(paths) if found.mtime_ns > since_ns and is_free(found.identity))
        # What agrees in a head alone may be another generation with the same banner.
        known = before if before is not None and before.seen > HEAD else None
        return [found for found in late if self._is_text(found) and not (known and self._holds(found, known))][::-1]

    def has_hole(self, relative: str, place: str) -> bool:
        """Tell whether a file found as `app.log.3` was followed by others that are not there as `.2` and `.1`.

        A number above `MAX_INDEX` counts nothing: it is a date or a time.
        """
        folder, slash, name = relative.rpartition("/")
        last = number(place.rpartition("/")[2], name)
        if not 1 < last <= MAX_INDEX:
            return False
        names = self._of(name)
        return any(f"{folder}{slash}{name}.{n}" not in names for n in range(1, last))

    def _of(self, name: str) -> list[str]:
        if self._rotated is None:
            self._rotated = defaultdict(list)
            for path in self._listing.beside():
                for original in originals(path.rpartition("/")[2]):
                    self._rotated[original].append(path)
        return self._rotated.get(name, [])

    def _beside(self, relative: str) -> list[str]:
        folder = relative.rpartition("/")[0]
        found = [path for path in self._listing.beside() if path.rpartition("/")[0] == folder]
        return found if len(found) <= MAX_NEIGHBOURS else []

    def _newest(self, paths: Iterable[str]) -> list[Candidate]:
        return sorted(self._candidates(paths), reverse=True)

    def _candidates(self, paths: Iterable[str]) -> Iterator[Candidate]:
        for path in paths:
            try:
                status = os.lstat(f"{self._root.path}/{path}")
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield Candidate(status.st_mtime_ns, path, Identity(status.st_dev, status.st_ino))

    def _holds(self, found: Candidate, gen: Generation) -> bool:
        return self._opened(found, lambda fd: gen.is_known_in(fd, os.fstat(fd).st_size))

    def _is_text(self, found: Candidate) -> bool:
        return self._opened(found, lambda fd: not unfit(os.pread(fd, MAGIC, 0)))

    def _opened(self, found: Candidate, test: Callable[[int], bool]) -> bool:
        try:
            fd = self._root.open(found.relative)
        except OSError:
            return False
        try:
            return os.fstat(fd).st_ino == found.identity.inode and test(fd)
        except OSError:
            return False
        finally:
            close(fd)
