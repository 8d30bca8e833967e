"""See when files hold something else: by looking at them, every second.

Looking beats being told here. A mounted ConfigMap or Secret changes by a link two folders up (`..data`), an editor by a
new file under the old name, a network file system and some container runtimes tell of nothing at all; a look finds each
of these, and costs a `stat` a file. Contents decide (`bridge.contents`): only a file whose `stat` has changed is read.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from bridge.contents import digest
from bridge.mounts import MOUNTS, places as mounted

#: Nanoseconds after a write within which another one may leave the same time behind: kernels count in ticks of up to
#: 10 ms, network file systems in seconds.
RACY: Final = 2 * 10**9


class Signature(NamedTuple):
    """What a file's `stat` says of its content."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


class Sight:
    """What files held when they were last looked at. A look touches the disk: it is for a thread."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[Signature, str]] = {}

    def look(self, paths: Iterable[Path]) -> dict[Path, str]:
        """Return what these files hold now, as digests."""
        seen: dict[Path, tuple[Signature, str]] = {}
        found: dict[Path, str] = {}
        for path in paths:
            signature, known = _signature(path), self._seen.get(path)
            if signature is not None and known is not None and known[0] == signature:
                found[path] = known[1]
            else:
                found[path] = digest(path)
            if signature is not None and time.time_ns() - max(signature.modified, signature.changed) > RACY:
                seen[path] = signature, found[path]
        self._seen = seen
        return found


def _signature(path: Path) -> Signature | None:
    try:
        # Through all links: where they lead is what is read.
        found = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return Signature(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def fixed(paths: Iterable[Path], mounts: Path = MOUNTS) -> list[Path]:
    """Return the files that are mounted by themselves: what takes their place outside never arrives here."""
    places = mounted(mounts) or frozenset[Path]()
    return [path for path in paths if Path(os.path.realpath(path, strict=False)) in places]
