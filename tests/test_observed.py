"""What watches the process follows its configuration, and is in nobody's way while it does."""

import asyncio
import subprocess
import sys

from tests.support import SERVER, configured, running

PARTS = "sources: {p: {kind: push}}\nroutes: {/p: {from: p}}\n"


def test_what_is_not_asked_for_is_not_loaded():
    """Traces bring a library of half a second and twenty megabytes: only for who has them in the file."""
    code = (
        "import sys, bridge.app, bridge.cli.serving; print([m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=60)
    assert done.stdout == "[]\n"


async def test_nothing_watches_unless_it_is_asked_to():
    """No task, no route, no tracer: each place costs the look at one attribute."""
    async with running(SERVER + PARTS) as served:
        observed = served.bridge.observed
        assert (observed.canary, observed.traces, observed.hindrance) == (None, None, None)
        assert (observed.flights, observed.seconds, observed.endpoint("/-/canary/x")) == (None, None, None)
        assert (served.bridge.bus.tracer, served.bridge.pump.tracer) == (None, None)
        assert len(served.bridge.bus.routes) == 1
        assert all(task.get_name() not in {"canary", "traces"} for task in asyncio.all_tasks())


async def test_one_that_says_as_before_goes_on():
    """A reload of something else restarts neither."""
    text = "server: {listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: 0s, canary: 1h, traces: {url: 'http://127.0.0.1:1'}}\n"
    async with running(text + PARTS) as served:
        observed = served.bridge.observed
        canary, traces = observed.canary, observed.traces
        assert canary is not None
        assert traces is not None
        await observed.follow(configured(text.replace("drain: 0s", "drain: 1s") + PARTS).server)
        assert (observed.canary, observed.traces) == (canary, traces)
