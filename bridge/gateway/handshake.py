"""The handshake: aiohttp's parser, within our bounds.

aiohttp has no deadline for a request's headers and no bound on them together, answers a bad request with words of the
request itself, logs each with a traceback, and names its version. This is the one place that changes its ways. What is
leaned on, each with a test: `web.Server`'s `request_factory`, and `RequestHandler`'s methods `connection_made`,
`data_received`, `connection_lost`, `finish_response` and `handle_error`, and its queue `_messages`.

Rule 1: the headers of a request arrive whole within `header_time` of its first byte (of the connection, for the first
    request), or the connection is cut.
Rule 2: a request is refused before any handler runs when it is malformed (400), has a line or headers that are too long
    (414, 431), or speaks another HTTP (505).
Rule 3: no answer holds a traceback or an echo.
Rule 4: the body of a request that was answered without reading it is not waited for: the connection closes.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.streams import StreamReader

from bridge.gateway.refusal import (
    FIELD_BYTES,
    HEADER_BYTES,
    LINE_BYTES,
    MALFORMED,
    START_BYTES,
    TOO_LONG,
    refusal,
    status_of,
    weight,
)
from bridge.gateway.seldom import Seldom

log = structlog.get_logger()

#: Fields of a request: aiohttp's own bound. Browsers send two dozen.
FIELDS: Final = 128

#: Bytes that may wait unparsed or unanswered: one request at its longest, or a long row of pipelined ones. Both loops
#: read 256 KiB at once at most, which comes on top.
UNREAD_BYTES: Final = LINE_BYTES + HEADER_BYTES + FIELD_BYTES

#: Bytes of a body that are read ahead of whoever takes them. aiohttp holds up to twice as much, and what the loop reads
#: at once comes on top.
READ_BYTES: Final = 64 * 1024

#: Seconds to take in what a refused client still sends: a close with unread bytes becomes a reset, which may wipe out
#: the answer on its way.
LINGER: Final = 1.0

SERVER: Final = "sse-bridge"

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Times:
    """How long a connection may take, in seconds."""

    #: A request's headers, from the first byte to the last.
    header: float = 10.0
    #: Between two requests. Browsers and proxies open a new connection as gladly.
    idle: float = 30.0
    #: One answer that is no stream, from its first byte to its last. Who reads so slowly costs no more than a stream.
    send: float = 600.0


class Server(web.Server):
    """Makes a `Handler` for each connection, and refuses what no handler should see."""

    def __init__(self, handle: Handle, times: Times | None = None) -> None:
        self.times = times or Times()
        super().__init__(
            self._checked,
            request_factory=self._begin,
            access_log=None,
            keepalive_timeout=self.times.idle,
            lingering_time=LINGER,
            max_line_size=LINE_BYTES,
            max_field_size=FIELD_BYTES,
            max_headers=FIELDS,
            # A proxied body goes on as it came, and a push refuses what is compressed.
            auto_decompress=False,
            read_bufsize=READ_BYTES,
        )
        self.seldom = Seldom(self._loop.time)
        #: What happened, by name: "late", "malformed", "failed".
        self.counts: Counter[str] = Counter()
        self.is_closing = False
        self._handle = handle

    def __call__(self) -> "Handler":
        """Make the protocol of one connection."""
        return Handler(self, loop=self._loop, **self._kwargs)

    @property
    def open(self) -> int:
        """Count the connections in their handshake, between two requests, or in an answer that is no stream."""
        return len(self._connections)

    def let_go(self, latest: float) -> None:
        """Close the connections that are idle since `latest`, and from now on each other one behind its answer."""
        self.is_closing = True
        for handler in self.connections:
            if isinstance(handler, Handler) and handler.is_idle_since(latest):
                handler.force_close()

    def _begin(
        self, message: Any, payload: StreamReader, protocol: Any, writer: Any, task: "asyncio.Task[None]"
    ) -> web.BaseRequest:
        protocol.begin(payload)
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop)

    async def _checked(self, request: web.BaseRequest) -> web.StreamResponse:
        """Refuse what aiohttp's parser lets through and HTTP/1.1 or our bounds do not."""
        if request.version not in {HttpVersion10, HttpVersion11}:
            return refusal(505)
        if weight(request) > HEADER_BYTES:
            return refusal(431)
        if request.headers.get("Transfer-Encoding", "chunked").lower() != "chunked":
            return refusal(501, "this server knows no transfer coding but chunked")
        if request.version == HttpVersion10 and "Transfer-Encoding" in request.headers:
            # Whoever passed it on may have read another end than we do (RFC 9112, 6.1); nginx refuses it too.
            return refusal(400)
        return await self._handle(request)


class Handler(web.RequestHandler):
    """One connection until its stream takes it over."""

    __slots__ = ("_answered", "_deadline", "_is_listening", "_rest", "_server", "_since", "_start", "_unread", "left")

    def __init__(self, server: Server, *, loop: asyncio.AbstractEventLoop, **kwargs: Any) -> None:
        super().__init__(server, loop=loop, **kwargs)
        self._server = server
        self._since = loop.time()  # when it was accepted, or its last answer was over
        self._deadline: asyncio.TimerHandle | None = None
        #: The body of the request that is being answered; what arrives is part of it, or the next request too early.
        self._answered: StreamReader | None = None
        #: The body of the request that was answered last, as far as it still arrives: it is read past for a moment.
        self._rest: StreamReader | None = None
        #: Called when the connection is lost, or is about to be closed in the middle of its answer: aiohttp lets a
        #: handler go on that nobody listens to any more.
        self.left: Callable[[], object] | None = None
        #: The answer may take for ever.
        self._is_listening = False
        #: Bytes since the last request began to be answered, and the first of them.
        self._unread = 0
        self._start = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the first request's clock with the connection, which may never say a word."""
        super().connection_made(transport)
        self._arm()

    def data_received(self, data: bytes) -> None:
        """Parse, within the bounds of time and size."""
        if self._answered is None and self._deadline is None:
            self._arm()
        if len(self._start) < START_BYTES:
            self._start += data[:START_BYTES]
        body = self._answered or self._rest
        if body is None or body.is_eof():
            self._unread += len(data)
        super().data_received(data)
        if self._answered is not None and self._messages and not self._answered.is_eof():
            # Nothing can follow half a body but an error in it, which aiohttp keeps from whoever waits for the rest.
            self._answered.set_exception(web.RequestPayloadError("the body is malformed"))
        # A request that waits to be begun has been parsed: its bytes, and those of its body, are not headers.
        is_parsed = self._answered is None and bool(self._messages)
        if self._unread > UNREAD_BYTES and not is_parsed:
            self._overflow()
        if self._is_listening:
            self.listen()

    def listen(self) -> bool:
        """Go on reading for as long as this answer takes; False where the connection had to be cut.

        Behind a row of pipelined requests aiohttp reads no more until they are answered, and so would not notice that
        the client has left.
        """
        self._is_listening = True
        if self._buffer_paused:
            self._cut("malformed")
            return False
        return True

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  as aiohttp has it
        """Close, and first let whoever passes something on tell that it ends in its middle."""
        if self.left is not None:
            self.left()
        await super().shutdown(timeout)

    def is_idle_since(self, time: float) -> bool:
        """Tell whether since then no request has been here, not even a part of one."""
        return self._answered is None and not self._unread and self._since <= time

    @property
    def is_ending(self) -> bool:
        """Tell whether this connection closes behind its answer."""
        return self._server.is_closing

    @property
    def unread(self) -> int:
        """Count the bytes that came behind the request that is being answered."""
        return self._unread

    def begin(self, body: StreamReader) -> None:
        """Note that a request's headers have arrived whole, or turned out malformed."""
        self._disarm()
        self._answered, self._rest = body, None
        self._unread = 0

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the clock. The take-over of a stream calls this too."""
        self._disarm()
        super().connection_lost(exc)
        if self.left is not None:
            self.left()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer under our name, within its time."""
        resp.headers.setdefault("Server", SERVER)
        if self._server.is_closing or not request.content.is_eof():
            resp.force_close()
        try:
            if resp.prepared:  # its handler has written it, and seen to its time
                return await super().finish_response(request, resp, start_time)
            async with asyncio.timeout(self._server.times.send):
                return await super().finish_response(request, resp, start_time)
        except TimeoutError:
            self._cut("late")
            return resp, True
        finally:
            self._answered, self._rest = None, request.content
            self._since = self._loop.time()
            self._is_listening = False
            self._start = b""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a malformed request, or a handler that failed, with a line of our own."""
        if isinstance(exc, ConnectionError):
            raise exc  # the client has left, which aiohttp knows how to take
        if not isinstance(exc, MALFORMED):
            self._failed(exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun; an error cannot follow it")
        if not isinstance(exc, MALFORMED):
            return refusal(500)
        self._server.counts["malformed"] += 1
        return refusal(status_of(exc, self._start))

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log a failure of ours, seldom; a body that turned out malformed behind its answer is none."""
        error = kw.get("exc_info")
        if isinstance(error, RuntimeError) and self.transport is None:
            return  # the client left while the rest of a refused body was read past
        if isinstance(error, MALFORMED):
            self._server.counts["malformed"] += 1
        else:
            self._failed(error)

    def _failed(self, error: BaseException | None) -> None:
        self._server.counts["failed"] += 1
        withheld = self._server.seldom.withheld(type(error).__name__)
        if withheld is not None:
            log.error("request.failed", withheld=withheld, exc_info=error)

    def _arm(self) -> None:
        self._deadline = self._loop.call_later(self._server.times.header, self._cut, "late")

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut(self, why: str) -> None:
        self._server.counts[why] += 1
        if self.transport is not None:
            self.transport.abort()

    def _overflow(self) -> None:
        """Refuse headers without end, with words where no other answer is on its way."""
        if self._answered is None and self.transport is not None:
            self.transport.write(TOO_LONG)
        self._server.counts["malformed"] += 1
        self.force_close()
