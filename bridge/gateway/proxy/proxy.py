"""Everything that goes to an application: to which, how many at a time, what is said when it cannot, and the end.

A request that waits for an event stream is never told of a passing trouble with 4xx or 5xx: that would end a browser's
EventSource for good. As for our own streams it is 200, `retry`, and a close.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Self

import structlog
from aiohttp import web

from bridge import wire
from bridge.gateway import reply
from bridge.gateway.access import Network
from bridge.gateway.framing import EVENT_STREAM, HEADERS, NDJSON
from bridge.gateway.path import beneath
from bridge.gateway.proxy import forwarding
from bridge.gateway.proxy.exchange import Exchange
from bridge.gateway.proxy.heads import HeadError
from bridge.gateway.proxy.health import Health
from bridge.gateway.proxy.outgoing import Outgoing, forwards_left
from bridge.gateway.proxy.target import Target
from bridge.gateway.proxy.trouble import RETRY_AFTER, ClientError, ProxyError
from bridge.gateway.proxy.upstream import Upstream

log = structlog.get_logger()

#: Seconds after which a browser comes back whose stream could not be opened, and the share by which that is drawn out,
#: so that all do not return together. As a route's `retry` where nothing is configured.
RETRY: Final = 3.0
JITTER: Final = 0.25

#: The part of a drain in which streams and tunnels are ended; the rest is for what waits in their buffers to leave.
DRAIN_SPREAD: Final = 0.7

#: Seconds between two looks at whether the requests that a drain waits for have been answered.
DRAIN_LOOK: Final = 0.05

METHODS: Final = "GET, HEAD, OPTIONS"

_BUSY: Final = "more requests than this server passes on at a time: ask again"
_DRAINING: Final = "this server is going down: ask again"


class Application(NamedTuple):
    """How one application is."""

    target: Target
    #: None where it is not asked for its health.
    health: Health | None
    #: Requests on their way to it, and answers on theirs back.
    open: int


class Proxy:
    """The applications behind us."""

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        limit: int,
        uniform: Callable[[float, float], float],
        hops: Sequence[Network] = (),
    ) -> None:
        self._upstreams = sorted(map(Upstream, targets), key=lambda each: -len(each.target.prefix))
        self._health = {target: Health(target) for target in targets if target.health is not None}
        self._trust = forwarding.Trust(hops)
        self._limit = limit
        self._uniform = uniform
        self._open: dict[Exchange, Upstream] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._is_draining = False
        #: Connections that are HTTP no more.
        self.tunnels = 0
        #: Requests that have ended: "answered", "rejected" for a fault of the client, "failed" for one of the
        #: application, "refused" where we pass on no more.
        self.outcomes: Counter[str] = Counter()

    def __len__(self) -> int:
        """Count the requests on their way."""
        return len(self._open)

    @property
    def hindrance(self) -> str | None:
        """Say why we should get no more requests: applications that are asked for their health and are not well."""
        return "\n".join(each.hindrance for each in self._health.values() if each.hindrance is not None) or None

    @property
    def is_asked(self) -> bool:
        """Tell whether each application that is to be asked for its health has been."""
        return all(health.is_asked for health in self._health.values())

    @property
    def applications(self) -> list[Application]:
        """Return how each application is, the one for all other paths last."""
        there = Counter(self._open.values())
        return [Application(each.target, self._health.get(each.target), there[each]) for each in self._upstreams]

    async def __aenter__(self) -> Self:
        asked = self._health.values()
        self._tasks = [asyncio.create_task(health.run(), name="application's health") for health in asked]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for exchange in list(self._open):
            if exchange.tunnel is not None:
                exchange.tunnel.abort()
        for upstream in self._upstreams:
            await upstream.close()

    def find(self, path: str) -> Upstream | None:
        """Return the application that answers for a decoded path."""
        return next((each for each in self._upstreams if beneath(path, each.target.prefix) is not None), None)

    async def handle(self, request: web.BaseRequest, upstream: Upstream) -> web.StreamResponse:
        """Answer a request with what the application answers."""
        try:
            if forwarding.is_loop(request):
                raise ClientError(508, "this request has been here before: the application behind us leads back to us")
            if forwards_left(request) == 0:
                return _last(request)
            outgoing = Outgoing.of(request, upstream.target, self._trust.peer(request.remote or ""))
            answer = await self._pass(request, outgoing, upstream)
        except HeadError as error:
            self.outcomes["rejected"] += 1
            return reply.malformed(str(error))
        except ProxyError as error:
            self.outcomes[_outcome(error)] += 1
            return self._refuse(request, error)
        self.outcomes["answered"] += 1
        return answer

    async def _pass(self, request: web.BaseRequest, outgoing: Outgoing, upstream: Upstream) -> web.StreamResponse:
        if len(self._open) >= self._limit:
            log.warning("proxied request refused", open=len(self._open), limit=self._limit)
            raise ProxyError(503, _BUSY)
        if self._is_draining and (outgoing.protocol is not None or is_for_stream(request)):
            raise ProxyError(503, _DRAINING)
        exchange = Exchange(request, outgoing, upstream, self._count)
        self._open[exchange] = upstream
        try:
            return await exchange.run()
        finally:
            del self._open[exchange]

    def _count(self, change: int) -> None:
        self.tunnels += change

    async def drain(self, seconds: float) -> None:
        """End streams and tunnels, spread over the time; requests that will be answered have all of it to be so."""
        self._is_draining = True
        loop = asyncio.get_running_loop()
        begun, there = loop.time(), list(self._open)
        endless = [exchange for exchange in there if exchange.is_endless]
        for number, exchange in enumerate(endless):
            due = begun + seconds * DRAIN_SPREAD * number / len(endless)
            if due > loop.time() and any(each in self._open for each in endless):
                await asyncio.sleep(due - loop.time())
            exchange.end()
        # Those that come meanwhile are not waited for: there may always be one.
        while loop.time() < begun + seconds and any(exchange in self._open for exchange in there):
            self._end_streams()
            await asyncio.sleep(DRAIN_LOOK)
        self._end_streams()

    def _end_streams(self) -> None:
        """End streams that have begun meanwhile: that they are such, their answers alone told."""
        for exchange in list(self._open):
            if exchange.is_endless:
                exchange.end()

    def _refuse(self, request: web.BaseRequest, error: ProxyError) -> web.Response:
        is_events = request.method == "GET" and EVENT_STREAM in request.headers.get("Accept", "")
        if is_events and not isinstance(error, ClientError):
            retry = round(self._uniform(RETRY, RETRY * (1 + JITTER)) * 1_000)
            body = wire.later(retry, request.headers.get("Last-Event-ID", ""))
            answer = web.Response(body=body, headers={"Content-Type": EVENT_STREAM, **HEADERS})
            answer.force_close()
            return answer
        headers = {"Retry-After": str(RETRY_AFTER)} if error.status == 503 else None  # noqa: PLR2004
        answer = reply.text(error.status, error.words, headers)
        if not request.content.is_eof():
            answer.force_close()
        return answer


def _outcome(error: ProxyError) -> str:
    if isinstance(error, ClientError):
        return "rejected"
    return "refused" if error.status == 503 else "failed"  # noqa: PLR2004


def is_for_stream(request: web.BaseRequest) -> bool:
    """Tell whether a request asks for a stream by name."""
    accept = request.headers.get("Accept", "")
    return EVENT_STREAM in accept or NDJSON in accept


def _last(request: web.BaseRequest) -> web.Response:
    """Answer what may go no further (RFC 9110, 7.6.2)."""
    if request.method == "OPTIONS":
        return reply.empty(204, {"Allow": METHODS})
    # A TRACE would give the fields of a request to whoever can have it sent, cookies among them.
    return reply.text(501, "what arrives here is not sent back")
