"""Heads as bytes, without a socket."""

import pytest
from hypothesis import given, strategies as st

from bridge.gateway.proxy import heads
from bridge.gateway.proxy.heads import Framing, HeadError

FIELDS = [(b"Host", b"a"), (b"X-One", b"1"), (b"Cookie", b"c"), (b"X-One", b"2")]


@pytest.mark.parametrize(
    ("lengths", "codings", "expected"),
    [
        ([], [], Framing()),
        (["5"], [], Framing(length=5)),
        (["0005"], [], Framing(length=5)),
        ([], ["chunked"], Framing(is_chunked=True)),
        ([], ["CHUNKED"], Framing(is_chunked=True)),
    ],
)
def test_framings_that_are_clear(lengths: list[str], codings: list[str], expected: Framing) -> None:
    """One length, or chunks, or neither."""
    assert heads.framing(lengths, codings) == expected


@pytest.mark.parametrize(
    ("lengths", "codings"),
    [
        (["5", "5"], []),
        (["5"], ["chunked"]),
        (["-5"], []),
        (["+5"], []),
        (["5, 5"], []),
        (["5 "], []),
        ([""], []),
        (["\u0665"], []),
        (["1" * 20], []),
        ([], ["chunked", "chunked"]),
        ([], ["chunked, chunked"]),
        ([], ["gzip, chunked"]),
        ([], ["identity"]),
        ([], [""]),
        ([], ["chunked "]),
    ],
)
def test_framings_that_two_readers_could_read_differently(lengths: list[str], codings: list[str]) -> None:
    """They are refused."""
    with pytest.raises(HeadError):
        heads.framing(lengths, codings)


def test_a_framing_says_itself_in_one_way() -> None:
    """And a piece of a body stands as it says."""
    assert (Framing(length=5).field, Framing(length=5).end) == (b"Content-Length: 5\r\n", b"")
    assert Framing(is_chunked=True).field == b"Transfer-Encoding: chunked\r\n"
    assert Framing(is_chunked=True).wrap(bytes(26)) == b"1a\r\n" + bytes(26) + b"\r\n"
    assert Framing(is_chunked=True).end == b"0\r\n\r\n"
    assert Framing().wrap(b"a") == b"a"


@pytest.mark.parametrize(
    ("raw", "segments", "expected"),
    [
        ("/a/b?c", 0, b"/a/b?c"),
        ("/a/b?c=/d", 1, b"/b?c=/d"),
        ("/a", 1, b"/"),
        ("/a?b", 1, b"/?b"),
        ("/a/", 1, b"/"),
        ("/a/b//c", 2, b"//c"),
        ("/%61/b%2Fc", 1, b"/b%2Fc"),
        ("/\u20ac", 0, b"/%E2%82%AC"),
        ("/\udcff", 0, b"/%FF"),
    ],
)
def test_targets_go_on_as_they_came(raw: str, segments: int, expected: bytes) -> None:
    """Less a prefix, and with raw bytes percent-encoded."""
    assert heads.target(raw, segments) == expected


@pytest.mark.parametrize("raw", ["/a b", "/a\r\nX: y", "/a\0", "/a#b", "/a\tb", "/a\x7f", ""])
def test_targets_that_no_address_has(raw: str) -> None:
    """They are refused, whoever let them through."""
    with pytest.raises(HeadError):
        heads.target(raw)


@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=24)), max_size=6), st.text(max_size=12))
def test_whatever_comes_is_one_head_or_none(fields: list[tuple[bytes, bytes]], reason: str) -> None:
    """No byte of a name, a value or a reason begins a line."""
    try:
        written = heads.answer(200, reason.encode("utf-8", "ignore").decode(), fields, frozenset(), b"")
    except HeadError:
        return
    assert written.endswith(b"\r\n\r\n")
    lines = written[:-4].split(b"\r\n")
    kept = [name for name, _ in fields if name.lower() not in heads.HOP_BY_HOP | {b"content-length"}]
    assert len(lines) == 1 + len(kept)
    assert b"\n" not in written.replace(b"\r\n", b"")
    assert [line.partition(b":")[0] for line in lines[1:]] == kept


def test_fields_keep_order_and_spelling() -> None:
    """Those that are dropped leave no trace."""
    written = heads.request(b"GET / HTTP/1.1", FIELDS, frozenset({b"cookie"}), b"Host: b\r\n", trusts=False)
    assert written == b"GET / HTTP/1.1\r\nX-One: 1\r\nX-One: 2\r\nHost: b\r\n\r\n"


@pytest.mark.parametrize(
    ("upgrade", "expected"),
    [
        ("websocket", b"websocket"),
        ("WebSocket", b"WebSocket"),
        ("chisel/1.0", b"chisel/1.0"),
        ("h2c", None),
        ("H2C", None),
        ("HTTP/2.0", None),
        ("TLS/1.0", None),
        ("websocket, h2c", None),
        ("web socket", None),
        ("", None),
        (None, None),
    ],
)
def test_protocols_that_may_be_asked_for(upgrade: str | None, expected: bytes | None) -> None:
    """One at a time, and no other HTTP."""
    assert heads.protocol(heads.named(["keep-alive, Upgrade"]), upgrade) == expected
    assert heads.protocol(heads.named(["keep-alive"]), upgrade) is None
