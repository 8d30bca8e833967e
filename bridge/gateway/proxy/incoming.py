"""An application's answer as it goes back: its head in bytes, and how its body is framed for this client."""

from email.utils import formatdate
from typing import Final, NamedTuple

from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.http import RawResponseMessage

from bridge.gateway.proxy import heads
from bridge.gateway.proxy.heads import Framing, HeadError

#: A tuple: the parser gives these very values, so that a look suffices, where a set would hash them.
_VERSIONS: Final = (HttpVersion11, HttpVersion10)

#: The one answer, beside 101, that says which protocols the application would rather speak.
_UPGRADE_REQUIRED: Final = 426


class Back(NamedTuple):
    """One answer."""

    head: bytes
    framing: Framing
    is_bodiless: bool
    #: Another request may follow on the client's connection.
    is_kept: bool
    #: The application ends the body with its connection.
    ends_with_close: bool


def back(head: RawResponseMessage, request: web.BaseRequest, *, may_stay: bool) -> Back:
    """Write an answer for a client; raises `HeadError` where it may not be passed on."""
    headers = head.headers
    if head.version not in _VERSIONS:
        raise HeadError("another version of HTTP")
    given = heads.framing(headers.getall("Content-Length", ()), headers.getall("Transfer-Encoding", ()))
    is_bodiless = request.method == "HEAD" or head.code in heads.BODILESS
    is_1_1 = request.version >= (1, 1)
    framing = given if given.length is not None else Framing(is_chunked=is_1_1)
    is_kept = may_stay and request.keep_alive and (is_bodiless or framing != Framing())
    ours = b"" if is_bodiless and given.is_chunked else (given if is_bodiless else framing).field
    if head.code == 204:  # noqa: PLR2004  which has neither body nor length (RFC 9110, 8.6)
        ours = b""
    if not is_kept:
        ours += b"Connection: close\r\n"
    elif not is_1_1:
        ours += b"Connection: keep-alive\r\n"
    if "Date" not in headers:
        ours += b"Date: %b\r\n" % formatdate(usegmt=True).encode()
    if head.code == _UPGRADE_REQUIRED and (wanted := headers.get("Upgrade")):
        ours += b"Upgrade: %b\r\n" % wanted.encode("utf-8", "surrogateescape")
    return Back(_head(head, ours), framing, is_bodiless, is_kept, given == Framing())


def switched(head: RawResponseMessage) -> bytes:
    """Write a 101."""
    wanted = head.headers.get("Upgrade", "").encode("utf-8", "surrogateescape")
    return _head(head, b"Connection: Upgrade\r\nUpgrade: %b\r\n" % wanted)


def _head(head: RawResponseMessage, ours: bytes) -> bytes:
    dropped = heads.named(head.headers.getall("Connection", ()))
    return heads.answer(head.code, head.reason, head.raw_headers, dropped, ours)
