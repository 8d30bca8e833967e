"""MQTT's faults through a WebSocket: the same ones, where another protocol stands between."""

import aiohttp
import pytest
from aiohttp import web

from tests.fake_mqtt import good
from tests.listening import both, listening
from tests.network import serving, websocket
from tests.packets import PUBACK


@both
async def test_m04_a_websocket_that_breaks_off_is_opened_again(fake, version):
    """What was not acknowledged comes again."""
    async with (
        websocket(fake.port) as port,
        listening(f"ws://127.0.0.1:{port}/mqtt", version=version, client_id="bridge") as heard,
    ):
        first = await fake.welcomed()
        await good(first, heard, b"before")
        first.reset()
        await heard.goes_down()
        second = await fake.welcomed(session=True)
        second.publish("t", b"again", qos=1, id=7, dup=True)
        assert (await second.receive(PUBACK)).id == 7
        assert heard.texts == [b"before", b"again"]
        assert heard.losses == []


async def test_m05_a_websocket_that_falls_silent_is_noticed(fake):
    """The keepalive is MQTT's own."""
    async with (
        websocket(fake.port) as port,
        listening(f"ws://127.0.0.1:{port}/mqtt", keepalive="1s") as heard,
    ):
        peer = await fake.welcomed()
        peer.is_deaf = True
        assert "answer" in await heard.goes_down()
        await good(await fake.welcomed(), heard)


@both
async def test_m22_a_large_packet_comes_in_many_messages(fake, version):
    """And one that is larger than the maximum costs itself only."""
    async with (
        websocket(fake.port) as port,
        listening(f"ws://127.0.0.1:{port}/mqtt", version=version, max="256KiB") as heard,
    ):
        peer = await fake.welcomed()
        peer.publish("t", b"x" * 200_000)
        peer.publish("t", b"x" * 300_000)
        await good(peer, heard)
        assert [len(text) for text in heard.texts] == [200_000, 4]
        assert [loss.reason for loss in heard.losses] == ["oversize"]


async def _text(request: web.Request) -> web.WebSocketResponse:
    front = web.WebSocketResponse(protocols=("mqtt",))
    await front.prepare(request)
    await front.receive_bytes()
    await front.send_str("hello")
    await front.close()
    return front


async def _unasked(request: web.Request) -> web.WebSocketResponse:
    front = web.WebSocketResponse(protocols=("chat",))
    await front.prepare(request)
    await front.close()
    return front


async def _page(_: web.Request) -> web.Response:
    return web.Response(text="welcome")


async def _moved(_: web.Request) -> web.Response:
    raise web.HTTPFound("http://127.0.0.1:1/")


@pytest.mark.parametrize("handler", [_text, _unasked, _page, _moved])
async def test_m25_what_is_no_mqtt_in_a_websocket_crashes_nothing(handler):
    """Text, another subprotocol, a page, an address elsewhere: down in words, and tried again."""
    asked = []

    async def counted(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        response: web.StreamResponse = await handler(request)
        return response

    async with serving(counted) as port, listening(f"ws://127.0.0.1:{port}/mqtt") as heard:
        await heard.until(lambda: len(asked) >= 3)
        reason = await heard.goes_down()
        assert f"127.0.0.1:{port}" in reason
        assert "internal error" not in reason
        assert heard.heard == []
        assert aiohttp.hdrs.UPGRADE in asked[0].headers
