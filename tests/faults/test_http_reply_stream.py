"""Faults within replies, to the end of the wire: what a subscriber of a whole bridge sees of them."""

import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from tests.http_server import HttpServer, answer
from tests.support import Client, Served, running, until


def reply(body: str | bytes, content_type: str = "application/json") -> bytes:
    """Answer with a body."""
    return answer(200, body.encode() if isinstance(body, str) else body, ("Content-Type", content_type))


@contextlib.asynccontextmanager
async def polled(*replies: bytes, keys: str = "", route: str = "") -> AsyncIterator[tuple[HttpServer, Served, Client]]:
    """Serve replies, each to one poll, and open a stream of what the bridge makes of them."""
    async with HttpServer.serving(*replies) as server:
        text = (
            f"sources: {{p: {{kind: http, url: '{server.url()}', every: 100ms{keys}}}}}\n"
            f"routes: {{/p: {{from: p{route}}}}}\n"
        )
        async with running(text) as bridge:
            yield server, bridge, await bridge.open("/p")


BAD = {"empty": reply(""), "html": reply("<!DOCTYPE html><p>Sign in", "text/html"), "no_json": reply("{no")}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_h23_what_is_no_data_takes_the_source_down_and_no_stream_with_it(bad):
    """It is up again with the next good reply; the stream has seen nothing but that."""
    async with polled(reply("[1]"), bad, keys=", format: json") as (server, bridge, client):
        health = bridge.bridge.health
        await until(lambda: health.sources["p"].state == "down")
        server.play(reply("[2]"))
        await client.until(lambda: len(client.data) >= 2)
        await until(lambda: health.sources["p"].state == "up")
        assert client.data == ["[1]", "[2]"]


@pytest.mark.parametrize("bad", [reply("<!DOCTYPE html><p>Sign in", "text/html"), answer(204)], ids=["html", "204"])
async def test_h23_what_is_no_data_is_none_where_the_file_says_nothing_either(bad):
    """A page that parses every event as JSON goes on when the server is well again."""
    async with polled(reply("[1]"), bad) as (server, bridge, client):
        health = bridge.bridge.health
        await until(lambda: health.sources["p"].state == "down")
        server.play(reply("[2]"))
        await client.until(lambda: len(client.data) >= 2)
        assert client.data == ["[1]", "[2]"]


async def test_h24_marks_and_charsets_end_at_the_bridge():
    """What goes out is UTF-8, without a mark."""
    replies = [
        reply(b'\xef\xbb\xbf"gr\xc3\xbc\xc3\x9f"'),
        reply('"日本"'.encode("cp932"), "application/json; charset=Shift_JIS"),
        reply('"é"'.encode(), "application/json; charset=iso-8859-1"),
    ]
    async with polled(*replies) as (_, _, client):
        await client.until(lambda: len(client.data) >= 3)
        assert client.data == ['"grüß"', '"日本"', '"é"']


async def test_h25_every_browser_can_parse_what_goes_out():
    """Whatever the server sent, what is not JSON to a browser never reaches it."""
    async with polled(reply("[0]"), reply("[NaN, 1e400]"), keys=", format: json") as (server, bridge, client):
        await until(lambda: bridge.bridge.health.sources["p"].state == "down")
        server.play(reply('{"a": 1, "a": 2, "n": 123456789012345678901234567890}'))
        await client.until(lambda: len(client.data) >= 2)
        assert client.data[0] == "[0]"
        assert json.loads(client.data[1])["a"] == 2
        assert len(client.data) == 2


async def test_h26_a_wrong_content_type_is_put_right_by_the_file():
    """`format` says what replies are, whatever the server says."""
    async with polled(reply("[1]", "text/html"), reply("[2]", "image/png"), keys=", format: json") as (_, _, client):
        await client.until(lambda: len(client.data) >= 2)
        assert client.data == ["[1]", "[2]"]


async def test_h29_an_identical_body_is_one_event_however_often_it_comes():
    """A newcomer is greeted with it."""
    async with polled(reply('{"a": 1, "b": 2}'), reply('{"b":2,"a":1.0}')) as (server, bridge, client):
        await client.until(lambda: client.data)
        await server.asked(4)
        second = await bridge.open("/p")
        await second.until(lambda: second.data)
        server.play(reply("[]"))
        await client.until(lambda: "[]" in client.data)
        assert client.data == ['{"a": 1, "b": 2}', "[]"]
        assert second.data[0] == '{"a": 1, "b": 2}'


async def test_h29_an_identical_list_is_told_once_by_its_items():
    """And what has changed of it by its names, with a deletion where there are keys."""
    lists = [reply('[{"id": 1}, {"id": 2}]'), reply('[{"id":2}, {"id":1}]'), reply('[{"id": 2, "v": 1}, {"id": 3}]')]
    async with polled(*lists, keys=", emit: items, key: id", route=", key: data.id") as (_, _, client):
        await client.until(lambda: len(client.events) >= 5)
        told = [(block.event, json.loads(block.data or "null")) for block in client.events]
        assert told[:2] == [("added", {"id": 1}), ("added", {"id": 2})]
        assert told[2][0] == "delete"
        assert told[3:] == [("changed", {"id": 2, "v": 1}), ("added", {"id": 3})]
