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

#: Nanoseconds after a write within which another one may leave the same time behind: kernels count in ticks of up to
#: 10 ms, network file systems in seconds.
RACY: Final = 2 * 10**9

#: What the kernel says is mounted where (proc(5)); its fifth field is the place.
MOUNTS: Final = Path("/proc/self/mountinfo")


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
    try:
        lines = mounts.read_bytes().splitlines()
    except OSError:
        return []
    places = {_unescaped(fields[4]) for line in lines if len(fields := line.split(b" ")) > 4}  # noqa: PLR2004
    return [path for path in paths if os.path.realpath(path, strict=False).encode(errors="surrogateescape") in places]


def _unescaped(text: bytes) -> bytes:
    """Return a place as it is: spaces, tabs, line ends and backslashes are written as three octal digits there."""
    for octal, plain in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        text = text.replace(octal, plain)
    return text
