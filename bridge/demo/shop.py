"""The demo's application: a small web shop that knows nothing of event streams but a bare one of its own.

    GET /              its page, which the bridge passes through (also /shop: see `console`)
    GET /api/orders    the open orders as JSON, which the bridge polls while somebody listens
    GET /api/sales     what is sold, as server-sent events without ids, replay or heartbeats, which the bridge relays

It listens on loopback before anything else starts, so its port can stand in the configuration.
"""

import asyncio
import contextlib
import hashlib
import json
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Final

from aiohttp import web

HOST: Final = "127.0.0.1"

#: Connections that wait until the application runs.
BACKLOG: Final = 16

#: Seconds between two things that happen in the shop, on average.
PAUSE: Final = 1.5

#: Open orders at most; the oldest is shipped before another comes.
MAX_ORDERS: Final = 12

#: Seconds for answers in flight when it ends. Whoever pressed Ctrl-C does not wait for more.
GRACE: Final = 0.5

PAGE: Final = Path(__file__).with_name("shop.html")

_STATES: Final = ("new", "paid", "packed")
_GOODS: Final = ("lamp", "kettle", "chair", "clock", "rug", "radio")
_CUSTOMERS: Final = ("Ann", "Bo", "Cleo", "Dag", "Eve")


@dataclass(frozen=True, slots=True)
class Order:
    """An order that has not left the shop."""

    id: int
    customer: str
    item: str
    total: float
    state: str = "new"


class Shop:
    """The open orders, and those who listen to sales."""

    def __init__(self, random: Random) -> None:
        self.orders: dict[int, Order] = {}
        self._random = random
        self._next = 1001
        self._listeners: set[asyncio.Queue[str]] = set()
        for _ in range(MAX_ORDERS // 2):
            self._place()

    async def trade(self, pause: float = PAUSE) -> None:
        """Let something happen now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._random.uniform(0.5, 1.5) * pause)
            self.turn()

    def turn(self) -> None:
        """Let one thing happen: an order comes, goes a step further, or leaves."""
        if not self.orders or (len(self.orders) < MAX_ORDERS and self._random.random() < 0.4):  # noqa: PLR2004 -- a share
            self._place()
            return
        order = self.orders[self._random.choice(list(self.orders))]
        at = _STATES.index(order.state) + 1
        if at == len(_STATES):
            del self.orders[order.id]
            return
        self.orders[order.id] = Order(order.id, order.customer, order.item, order.total, _STATES[at])

    def _place(self) -> None:
        item, customer = self._random.choice(_GOODS), self._random.choice(_CUSTOMERS)
        order = Order(self._next, customer, item, round(self._random.uniform(9, 190), 2))
        self._next += 1
        self.orders[order.id] = order
        for listener in self._listeners:
            # A bare stream has no memory: who does not keep up misses sales, as in many an application.
            with contextlib.suppress(asyncio.QueueFull):
                listener.put_nowait(json.dumps({"item": item, "total": order.total}))

    async def page(self, _: web.Request) -> web.StreamResponse:
        """Answer with the page."""
        return web.Response(text=PAGE.read_text("utf-8"), content_type="text/html")

    async def listed(self, request: web.Request) -> web.StreamResponse:
        """Answer with the open orders; 304 where the client has just those."""
        body = json.dumps({"orders": [asdict(order) for order in self.orders.values()]}).encode()
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        return web.Response(body=body, content_type="application/json", headers={"ETag": tag})

    async def sales(self, request: web.Request) -> web.StreamResponse:
        """Send each sale for as long as the client stays."""
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await answer.prepare(request)
        listener: asyncio.Queue[str] = asyncio.Queue(MAX_ORDERS)
        self._listeners.add(listener)
        try:
            while True:
                await answer.write(f"event: sale\ndata: {await listener.get()}\n\n".encode())
        except ConnectionError:
            return answer
        finally:
            self._listeners.discard(listener)


def listen() -> socket.socket:
    """Return a socket that listens on a free port of this machine."""
    return socket.create_server((HOST, 0), backlog=BACKLOG)


@contextlib.asynccontextmanager
async def running(
    listening: socket.socket, random: Random, *, pause: float = PAUSE, front: Sequence[web.RouteDef] = ()
) -> AsyncIterator[Shop]:
    """Run the shop behind the socket, which is closed in the end; `front` takes its first page's place."""
    shop = Shop(random)
    app = web.Application()
    app.add_routes(front or [web.get("/", shop.page)])
    app.router.add_get("/shop", shop.page)
    app.router.add_get("/api/orders", shop.listed)
    app.router.add_get("/api/sales", shop.sales)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=GRACE, handler_cancellation=True)
    await runner.setup()
    trading = asyncio.create_task(shop.trade(pause), name="demo shop")
    try:
        await web.SockSite(runner, listening).start()
        yield shop
    finally:
        trading.cancel()
        await asyncio.wait([trading])
        await runner.cleanup()
