"""A request's body on its way to the application, at the application's pace.

A body that has arrived with its head goes out in one write. Any other is pumped by a task beside the one that waits for
the answer, which may well come first: a refusal, or a conversation in both directions.
"""

import asyncio
from typing import Final

from aiohttp import web
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import StreamWriter

from bridge.gateway.proxy.downstream import STALL, Downstream, LeftError
from bridge.gateway.proxy.outgoing import Outgoing
from bridge.gateway.proxy.target import Target
from bridge.gateway.proxy.trouble import ClientError, ProxyError

#: Seconds for which an application may keep a client waiting that asked before it sends. Clients (curl: 1 s) send then
#: of their own accord, and an application that speaks HTTP/1.0 never says a word.
PATIENCE: Final = 1.0


def start(protocol: ResponseHandler) -> None:
    """Start the application's time anew, unless it is we who do not read for now: aiohttp does so when we read on."""
    if not protocol._reading_paused:  # noqa: SLF001  nothing else tells
        protocol.start_timeout()


class Upload:
    """The body of one request."""

    def __init__(self, request: web.BaseRequest, down: Downstream, outgoing: Outgoing, target: Target) -> None:
        self._content = request.content
        self._down = down
        self._outgoing = outgoing
        self._framing = outgoing.framing
        self._target = target
        self._invited = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        #: Why it broke off, where that is not the application's doing.
        self.fault: ProxyError | None = None
        #: The head of the answer has come: from now on its own time counts.
        self.is_answered = False
        #: All of it has gone out.
        self.is_done = False

    @property
    def is_here(self) -> bool:
        """Tell whether the whole body has arrived."""
        return self._content.is_eof()

    def start(self, protocol: ResponseHandler) -> None:
        """Send the head, and the body behind it."""
        transport, head = protocol.transport, self._outgoing.head
        if transport is None:
            raise ConnectionResetError("the application has closed the connection")
        if not self.is_here:
            transport.write(head)
            self._task = asyncio.create_task(self._run(protocol), name="upload")
            return
        body = self._content.read_nowait(-1)
        transport.write(b"".join((head, self._framing.wrap(body) if body else b"", self._framing.end)))
        self._finish(protocol)

    def invite(self) -> None:
        """Note that the application wants the body."""
        self._invited.set()

    async def stop(self) -> None:
        """Send no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, protocol: ResponseHandler) -> None:
        try:
            if self._outgoing.is_awaited:
                await self._until_invited()
            await self._pump(protocol)
        except ProxyError as error:
            self.fault = error
            # Whoever waits for the answer hears of it; and the application does not take a part for the whole.
            protocol.abort()
        except (ConnectionError, LeftError):
            # The application wants no more of it, and may have said why: its answer is waited for. Or the client has
            # left, which is told elsewhere.
            pass

    async def _until_invited(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._invited.wait()
        except TimeoutError:
            pass
        if not self._content.total_bytes:
            self._down.invite()

    async def _pump(self, protocol: ResponseHandler) -> None:
        writer = StreamWriter(protocol, asyncio.get_running_loop())
        while data := await self._next():
            if protocol.transport is None or protocol.transport.is_closing():
                return
            protocol.transport.write(self._framing.wrap(data))
            if self.is_answered:
                start(protocol)  # anew: an answer that began early may wait for what is still to come
            if protocol.writing_paused:
                await self._drained(writer)
        if protocol.transport is not None:
            if self._framing.end:
                protocol.transport.write(self._framing.end)
            self._finish(protocol)

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(STALL):
                return await self._content.readany()
        except TimeoutError:
            raise ClientError(408, "the body of the request does not arrive") from None
        except web.RequestPayloadError:
            raise ClientError(400, "the body of the request is malformed") from None

    async def _drained(self, writer: StreamWriter) -> None:
        # Who leaves now is not noticed: what they sent before they left stands in the way of their FIN.
        try:
            async with asyncio.timeout(self._target.timeout):
                await writer.drain()
        except TimeoutError:
            raise ProxyError(504, f"{self._target.name} does not take the request in time") from None

    def _finish(self, protocol: ResponseHandler) -> None:
        """Start the application's time to answer: not before, since a large body may be long on its way."""
        self.is_done = True
        if not self.is_answered:
            protocol.read_timeout = self._target.timeout
            start(protocol)
