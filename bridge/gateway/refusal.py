"""Refuse a request before any handler runs: bounds, statuses, and words that echo nothing."""

import re
from typing import Final

from aiohttp import http_parser, web
from aiohttp.http_exceptions import BadHttpMethod, BadStatusLine, HttpProcessingError, LineTooLong

from bridge.errors import BridgeError
from bridge.gateway import reply

#: The request line. A path and a query of 16 KiB are longer than any proxy in front lets through (nginx: 8 KiB).
LINE_BYTES: Final = 16 * 1024

#: All header fields together, as nginx (4 x 8 KiB) and Node (16 KiB) have it.
HEADER_BYTES: Final = 16 * 1024

#: One field. All together are within `HEADER_BYTES`, but for `Last-Event-ID`: a browser sends back whatever id it was
#: once given, and a 4xx would end its tab for good. An id of up to 64 KiB is therefore read, and answered with 200 and
#: a gap like any other that is not ours.
FIELD_BYTES: Final = 64 * 1024
FREE_FIELD: Final = "Last-Event-ID"

#: An unknown method is 501 where it looks like a request at all (RFC 9110, 9.1), else 400. A known one here means that
#: garbage came in the same segment behind a good request.
_UNKNOWN: Final = re.compile(rb"(?!(?:GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS) )[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} [/*h]")
START_BYTES: Final = 40

#: What a client did wrong: in its request, or in the body behind it.
MALFORMED: Final = (HttpProcessingError, web.RequestPayloadError)

#: The answer to headers that never end, before there is a request to answer.
TOO_LONG: Final = b"HTTP/1.1 431 Too Long\r\nServer: sse-bridge\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

_WORDS: Final = {
    400: "the request is malformed",
    414: f"the address is longer than {LINE_BYTES} bytes",
    431: f"the header fields are too many, or longer than {HEADER_BYTES} bytes",
    500: "something here failed; the log says what",
    501: "this server does not know that method",
    505: "this server speaks HTTP/1.1 and HTTP/1.0",
}


def refusal(status: int, words: str = "") -> web.Response:
    """Answer with a line of ours, and close."""
    answer = reply.text(status, words or _WORDS[status])
    answer.force_close()
    return answer


def status_of(error: BaseException, start: bytes) -> int:
    """Return the status for a request that aiohttp's parser refused; `start` are its first bytes."""
    if isinstance(error, LineTooLong):
        return 414 if error.args[1] == LINE_BYTES else 431
    if isinstance(error, BadHttpMethod):
        return 501 if _UNKNOWN.match(start) else 400
    if isinstance(error, BadStatusLine):
        return 505 if "Invalid HTTP version" in str(error) else 400
    return 431 if "Too many headers" in str(error) else 400


def weight(request: web.BaseRequest) -> int:
    """Return the bytes of a request's header fields, less the one that is free."""
    free = FREE_FIELD.lower().encode()
    # Four bytes a field for the colon, the space and the line's end.
    return sum(len(name) + len(value) + 4 for name, value in request.raw_headers if name.lower() != free)


def require_parser() -> None:
    """Refuse to serve with aiohttp's parser in Python: CVE-2026-111750, CVE-2026-128131, and a tenth of the speed."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise BridgeError("aiohttp lacks its C parser here: install a wheel, or unset AIOHTTP_NO_EXTENSIONS")
