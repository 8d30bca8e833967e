"""A stream through nginx and HAProxy, both of which cut what is idle for three seconds."""

import asyncio
import itertools
import re
import time

import pytest

from tests.e2e.programs import IDLE_LIMIT, ROOT, bridge as start, haproxy, nginx

ROUTES = """
sources:
  notices: { kind: push }
  logs: { kind: file, root: ., match: "{file}.log" }
routes:
  /notices: { from: notices, heartbeat: 1s, retry: { exact: 1s } }
  /silent: { from: notices, heartbeat: none, retry: { exact: 1s } }
  /logs/{file}: { from: logs, heartbeat: 1s, retry: { exact: 1s } }
"""

#: Seconds: generous to a busy machine, and far below the minutes that heartbeats take to fill a proxy's buffer.
PROMPT = 5.0

HTTP_1_1 = 'proxy_http_version 1.1; proxy_set_header Connection "";'


@pytest.fixture(params=["nginx", "nginx with HTTP/1.1", "haproxy"])
def front(request, stack, tmp_path, free_ports):
    """Put this proxy in front of an address."""

    def put(upstream):
        folder, port = tmp_path / "proxy", free_ports()
        if request.param == "haproxy":
            return stack.enter_async_context(haproxy(folder, port, upstream))
        more = HTTP_1_1 if "1.1" in request.param else ""
        return stack.enter_async_context(nginx(folder, port, upstream, more))

    return put


async def test_c22_idle_stream_lives_on(run, front, page, listener):
    """Heartbeats keep the connection through twice the idle limit, and the next event comes on it."""
    bridge = await run(ROUTES)
    url = await front(bridge.url)
    await page.goto(url)
    await listener.open("/notices")
    await listener.opened()
    await asyncio.sleep(2 * IDLE_LIMIT + 1)  # the idle limit is real time, and of another program
    await bridge.push("notices", "still here")
    assert [event.data for event in await listener.heard(1)] == ['"still here"']
    assert await page.evaluate("[log.opened, log.errors]") == [1, 0]


async def test_c22_stream_without_heartbeats_is_cut_and_resumes(run, front, page, listener):
    """The limit is real: without a heartbeat the proxy cuts, and the browser comes back for what it missed."""
    bridge = await run(ROUTES)
    url = await front(bridge.url)
    await page.goto(url)
    await listener.open("/silent")
    await listener.opened(2)
    await bridge.push("notices", "after the cut")
    assert [event.data for event in await listener.heard(1)] == ['"after the cut"']


async def test_c22_buffering_holds_nothing_back(run, front, page, listener):
    """Each event reaches the page while the stream goes on, long before any buffer is full."""
    bridge = await run(ROUTES)
    url = await front(bridge.url)
    await page.goto(url)
    await listener.open("/notices")
    await listener.opened()
    for n in range(5):
        pushed = time.monotonic()
        await bridge.push("notices", n)
        await listener.heard(n + 1)
        assert time.monotonic() - pushed < PROMPT


def rotate(log):
    """Move the log away by rename, and the rotated ones before it: `app.log.1` is the youngest."""
    rotated = [log, *(log.with_name(f"{log.name}.{n}") for n in range(1, 9))]
    for younger, older in reversed(list(itertools.pairwise(rotated))):
        if younger.exists():
            younger.rename(older)


async def test_log_is_followed_through_rotations_and_reconnects(run, lay, front, page, listener, tmp_path):
    """Lines appended while the log is rotated and the connection cut all arrive, once and in order."""
    log = tmp_path / "app.log"
    log.write_text("there before\n")
    bridge = await run(ROUTES)
    cable = await lay(await front(bridge.url))
    await page.goto(cable.url)
    await listener.open("/logs/app")
    await listener.opened()
    await bridge.awaits("/logs/{file}", 1)
    for n in range(600):
        with log.open("a") as file:
            file.write(f"line {n}\n")
        if n % 150 == 100:
            rotate(log)
        if n % 200 == 50:
            cable.cut()
        if n % 200 == 90:
            cable.mend()
        await asyncio.sleep(0.005)  # a log of 200 lines a second
    seen = await listener.heard(600)
    assert [event.data for event in seen] == [f"line {n}" for n in range(600)]
    assert await page.evaluate("log.opened") >= 2


async def test_c23_lines_of_the_readme_keep_a_tab_alive_while_the_bridge_restarts(
    run, stack, tmp_path, free_ports, page, listener
):
    """A 502 of its own would close the EventSource for good; with the README's lines it comes back."""
    first = await run(ROUTES.replace("/notices:", "/events/notices:"))
    ports = [int(url.rpartition(":")[2]) for url in (first.url, first.admin)]
    [lines] = re.findall(r"```nginx\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = lines.replace("http://127.0.0.1:8080", first.url).replace("retry: 5000", "retry: 500")
    url = await stack.enter_async_context(nginx(tmp_path / "proxy", free_ports(), first.url, lines))
    await page.goto(url)
    await listener.open("/events/notices")
    await listener.opened()
    await first.program.end()
    await listener.opened(3)  # the second and third are nginx's own answers
    second = await stack.enter_async_context(start(tmp_path / "routes.yaml", *ports))
    await second.awaits("/events/notices", 1)
    await second.push("notices", "back again")
    seen = await listener.heard(1)
    assert seen[-1].data == '"back again"'
