"""The log of the process: how much is written, how, and for how long.

Three may say how much. The command line beats the file, and whoever asks at run time beats both, for a while: what is
switched on to look at something would else stay on for months.
"""

import atexit
import logging
import select
import sys
import threading
import time
from collections.abc import Callable, MutableMapping
from typing import Any, Final, TextIO

import structlog

from bridge.telemetry.cap import Cap
from bridge.telemetry.libraries import Hooks
from bridge.telemetry.line import plain, shape, timestamp

log = structlog.get_logger()

LEVELS: Final = ("debug", "info", "warning", "error")
FORMATS: Final = ("auto", "json", "pretty")

#: Seconds after which what was held back is told where no line of its cause has followed.
TELL_AFTER: Final = 2.0

#: Milliseconds that one line waits for a reader that takes no more; those after it do not. The loop waits with it, and
#: a pipe that nobody reads would hold it for ever: no stream, no probe, no end.
STALL: Final = 50

#: Seconds for which a level holds that somebody asks for at run time, unless they say for how long; and the most.
ASKED_FOR: Final = 600.0
MOST_ASKED_FOR: Final = 86_400.0


class Writer:
    """What lines are written to. A reader that has gone, or takes no more, must not take the bridge with it."""

    def __init__(self, stream: TextIO) -> None:
        #: Lines that were lost since their reader took no more, and how many of them a line that was read has told.
        self.lost = self.told = 0
        self._stream = stream
        self._lock = threading.RLock()
        self._room = _room(stream)
        self._is_stalled = False

    def msg(self, line: str) -> None:
        """Write a line."""
        try:
            with self._lock:
                if not self._has_room():
                    self.lost += 1
                    return
                self._stream.write(f"{line}\n")
                self._stream.flush()
                self.told = self.lost
        except (OSError, ValueError, RuntimeError):  # closed, or entered again from within
            return

    debug = info = warning = error = critical = exception = msg

    def isatty(self) -> bool:
        """Tell whether a terminal reads it."""
        return self._stream.isatty()

    def tell_lost(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Say in a line how many before it were lost: a processor."""
        if self.lost > self.told:
            event["lost"] = self.lost - self.told
        return event

    def _has_room(self) -> bool:
        """Tell whether a line can be written without waiting; wait a moment for it, but not for each line."""
        if self._room is None:
            return True
        found = self._room.poll(0 if self._is_stalled else STALL)
        self._is_stalled = not found
        return not self._is_stalled


def _room(stream: TextIO) -> "select.poll | None":
    """Return what tells whether the stream takes a line: a pipe does while it has a page free."""
    try:
        room = select.poll()
        room.register(stream.fileno(), select.POLLOUT)
    except (OSError, ValueError, AttributeError):  # no file of the system
        return None
    return room


class Log:
    """What is said of the log, and by whom; `configure` first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.cap = Cap(clock, self._noticed)
        self._level: str | None = None  # by the command line
        self._format: str | None = None
        self._filed: str | None = None  # by the file
        self._filed_format = "auto"
        self._asked: str | None = None  # at run time, until the timer ends it
        self._until: float | None = None
        self._ending: threading.Timer | None = None
        self._telling: threading.Timer | None = None
        self._lock = threading.RLock()
        self._hooks = Hooks()
        self._writer: Writer | None = None  # before `configure`, and for whoever embeds the bridge: not ours

    @property
    def level(self) -> str:
        """Return the level in force."""
        return self._asked or self._usual

    @property
    def _usual(self) -> str:
        return self._level or self._filed or LEVELS[1]

    @property
    def held_back(self) -> int:
        """Count the lines that were not written so far: held back by the cap, or lost as nobody took them."""
        return self.cap.total + (self._writer.lost if self._writer is not None else 0)

    def configure(self, *, level: str | None = None, format: str | None = None, stream: TextIO | None = None) -> None:
        """Set the log up for the whole process, on standard error by default; what is given here beats the file.

        Raises `ValueError` for a level or a format that there is not.
        """
        _check(level, LEVELS)
        _check(format, FORMATS)
        self._level, self._format = level, format
        self._writer = Writer(stream or sys.stderr)
        self._hooks.install()
        atexit.register(self.tell_held)
        self._apply()

    def follow(self, level: str, format: str) -> None:
        """Do as the file says, now or anew."""
        before, is_first = self.level, self._filed is None
        self._filed, self._filed_format = level, format
        self._apply()
        if self.level != before and not is_first:
            log.warning("log level changed", now=self.level, before=before)

    def ask(self, level: str, seconds: float = ASKED_FOR) -> None:
        """Set the level for a while, at run time; raises `ValueError` for one that there is not."""
        _check(level, LEVELS)
        seconds = min(seconds, MOST_ASKED_FOR)
        with self._lock:
            self._stop()
            self._asked, self._until = level, time.time() + seconds
            self._ending = _later(seconds, self._end)
            if level != LEVELS[-1]:
                self._apply()
            log.warning("log level set", now=level, until=timestamp(self._until))
            self._apply()  # who silences the log has that stand in it

    def status(self) -> dict[str, object]:
        """Return the levels, for the admin port."""
        until = timestamp(self._until) if self._until is not None else None
        return {
            "level": self.level,
            "until": until,
            "then": self._usual,
            "held_back": self.held_back,
        }

    def reset(self) -> None:
        """Leave the process as it was before `configure`."""
        with self._lock:
            self._stop()
            if self._telling is not None:
                self._telling.cancel()
                self._telling = None
        atexit.unregister(self.tell_held)
        self._hooks.remove()
        self._writer = None
        structlog.reset_defaults()

    def tell_held(self) -> None:
        """Tell all that was held back and not told: at the end of the process."""
        self._tell(is_last=True)

    def _apply(self) -> None:
        if (writer := self._writer) is None:
            return
        format = self._format or self._filed_format
        is_pretty = writer.isatty() if format == "auto" else format == "pretty"
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                self.cap,
                writer.tell_lost,
                shape,
                *_rendering(is_pretty=is_pretty),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(_number(self.level)),
            logger_factory=lambda *_: writer,
            # A logger that is remembered would keep the level that it was made with.
            cache_logger_on_first_use=False,
        )

    def _stop(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
        self._asked = self._until = self._ending = None

    def _end(self) -> None:
        with self._lock:
            before, self._asked, self._until, self._ending = self.level, None, None, None
            self._apply()
        log.warning("log level is over", now=self.level, before=before)

    def _noticed(self) -> None:
        # A thread of its own, since the loop may be what floods; and none while nothing is held back.
        with self._lock:
            if self._telling is None:
                self._telling = _later(TELL_AFTER, self._tell_some)

    def _tell_some(self) -> None:
        with self._lock:
            self._telling = None
        self._tell(is_last=False)
        if self.cap.is_holding:
            self._noticed()

    def _tell(self, *, is_last: bool) -> None:
        for held in self.cap.release(is_last=is_last):
            keys = held.keys or {"of": "other causes"}
            log.log(_number(held.level), "lines held back", **keys, held_back=held.lines)


def _later(seconds: float, call: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.name = "log"
    timer.start()
    return timer


def _rendering(*, is_pretty: bool) -> list[Any]:
    return [plain, structlog.dev.ConsoleRenderer()] if is_pretty else [structlog.processors.JSONRenderer()]


def _number(level: str) -> int:
    return logging.getLevelNamesMapping().get(level.upper(), logging.ERROR)


def _check(given: str | None, words: tuple[str, ...]) -> None:
    if given is not None and given not in words:
        raise ValueError(f"is not one of {', '.join(words)}")


#: The log of this process: structlog has but one configuration, too.
LOG: Final = Log()
