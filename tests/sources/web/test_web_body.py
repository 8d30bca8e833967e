"""Bodies decoded within bounds: whole, byte by byte, cut, damaged, with more behind them."""

import contextlib
import gzip
import random
import zlib
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, strategies as st
from multidict import CIMultiDict

from bridge.sources.web.body import FREE, RATIO, Inflate, decoder
from bridge.sources.web.client import Answer
from bridge.sources.web.trouble import OversizeError, WebError

TEXT = b"".join(b"line %d of a text that compresses as texts do\n" % n for n in range(200))


def bare(data: bytes) -> bytes:
    """Compress without zlib's head and checksum (RFC 1951)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


FORMS = {
    "gzip": ("gzip", gzip.compress(TEXT)),
    "members": ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(b"") + gzip.compress(TEXT[100:])),
    "padded": ("gzip", gzip.compress(TEXT) + bytes(512)),
    "x-gzip": ("x-gzip", gzip.compress(TEXT)),
    "zlib": ("deflate", zlib.compress(TEXT)),
    "bare": ("deflate", bare(TEXT)),
}


def head(*codings: str) -> Answer:
    """Return the head of an answer in these codings."""
    headers = CIMultiDict([("Content-Encoding", coding) for coding in codings])
    return cast("Answer", SimpleNamespace(headers=headers, where="a.test"))


def inflate(coding: str, *pieces: bytes, limit: int | None = None) -> bytes:
    """Decode pieces to the end."""
    made = Inflate(coding, limit)
    found = b"".join(made.feed(piece) for piece in pieces)
    made.finish()
    assert made.given == len(found)
    return found


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_are_decoded_whole_and_byte_by_byte(form: str) -> None:
    """And in halves, wherever the cut is."""
    coding, data = FORMS[form]
    assert inflate(coding, data) == TEXT
    assert inflate(coding, *(data[at : at + 1] for at in range(len(data)))) == TEXT
    for at in range(0, len(data), 7):
        assert inflate(coding, data[:at], data[at:]) == TEXT


@pytest.mark.parametrize("form", ["gzip", "members", "zlib", "bare"])
def test_what_is_cut_is_no_body(form: str) -> None:
    """Wherever it is cut, but between two members of a gzip: each of those is whole."""
    coding, data = FORMS[form]
    first = len(gzip.compress(TEXT[:100]))
    whole = {0, first, first + len(gzip.compress(b""))} if form == "members" else {0}
    for at in set(range(len(data))) - whole:
        with pytest.raises(WebError, match=r"cut|damaged"):
            inflate(coding, data[:at])


def test_no_bytes_are_an_empty_body() -> None:
    """Whatever the head says: 204 and HEAD have the head of a body that is not there."""
    for coding in ("gzip", "deflate"):
        assert inflate(coding) == b""
        assert inflate(coding, b"", b"") == b""


@pytest.mark.parametrize("form", ["gzip", "zlib"])
def test_what_is_damaged_is_no_body(form: str) -> None:
    """A checksum tells."""
    coding, data = FORMS[form]
    for at in range(10, len(data), 11):
        broken = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        with pytest.raises(WebError):
            inflate(coding, broken)


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", b"plain text"),
        ("gzip", b"x"),
        ("gzip", zlib.compress(TEXT)),
        ("gzip", gzip.compress(TEXT) + b"more"),
        ("gzip", gzip.compress(TEXT) + bytes(5) + b"more"),
        ("deflate", b"plain text"),
        ("deflate", gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT) + b"more"),
        ("deflate", zlib.compress(TEXT) + zlib.compress(TEXT)),
    ],
)
def test_what_says_that_it_is_encoded_and_is_not(coding: str, data: bytes) -> None:
    """It is told, not passed on."""
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        with pytest.raises(WebError, match="the answer of the server"):
            inflate(coding, *pieces)


def test_a_cap_is_exact() -> None:
    """In one piece, and in many."""
    data = gzip.compress(TEXT)
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        assert inflate("gzip", *pieces, limit=len(TEXT)) == TEXT
        with pytest.raises(OversizeError):
            inflate("gzip", *pieces, limit=len(TEXT) - 1)


def test_a_bomb_is_stopped_before_it_is_made() -> None:
    """What is given out never exceeds the bound by more than a byte."""
    made = Inflate("gzip", None)
    with pytest.raises(OversizeError, match=f"{RATIO} times"):
        made.feed(gzip.compress(bytes(50 * 1024 * 1024)))
    assert made.given <= max(FREE, RATIO * made.taken) + 1


def test_the_ratio_counts_from_64_kib_on() -> None:
    """Little is never a bomb."""
    assert len(inflate("gzip", gzip.compress(bytes(FREE)))) == FREE
    with pytest.raises(OversizeError):
        inflate("gzip", gzip.compress(bytes(FREE * 3)))


def test_a_stream_gives_out_what_was_flushed() -> None:
    """An event that is complete does not wait for the next one."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    made = Inflate("gzip")
    for n in range(100):
        event = b"data: %d\n\n" % n
        assert made.feed(packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH)) == event


@pytest.mark.parametrize("codings", [(), ("",), ("identity",), ("IDENTITY", "identity, identity")])
def test_what_is_not_encoded_is_passed_on(codings: tuple[str, ...]) -> None:
    """As it comes."""
    made = decoder(head(*codings))
    assert made.feed(b"\x1f\x8bx") == b"\x1f\x8bx"
    made.finish()


@pytest.mark.parametrize("coding", ["gzip", "GZip", "x-gzip", " gzip ", "identity, gzip"])
def test_codings_have_no_case(coding: str) -> None:
    """And identity is none."""
    assert decoder(head(coding)).feed(gzip.compress(b"x")) == b"x"


@pytest.mark.parametrize("codings", [("br",), ("zstd",), ("compress",), ("gzip, gzip",), ("gzip", "deflate"), ("x",)])
def test_other_codings_are_told(codings: tuple[str, ...]) -> None:
    """Nobody asked for them."""
    with pytest.raises(WebError, match="did not ask for"):
        decoder(head(*codings))


@given(st.binary(max_size=5000), st.integers(1, 5), st.integers(1, 700), st.sampled_from(["gzip", "zlib", "bare"]))
def test_whatever_was_packed_comes_out(data: bytes, members: int, step: int, form: str) -> None:
    """In any number of members and pieces."""
    size = len(data) // members + 1
    packed = {
        "gzip": b"".join(gzip.compress(data[at : at + size]) for at in range(0, len(data) or 1, size)),
        "zlib": zlib.compress(data),
        "bare": bare(data),
    }[form]
    pieces = [packed[at : at + step] for at in range(0, len(packed), step)]
    assert inflate("gzip" if form == "gzip" else "deflate", *pieces) == data


@given(st.binary(max_size=2000), st.sampled_from(["gzip", "deflate"]), st.integers(1, 100))
def test_garbage_ends_in_words(data: bytes, coding: str, step: int) -> None:
    """And in nothing else."""
    prefix = gzip.compress(random.Random(len(data)).randbytes(50))[: len(data) % 40]
    pieces = [(prefix + data)[at : at + step] for at in range(0, len(prefix + data), step)]
    with contextlib.suppress(WebError):
        inflate(coding, *pieces, limit=10_000)
