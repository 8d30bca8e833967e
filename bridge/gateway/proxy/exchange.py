"""One request and its answer, through us: streamed both ways, at the pace of the slower side.

Rule 1: the client that leaves takes its request with it, at once, be the application silent or not.
Rule 2: an answer that breaks off never ends well: whoever read a part must be able to tell.
Rule 3: a request is sent again only when that cannot do anything twice: its method is idempotent, it has no body, and
    the kept connection was closed without a byte of an answer (RFC 9110, 9.2.2).
"""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

import aiohttp
import structlog
from aiohttp import web
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import RawResponseMessage
from aiohttp.streams import StreamReader

from bridge.gateway.connection import TakenOver
from bridge.gateway.framing import EVENT_STREAM
from bridge.gateway.proxy import incoming
from bridge.gateway.proxy.downstream import Downstream, LeftError, relayed
from bridge.gateway.proxy.events import Events, is_stream, kind
from bridge.gateway.proxy.heads import Framing, HeadError
from bridge.gateway.proxy.outgoing import Outgoing
from bridge.gateway.proxy.silence import keep_alive
from bridge.gateway.proxy.trouble import ERRORS, ClientError, ProxyError, failed
from bridge.gateway.proxy.tunnel import Tunnel, take_over
from bridge.gateway.proxy.upload import Upload, start
from bridge.gateway.proxy.upstream import Upstream

log = structlog.get_logger()

_CONTINUE: Final = 100
_SWITCHING: Final = 101
_FINAL: Final = 200

#: What a kept connection that was just being closed looks like.
_STALE: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError)


class Answer(NamedTuple):
    """An answer whose head has come."""

    head: RawResponseMessage
    body: StreamReader
    protocol: ResponseHandler


class Exchange:
    """One request on its way."""

    def __init__(
        self, request: web.BaseRequest, outgoing: Outgoing, upstream: Upstream, count: Callable[[int], None]
    ) -> None:
        """`count` is told of each tunnel that begins (1) and ends (-1)."""
        self._request = request
        self._outgoing = outgoing
        self._upstream = upstream
        self._name = upstream.target.name
        self._count = count
        self._down = Downstream(request)
        self._task: asyncio.Task[object] | None = None
        self._connection: Connection | None = None
        self._upload: Upload | None = None
        self._events: Events | None = None
        self._is_over = False
        #: What this has become, where it is HTTP no more.
        self.tunnel: Tunnel | None = None

    @property
    def is_endless(self) -> bool:
        """Tell whether this goes on for as long as both sides like."""
        return self._events is not None or self.tunnel is not None

    def end(self) -> None:
        """End a stream or a tunnel where it stands."""
        if self.tunnel is not None:
            self.tunnel.close()
        elif self._task is not None and not self._is_over:
            self._is_over = True
            self._task.cancel()

    async def run(self) -> web.StreamResponse:
        """Pass the request on and its answer back; raises `ProxyError` where there is none to pass."""
        self._task = task = asyncio.current_task()
        if task is None or self._down.has_left:
            return relayed(is_kept=False)
        self._down.watch(task.cancel)
        is_told = False
        try:
            answer = await self._ended(task)
            is_told = True
            return answer
        finally:
            self._task = None
            self._down.watch(None)
            if not is_told and self._down.has_begun:
                # A stop, or a fault of ours: what aiohttp writes now would stand within the body.
                self._down.cut()
            await self._closed()

    async def _ended(self, task: asyncio.Task[object]) -> web.StreamResponse:
        try:
            if not self._upstream.is_bounded:
                return await self._passed()
            async with self._upstream.place():
                return await self._passed()
        except asyncio.CancelledError:
            if not self._is_over and not self._down.has_left:
                raise
            task.uncancel()
            return await self._left()
        except LeftError:
            return relayed(is_kept=False)
        except ProxyError as error:
            return self._broken(error)

    async def _passed(self) -> web.StreamResponse:
        try:
            answer = await self._answer()
            if answer.head.code == _SWITCHING:
                return await self._switched(answer)
            return await self._relayed(answer)
        except HeadError as error:
            raise ProxyError(502, f"what {self._name} answered may not be passed on", str(error)) from None
        except ERRORS as error:
            # The body of the request may be what broke off.
            fault = None if self._upload is None else self._upload.fault
            raise fault or failed(error, self._name) from None

    # -- the way there

    async def _answer(self) -> Answer:
        """Send the request, and wait for the head of its answer."""
        self._connection = connection = await self._upstream.connect()
        if not self._upstream.was_used(connection) or not self._outgoing.is_repeatable:
            return await self._asked(connection)
        try:
            return await self._asked(connection)
        except _STALE:
            connection.close()
        self._connection = connection = await self._upstream.connect(fresh=True)
        return await self._asked(connection)

    async def _asked(self, connection: Connection) -> Answer:
        outgoing, target = self._outgoing, self._upstream.target
        protocol = self._upstream.expect(connection, is_bodiless=self._request.method == "HEAD")
        if outgoing.has_body:
            self._upload = Upload(self._request, self._down, outgoing, target)
            self._upload.start(protocol)
        else:
            _write(protocol, outgoing.head)
            protocol.read_timeout = target.timeout
            protocol.start_timeout()
        while True:
            head, body = await protocol.read()
            if head.code >= _FINAL:
                if self._upload is not None:
                    self._upload.is_answered = True
                return Answer(head, body, protocol)
            if head.code == _SWITCHING:
                if not protocol.upgraded or not _is_asked_for(head, outgoing.protocol):
                    raise HeadError("a 101 unasked for")
                return Answer(head, body, protocol)
            if head.code < _CONTINUE:
                raise HeadError("a status that there is not")
            if head.code == _CONTINUE and self._upload is not None:
                self._upload.invite()
            if self._is_sent:
                protocol.start_timeout()  # which aiohttp stopped, as it does behind every answer without a body

    # -- the way back

    async def _relayed(self, answer: Answer) -> web.StreamResponse:
        head, body, protocol = answer
        request, down = self._request, self._down
        back = incoming.back(head, request, may_stay=self._is_sent and not down.is_ending)
        if back.is_bodiless:
            await down.whole(back.head, Framing(), b"")
        elif is_stream(head):
            await self._streamed(answer, back)
        elif body.is_eof():
            await down.whole(back.head, back.framing, body.read_nowait())
        else:
            if protocol.read_timeout is None:  # the request is still on its way there
                protocol.read_timeout = self._upstream.target.timeout
                start(protocol)
            self._upstream.reading(protocol, body)
            await down.begin(back.head, back.framing, body.read_nowait())
            while data := await body.readany():
                await down.send(data)
            await down.end() if not self._is_reset(back, protocol) else down.cut()
        if not self._is_sent:
            return relayed(is_kept=False)
        if self._connection is not None:
            self._upstream.release(self._connection)
            self._connection = None
        return relayed(is_kept=back.is_kept)

    def _is_reset(self, back: incoming.Back, protocol: ResponseHandler) -> bool:
        """Tell whether a body that ends with its connection was cut: aiohttp takes a reset for an orderly end."""
        return back.ends_with_close and isinstance(protocol.exception(), aiohttp.ClientOSError)

    @property
    def _is_sent(self) -> bool:
        """Tell whether the application has all of the request."""
        return self._upload is None or self._upload.is_done

    async def _streamed(self, answer: Answer, back: incoming.Back) -> None:
        head, body, protocol = answer
        protocol.read_timeout = None
        protocol.start_timeout()  # which without a limit stops the one that runs
        self._upstream.reading(protocol, body)
        self._down.listen()
        if protocol.transport is not None:
            keep_alive(protocol.transport)
        self._events = events = Events(head)
        first = events.passed(data) if (data := body.read_nowait()) else b""
        heartbeat = self._upstream.target.heartbeat
        await self._down.begin(_unbuffered(head, back.head) if heartbeat else back.head, back.framing, first)
        await events.relay(body, self._down, heartbeat)
        if self._is_reset(back, protocol):
            self._down.cut()
        else:
            await self._down.end()

    async def _switched(self, answer: Answer) -> web.StreamResponse:
        connection = self._connection
        head = incoming.switched(answer.head)
        self._down.watch(None)
        self.tunnel = tunnel = None if connection is None else take_over(self._request, connection, head)
        if tunnel is None:
            raise LeftError
        self._count(1)
        try:
            await tunnel.closed()
        finally:
            self._count(-1)
            tunnel.abort()
        return TakenOver()

    # -- the end

    async def _left(self) -> web.StreamResponse:
        """End a stream that we were told to end; there is nothing to do where the client has left."""
        if self._down.has_left:
            return relayed(is_kept=False)
        if self._events is not None and self._events.is_between and not self._down.is_blocked:
            await self._down.end()
        else:
            self._down.cut()
        return relayed(is_kept=False)

    def _broken(self, error: ProxyError) -> web.StreamResponse:
        if not isinstance(error, ClientError):
            log.warning("proxied request failed", application=self._name, reason=error.words, error=error.detail)
        if not self._down.has_begun:
            raise error
        self._down.cut()
        return relayed(is_kept=False)

    async def _closed(self) -> None:
        if self._upload is not None and not self._upload.is_done:
            await self._upload.stop()
        if self._connection is not None:
            self._upstream.done(self._connection)
            self._connection = None


def _is_asked_for(head: RawResponseMessage, protocol: bytes | None) -> bool:
    """Tell whether a 101 switches to what was asked for (RFC 9110, 7.8): h2c in its place was not looked at."""
    wanted = head.headers.getall("Upgrade", ())
    return protocol is not None and [each.strip().lower() for each in wanted] == [protocol.decode().lower()]


def _write(protocol: ResponseHandler, data: bytes) -> None:
    if protocol.transport is None:
        raise aiohttp.ServerDisconnectedError
    protocol.transport.write(data)


def _unbuffered(head: RawResponseMessage, lines: bytes) -> bytes:
    """Ask nginx in front to hold nothing back, where the application does not say: heartbeats alone fill no buffer."""
    if kind(head) != EVENT_STREAM or "X-Accel-Buffering" in head.headers:
        return lines
    return lines.removesuffix(b"\r\n") + b"X-Accel-Buffering: no\r\n\r\n"
