"""Logs: one line a fact, with keys; JSON for machines, colours for a terminal; never a flood."""

import logging
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog

#: Lines a second of one cause. A fault that repeats is one fact; ten lines show its rhythm.
LINES_PER_SECOND: Final = 10

#: Causes that are counted at once. Past it all are forgotten, and begin anew.
MAX_CAUSES: Final = 1_000


class Cap:
    """A processor that lets ten lines a second of one cause pass, and says how many it held back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[int, int, int]] = {}  # cause: (second, lines in it, held back since the last)

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Return the line, with `held_back` where some were; raise `DropEvent` over the cap."""
        cause = f"{event.get('event')} {event.get('source', '')}"
        now = int(self._clock())
        second, lines, held = self._seen.get(cause, (now, 0, 0))
        if second != now:
            second, lines = now, 0
        if lines >= LINES_PER_SECOND:
            self._seen[cause] = (second, lines, held + 1)
            raise structlog.DropEvent
        if len(self._seen) >= MAX_CAUSES:
            self._seen.clear()
        self._seen[cause] = (second, lines + 1, 0)
        if held:
            event["held_back"] = held
        return event


def configure(*, level: str = "info", pretty: bool | None = None) -> None:
    """Set the log up on standard error, for the whole process; `pretty` is by terminal unless given."""
    pretty = sys.stderr.isatty() if pretty is None else pretty
    renderer = structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer()
    tracebacks = [] if pretty else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            Cap(),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=not pretty),
            *tracebacks,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
