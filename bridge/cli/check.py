"""`sse-bridge check`: is the configuration right, and what does it say in the end?"""

import sys
from pathlib import Path
from typing import Final

from bridge.config.load import load_draft
from bridge.config.resolved import resolved as lines
from bridge.errors import ConfigError

OK: Final = 0
REFUSED: Final = 2


def run(file: Path, *, resolved: bool = False) -> int:
    """Check a file or a folder of files; return the exit code."""
    try:
        loaded = load_draft(file)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    for note in loaded.config.notes:
        sys.stderr.write(f"{note} (a warning)\n")
    if resolved:
        sys.stdout.write("\n".join(lines(loaded)) + "\n")
        return OK
    sources, routes = len(loaded.config.sources), len(loaded.config.routes)
    sys.stdout.write(f"{file}: right; {_count(sources, 'source')}, {_count(routes, 'route')}\n")
    return OK


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
