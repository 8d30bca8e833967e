"""What goes to the application, and what comes back."""

import asyncio

from tests.gateway.proxy.app import HELLO, always, proxied
from tests.gateway.raw import request


async def test_a_request_goes_through() -> None:
    async with proxied() as front, front.peer() as peer:
        answer = await request(peer, "/a%20b?c=d%2Fe&f")
        assert (answer.status, answer.body) == (200, b"hello")
        print(front.app.requests[0].decode())
        answer = await request(peer, "/x?", "POST", b"12345")
        print(front.app.requests[1].decode())
        assert len(front.app.connections) == 1
