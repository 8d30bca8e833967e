"""`sse-bridge run --else-demo`: the container image's default, which shows the demo to who has given no configuration.

Rule 1: the demo runs where the file is not there, its folder is empty, and nothing is mounted on either. In every other
    case the file is what was asked for, and is refused in words if it is not right.
Rule 2: what cannot be found out counts as mounted. A demo in place of a configuration that failed would be a lie.
"""

import os
from pathlib import Path
from typing import Final

import structlog

from bridge.cli.run import REFUSED, run as ordinary, say, set_up_log
from bridge.mounts import MOUNTS, places

#: Names that are told of a folder that holds others than the one that is looked for.
SHOWN: Final = 5

log = structlog.get_logger()


def run(file: Path, *, level: str | None, format: str | None = None) -> int:
    """Serve the file's routes, or the demo where nothing was given; return the exit code."""
    if not is_nothing(file):
        if (found := beside(file)) is not None:
            say(found)
        return ordinary(file, level=level, format=format)
    if not set_up_log(level, format):
        return REFUSED
    log.warning("no configuration is mounted: this is the demo", expected=str(file))
    # Nobody else pays for what the demo needs.
    from bridge.cli.demo import run as demo  # noqa: PLC0415

    return demo(level=level, format=format)


def is_nothing(file: Path, mounts: Path = MOUNTS) -> bool:
    """Tell whether there is no trace of a configuration at `file`."""
    if os.path.lexists(file):
        return False
    try:
        if any(file.parent.iterdir()):
            return False
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return not _is_mounted(file.parent, mounts)


def beside(file: Path) -> str | None:
    """Say what the folder holds instead of the file; None where that helps nobody."""
    if os.path.lexists(file):
        return None
    try:
        names = sorted(each.name for each in file.parent.iterdir() if not each.name.startswith("."))
    except OSError:
        return None
    if not names:
        return f"{file.parent} is empty"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{file.parent} holds {', '.join(names[:SHOWN])}{more}, and no {file.name}"


def _is_mounted(folder: Path, mounts: Path) -> bool:
    """Tell whether a file system is mounted at the folder or within it."""
    found = places(mounts)
    return found is None or any(place.is_relative_to(folder.resolve()) for place in found)
