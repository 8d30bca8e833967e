"""Where file systems are mounted in this process's sight, as the kernel tells it (proc_pid_mountinfo(5))."""

import re
from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/self/mountinfo")

#: The field of a line that names the place, counted from nought.
_PLACE: Final = 4

#: Spaces, tabs, line ends and backslashes stand there as three octal digits.
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


def places(mounts: Path = MOUNTS) -> frozenset[Path] | None:
    """Return the folders and files on which something is mounted; None where that cannot be found out."""
    try:
        text = mounts.read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return None
    lines = (line.split(" ") for line in text.split("\n"))
    return frozenset(Path(_plain(fields[_PLACE])) for fields in lines if len(fields) > _PLACE)


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)
