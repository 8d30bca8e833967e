"""A log of the test's own, and what it has written."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bridge.telemetry import Log

#: A configured log, and the lines that it has written so far.
Written = tuple[Log, Callable[[], list[dict[str, Any]]]]


@pytest.fixture
def stream() -> io.StringIO:
    """Stand in for standard error."""
    return io.StringIO()


@pytest.fixture
def written(stream: io.StringIO) -> Iterator[Written]:
    """Make a log that writes JSON, and leave the process' own as it was."""
    log, level = Log(), logging.getLogger().level
    log.configure(format="json", stream=stream)
    yield log, lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    log.reset()
    logging.getLogger().setLevel(level)
