"""Dispatch on the public port.

In this order: the Host header, the base path, pushes where they are public, lists, routes, pages, and 404. Methods are
decided here, so that a HEAD never opens a subscription and a body never follows it (aiohttp alone would do both).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from aiohttp import web
from multidict import CIMultiDict

from bridge.gateway import listing, reply
from bridge.gateway.access import Hosts, Network, cors, forwarded, host, preflight
from bridge.gateway.endpoint import Captures, Endpoint, Found, Router
from bridge.gateway.framing import fields
from bridge.gateway.pages import Pages
from bridge.gateway.path import PathError, beneath, decode, plain, target

#: Ours on every listener; no route may begin with it.
OURS: Final = "/-"
PUSH: Final = "/-/push"

METHODS: Final = "GET, HEAD, OPTIONS"

#: Opens a stream: the request, its route, the captures of its address, and the headers that access adds.
OpenStream = Callable[[web.BaseRequest, Endpoint, Captures, CIMultiDict[str]], Awaitable[web.StreamResponse]]


class Ingest(Protocol):
    """Takes pushed events."""

    async def handle(self, request: web.BaseRequest, path: str, *, public: bool) -> web.StreamResponse:
        """Answer a request to `/-/push/{path}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Public:
    """What answers on the public port; `view` answers the same streams beneath another path."""

    router: Router
    open_stream: OpenStream
    pages: Pages = field(default_factory=lambda: Pages({}))
    #: None where pushes are not public.
    ingest: Ingest | None = None
    hosts: Hosts = field(default_factory=Hosts)
    hops: Sequence[Network] = ()
    #: Entries in a list: `limits.channels`.
    listed: int = 10_000

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        if host(request) is None:
            return reply.malformed("the Host header is malformed")
        if not self.hosts.allow(request):
            return reply.text(421, "this server does not go by that name; `server.hosts` lists those it does")
        raw = target(request.method, request.rel_url.raw_path)
        if not raw.startswith("/"):
            return _no_path(request)
        try:
            path = decode(raw)
        except PathError as error:
            return reply.malformed(str(error))
        within = self._within(path, forwarded(request, self.hops).prefix)
        if within is None:
            return reply.text(404, f"everything here lies under {self.router.base}/")
        return await self._dispatch(request, *within)

    async def view(
        self, request: web.BaseRequest, path: str, base: str, *, is_shared: bool = True
    ) -> web.StreamResponse | None:
        """Answer for a list or a route at a decoded path, None if there is none.

        `base` is what the browser sees before it. Where it is not shared, no other origin may read it.
        """
        listed = self.router.listing(path)
        found = self.router.match(path, request.query) if listed is None else Found(listed, {})
        if found is None:
            return None
        allowed = cors(found.endpoint.cors if is_shared else (), request.headers.get("Origin"))
        if request.method == "OPTIONS":
            return reply.empty(204, preflight(allowed, METHODS))
        if request.method not in {"GET", "HEAD"}:
            return reply.refused(METHODS, allowed)
        if listed is not None and listed.listing is not None:
            return reply.json(listing.document(listed, listed.listing, base=base, limit=self.listed), allowed)
        return await self._stream(request, found, allowed)

    async def _stream(self, request: web.BaseRequest, found: Found, allowed: Mapping[str, str]) -> web.StreamResponse:
        if found.endpoint.gone:
            return reply.empty(204, allowed)
        if request.method == "HEAD":
            # No Content-Length: GET has none either.
            return web.StreamResponse(headers={**fields(request), **allowed})
        return await self.open_stream(request, *found, CIMultiDict(allowed))

    def missing(self, path: str, base: str) -> web.Response:
        """Answer 404, naming the nearest route."""
        nearest = self.router.nearest(path)
        hint = f"; the nearest is {base}{nearest}" if nearest else ""
        return reply.text(404, f"no route has this address{hint}")

    def _within(self, path: str, prefix: str) -> tuple[str, str] | None:
        """Return the path beneath the base and the base that the browser sees; None if the path lies elsewhere."""
        if prefix:
            # A hop that tells its prefix has usually cut it off; one that has not is as right.
            path = beneath(path, prefix) or path
        inner = beneath(path, self.router.base)
        if inner is not None:
            return inner, prefix + self.router.base
        return (path, prefix) if prefix else None

    async def _dispatch(self, request: web.BaseRequest, path: str, base: str) -> web.StreamResponse:
        if beneath(path, OURS) is not None:
            subject = beneath(path, PUSH)
            if self.ingest is None or subject is None:
                return reply.text(404, "nothing of ours is public")
            return await self.ingest.handle(request, plain(subject[1:]), public=True)
        answer = await self.view(request, path, base)
        if answer is None:
            answer = await self.pages.answer(request, path)
        return self.missing(path, base) if answer is None else answer


def _no_path(request: web.BaseRequest) -> web.Response:
    """Answer what names no path: `OPTIONS *` asks about the server itself, CONNECT wants a tunnel."""
    if request.method == "OPTIONS" and request.rel_url.raw_path == "*":
        return reply.empty(204, {"Allow": METHODS})
    if request.method != "CONNECT":
        return reply.malformed("the target is no path")
    answer = reply.refused(METHODS)
    answer.force_close()
    return answer
