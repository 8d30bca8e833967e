"""A whole bridge that polls a real server, both in the test's own process."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from bridge.event import EMPTY
from bridge.sources.base import Place
from bridge.supervisor import Status
from tests.http_server import HttpServer, Reply, answer
from tests.support import Served, running, until


class Polled:
    """A running bridge that polls a server, and that server."""

    def __init__(self, served: Served, server: HttpServer) -> None:
        self.served = served
        self.server = server

    @property
    def requests(self) -> int:
        """Return how many requests there were."""
        return len(self.server.requests)

    @property
    def place(self) -> Place:
        """Return what the source offers."""
        return self.served.bridge.intakes["p"].place

    @property
    def shown(self) -> Any:
        """Return what the admin port shows of the first address."""
        addresses: Any = self.place.detail()["addresses"]
        return addresses[0]

    @property
    def status(self) -> Status:
        """Return how the source is."""
        return self.served.bridge.health.sources["p"]

    @property
    def where(self) -> str:
        """Return host and port, as reasons name them."""
        return f"{self.server.host}:{self.server.port}"

    async def down(self) -> str:
        """Wait until the source is down; return why, without host and port."""
        await until(lambda: self.status.state == "down")
        return (self.status.error or "").replace(self.where, "HOST")

    async def up(self) -> None:
        """Wait until it is up."""
        await until(lambda: self.status.state == "up")


@contextlib.asynccontextmanager
async def polled(
    *replies: Reply,
    route: str = "/p",
    query: str = "",
    terms: Mapping[str, Any] = EMPTY,
    routes: Mapping[str, Any] = EMPTY,
    **more: Any,
) -> AsyncIterator[Polled]:
    """Run a bridge with one polled source; `more` are its keys as YAML has them.

    It has one route, with `terms` beside the usual keys, and `routes` besides.
    """
    async with HttpServer.serving(*replies) as server:
        given = {"url": server.url("/page") + query, "every": "100ms", "linger": "0s", **more}
        keys = {"kind": "http", **{key: value for key, value in given.items() if value is not None}}
        # JSON is YAML.
        sources = orjson.dumps({"p": keys}).decode()
        paths = orjson.dumps({route: {"from": "p", "notify": "source", **terms}, **routes}).decode()
        async with running(f"sources: {sources}\nroutes: {paths}\n") as served:
            await until(lambda: served.bridge.health.sources["p"].state == "up")
            yield Polled(served, server)


def text(body: str, *headers: tuple[str, str], status: int = 200) -> bytes:
    """Answer with plain text."""
    return answer(status, body.encode(), ("Content-Type", "text/plain"), *headers)
