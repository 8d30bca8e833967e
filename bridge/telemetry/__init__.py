"""Logs: one line a fact, with keys; JSON for machines, colours for a terminal; never a flood.

    log.warning("…") ─▶ level ─▶ cap ─▶ line ─▶ standard error
    libraries, Python's warnings, errors that nobody caught ─▶ ┘

`log` is the whole of it, `cap` the bound, `line` the shape, `libraries` the way in for those who do not know us.
`docs/logs.md` lists each line that there is.
"""

from bridge.telemetry.libraries import tell_loop_error
from bridge.telemetry.log import FORMATS, LEVELS, LOG, Log

__all__ = ["FORMATS", "LEVELS", "LOG", "Log", "tell_loop_error"]
