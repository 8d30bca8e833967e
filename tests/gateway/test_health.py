"""Probes."""

import pytest

from bridge.gateway.health import LIVE, READY, Health
from tests.gateway.raw import ask


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_live_and_ready(method: str) -> None:
    """Both are 200 while we serve, to GET and to HEAD."""
    health = Health(lambda: None)
    assert [(await ask(health.handle, path, method)).status for path in (LIVE, READY)] == [200, 200]


async def test_not_ready_says_why_and_still_lives() -> None:
    """A bridge that drains is not restarted for it."""
    health = Health(lambda: "draining")
    assert (await ask(health.handle, LIVE)).text == "live\n"
    answer = await ask(health.handle, READY)
    assert (answer.status, answer.text) == (503, "draining\n")


async def test_nothing_else_is_here() -> None:
    """A health listener may be reached by anyone, so it knows no data."""
    health = Health(lambda: None)
    for path in ("/", "/-/routes", "/-/push/x", "/-/live/", "/-/view/clock"):
        assert (await ask(health.handle, path)).status == 404
    answer = await ask(health.handle, LIVE, "POST")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
