"""What files hold, as digests: a configuration knows of what it was made, and a watch what there is now.

Only contents count. A file that is touched, copied over itself, or reached by another link holds what it held.
"""

import hashlib
import os
import stat
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final, cast

#: Bytes that are looked at: more than the largest file that is read for a configuration (`tls.MAX_PEM`).
MOST: Final = 8 * 1024 * 1024

#: What stands for a file that is not there, or cannot be read.
NOTHING: Final = ""

#: Where validators find the table that they note files in.
KEY: Final = "contents"


def digest(path: Path) -> str:
    """Return what tells a file's content from any other; `NOTHING` for no regular file that can be read."""
    try:
        # Without blocking: a FIFO must not hold up whoever looks.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return NOTHING
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            return NOTHING
        with open(number, "rb", closefd=False) as file:
            return hashlib.blake2b(file.read(MOST), digest_size=16).hexdigest()
    except OSError:
        return NOTHING
    finally:
        os.close(number)


def note(context: object, path: Path) -> None:
    """Note a file that is about to be read, for whoever wants to know when it holds something else.

    Before it is read, never after: what is written between the two must count as a change.
    """
    table = cast("Mapping[str, object]", context or {}).get(KEY)
    if table is not None:
        cast("MutableMapping[Path, str]", table)[path] = digest(path)
