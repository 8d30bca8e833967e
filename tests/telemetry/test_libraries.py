"""What libraries, warnings and uncaught errors say comes as lines like ours."""

import asyncio
import gc
import logging
import sys
import threading
import warnings
from typing import Any

import pytest

from bridge.telemetry import tell_loop_error
from bridge.telemetry.cap import LINES_PER_SECOND
from bridge.telemetry.libraries import Libraries
from tests.support import until
from tests.telemetry.conftest import Written


@pytest.mark.parametrize(
    "name", ["aiohttp.server", "aiokafka.conn", "paho.mqtt", "asyncio", "pydantic", "watchfiles.main", "urllib3.pool"]
)
def test_libraries_speak_through_our_log(written: Written, name: str, monkeypatch: pytest.MonkeyPatch):
    """One line each, under the library's name, from `warning` up whatever our level is."""
    log, lines = written
    log.ask("debug")
    logger, top = logging.getLogger(name), logging.getLogger(name.partition(".")[0])
    # A source of an earlier test may have taken it over.
    monkeypatch.setattr(top, "propagate", True)
    monkeypatch.setattr(top, "handlers", [])
    logger.debug("SASL PLAIN \0user\0hunter2")
    logger.info("nothing of note")
    logger.warning("it takes\n  %s", "long")
    logger.error("it broke")
    told = [line for line in lines() if line["event"] == "a library says"]
    assert [(line["level"], line["library"], line["detail"]) for line in told] == [
        ("warning", name.partition(".")[0], "it takes long"),
        ("error", name.partition(".")[0], "it broke"),
    ]


def test_libraries_are_capped(written: Written):
    """A thousand lines of one are ten, and a number."""
    log, lines = written
    for number in range(1_000):
        logging.getLogger("aiohttp.client").warning("failed: %d", number)
    logging.getLogger("paho.mqtt").warning("another one is heard")
    log.tell_held()
    told = lines()
    assert [line["library"] for line in told] == ["aiohttp"] * LINES_PER_SECOND + ["paho", "aiohttp"]
    assert (told[-1]["event"], told[-1]["of"], told[-1]["held_back"]) == ("lines held back", "a library says", 990)


def test_a_library_with_its_arguments_wrong_is_heard_all_the_same(written: Written):
    """And prints nothing past the log."""
    _, lines = written
    # Handed to our handler alone: pytest's own refuses it.
    Libraries().handle(logging.LogRecord("wrong", logging.WARNING, "f.py", 1, "%d apples", ("no",), None))
    assert [line["detail"] for line in lines()] == ["%d apples"]


def test_errors_that_libraries_log_keep_their_words_to_themselves(written: Written):
    """Class and place, on one line."""
    _, lines = written
    try:
        int("hunter2")
    except ValueError:
        logging.getLogger("wrong").exception("it broke")
    [line] = lines()
    assert (line["detail"], line["exception"]) == ("it broke", "ValueError")
    assert "hunter2" not in str(line)


def test_warnings_of_python_are_lines(written: Written):
    """With their place, which is their cause, too."""
    _, lines = written
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning(DeprecationWarning("old\nways"), DeprecationWarning, "/opt/lib/thing/part.py", 7)
    [line] = lines()
    assert (line["event"], line["library"]) == ("python warns", "lib/thing/part.py:7")
    assert (line["reason"], line["category"]) == ("old ways", "DeprecationWarning")


def test_an_error_that_nobody_caught_is_a_line(written: Written):
    """As the process ends of it."""
    _, lines = written
    error = ValueError("hunter2")
    sys.excepthook(ValueError, error, None)
    [line] = lines()
    assert (line["event"], line["level"], line["exception"]) == ("unhandled error", "error", "ValueError")
    assert "hunter2" not in str(line)


def test_an_error_in_a_thread_is_a_line(written: Written):
    """Under the thread's name."""
    _, lines = written

    def fail() -> None:
        raise KeyError("hunter2")

    thread = threading.Thread(target=fail, name="worker")
    thread.start()
    thread.join()
    [line] = lines()
    assert (line["where"], line["exception"]) == ("worker", "KeyError")


def test_an_error_at_the_end_of_an_object_is_a_line(written: Written):
    """Python can raise it nowhere."""
    _, lines = written

    class Fragile:
        def __del__(self) -> None:
            raise OSError(5, "Input/output error")

    Fragile()
    gc.collect()
    [line] = lines()
    assert (line["where"], line["exception"]) == ("the end of an object", "OSError: Input/output error")


async def test_an_error_that_no_task_took_is_a_line(written: Written):
    """A callback's arguments may be a peer's bytes, so they are not told."""
    _, written_so_far = written
    loop = asyncio.get_running_loop()

    def lines() -> list[dict[str, Any]]:
        # On a busy machine asyncio's debug mode says which callback was slow.
        return [line for line in written_so_far() if line["event"] == "unhandled error"]

    loop.set_exception_handler(tell_loop_error)

    def fail(_: bytes) -> None:
        raise ValueError("hunter2")

    async def broken() -> None:
        raise KeyError("hunter2")

    loop.call_soon(fail, b"hunter2")
    task = asyncio.create_task(broken(), name="lonely")
    await until(task.done)
    del task
    await until(lambda: gc.collect() is not None and len(lines()) == 2)
    callback, lonely = lines()
    assert callback["exception"] == "ValueError"
    assert (lonely["where"], lonely["task"]) == ("Task exception was never retrieved", "lonely")
    assert "hunter2" not in str(lines())


def test_what_was_taken_over_is_given_back(written: Written):
    """Whoever embeds the bridge has its own."""
    log, _ = written
    taken = sys.excepthook, warnings.showwarning, threading.excepthook, sys.unraisablehook
    log.configure(format="json")
    assert (sys.excepthook, warnings.showwarning, threading.excepthook, sys.unraisablehook) == taken
    log.reset()
    given = sys.excepthook, warnings.showwarning, threading.excepthook, sys.unraisablehook
    assert not set(given) & set(taken)
