"""What others say, as lines of ours: libraries, Python's warnings, and errors that nobody caught.

Rule 1: libraries are heard from `warning` up, whatever our level: what some of them write below it shows the bytes of a
    login.
Rule 2: they go through our cap, each library a cause of its own.
Rule 3: an error that nobody caught is one line; the process ends of it no other than before.
"""

import asyncio
import logging
import sys
import threading
import warnings
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Final

import structlog

from bridge.telemetry.line import clipped, place

log = structlog.get_logger()

#: Signs of a library's words.
MAX_DETAIL: Final = 300


class Libraries(logging.Handler):
    """Takes the records of Python's own logging, from its root."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on, on one line."""
        try:
            detail = record.getMessage()
        except (TypeError, ValueError):
            detail = str(record.msg)  # the library has its own arguments wrong
        keys: dict[str, object] = {"library": record.name.partition(".")[0], "detail": _one_line(detail)}
        if record.exc_info is not None:
            keys["exc_info"] = record.exc_info
        if record.levelno >= logging.ERROR:
            log.error("a library says", **keys)
        else:
            log.warning("a library says", **keys)


class Hooks:
    """The places where Python tells of what nobody caught, taken over and given back."""

    def __init__(self) -> None:
        self._handler = Libraries()
        self._undo: list[Callable[[], object]] = []

    def install(self) -> None:
        """Take them over; once more changes nothing."""
        if self._undo:
            return
        root = logging.getLogger()
        root.addHandler(self._handler)
        self._undo.append(partial(root.removeHandler, self._handler))
        for module, name, hook in (
            (warnings, "showwarning", tell_warning),
            (sys, "excepthook", tell_unhandled),
            (sys, "unraisablehook", _tell_unraisable),
            (threading, "excepthook", _tell_thread),
        ):
            self._undo.append(partial(setattr, module, name, getattr(module, name)))
            setattr(module, name, hook)

    def remove(self) -> None:
        """Give them back."""
        while self._undo:
            self._undo.pop()()


def tell_warning(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object) -> None:
    """Log a warning of Python's."""
    at = place(filename, lineno)
    log.warning("python warns", library=at, reason=_one_line(str(message)), category=category.__name__)


def tell_unhandled(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    """Log the error of which the process ends."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, at)
        return
    log.error("unhandled error", where="the main thread", exc_info=(kind, error, at))


def _tell_thread(args: threading.ExceptHookArgs) -> None:
    name = args.thread.name if args.thread is not None else "a thread"
    log.error("unhandled error", where=clipped(name, MAX_DETAIL), exc_info=args.exc_value)


def _tell_unraisable(args: "sys.UnraisableHookArgs") -> None:
    log.error("unhandled error", where="the end of an object", exc_info=args.exc_value)


def tell_loop_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what asyncio tells of: an error that no task took. It is a loop's exception handler."""
    # Behind the bracket stand the arguments of a callback: bytes of a peer, often.
    said = str(context.get("message", "")).partition("(")[0]
    task = context.get("task") or context.get("future")
    name = task.get_name() if isinstance(task, asyncio.Task) else None
    log.error("unhandled error", where=_one_line(said), task=name, exc_info=context.get("exception"))


def _one_line(text: str) -> str:
    return clipped(" ".join(text.split()), MAX_DETAIL)
