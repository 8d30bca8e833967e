"""The shape of a line: `timestamp`, `level`, `event`, then its keys, on one line whatever they hold.

Rule 1: an error is told by its class and by where it was raised, never by its words: those of a parser repeat what it
    was given, and that is a subscriber's or a producer's. What the system says of a file or a socket is told.
Rule 2: every value is bounded, and of kinds that JSON has.
"""

import math
import sys
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Final

#: What every line has, first and in this order.
FIRST: Final = ("timestamp", "level", "event")

#: Signs of one text. Docker and containerd cut lines at 16 KiB.
MAX_TEXT: Final = 2_000

#: Items of one list or mapping, and how deep they are told.
MAX_ITEMS: Final = 50
MAX_DEPTH: Final = 3

#: Bits of a whole number; longer ones no reader of JSON takes.
MAX_BITS: Final = 64

#: Errors of the program's own, whose words name parts of it and no data; and signs of those.
OF_THE_CODE: Final = frozenset({AttributeError, ImportError, ModuleNotFoundError, NameError, TypeError})
MAX_WORDS: Final = 200

#: Frames of a traceback, the innermost; and errors that led to one another.
MAX_FRAMES: Final = 12
MAX_CAUSES: Final = 4

#: Parts of a file's path that tell which it is.
PATH_PARTS: Final = 3


def shape(_logger: object, method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """Return the line as a document: a processor."""
    error = _error(event.pop("exc_info", None))
    said = clipped(event.pop("event", ""))
    keys = {name: bounded(value) for name, value in event.items() if name not in FIRST}
    told = _told(error) if error is not None else {}
    return {"timestamp": timestamp(), "level": _LEVELS.get(method, method), "event": said, **keys, **told}


def plain(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write signs that a terminal would obey, or that end a line, as escapes: a processor for people."""
    if "exception" in event:
        event["raised"] = event.pop("exception")  # which structlog would put on a line of its own
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[name] = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)
    return event


def timestamp(seconds: float | None = None) -> str:
    """Return a time (Unix seconds; now, unless given) as RFC 3339 in UTC, to the millisecond."""
    when = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clipped(value: object, most: int = MAX_TEXT) -> str:
    """Return a text of bounded length."""
    text = str(value)
    return text if len(text) <= most else f"{text[:most]}…"


def bounded(value: object, depth: int = MAX_DEPTH) -> object:
    """Return a value as JSON has it, of bounded size."""
    if isinstance(value, Mapping) and depth:
        return {clipped(name): bounded(item, depth - 1) for name, item in [*value.items()][:MAX_ITEMS]}
    if isinstance(value, list | tuple | set | frozenset) and depth:
        return [bounded(item, depth - 1) for item in [*value][:MAX_ITEMS]]
    return _single(value)


def _single(value: object) -> object:
    match value:
        case None | bool():
            return value
        case int():
            return value if value.bit_length() <= MAX_BITS else f"{value.bit_length()} bits"
        case float() if math.isfinite(value):
            return value
        case bytes() | bytearray():
            return f"{len(value)} bytes"
        case BaseException():
            return name_of(value)
    return clipped(value)


def name_of(error: BaseException) -> str:
    """Return what an error is, with the system's words where it is of the system, and without its own."""
    name = type(error).__name__
    if isinstance(error, BaseExceptionGroup):
        return f"{name} of {', '.join(sorted({type(each).__name__ for each in error.exceptions}))}"
    if isinstance(error, OSError):
        return f"{name}: {error.strerror}" if error.strerror else name
    return f"{name}: {clipped(error, MAX_WORDS)}" if type(error) in OF_THE_CODE else name


def place(file: str, line: int) -> str:
    """Return where something stands, short."""
    return f"{'/'.join(PurePath(file).parts[-PATH_PARTS:])}:{line}"


def _told(error: BaseException) -> dict[str, object]:
    frames = [
        f"{place(frame.f_code.co_filename, line)} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return {"exception": " from ".join(map(name_of, _chain(error))), "traceback": frames[-MAX_FRAMES:]}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(MAX_CAUSES):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _error(given: object) -> BaseException | None:
    """Return the error of an `exc_info`, in any of the forms that it may have."""
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return given[1] if isinstance(given[1], BaseException) else None
    return sys.exc_info()[1] if given else None


#: Methods of a logger whose name is no level of ours.
_LEVELS: Final = {"exception": "error", "critical": "error", "warn": "warning"}
