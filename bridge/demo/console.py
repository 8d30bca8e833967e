"""The console on the demo's public port, for a demo whose admin port the browser cannot reach: one in a container.

    GET /                     to the console, with some streams open
    GET /console/             the page, as it is on the admin port
    GET /console/-/routes     what the page asks for: the admin port's documents, read and no more
    GET /console/-/view/…     its streams: the browser is sent to the route itself

It is a part of the demo's application, behind the bridge. So no configuration of the bridge can publish a console, and
nothing here can push, reload or drain: of the admin port only three documents pass.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

import aiohttp
from aiohttp import web

from bridge.console import PAGES
from bridge.gateway.admin import CONSOLE_HEADERS
from bridge.gateway.pages import Pages

AT: Final = "/console"

#: What a newcomer sees at once: a log that grows, a table, a clock and notices. A browser has connections for one more.
OPENED: Final = ("/logs/api", "/orders", "/notices", "/clock")

FRONT: Final = f"{AT}/#{'&'.join(f'open={path}' for path in OPENED)}"

DOCUMENTS: Final = ("/-/routes", "/-/sources", "/-/applications", "/-/ready")

#: The admin port is of this process and answers within milliseconds.
_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)


class Console:
    """Answers for the page; `admin` is where the bridge's admin port is."""

    def __init__(self, session: aiohttp.ClientSession, admin: str) -> None:
        self._session = session
        self._admin = admin
        self._pages = Pages({AT: PAGES}, CONSOLE_HEADERS)

    def routes(self) -> Sequence[web.RouteDef]:
        """Return what it answers, for an application's table of routes."""
        return [
            web.get("/", self.front),
            *(web.get(f"{AT}{path}", self.document) for path in DOCUMENTS),
            web.get(f"{AT}/-/view/{{path:.*}}", self.view),
            web.get(f"{AT}{{rest:(?:/.*)?}}", self.page),
        ]

    async def front(self, _: web.Request) -> web.StreamResponse:
        """Send the browser to the console."""
        raise web.HTTPFound(FRONT)

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Answer with one of its files."""
        answer = await self._pages.answer(request, request.path)
        return web.Response(status=404, text="here is no such page") if answer is None else answer

    async def document(self, request: web.Request) -> web.StreamResponse:
        """Pass on what the admin port tells of routes, sources, applications, and whether it is ready."""
        path = request.path.removeprefix(AT)
        async with self._session.get(f"http://{self._admin}{path}") as told:
            return web.Response(status=told.status, body=await told.read(), content_type=told.content_type)

    async def view(self, request: web.Request) -> web.StreamResponse:
        """Send the browser to the route: the stream is there for everyone."""
        target = request.raw_path.removeprefix(f"{AT}/-/view")
        if not target.startswith("/") or target.startswith("//") or "\\" in target:
            # What another host's address begins with.
            return web.Response(status=404, text="no route has this address")
        # 307: a fetch keeps its headers, Last-Event-ID for one.
        raise web.HTTPTemporaryRedirect(target)


@contextlib.asynccontextmanager
async def opened(admin: str) -> AsyncIterator[Sequence[web.RouteDef]]:
    """Yield what the demo's application answers in front of its own, for as long as the block lasts."""
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        yield Console(session, admin).routes()
