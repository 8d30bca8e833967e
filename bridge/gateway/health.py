"""Whether we live, whether we have started and whether we serve: for probes, without any data.

`/-/live` answers 200 as long as the loop turns. `/-/started` answers 200 once the file is loaded and the listeners are
up: it waits for no broker and no application, since the application beside a native sidecar waits for it. `/-/ready`
answers 503 while there is a hindrance, with each in words, one a line. The public listener serves in all cases, as
`docs/wire.md` demands: readiness is only advice to whoever spreads new connections.
"""

from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import web

from bridge.gateway import reply
from bridge.gateway.handshake import Handle

LIVE: Final = "/-/live"
READY: Final = "/-/ready"
STARTED: Final = "/-/started"
METRICS: Final = "/-/metrics"

PROBES: Final = frozenset({LIVE, READY, STARTED})

_METHODS: Final = "GET, HEAD"

#: Says what keeps the bridge from being ready, in words, several of them on lines of their own; None for nothing.
Hindrance = Callable[[], str | None]


class Health:
    """Answers probes, and scrapes where it is told how (`metrics`)."""

    def __init__(self, hindrances: Sequence[Hindrance], is_started: Callable[[], bool]) -> None:
        self._hindrances = hindrances
        self._is_started = is_started
        #: Answers a scrape.
        self.metrics: Handle | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer on a listener that knows nothing else."""
        path = request.rel_url.raw_path
        if path == METRICS and self.metrics is not None:
            return await self.metrics(request)
        here = f"here are {LIVE}, {READY}, {STARTED} and {METRICS}"
        return self.answer(request, path) or reply.text(404, here)

    @property
    def hindrance(self) -> str | None:
        """Say all that keeps the bridge from being ready, one a line; None where it is ready."""
        return "\n".join(words for hindrance in self._hindrances if (words := hindrance()) is not None) or None

    def answer(self, request: web.BaseRequest, path: str) -> web.Response | None:
        """Answer a probe; None if the path is none."""
        if path not in PROBES:
            return None
        if request.method not in {"GET", "HEAD"}:
            return reply.refused(_METHODS)
        if path == LIVE:
            return reply.text(200, "live")
        if path == STARTED:
            return reply.text(200, "started") if self._is_started() else reply.text(503, "starting")
        hindrance = self.hindrance
        return reply.text(503, hindrance) if hindrance is not None else reply.text(200, "ready")
