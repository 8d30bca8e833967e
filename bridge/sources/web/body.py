"""The body of an answer: decoded within bounds.

Rule 1: a decoder never holds more than it may return. What a few bytes expand to is bounded before it is made: a
    gzip of 1 MB can hold 1 GB.
Rule 2: a body that ends within its compression is cut, and is no body.
Rule 3: one coding, or none; an unknown one is told and not guessed.

Codings are those of RFC 9110, section 8.4.1. `deflate` comes in two forms, zlib's (RFC 1950) and the bare one (RFC
1951) that some servers send; the first two bytes tell.
"""

import zlib
from typing import Final, Protocol

from bridge.sources.web.client import Answer
from bridge.sources.web.trouble import OversizeError, WebError
from bridge.units import size_text

#: How many times its own size a compressed body may become, past the first 64 KiB. Text becomes 5 to 20 times smaller,
#: a table of zeros 100 times; 1,030 is what deflate can do at most, and only a bomb does.
RATIO: Final = 200
FREE: Final = 64 * 1024

#: Members of one gzip (RFC 1952, 2.2). bgzip makes one per 64 KiB; thousands of empty ones are an attack.
MAX_MEMBERS: Final = 1_000

#: Bytes that encoded forms may be longer than what they hold: heads, stored blocks, checksums.
OVERHEAD: Final = 64 * 1024

#: Bytes decoded in one go.
STEP: Final = 256 * 1024

#: Digits of a length that is read as a number.
MAX_DIGITS: Final = 19

_GZIP: Final = b"\x1f\x8b"
_WBITS_GZIP, _WBITS_ZLIB, _WBITS_RAW = 31, 15, -15

_IDENTITY: Final = frozenset({"", "identity"})
_GZIPS: Final = frozenset({"gzip", "x-gzip"})


class Decoder(Protocol):
    """What makes a body of the bytes that came."""

    def feed(self, data: bytes) -> bytes:
        """Return what more bytes decode to; raises `WebError`."""
        ...

    def finish(self) -> None:
        """Take in that nothing more comes; raises `WebError` where something is missing."""
        ...


class Inflate:
    """A bounded decoder; `limit` is of all decoded bytes, None for a stream that has no end."""

    def __init__(self, coding: str, limit: int | None = None, where: str = "the server") -> None:
        self._where = where
        self._limit = limit
        self._is_gzip = coding in _GZIPS
        self._inner: zlib._Decompress | None = None
        self._waiting = b""
        self._members = 0
        self._is_padding = False
        #: Bytes taken in, and given out.
        self.taken = 0
        self.given = 0

    def feed(self, data: bytes) -> bytes:
        """Return what more bytes decode to; raises `WebError`."""
        self.taken += len(data)
        data, self._waiting = self._waiting + data, b""
        pieces: list[bytes] = []
        try:
            while data:
                data = self._step(data, pieces)
        except zlib.error:
            raise WebError(f"the answer of {self._where} is damaged: it does not decompress") from None
        return b"".join(pieces)

    def finish(self) -> None:
        """Take in that nothing more comes; raises `WebError` where the end is missing."""
        is_empty = not self.taken
        if not is_empty and (self._inner is not None or self._waiting):
            raise WebError(f"the answer of {self._where} is cut: it ends within its compression")

    def _step(self, data: bytes, pieces: list[bytes]) -> bytes:
        """Decode some of the data; return what is left of it."""
        if self._inner is None:
            data = self._begin(data)
            if self._inner is None:
                return data
        inner = self._inner
        piece = inner.decompress(data, self._room())
        self._count(len(piece))
        pieces.append(piece)
        if not inner.eof:
            return inner.unconsumed_tail
        self._inner = None
        self._is_padding = not self._is_gzip
        return inner.unused_data

    def _begin(self, data: bytes) -> bytes:
        """Begin a member, where its first two bytes are there; return what is left of the data."""
        if self._is_padding or (self._members and data[:1] == b"\0"):
            return self._pad(data)
        if len(data) < len(_GZIP):
            self._waiting = data
            return b""
        if self._is_gzip and not data.startswith(_GZIP):
            raise WebError(f"the answer of {self._where} is not the gzip that it says it is")
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise WebError(f"the answer of {self._where} has more than {MAX_MEMBERS} parts of gzip")
        is_zlib = data[0] & 0x0F == zlib.DEFLATED and not (data[0] << 8 | data[1]) % 31
        self._inner = zlib.decompressobj(_WBITS_GZIP if self._is_gzip else _WBITS_ZLIB if is_zlib else _WBITS_RAW)
        return data

    def _pad(self, data: bytes) -> bytes:
        """Pass over zeros after the end, as tapes and some servers leave them."""
        self._is_padding = True
        if data.strip(b"\0"):
            raise WebError(f"the answer of {self._where} goes on after the end of its compression")
        return b""

    def _room(self) -> int:
        """Return how many bytes may be made now: never 0, which means no bound to zlib."""
        left = STEP if self._limit is None else min(STEP, self._limit - self.given + 1)
        return max(1, min(left, self._most() - self.given + 1))

    def _most(self) -> int:
        return max(FREE, RATIO * self.taken)

    def _count(self, more: int) -> None:
        self.given += more
        if self._limit is not None and self.given > self._limit:
            raise too_large(self._where, self._limit)
        if self.given > self._most():
            raise OversizeError(f"the answer of {self._where} expands to more than {RATIO} times its size")


class Plain:
    """The decoder of what is not encoded."""

    def feed(self, data: bytes) -> bytes:
        """Return the same."""
        return data

    def finish(self) -> None:
        """Miss nothing."""


def decoder(answer: Answer, limit: int | None = None) -> Decoder:
    """Return what decodes an answer's body, as its head says; raises `WebError` for an unknown coding."""
    codings = [coding.strip().lower() for coding in ",".join(answer.headers.getall("Content-Encoding", ())).split(",")]
    left = [coding for coding in codings if coding not in _IDENTITY]
    if not left:
        return Plain()
    if len(left) > 1 or left[0] not in {*_GZIPS, "deflate"}:
        raise WebError(f"{answer.where} compresses its answer in a way that we did not ask for: gzip or deflate")
    return Inflate(left[0], limit, answer.where)


async def read(answer: Answer, limit: int) -> tuple[bytes, int]:
    """Return the decoded body, and how many bytes came over the wire; raises `WebError`.

    `OversizeError` for one of more than `limit` bytes, as soon as that is known: then the rest is not read.
    """
    decoding = decoder(answer, limit)
    told = answer.headers.get("Content-Length", "")
    if told.isascii() and told.isdecimal() and len(told) < MAX_DIGITS and int(told) > limit + OVERHEAD:
        raise too_large(answer.where, limit)
    body = bytearray()
    async for data in answer.chunks():
        body += decoding.feed(data)
        if len(body) > limit or answer.size > limit + OVERHEAD:
            raise too_large(answer.where, limit)
    decoding.finish()
    return bytes(body), answer.size


def too_large(where: str, limit: int) -> OversizeError:
    """Say that a body is larger than it may be."""
    return OversizeError(f"the answer of {where} is larger than `max` ({size_text(limit)})")
