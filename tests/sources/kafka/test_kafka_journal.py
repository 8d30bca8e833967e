"""The library's log lines as ours."""

import logging

import pytest
from structlog.testing import capture_logs

from bridge.sources.kafka import journal
from bridge.sources.kafka.journal import EVERY, LINES, SOURCE, Journal, install


class Clock:
    """A time that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        """Return it."""
        return self.now


def say(handler: Journal, text: str, *args: object) -> None:
    """Let the library write a line."""
    handler.handle(logging.LogRecord("aiokafka", logging.ERROR, "", 0, text, args, None))


def test_a_kind_of_line_passes_now_and_then() -> None:
    """Its arguments do not make it another kind; the next one tells how many were between."""
    clock = Clock()
    handler = Journal(clock)
    with capture_logs() as lines:
        for at in range(50):
            say(handler, "node %s is gone", at)
        clock.now += EVERY
        say(handler, "node %s is gone", 50)
    told = [(line["detail"], line.get("withheld")) for line in lines]
    assert told == [("node 0 is gone", None), ("node 50 is gone", 49)]


def test_few_lines_a_second_pass_whatever_their_kinds() -> None:
    """All sources share what may be said."""
    handler = Journal(Clock())
    with capture_logs() as lines:
        for at in range(50):
            say(handler, f"kind {at}")
    assert len(lines) == LINES


def test_kinds_are_not_remembered_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts without arguments make each its own."""
    monkeypatch.setattr(journal, "MAX_KINDS", 3)
    clock = Clock()
    handler = Journal(clock)
    with capture_logs() as lines:
        for at in range(10):
            clock.now += 1
            say(handler, f"kind {at}")
    assert len(lines) == 10
    assert len(handler._seen) <= 3
    assert len(handler._withheld) <= 3


def test_a_line_has_its_source() -> None:
    """Tasks inherit it from the run that started them."""
    token = SOURCE.set("orders")
    with capture_logs() as lines:
        say(Journal(Clock()), "hello")
    SOURCE.reset(token)
    assert lines == [{"event": "the Kafka client says", "source": "orders", "detail": "hello", "log_level": "warning"}]


def test_it_is_installed_once() -> None:
    """Each source would do it."""
    install()
    install()
    logger = logging.getLogger("aiokafka")
    assert len([each for each in logger.handlers if isinstance(each, Journal)]) == 1
    assert not logger.isEnabledFor(logging.INFO)
