"""The log's level, asked and told on the admin port."""

import json
from collections.abc import Mapping

import pytest

from bridge.gateway.loglevel import EXPECTED, MAX_BODY, LogLevel
from tests.gateway.raw import ask
from tests.support import running


class Levels:
    """Remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float]] = []

    def status(self) -> Mapping[str, object]:
        """Tell the last one."""
        return {"level": self.asked[-1][0] if self.asked else "info"}

    def ask(self, level: str, seconds: float) -> None:
        """Remember one."""
        self.asked.append((level, seconds))


async def test_the_level_is_told():
    """As the log itself has it."""
    answer = await ask(LogLevel(Levels()).handle, "/-/log")
    assert (answer.status, json.loads(answer.body)) == (200, {"level": "info"})


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        (b'{"level": "debug"}', ("debug", 600.0)),
        (b'{"level": "error", "for": "1h30m"}', ("error", 5_400.0)),
        (b'{"for": "1d", "level": "warning"}', ("warning", 86_400.0)),
    ],
)
async def test_a_level_is_set_for_a_while(body: bytes, asked: tuple[str, float]):
    """Ten minutes, unless the request says for how long; the answer is what holds now."""
    levels = Levels()
    answer = await ask(LogLevel(levels).handle, "/-/log", "PUT", body)
    assert (answer.status, json.loads(answer.body)) == (200, {"level": asked[0]})
    assert levels.asked == [asked]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"debug",
        b"[]",
        b"{}",
        b'{"level": "loud"}',
        b'{"level": "DEBUG"}',
        b'{"level": "debug", "for": 600}',
        b'{"level": "debug", "for": "0s"}',
        b'{"level": "debug", "for": "2d"}',
        b'{"level": "debug", "for": null}',
        b'{"level": "debug", "source": "s"}',
        b'{"level": "debug"' + b" " * MAX_BODY + b"}",
    ],
)
async def test_a_request_of_another_kind_is_refused_in_words(body: bytes):
    """It says what was expected, and nothing of what came."""
    levels = Levels()
    answer = await ask(LogLevel(levels).handle, "/-/log", "PUT", body)
    assert (answer.status, answer.text) == (422, f"{EXPECTED}\n")
    assert levels.asked == []


async def test_other_methods_are_refused():
    """A GET changes nothing, and there is nothing to delete."""
    answer = await ask(LogLevel(Levels()).handle, "/-/log", "POST", b'{"level": "debug"}')
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, PUT")


async def test_a_page_of_another_origin_may_not_set_it():
    """The admin port is reached by every page in the operator's browser."""
    async with running() as served:
        handle = served.bridge.works.front.admin.handle
        answer = await ask(handle, "/-/log", "PUT", b'{"level": "debug"}', Origin="https://evil.example")
        assert answer.status == 403
        assert json.loads((await ask(handle, "/-/log")).body)["until"] is None
