"""Lists, changes and fixed values of a polled page, as streams of a running bridge tell them."""

from typing import Any

import orjson
import pytest

from bridge.sources.http import polite
from tests.http_server import Reply, answer
from tests.polled import polled
from tests.support import Client, until

KEYED = {"emit": "items", "items": "/data", "key": "id"}


def json(value: Any) -> Reply:
    """Answer with JSON."""
    return answer(200, orjson.dumps(value), ("Content-Type", "application/json"))


def rows(*ids: int, **more: Any) -> Reply:
    """Answer with a list."""
    return json({"data": [{"id": id, **more} for id in ids]})


async def told(client: Client, count: int) -> list[tuple[str, Any]]:
    """Return the names of events, and what they say."""
    blocks = [await client.event() for _ in range(count)]
    return [(block.event, orjson.loads(block.data or "null")) for block in blocks]


async def test_a_list_is_told_item_by_item():
    """In a snapshot for who comes, then what changes; an item that is gone is told with what it was."""
    async with polled(rows(1, 2), **KEYED) as made:
        client = await made.served.open()
        assert await told(client, 2) == [("added", {"id": 1}), ("added", {"id": 2})]
        made.server.play(json({"data": [{"id": 2, "n": 1}, {"id": 3}]}))
        assert await told(client, 3) == [("removed", {"id": 1}), ("changed", {"id": 2, "n": 1}), ("added", {"id": 3})]
        newcomer = await made.served.open()
        assert await told(newcomer, 2) == [("added", {"id": 2, "n": 1}), ("added", {"id": 3})]


async def test_a_channel_of_a_list_is_greeted_with_its_own_items():
    """Where `capture` reads from an item whose channel it is, nobody is told of those of other channels."""
    async with polled(rows(1, 2), route="/rows/{id}", capture={"id": "data.id"}, every="30s", **KEYED) as made:
        first = await made.served.open("/rows/1")
        assert await told(first, 1) == [("added", {"id": 1})]
        second = await made.served.open("/rows/2")
        assert await told(second, 1) == [("added", {"id": 2})]
        assert len(second.data) == 1


async def test_a_channel_of_a_table_is_filled_anew_with_its_own_items():
    """And no other channel is made for that."""
    terms = {"key": "key", "start": "snapshot"}
    settings = {"capture": {"id": "data.id"}, "every": "30s", **KEYED}
    async with polled(rows(1, 2), route="/rows/{id}", terms=terms, **settings) as made:
        first = await made.served.open("/rows/1")
        assert await told(first, 1) == [("added", {"id": 1})]
        [route] = made.served.bridge.bus.routes
        for place in [("1",), ("2",)]:
            if route.channels[place].wake is None:
                route.drop(place)
        assert list(route.channels) == [("1",)]
        second = await made.served.open("/rows/2")
        assert await told(second, 1) == [("added", {"id": 2})]
        second.reset()
        await until(lambda: len(made.served.bridge.streams) == 1)
        route.drop(("2",))
        third = await made.served.open("/rows/3")
        assert third.blocks
        assert not third.data
        assert ("2",) not in route.channels


async def test_a_list_under_a_key_is_a_table():
    """What is gone is a `delete`, and not in the snapshot of who comes later."""
    async with polled(rows(1, 2), terms={"key": "key", "start": "snapshot"}, **KEYED) as made:
        client = await made.served.open()
        assert await told(client, 2) == [("added", {"id": 1}), ("added", {"id": 2})]
        made.server.play(rows(2))
        [(name, gone)] = await told(client, 1)
        assert (name, gone["key"]) == ("delete", "1")
        newcomer = await made.served.open()
        assert await told(newcomer, 1) == [("added", {"id": 2})]


async def test_a_list_that_fails_is_not_an_empty_one():
    """Nothing is removed because a server is ill."""
    async with polled(rows(1), json({"error": "busy"}), **KEYED) as made:
        client = await made.served.open()
        await told(client, 1)
        assert "no list at /data" in await made.down()
        made.server.play(rows(1, 2))
        assert await told(client, 1) == [("added", {"id": 2})]


async def test_changes_of_a_document_are_patches():
    """The whole first, for each who comes; who was away for a moment gets the patches that it missed."""
    async with polled(json({"a": 1, "b": "x" * 100}), delta="merge-patch") as made:
        client = await made.served.open()
        assert await told(client, 1) == [("snapshot", {"a": 1, "b": "x" * 100})]
        made.server.play(json({"a": 2, "b": "x" * 100}))
        assert await told(client, 1) == [("patch", {"a": 2})]
        newcomer = await made.served.open()
        assert await told(newcomer, 1) == [("snapshot", {"a": 2, "b": "x" * 100})]
        seen = newcomer.last_event_id
        newcomer.reset()
        made.server.play(json({"a": 3, "b": "x" * 100}))
        assert await told(client, 1) == [("patch", {"a": 3})]
        back = await made.served.open(id=seen)
        assert await told(back, 1) == [("patch", {"a": 3})]
        stranger = await made.served.open(id="elsewhere-7")
        assert [gap["reason"] for gap in stranger.gaps] == ["epoch"]
        assert await told(stranger, 1) == [("snapshot", {"a": 3, "b": "x" * 100})]
        made.server.play(json({"a": 4, "b": "x" * 100}))
        for each in (client, back, stranger):
            assert await told(each, 1) == [("patch", {"a": 4})]


async def test_who_comes_back_to_a_document_that_nobody_listened_to():
    """Is greeted with the whole as it was, and told what has changed since."""
    async with polled(json({"a": 1, "b": "x" * 100}), delta="json-patch") as made:
        client = await made.served.open()
        await told(client, 1)
        client.reset()
        await made.served.empty()
        made.server.play(json({"a": 2, "b": "x" * 100}))
        again = await made.served.open()
        assert await told(again, 2) == [
            ("snapshot", {"a": 1, "b": "x" * 100}),
            ("patch", [{"op": "replace", "path": "/a", "value": 2}]),
        ]


async def test_a_route_may_fix_what_is_asked_for():
    """Its streams and those of the route that asks for the same share one poll."""
    async with polled(
        json({"a": 1}),
        route="/x/{x}",
        query="?x={x}",
        params={"x": {"in": ["1", "2"]}},
        routes={"/one": {"from": "p", "bind": {"x": "1"}}},
        every="30s",
    ) as made:
        one, other = await made.served.open("/one"), await made.served.open("/x/1")
        assert await told(one, 1) == await told(other, 1) == [("", {"a": 1})]
        assert [request.target for request in made.server.requests] == ["/page?x=1"]


async def test_entries_of_a_feed_are_events(monkeypatch: pytest.MonkeyPatch):
    """Each once, by its id; the oldest first."""
    monkeypatch.setattr(polite, "FIRST_DELAY", 0.1)

    def feed(*ids: str) -> Reply:
        items = "".join(f"<item><guid>{id}</guid><title>{id} &amp; more</title></item>" for id in ids)
        body = f'<?xml version="1.0"?><rss version="2.0"><channel>{items}</channel></rss>'
        return answer(200, body.encode(), ("Content-Type", "application/rss+xml"))

    async with polled(feed("b", "a"), format="feed") as made:
        client = await made.served.open()
        assert [(name, entry["id"]) for name, entry in await told(client, 2)] == [("added", "a"), ("added", "b")]
        made.server.play(feed("c", "b"))
        assert [(name, entry["title"]) for name, entry in await told(client, 1)] == [("added", "c & more")]
