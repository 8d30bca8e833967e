"""Dispatch on the public port.

In this order: the Host header, what is ours (pushes where they are public), lists, routes, pages, the application
behind, and 404. Methods are decided here, so that a HEAD never opens a subscription and a body never follows it
(aiohttp alone would do both).

Rule 1: what begins with `/-/` is never passed on, beneath the base or beside it.
Rule 2: the application gets what lies outside the base, what no list, route or page answers, and on their paths the
    methods that these do not know. Of a shared route's path it gets whatever does not ask for a stream.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from aiohttp import web
from multidict import CIMultiDict

from bridge.gateway import listing, reply
from bridge.gateway.access import Hosts, Network, cors, forwarded, host, preflight
from bridge.gateway.endpoint import Captures, Endpoint, Found, Router
from bridge.gateway.framing import fields
from bridge.gateway.pages import Pages
from bridge.gateway.path import EncodingError, PathError, beneath, decode, plain, target
from bridge.gateway.proxy.forwarding import is_loop
from bridge.gateway.proxy.proxy import Proxy, is_for_stream
from bridge.gateway.proxy.upstream import Upstream

#: Ours on every listener; no route may begin with it.
OURS: Final = "/-"
PUSH: Final = "/-/push"

METHODS: Final = "GET, HEAD, OPTIONS"
_METHODS: Final = frozenset(METHODS.split(", "))

_LOOP: Final = "this request has been here before: a source of this server leads back to it"

#: Opens a stream: the request, its route, the captures of its address, and the headers that access adds.
OpenStream = Callable[[web.BaseRequest, Endpoint, Captures, CIMultiDict[str]], Awaitable[web.StreamResponse]]


#: Tells who asks for the stream of such a route to come back.
TurnAway = Callable[[web.BaseRequest, Endpoint, CIMultiDict[str]], web.Response]


class Ingest(Protocol):
    """Takes pushed events."""

    async def handle(self, request: web.BaseRequest, path: str, *, public: bool) -> web.StreamResponse:
        """Answer a request to `/-/push/{path}`."""


def _none(_: str) -> None:
    """Stand in for a canary that does not fly."""


class There(NamedTuple):
    """What of ours has a path."""

    found: Found
    is_list: bool = False
    #: It was removed not long ago.
    is_former: bool = False


class Behind(NamedTuple):
    """The application that a path may be passed on to."""

    proxy: Proxy
    upstream: Upstream

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Pass a request on."""
        return await self.proxy.handle(request, self.upstream)


@dataclass(frozen=True, slots=True, kw_only=True)
class Public:
    """What answers on the public port; `view` answers the same streams beneath another path."""

    router: Router
    open_stream: OpenStream
    pages: Pages = field(default_factory=lambda: Pages({}))
    #: Routes that were removed, and may have been so by a slip: their streams are told to come back.
    former: Router = field(default_factory=lambda: Router([]))
    turn_away: TurnAway | None = None
    #: None where pushes are not public.
    ingest: Ingest | None = None
    #: None where no application is behind us.
    proxy: Proxy | None = None
    hosts: Hosts = field(default_factory=Hosts)
    hops: Sequence[Network] = ()
    #: The route that the canary's own address leads to; None for every other address.
    canary: Callable[[str], Endpoint | None] = _none
    #: Entries in a list: `limits.channels`.
    listed: int = 10_000

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        if host(request) is None:
            return reply.malformed("the Host header is malformed")
        if not self.hosts.allow(request):
            return reply.text(421, "this server does not go by that name; `server.hosts` lists those it does")
        return await self._named(request, target(request.method, request.rel_url.raw_path))

    async def _named(self, request: web.BaseRequest, raw: str) -> web.StreamResponse:
        if not raw.startswith("/"):
            return _no_path(request)
        try:
            path = decode(raw)
        except EncodingError as error:
            return await self._foreign(request, raw, error)
        except PathError as error:
            return reply.malformed(str(error))
        return await self._at(request, path)

    async def view(
        self, request: web.BaseRequest, path: str, base: str, *, is_shared: bool = True
    ) -> web.StreamResponse | None:
        """Answer for a list or a route at a decoded path, None if there is none.

        `base` is what the browser sees before it. Where it is not shared, no other origin may read it.
        """
        there = self._there(request, path)
        return None if there is None else await self._answer(request, there, base, is_shared=is_shared)

    async def _at(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        behind = self._behind(path)
        within = self._within(path, forwarded(request, self.hops).prefix)
        if within is not None:
            return await self._dispatch(request, *within, behind)
        if behind is not None:
            return await behind.handle(request)
        return reply.text(404, f"everything here lies under {self.router.base}/")

    def _there(self, request: web.BaseRequest, path: str) -> There | None:
        if (listed := self.router.listing(path)) is not None:
            return There(Found(listed, {}), is_list=True)
        if (found := self.router.match(path, request.query)) is not None:
            return There(found)
        former = self.former.match(path, request.query)
        return There(former, is_former=True) if former is not None else None

    async def _answer(
        self, request: web.BaseRequest, there: There, base: str, *, is_shared: bool = True
    ) -> web.StreamResponse:
        endpoint = there.found.endpoint
        allowed = cors(endpoint.cors if is_shared else (), request.headers.get("Origin"))
        if request.method == "OPTIONS":
            return reply.empty(204, preflight(allowed, METHODS))
        if request.method not in _METHODS:
            return reply.refused(METHODS, allowed)
        if there.is_list and endpoint.listing is not None:
            return reply.json(listing.document(endpoint, endpoint.listing, base=base, limit=self.listed), allowed)
        return await self._stream(request, there, allowed)

    async def _stream(self, request: web.BaseRequest, there: There, allowed: Mapping[str, str]) -> web.StreamResponse:
        found = there.found
        if found.endpoint.gone:
            return reply.empty(204, allowed)
        if (fault := found.endpoint.supply.fault(found.captures)) is not None:
            # A retry is pointless: the address itself asks for what may not be asked for.
            return reply.text(404, fault, allowed)
        if request.method == "HEAD":
            # No Content-Length: GET has none either.
            return web.StreamResponse(headers={**fields(request), **allowed})
        if is_loop(request):
            return reply.text(508, _LOOP, allowed)
        if there.is_former and self.turn_away is not None:
            return self.turn_away(request, found.endpoint, CIMultiDict(allowed))
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

    def _behind(self, path: str) -> Behind | None:
        """Return the application that a path may be passed on to; None for none, and for what is ours."""
        if self.proxy is None or (OURS in path and self._is_ours(path)):
            return None
        upstream = self.proxy.find(path)
        return None if upstream is None else Behind(self.proxy, upstream)

    def _is_ours(self, path: str) -> bool:
        return any(beneath(path, each) is not None for each in (OURS, self.router.base + OURS))

    async def _foreign(self, request: web.BaseRequest, raw: str, error: EncodingError) -> web.StreamResponse:
        """Pass on a path that is not UTF-8: no route, list or page can have it."""
        try:
            behind = self._behind(decode(raw, "surrogateescape"))
        except PathError as worse:
            return reply.malformed(str(worse))
        return reply.malformed(str(error)) if behind is None else await behind.handle(request)

    async def _dispatch(
        self, request: web.BaseRequest, path: str, base: str, behind: Behind | None
    ) -> web.StreamResponse:
        if beneath(path, OURS) is not None:
            return await self._ours(request, path)
        there = self._there(request, path)
        is_ours = behind is None or _asks(request) in _METHODS
        if there is not None and is_ours and not _is_for_others(request, there):
            return await self._answer(request, there, base)
        if is_ours and (page := await self.pages.answer(request, path)) is not None:
            return page
        if there is not None and there.is_former and is_ours and is_for_stream(request):
            return await self._answer(request, there, base)
        if behind is not None:
            return await behind.handle(request)
        return self.missing(path, base) if there is None else await self._answer(request, there, base)

    async def _ours(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        if request.method == "GET" and (probe := self.canary(path)) is not None:
            return await self.open_stream(request, probe, {}, CIMultiDict())
        subject = beneath(path, PUSH)
        if self.ingest is None or subject is None:
            return reply.text(404, "nothing of ours is public")
        return await self.ingest.handle(request, plain(subject[1:]), public=True)


def _asks(request: web.BaseRequest) -> str:
    """Return the method that is meant: that which a preflight asks leave for, the application's POST for one."""
    if request.method != "OPTIONS":
        return request.method
    return request.headers.get("Access-Control-Request-Method", "OPTIONS")


def _is_for_others(request: web.BaseRequest, there: There) -> bool:
    """Tell whether a page, or the application, is asked before what of ours has the path."""
    return there.is_former or (not there.is_list and there.found.endpoint.shared and not is_for_stream(request))


def _no_path(request: web.BaseRequest) -> web.Response:
    """Answer what names no path: `OPTIONS *` asks about the server itself, CONNECT wants a tunnel."""
    if request.method == "OPTIONS" and request.rel_url.raw_path == "*":
        return reply.empty(204, {"Allow": METHODS})
    if request.method != "CONNECT":
        return reply.malformed("the target is no path")
    answer = reply.refused(METHODS)
    answer.force_close()
    return answer
