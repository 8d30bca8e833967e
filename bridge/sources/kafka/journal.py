"""aiokafka's log lines, as ours: few, and under the source's name.

While a broker is down aiokafka writes some twenty lines a second. The cause is told by the source itself, once; of the
library's own lines each kind passes now and then, with the number of those between, for whoever looks closer.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

import structlog

from bridge.sources.kafka.trouble import clipped

log = structlog.get_logger()

#: The source on whose behalf a task runs. A task that aiokafka starts inherits it.
SOURCE: Final[ContextVar[str]] = ContextVar("kafka_source", default="")

#: Seconds before the same kind of line of the same source passes again.
EVERY: Final = 10.0
#: Lines a second of all sources together. With what a source says itself there are fewer than ten.
LINES: Final = 4
#: Kinds that are remembered. The library has some hundred; texts without arguments make each its own.
MAX_KINDS: Final = 500


class Journal(logging.Handler):
    """Takes the library's warnings."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._clock = clock
        self._seen: dict[tuple[str, str], float] = {}
        self._withheld: Counter[tuple[str, str]] = Counter()
        self._second = (0, 0)

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a line on, or hold it back."""
        now = self._clock()
        source = SOURCE.get()
        kind = (source, str(record.msg))
        if now - self._seen.get(kind, -EVERY) < EVERY or not self._has_room(int(now)):
            if kind in self._withheld or len(self._withheld) < MAX_KINDS:
                self._withheld[kind] += 1
            return
        if len(self._seen) >= MAX_KINDS:
            self._seen.clear()
            self._withheld.clear()
        self._seen[kind] = now
        more = {"withheld": withheld} if (withheld := self._withheld.pop(kind, 0)) else {}
        log.warning("the Kafka client says", source=source, detail=clipped(record.getMessage()), **more)

    def _has_room(self, now: int) -> bool:
        second, lines = self._second
        lines = lines + 1 if second == now else 1
        self._second = (now, lines)
        return lines <= LINES


def install() -> None:
    """Take over the library's loggers, once for the process."""
    logger = logging.getLogger("aiokafka")
    if not any(isinstance(handler, Journal) for handler in logger.handlers):
        logger.addHandler(Journal())
        logger.propagate = False
        logger.setLevel(logging.WARNING)
