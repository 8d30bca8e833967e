"""What stands around the frames: the response's head, chunks, and JSON lines instead of an event stream."""

from collections.abc import Mapping
from email.utils import formatdate
from typing import Final, NamedTuple

from aiohttp import web

from bridge import wire

#: What every stream says about itself, beside its type. No charset: the format knows only UTF-8.
HEADERS: Final = {
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",  # nginx would hold events back until the stream ends
    "X-Content-Type-Options": "nosniff",
}
EVENT_STREAM: Final = "text/event-stream"
NDJSON: Final = "application/x-ndjson"


class Framing(NamedTuple):
    """How frames are written to one peer."""

    #: HTTP/1.1 chunks; else the body ends with the connection, as in HTTP/1.0.
    is_chunked: bool = True
    #: JSON lines instead of an event stream.
    is_lines: bool = False

    def wrap(self, frames: bytes) -> bytes:
        """Return the bytes that stand for these frames on the connection."""
        return self.piece(self.body(frames))

    def body(self, frames: bytes) -> bytes:
        """Return the frames as this peer reads them."""
        return wire.lines(frames) if self.is_lines else frames

    def piece(self, body: bytes | memoryview) -> bytes:
        """Return a piece of the body as it stands on the connection. Where it is cut does not matter."""
        return wire.chunk(bytes(body)) if self.is_chunked and body else bytes(body)

    @property
    def end(self) -> bytes:
        """Return what ends the body."""
        return wire.LAST_CHUNK if self.is_chunked else b""


#: One of each for all connections.
FRAMINGS: Final = {(chunked, lines): Framing(chunked, lines) for chunked in (True, False) for lines in (True, False)}


def framing(request: web.BaseRequest) -> Framing:
    """Return how the request wants its stream: HTTP/1.0 knows no chunks."""
    return FRAMINGS[request.version >= (1, 1), NDJSON in request.headers.get("Accept", "")]


def fields(request: web.BaseRequest) -> dict[str, str]:
    """Return the headers of a stream, for GET and for HEAD."""
    return {"Content-Type": NDJSON if framing(request).is_lines else EVENT_STREAM, **HEADERS}


def head(request: web.BaseRequest, more: Mapping[str, str]) -> bytes:
    """Return the response's head (RFC 9112, section 4): chunked, or delimited by the close of the connection."""
    told = {**fields(request), **more}
    if framing(request).is_chunked:
        told["Transfer-Encoding"] = "chunked"
    # The connection ends with the stream, so a proxy must not keep it for another request.
    told |= {"Connection": "close", "Date": formatdate(usegmt=True), "Server": "sse-bridge"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode()
