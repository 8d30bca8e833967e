"""The head of a request as it goes on to the application, and that of its answer as it comes back. Pure.

Rule 1: what belongs to one connection stays on it: the hop-by-hop fields, and those that `Connection` names (RFC 9110,
    7.6.1). The framing of a body is told by us, in one spelling, and never copied.
Rule 2: names and values are copied as the bytes that came, in their order, and refused where a byte of them could end
    a line. A field of ours cannot be spelled with `_` for `-`: many applications take the two for one.
Rule 3: a protocol other than WebSocket may be asked for, but not another version of HTTP: what went through such a
    tunnel would be requests that nobody has looked at.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

RawField = tuple[bytes, bytes]

#: Of one connection alone. `Trailer` too: aiohttp hides trailers, so that none can follow.
HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

#: What we say ourselves in a request. `Proxy` becomes HTTP_PROXY in a CGI (CVE-2016-5385).
OURS: Final = frozenset(
    {
        b"content-length",
        b"expect",
        b"forwarded",
        b"host",
        b"max-forwards",
        b"proxy",
        b"via",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
    }
)
_REQUEST: Final = HOP_BY_HOP | OURS
_ANSWER: Final = HOP_BY_HOP | {b"content-length"}

#: What only a proxy may say of the client, beside the fields that are ours.
FORWARDED: Final = b"x-forwarded-"
REAL_IP: Final = b"x-real-ip"

#: Names of fields whose fate is remembered, and the bytes of the longest: browsers and applications use some hundred,
#: and whoever makes up others fills no more than a few hundred kilobytes. So many texts of `Connection`, too.
_NAMES_KEPT: Final = 1_024
_NAME_BYTES: Final = 128

_TOKENS: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_NAMES: Final = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:)*", re.ASCII)
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BEYOND: Final = re.compile(rb"[\x80-\xff]")
_TARGET: Final = re.compile(rb"[\x21\x22\x24-\x7e]+")  # no space, no control, no `#`
_LENGTH: Final = re.compile(r"[0-9]{1,19}", re.ASCII)

#: Answers that have no body whatever their fields say (RFC 9112, 6.3).
BODILESS: Final = frozenset({204, 304})


class HeadError(ValueError):
    """A head holds what may not go on."""


class Framing(NamedTuple):
    """How the end of a body is told: by its length, by chunks, or, with neither, by the end of the connection."""

    length: int | None = None
    is_chunked: bool = False

    @property
    def field(self) -> bytes:
        """Return the line that tells it."""
        if self.is_chunked:
            return b"Transfer-Encoding: chunked\r\n"
        return b"" if self.length is None else b"Content-Length: %d\r\n" % self.length

    def wrap(self, data: bytes) -> bytes:
        """Return a piece of the body as it stands on the connection."""
        return b"%x\r\n%b\r\n" % (len(data), data) if self.is_chunked else data

    @property
    def end(self) -> bytes:
        """Return what ends the body."""
        return b"0\r\n\r\n" if self.is_chunked else b""


def framing(lengths: Sequence[str], codings: Sequence[str]) -> Framing:
    """Read how a body is framed, from all its fields; raises `HeadError` where two readers could differ."""
    if codings:
        if lengths or len(codings) > 1 or codings[0].lower() != "chunked":
            raise HeadError("the end of the body is in dispute")
        return Framing(is_chunked=True)
    if not lengths:
        return Framing()
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise HeadError("the length of the body is no number")
    return Framing(length=int(lengths[0]))


def named(values: Iterable[str]) -> frozenset[bytes]:
    """Return the names that `Connection` lists, in lower case."""
    listed = ",".join(values)
    return _listed(listed) if len(listed) <= _NAME_BYTES else _listed.__wrapped__(listed)


@lru_cache(_NAMES_KEPT)
def _listed(text: str) -> frozenset[bytes]:
    tokens = (token.strip(" \t").lower() for token in text.split(","))
    return frozenset(token.encode("utf-8", "surrogateescape") for token in tokens if token)


class _Name(NamedTuple):
    """What is known of a field by its name."""

    #: In lower case; and with `-` for each `_`.
    key: bytes
    plain: bytes
    #: It goes on to nobody; it goes on only where a proxy said it.
    is_taken: bool
    is_proxys: bool


@lru_cache(_NAMES_KEPT)
def _known(name: bytes) -> _Name:
    key = name.lower()
    plain = key.replace(b"_", b"-")
    is_proxys = plain.startswith(FORWARDED) or plain == REAL_IP
    # No proxy spells it with `_`: whoever does means to be taken for one.
    return _Name(key, plain, plain in _REQUEST or (is_proxys and plain != key), is_proxys)


def protocol(connection: Collection[bytes], upgrade: str | None) -> bytes | None:
    """Return the protocol to ask for in place of HTTP; None for none."""
    if upgrade is None or b"upgrade" not in connection:
        return None
    wanted = upgrade.encode("utf-8", "surrogateescape")
    # One alone: of a list the application might take another than the one we looked at.
    if not _TOKENS.fullmatch(wanted.replace(b"/", b"", 1)):
        return None
    name = wanted.lower()
    return None if name.startswith((b"h2", b"h3", b"http", b"tls")) else wanted


def target(raw: str, segments: int = 0) -> bytes:
    """Return a request's target as it came, less so many segments of its path; raises `HeadError`.

    Bytes beyond ASCII, which came raw, are percent-encoded: they mean the same, and no parser trips over them.
    """
    encoded = raw.encode("utf-8", "surrogateescape")
    if not encoded.isascii():
        encoded = _BEYOND.sub(lambda found: b"%%%02X" % ord(found[0]), encoded)
    if not _TARGET.fullmatch(encoded):
        raise HeadError("the target holds what no address has")
    if not segments:
        return encoded
    path, mark, query = encoded.partition(b"?")
    return b"/" + b"/".join(path.split(b"/")[segments + 1 :]) + mark + query


def request(start: bytes, raw: Iterable[RawField], dropped: Collection[bytes], ours: bytes, *, trusts: bool) -> bytes:
    """Return a request's head. `ours` are whole lines; `trusts` lets through what a proxy in front says."""
    kept: list[RawField] = []
    for field in raw:
        name = field[0]
        key, plain, is_taken, is_proxys = _known(name) if len(name) <= _NAME_BYTES else _known.__wrapped__(name)
        if is_taken or (is_proxys and not trusts) or key in dropped or plain in dropped:
            continue
        kept.append(field)
    return b"%b\r\n%b%b\r\n" % (start, _lines(kept), ours)


def answer(status: int, reason: str, raw: Iterable[RawField], dropped: Collection[bytes], ours: bytes) -> bytes:
    """Return an answer's head; raises `HeadError` where a byte of the application's could forge another."""
    kept = [field for field in raw if (key := field[0].lower()) not in _ANSWER and key not in dropped]
    words = reason.encode("utf-8", "surrogateescape")
    if _CONTROL.search(words):
        raise HeadError("the reason phrase holds a control character")
    return b"HTTP/1.1 %d %b\r\n%b%b\r\n" % (status, words, _lines(kept), ours)


def _lines(fields: Sequence[RawField]) -> bytes:
    """Return fields as lines; one check for all of them."""
    # A name with a colon in it would only make two names that are tokens: no parser gives such a one.
    if not _NAMES.fullmatch(b"".join([name + b":" for name, _ in fields])):
        raise HeadError("the name of a field is no token")
    if _CONTROL.search(b"".join([value for _, value in fields])):
        raise HeadError("the value of a field holds a control character")
    return b"".join([b"%b: %b\r\n" % field for field in fields])
