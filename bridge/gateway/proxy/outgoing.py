"""A request as it goes on: its head in bytes, and how its body is framed."""

from dataclasses import dataclass
from typing import Final, Self

from aiohttp import web

from bridge.gateway.proxy import forwarding, heads
from bridge.gateway.proxy.heads import Framing
from bridge.gateway.proxy.target import Target

#: Methods that do the same twice as once (RFC 9110, 9.2.2).
IDEMPOTENT: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PUT", "TRACE"})

#: Methods that count the proxies on their way (RFC 9110, 7.6.2), and the digits that such a count has.
COUNTED: Final = frozenset({"OPTIONS", "TRACE"})
_DIGITS: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One request."""

    head: bytes
    framing: Framing
    #: Another protocol that the client wants in place of HTTP.
    protocol: bytes | None
    #: The client waits to be told before it sends its body.
    is_awaited: bool
    #: It may be sent a second time when nothing came of the first.
    is_repeatable: bool

    @property
    def has_body(self) -> bool:
        """Tell whether a body follows."""
        return self.framing.is_chunked or bool(self.framing.length)

    @classmethod
    def of(cls, request: web.BaseRequest, target: Target, peer: forwarding.Peer) -> Self:
        """Write a request for the application; raises `HeadError` where it may not go on."""
        headers = request.headers
        framing = heads.framing(headers.getall("Content-Length", ()), headers.getall("Transfer-Encoding", ()))
        has_body = framing.is_chunked or bool(framing.length)
        dropped = heads.named(headers.getall("Connection", ()))
        is_1_1 = request.version >= (1, 1)
        protocol = None if has_body or not is_1_1 else heads.protocol(dropped, headers.get("Upgrade"))
        # HTTP/1.0 knows no such thing (RFC 9110, 10.1.1).
        expected = headers.get("Expect") if has_body and is_1_1 else None
        raw, host = _address(request)
        ours = [
            _line("Host", host if target.keeps_host and host else target.authority),
            framing.field,
            _line("Expect", expected) if expected is not None else b"",
            b"Connection: Upgrade\r\nUpgrade: %b\r\n" % protocol if protocol is not None else b"",
            _line("Max-Forwards", str(left - 1)) if (left := forwards_left(request)) else b"",
            forwarding.lines(request, host, peer, target.prefix if target.strips else ""),
        ]
        segments = target.prefix.count("/") if target.strips else 0
        start = b"%b %b HTTP/1.1" % (request.method.encode(), heads.target(raw, segments))
        return cls(
            head=heads.request(start, request.raw_headers, dropped, b"".join(ours), trusts=peer.is_hop),
            framing=framing,
            protocol=protocol,
            is_awaited=expected is not None and expected.lower() == "100-continue",
            is_repeatable=request.method in IDEMPOTENT and not has_body and protocol is None,
        )


def forwards_left(request: web.BaseRequest) -> int | None:
    """Return how many more proxies a request may pass; None for any number."""
    if request.method not in COUNTED:
        return None
    text = request.headers.get("Max-Forwards", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def _address(request: web.BaseRequest) -> tuple[str, str]:
    """Return the target as it came, and the host that was meant."""
    message = request._message  # noqa: SLF001  the one place where the target stands as it came
    if message.path.startswith("/"):
        return message.path, request.headers.get("Host", "")
    # In absolute form the target names the host (RFC 9112, 3.2.2).
    rest = message.path.partition("://")[2].partition("#")[0]
    # The query is told off first: a slash in it begins no path, or we would pass on another than we looked at.
    before, mark, query = rest.partition("?")
    host, _, path = before.partition("/")
    return f"/{path}{mark}{query}", host.rpartition("@")[2]


def _line(name: str, value: str) -> bytes:
    return f"{name}: {value}\r\n".encode("utf-8", "surrogateescape")
