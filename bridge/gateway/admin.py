"""Dispatch on the admin port: the console, probes, pushes, tables, and the same streams as in public.

It is meant for loopback, and loopback is reached by every page in the operator's browser. So the Host header is always
checked (DNS rebinding), and what changes something is refused when a page of another origin sends it.

`/-/view/{path}` answers the public port's streams and lists by the same code: the console needs one origin, no CORS.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from aiohttp import web

from bridge.gateway import reply
from bridge.gateway.access import Hosts, host, is_foreign
from bridge.gateway.health import METRICS, PROBES, Health
from bridge.gateway.pages import Pages
from bridge.gateway.path import PathError, beneath, decode, plain, target
from bridge.gateway.public import OURS, PUSH, Ingest, Public

VIEW: Final = "/-/view"
ROUTES: Final = "/-/routes"
SOURCES: Final = "/-/sources"
APPLICATIONS: Final = "/-/applications"
DRAIN: Final = "/-/drain"
RELOAD: Final = "/-/reload"
LOG: Final = "/-/log"

#: What is told to who asks for something else.
_HERE: Final = (ROUTES, SOURCES, APPLICATIONS, *sorted(PROBES), METRICS, LOG, RELOAD, DRAIN)

#: For the console's folder of pages. Text from a log may end up in its page, so nothing inline runs there.
CONSOLE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Reloaded(Protocol):
    """What came of reading the configuration again."""

    @property
    def word(self) -> str:
        """Return what became of it: it was applied, or unchanged, or refused."""

    @property
    def told(self) -> Mapping[str, object]:
        """Return what has changed."""

    @property
    def problems(self) -> Sequence[str]:
        """Return why it was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """What answers on the admin port."""

    public: Public
    health: Health
    ingest: Ingest
    #: The console; made with `CONSOLE_HEADERS`.
    console: Pages
    #: A strict list.
    hosts: Hosts
    #: The routes, and the sources, as documents.
    routes: Callable[[], object]
    sources: Callable[[], object]
    #: The applications behind us, as a document.
    applications: Callable[[], object]
    #: Ends all streams, or waits for that end; what came of it, as a document.
    drain: Callable[[], Awaitable[object]]
    #: Reads the configuration again; what came of it. And how it stands with that, as a document.
    reload: Callable[[], Awaitable[Reloaded]] | None = None
    reloaded: Callable[[], object] = dict
    #: Tells the log's level, and sets it.
    log: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]] | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        if host(request) is None:
            return reply.malformed("the Host header is malformed")
        if not self.hosts.allow(request):
            return reply.text(421, "the admin port answers to localhost and its own address; `server.hosts` adds names")
        if request.method not in _SAFE and is_foreign(request):
            return reply.text(403, "a page of another origin may not do this")
        try:
            path = decode(target(request.method, request.rel_url.raw_path))
        except PathError as error:
            return reply.malformed(str(error))
        if beneath(path, OURS) is None:
            return await self._console(request, path)
        return await self._ours(request, path)

    async def _ours(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        if (probed := self.health.answer(request, path)) is not None:
            return probed
        if (subject := beneath(path, PUSH)) is not None:
            return await self.ingest.handle(request, plain(subject[1:]), public=False)
        if (viewed := beneath(path, VIEW)) is not None:
            answer = await self.public.view(request, viewed, VIEW, is_shared=False)
            return self.public.missing(viewed, VIEW) if answer is None else answer
        handles = {DRAIN: self._drained, LOG: self.log, METRICS: self.health.metrics, RELOAD: self._reload}
        if (handle := handles.get(path)) is not None:
            return await handle(request)
        return self._document(request, path)

    async def _drained(self, request: web.BaseRequest) -> web.StreamResponse:
        return reply.json(await self.drain()) if request.method == "POST" else reply.refused("POST")

    async def _reload(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method in {"GET", "HEAD"}:
            return reply.json(self.reloaded())
        if request.method != "POST" or self.reload is None:
            return reply.refused("GET, HEAD, POST")
        found = await self.reload()
        document = {"outcome": found.word, **found.told, **({"problems": found.problems} if found.problems else {})}
        return reply.json(document, status=422 if found.problems else 200)

    def _document(self, request: web.BaseRequest, path: str) -> web.Response:
        documents = {ROUTES: self.routes, SOURCES: self.sources, APPLICATIONS: self.applications}
        if path not in documents:
            return reply.text(404, f"here are {', '.join(_HERE)}, {VIEW}/… and {PUSH}/…")
        if request.method not in {"GET", "HEAD"}:
            return reply.refused("GET, HEAD")
        return reply.json(documents[path]())

    async def _console(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        answer = await self.console.answer(request, path)
        if answer is not None:
            return answer
        if path == "/favicon.ico":
            # A browser asks on its own; a 404 in its console would only look like a fault.
            return reply.empty(204)
        return reply.text(404, "the console is at /")
