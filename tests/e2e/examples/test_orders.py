"""The orders' page, with a real Kafka."""

import json
import re

import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.programs import ROOT, bridge
from tests.kafka_client import Talk

EXAMPLE = ROOT / "config/examples/orders.yaml"

#: Milliseconds: a broker that was started again is found within some seconds, and a page comes back after four.
PATIENCE = 30_000


class Shop:
    """Writes to the topic `orders`; an order stays on one partition, as its key has it."""

    def __init__(self, talk: Talk, address: str) -> None:
        self._talk = talk
        self.env = {"BROKER": address}

    async def order(self, number: int, customer: str, status: str, total: float) -> None:
        """Tell how an order stands."""
        value = {"id": number, "customer_id": customer, "status": status, "total": total}
        await self._send(number, json.dumps(value).encode())

    async def close(self, number: int) -> None:
        """Take an order out, with a null value."""
        await self._send(number, None)

    async def _send(self, number: int, value: bytes | None) -> None:
        await self._talk.send("orders", value, str(number).encode(), partition=number % 2)


@pytest_asyncio.fixture(loop_scope="session")
async def shop(kafka):
    """Make the topic, empty."""
    async with Talk.to(kafka.address) as talk:
        await talk.create("orders", partitions=2)
        yield Shop(talk, kafka.address)
        await talk.delete("orders")


def rows(page):
    """Find the rows of the table: order, customer, status, total."""
    return page.locator("#body tr")


def feed(page):
    """Find the entries of what happens, newest first."""
    return page.locator("#feed li")


async def test_page_shows_the_latest_of_each_order(run, page, shop):
    """The topic is read from its beginning; an update replaces a row, and a null value removes one."""
    await shop.order(1, "ann", "new", 10)
    await shop.order(2, "<b>bo</b>", "new", 20.5)
    await shop.order(10, "ann", "late", 30)
    await shop.order(1, "ann", "paid", 10)
    started = await run(EXAMPLE, shop.env)
    await page.goto(started.url)
    await expect(rows(page)).to_have_text(["10annlate30.00", "2<b>bo</b>new20.50", "1annpaid10.00"])
    await expect(page.locator("#sum")).to_have_text("3 orders, 60.50 in all")
    await expect(page.locator("#state")).to_have_text("live")
    await shop.order(2, "<b>bo</b>", "paid", 20.5)
    await shop.close(10)
    await expect(rows(page)).to_have_text(["2<b>bo</b>paid20.50", "1annpaid10.00"])
    await expect(feed(page).filter(has_text="Order 10: gone")).to_have_count(1)
    # Nor does who comes now find the order that is gone, although it named a customer, and its end none.
    await page.reload()
    await expect(rows(page)).to_have_text(["2<b>bo</b>paid20.50", "1annpaid10.00"])


async def test_page_follows_one_customer(run, page, shop):
    """The list offers the customers; with one chosen, others' orders are not told, nor their end."""
    await shop.order(1, "ann", "new", 10)
    await shop.order(2, "bo", "new", 20)
    started = await run(EXAMPLE, shop.env)
    await page.goto(started.url)
    await expect(feed(page)).to_have_count(2)
    await page.locator("#customers").focus()  # which looks for new ones
    await expect(page.locator("#customers option")).to_have_text(["all customers", "ann", "bo"], timeout=PATIENCE)
    await page.get_by_label("of").select_option("bo")
    await expect(feed(page)).to_have_text(["Order 2: newbo, 20.00"])
    await started.awaits("/orders/{customer}", 1)
    await shop.order(1, "ann", "paid", 10)
    await shop.order(2, "bo", "paid", 20)
    await shop.close(1)
    await shop.close(2)
    await expect(feed(page)).to_have_text(["Order 2: gone", "Order 2: paidbo, 20.00", "Order 2: newbo, 20.00"])


async def test_page_goes_on_where_it_was_after_a_restart_of_the_bridge(page, shop, free_ports):
    """An id is a place in the topic, so the next process knows it: each event once, no gap, and the table as it is."""
    ports = free_ports(), free_ports()
    await shop.order(1, "ann", "new", 10)
    async with bridge(EXAMPLE, *ports, shop.env) as started:
        await page.goto(started.url)
        await expect(feed(page)).to_have_text(["Order 1: newann, 10.00"])
        await expect(rows(page)).to_have_count(1)
    await shop.order(1, "ann", "paid", 10)
    await shop.order(2, "bo", "new", 20)
    async with bridge(EXAMPLE, *ports, shop.env):
        told = ["Order 2: newbo, 20.00", "Order 1: paidann, 10.00"]
        # They are on two partitions, so either may be first.
        await expect(feed(page)).to_have_count(3, timeout=PATIENCE)
        assert sorted(await feed(page).all_text_contents()) == sorted([*told, "Order 1: newann, 10.00"])
        await expect(rows(page)).to_have_text(["2bonew20.00", "1annpaid10.00"], timeout=PATIENCE)


async def test_page_tells_when_kafka_is_gone(run, page, shop, kafka):
    """The cause stands above the table until the broker is back; nothing is lost."""
    await shop.order(1, "ann", "new", 10)
    started = await run(EXAMPLE, shop.env)
    await page.goto(started.url)
    await expect(rows(page)).to_have_count(1)
    kafka.kill()
    words = re.compile(rf"^The source orders is down since \d.*{re.escape(kafka.address)}")
    await expect(page.locator("#source")).to_have_text(words, timeout=PATIENCE)
    kafka.start()
    await expect(page.locator("#source")).to_be_hidden(timeout=PATIENCE)
    await shop.order(1, "ann", "paid", 10)
    await expect(rows(page)).to_have_text(["1annpaid10.00"], timeout=PATIENCE)
    await expect(feed(page)).to_have_text(["Order 1: paidann, 10.00", "Order 1: newann, 10.00"])
