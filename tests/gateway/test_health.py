"""Probes."""

import pytest

from bridge.gateway.health import LIVE, READY, STARTED, Health
from tests.gateway.raw import ask


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_live_started_and_ready(method: str) -> None:
    """All are 200 while we serve, to GET and to HEAD."""
    health = Health([lambda: None], lambda: True)
    assert [(await ask(health.handle, path, method)).status for path in (LIVE, STARTED, READY)] == [200, 200, 200]


async def test_not_ready_says_why_and_still_lives() -> None:
    """A bridge that drains is not restarted for it; every reason stands on a line of its own."""
    reasons: list[str | None] = ["draining", None, "source a is down: gone\nsource b is not up yet"]
    health = Health([lambda each=each: each for each in reasons], lambda: True)
    assert (await ask(health.handle, LIVE)).text == "live\n"
    assert (await ask(health.handle, STARTED)).text == "started\n"
    answer = await ask(health.handle, READY)
    assert (answer.status, answer.text) == (503, "draining\nsource a is down: gone\nsource b is not up yet\n")


async def test_started_waits_for_the_start_and_for_nothing_else() -> None:
    """Whatever hinders readiness: the application beside a native sidecar starts behind it."""
    begun = [False]
    health = Health([lambda: "no application"], lambda: begun[0])
    assert (await ask(health.handle, STARTED)).status == 503
    begun[0] = True
    assert (await ask(health.handle, STARTED)).status == 200
    assert (await ask(health.handle, READY)).status == 503


async def test_nothing_else_is_here() -> None:
    """A health listener may be reached by anyone, so it knows no data."""
    health = Health((), lambda: True)
    for path in ("/", "/-/routes", "/-/push/x", "/-/live/", "/-/view/clock"):
        assert (await ask(health.handle, path)).status == 404
    answer = await ask(health.handle, LIVE, "POST")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
