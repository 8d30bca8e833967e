"""The demo's application and the program that pushes."""

import asyncio
import re
from random import Random

from aiohttp import web
from structlog.testing import capture_logs

from bridge.demo import notices, writer

LINE = re.compile(r"\d\d:\d\d:00\.250 (INFO |WARN |ERROR) \S[^{}\n]*")
NOW = 1_795_255_200.25


def test_every_line_looks_like_one_of_a_log():
    """A time, a level, a text without a hole left in it."""
    random = Random(1)
    for service in writer.SERVICES:
        for _ in range(200):
            assert LINE.fullmatch(writer.line(service, random, NOW))


def test_log_that_has_grown_too_long_is_rotated(tmp_path, monkeypatch):
    """One old log is kept, so that a demo of days does not fill the disk."""
    monkeypatch.setattr(writer, "ROTATED", 100)
    for n in range(30):
        writer.append(tmp_path / "api.log", f"line {n:06}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["api.log", "api.log.1"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 * 112


async def test_every_service_writes_at_once_and_goes_on(tmp_path, monkeypatch):
    """Nobody has to wait for the first line of a log."""
    monkeypatch.setattr(writer, "PAUSE", 0.0)
    task = asyncio.create_task(writer.write(tmp_path, Random(1), lambda: NOW))
    async with asyncio.timeout(10):
        while sum(path.read_text().count("\n") for path in tmp_path.iterdir()) < 20:
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert {path.stem for path in tmp_path.iterdir()} == set(writer.SERVICES)


async def test_notices_are_pushed_as_json_and_a_refusal_does_not_end_them(aiohttp_server):
    """What does not arrive is told in the log; the next one is pushed all the same."""
    heard = []

    async def take(request):
        heard.append(await request.json())
        return web.Response(status=202 if len(heard) > 1 else 500)

    app = web.Application()
    app.router.add_post("/-/push/notices", take)
    server = await aiohttp_server(app)
    task = asyncio.create_task(notices.push(str(server.make_url("/-/push/notices")), Random(1), pause=0.01))
    async with asyncio.timeout(10):
        while len(heard) < 3:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    assert all(set(notice) == {"title", "message"} for notice in heard)


async def test_notices_end_without_a_word_when_the_bridge_drains(aiohttp_server):
    """A 503 is what a bridge says that takes nothing any more: no warning is due, and no other notice."""
    heard = []

    async def refuse(request):
        heard.append(await request.json())
        return web.Response(status=503)

    app = web.Application()
    app.router.add_post("/-/push/notices", refuse)
    server = await aiohttp_server(app)
    with capture_logs() as lines:
        async with asyncio.timeout(10):
            await notices.push(str(server.make_url("/-/push/notices")), Random(1), pause=0.01)
    assert (len(heard), lines) == (1, [])
