"""`sse-bridge run`: load the file, serve until told to stop."""

import sys
from pathlib import Path
from typing import Final

from bridge.config.load import load
from bridge.config.model import Config
from bridge.errors import ConfigError
from bridge.telemetry import FORMATS, LEVELS, LOG

OK: Final = 0
FAILED: Final = 1
REFUSED: Final = 2

#: What is shown of a refused configuration: beyond it a reader mends the first and looks again.
MAX_SHOWN: Final = 50


def run(file: Path, *, level: str | None, format: str | None = None) -> int:
    """Serve the file's routes; return the exit code."""
    if not set_up_log(level, format):
        return REFUSED
    config = read(file)
    if config is None:
        return REFUSED
    LOG.follow(config.server.log.level, config.server.log.format)
    # The server's libraries take longer to load than a configuration to be refused.
    from bridge.cli.serving import serve, tell_console  # noqa: PLC0415

    return serve(config, tell_console, file=file)


def set_up_log(level: str | None, format: str | None = None) -> bool:
    """Set the log up, or say that there is no such level or format."""
    for option, given, words in (("--log-level", level, LEVELS), ("--log-format", format, FORMATS)):
        if given is not None and given not in words:
            say(f"{option}: {given!r} is not one of {', '.join(words)}")
            return False
    LOG.configure(level=level, format=format)
    return True


def read(file: Path) -> Config | None:
    """Load a configuration, or say what is wrong with it."""
    try:
        config = load(file)
    except ConfigError as error:
        for problem in error.problems[:MAX_SHOWN]:
            say(str(problem))
        if len(error.problems) > MAX_SHOWN:
            say(f"{len(error.problems) - MAX_SHOWN} more")
        return None
    for note in config.notes:
        say(f"{note} (a warning)")
    return config


def say(text: str) -> None:
    """Print a line for a person, on standard error."""
    sys.stderr.write(f"{text}\n")
