"""What the machine allows, where the file leaves it open."""

from pathlib import Path
from typing import Final

#: The default budget of all histories together, and what a machine without a limit gets.
MOST: Final = 256 * 1024**2
#: A container's memory holds the program, its connections and its buffers too: history takes a quarter.
SHARE: Final = 4
#: With less than this nothing useful can be replayed; the smallest that the language accepts.
LEAST: Final = 1024**2

#: cgroup version 2, then version 1. Both say a number of bytes; v2 says "max" and v1 a huge number for none.
_LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory_limit(limits: tuple[Path, ...] = _LIMITS) -> int | None:
    """Return the container's limit in bytes, None where there is none."""
    for path in limits:
        try:
            text = path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text.isdecimal():
            return int(text)
    return None


def default_memory(limits: tuple[Path, ...] = _LIMITS) -> int:
    """Return a quarter of the container's limit in bytes, 256 MiB at most."""
    limit = memory_limit(limits)
    return MOST if limit is None else max(LEAST, min(limit // SHARE, MOST))
