"""Whether we live and whether we serve: for probes, without any data.

`/-/live` answers 200 as long as the loop turns. `/-/ready` answers 503, with the reason in words, while the bridge
starts or drains. The public listener serves in both cases, as `docs/wire.md` demands: readiness is only advice to
whoever spreads new connections.
"""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from bridge.gateway import reply

LIVE: Final = "/-/live"
READY: Final = "/-/ready"

_METHODS: Final = "GET, HEAD"


class Health:
    """Answers probes; `hindrance` says why the bridge is not ready, or None."""

    def __init__(self, hindrance: Callable[[], str | None]) -> None:
        self._hindrance = hindrance

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer on a listener that knows nothing else."""
        return self.answer(request, request.rel_url.raw_path) or reply.text(404, f"here are {LIVE} and {READY}")

    def answer(self, request: web.BaseRequest, path: str) -> web.Response | None:
        """Answer a probe; None if the path is none."""
        if path not in {LIVE, READY}:
            return None
        if request.method not in {"GET", "HEAD"}:
            return reply.refused(_METHODS)
        if path == LIVE:
            return reply.text(200, "live")
        hindrance = self._hindrance()
        return reply.text(200, "ready") if hindrance is None else reply.text(503, hindrance)
