"""The demo's application, asked as a browser and as the bridge would."""

import json
from random import Random

import aiohttp

from bridge.demo import shop


async def test_the_list_changes_only_when_something_happened():
    """Who has the list already is told so without it."""
    with shop.listen() as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/api/orders"
        async with shop.running(listening, Random(1), pause=3600) as running, aiohttp.ClientSession() as session:
            async with session.get(url) as answer:
                tag = answer.headers["ETag"]
                orders = (await answer.json())["orders"]
            assert {order["id"] for order in orders} == set(running.orders)
            async with session.get(url, headers={"If-None-Match": tag}) as answer:
                assert answer.status == 304
            running.turn()
            async with session.get(url, headers={"If-None-Match": tag}) as answer:
                assert answer.status == 200
                assert (await answer.json())["orders"] != orders


async def test_a_sale_reaches_who_listens():
    """An event each, named, with what was sold."""
    with shop.listen() as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/api/sales"
        async with (
            shop.running(listening, Random(1), pause=0.01),
            aiohttp.ClientSession() as session,
            session.get(url) as answer,
        ):
            assert answer.content_type == "text/event-stream"
            assert await answer.content.readline() == b"event: sale\n"
            told = json.loads((await answer.content.readline()).removeprefix(b"data: "))
            assert set(told) == {"item", "total"}


def test_orders_stay_within_their_bound():
    """Whatever happens in a long time: they come, go on, and leave."""
    running = shop.Shop(Random(1))
    seen = set()
    for _ in range(1_000):
        running.turn()
        assert len(running.orders) <= shop.MAX_ORDERS
        seen |= set(running.orders)
    assert len(seen) > 100


async def test_its_page_is_there():
    """What the bridge passes through."""
    with shop.listen() as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        async with (
            shop.running(listening, Random(1)),
            aiohttp.ClientSession() as session,
            session.get(url) as answer,
        ):
            assert answer.content_type == "text/html"
            assert 'new EventSource("orders")' in await answer.text()
