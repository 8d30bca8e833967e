"""The application behind changes with the file: new requests go to the new one, those on their way are answered."""

import asyncio
from pathlib import Path

import pytest

from tests.http_server import Drip, HttpServer, Tap, answer
from tests.reloading import ONE, Tab, hasty, reloading
from tests.support import SERVER, until


def page(body: bytes) -> bytes:
    """Return an answer of JSON."""
    return answer(200, body, ("Content-Type", "application/json"))


def text(upstream: str) -> str:
    """Return a file with an application behind."""
    return f"{SERVER.replace('}', f', upstream: {upstream}}}')}{ONE}"


async def test_requests_on_their_way_are_answered_by_the_application_before(tmp_path: Path) -> None:
    """Although `drain` is 0s here: the process does not end."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"
    async with (
        HttpServer.serving(tap := Tap(head)) as old,
        HttpServer.serving(answer(body=b"new")) as new,
        reloading(text(f"'{old.url('')}'"), tmp_path / "routes.yaml") as served,
    ):
        stream = await served.open()
        slow = await served.connect()
        await slow.ask("/app", headers="Connection: close\r\n")
        await slow.until(lambda: slow.status)
        before = served.bridge.proxy
        await served.applied(text(f"'{new.url('')}'"))
        assert served.bridge.proxy is not before
        assert (await served.asked("/app", headers="Connection: close\r\n")).body == b"new"
        await tap.send(b"before")
        assert await slow.rest() == b"before"
        await until(lambda: not served.bridge.works.behind._leaving)
        served.publish("x")
        assert (await stream.event()).data == "x"


async def test_an_application_is_asked_for_its_health_before_it_takes_over(tmp_path: Path) -> None:
    """Else we would be unready until it has answered."""
    async with HttpServer.serving(answer()) as old, HttpServer.serving(Drip(answer(), 1)) as new:
        file = tmp_path / "routes.yaml"
        async with reloading(text(f"'{old.url('')}'"), file) as served:
            await served.applied(text(f"{{url: '{new.url('')}', health: /up}}"))
            assert [request.target for request in new.requests] == ["/up"]
            assert (await served.operator("/-/ready")).status == 200


async def test_an_application_comes_and_goes(tmp_path: Path) -> None:
    """Without one what no route answers is 404."""
    async with (
        HttpServer.serving(answer(body=b"here")) as app,
        reloading(SERVER + ONE, tmp_path / "routes.yaml") as served,
    ):
        assert (await served.asked("/app")).status == 404
        await served.applied(text(f"'{app.url('')}'"))
        assert (await served.asked("/app")).status == 200
        await served.applied(SERVER + ONE)
        assert (await served.asked("/app")).status == 404
        assert served.bridge.proxy is None


async def test_x14_a_polled_pages_token_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next poll brings the new one, and who listens keeps the connection."""
    hasty(monkeypatch)
    token, file = tmp_path / "token", tmp_path / "routes.yaml"
    token.write_text("old")
    async with HttpServer.serving(page(b'{"n": 1}')) as server:
        source = f"{{kind: http, url: '{server.url('/n')}', every: 100ms, bearer: {{file: token}}}}"
        async with reloading(f"sources: {{h: {source}}}\nroutes: {{/h: {{from: h}}}}\n", file) as served:
            client = await served.open("/h")
            await client.event()
            assert server.requests[-1].header("authorization") == "Bearer old"
            token.write_text("new")
            await until(lambda: server.requests[-1].header("authorization") == "Bearer new")
            server.play(page(b'{"n": 2}'))
            await client.until(lambda: client.data == ['{"n": 1}', '{"n": 2}'])
            assert not client.controls


async def test_a_polled_page_that_is_asked_for_less_often_is_remembered(tmp_path: Path) -> None:
    """Who comes back finds it, and is not given it twice."""
    known = page(b'{"n": 1}')
    async with HttpServer.serving(known) as server:
        source = f"{{kind: http, url: '{server.url('/n')}', every: 100ms}}"
        config = f"sources: {{h: {source}}}\nroutes: {{/h: {{from: h}}}}\n"
        async with reloading(config, tmp_path / "routes.yaml") as served, Tab(lambda: served.port, "/h") as tab:
            await until(lambda: tab.data == ['{"n": 1}'])
            await served.applied(config.replace("100ms", "150ms"))
            asked = len(server.requests)
            await server.asked(asked + 2)
            await asyncio.sleep(0)
            assert (tab.data, tab.byes, tab.gaps) == (['{"n": 1}'], ["changed"], [])
