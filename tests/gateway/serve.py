"""A public port with streams that only say what they were given."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from aiohttp import web
from multidict import CIMultiDict

from bridge.gateway.endpoint import Endpoint, Retry, Router
from bridge.gateway.public import Public
from bridge.gateway.supply import Supply
from bridge.template import Template


class Behind(str):
    """What lies behind an endpoint, where nothing looks at it."""

    __slots__ = ()

    def fault(self, _: Mapping[str, str]) -> str | None:
        """Let everything be asked for."""
        return None


def endpoint(address: str, **changes: Any) -> Endpoint:
    """Make an endpoint from an address as the configuration writes it."""
    path, _, query = address.partition("?")
    asked = dict(part.split("=") for part in query.split("&")) if query else {}
    made = Endpoint(
        path=Template.parse(path),
        query={name: Template.parse(text) for name, text in asked.items()},
        supply=cast("Supply", Behind(address)),
        retry=Retry(3.0),
    )
    return replace(made, **changes)


def router(*addresses: str, base: str = "") -> Router:
    """Make a router of plain endpoints."""
    return Router([endpoint(address) for address in addresses], base)


async def stream(
    _: web.BaseRequest, endpoint: Endpoint, captures: Mapping[str, str], headers: CIMultiDict[str]
) -> web.StreamResponse:
    """Answer with the route and its captures instead of a stream."""
    return web.json_response([endpoint.text, dict(captures)], headers=headers)


def public(*endpoints: Endpoint | str, base: str = "", **more: Any) -> Public:
    """Make what answers on the public port."""
    made = [endpoint(each) if isinstance(each, str) else each for each in endpoints]
    return Public(router=Router(made, base), open_stream=stream, **more)


class Pushes:
    """Takes pushes, and remembers them."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bool]] = []

    async def handle(self, request: web.BaseRequest, path: str, *, public: bool) -> web.StreamResponse:
        """Note where the push went."""
        self.seen.append((path, public))
        return web.json_response({"id": "e-1"}, status=202)
