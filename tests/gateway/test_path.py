"""Paths, decoded once."""

import string

import pytest
from hypothesis import given, strategies as st

from bridge.gateway.path import SLASH, PathError, beneath, decode, plain, trimmed


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a%20b", "/a b"),
        ("/%C3%A9", "/é"),
        ("/é", "/é"),
        ("/a%2Fb", f"/a{SLASH}b"),
        ("/a%2fb", f"/a{SLASH}b"),
        ("/%252e%252e/x", "/%2e%2e/x"),
        ("/a+b", "/a+b"),
        ("/100%", "/100%"),
        ("/%zz", "/%zz"),
        ("/...", "/..."),
        ("/.hidden", "/.hidden"),
        ("/a;v=1/b", "/a;v=1/b"),
        ("//a//b/", "//a//b/"),
        ("/A", "/A"),
        ("/a%0Ab", "/a\nb"),
        (r"/a\b", r"/a\b"),
    ],
)
def test_path_is_decoded_once(raw: str, decoded: str) -> None:
    """Each case says what the wire held and what a route sees."""
    assert decode(raw) == decoded


@pytest.mark.parametrize(
    "raw",
    [
        "/..", "/a/../b", "/%2e%2e/etc/passwd", "/%2E%2e", "/.%2e/x", "/a/%2e", "/..%2fx", "/a%2f..%2fb", "/a%2f..",
        "/a/..;/b", "/..;x=1", "/a/.;", "/%2e%2e%3b/x",
        "/a%00", "/%00", "/%ff", "/\udcff", "/%c0%ae%c0%ae/", "/%ed%a0%80", "", "a", "*", "http://x/", "%2fa",
    ],
)  # fmt: skip
def test_climbing_or_malformed_path_is_refused(raw: str) -> None:
    """Dots in any spelling, NUL, overlong and other bytes that are not UTF-8, and what is no path at all."""
    with pytest.raises(PathError):
        decode(raw)


@given(st.text(string.printable + "é%./\\\0\udcff", max_size=40))
def test_decoded_path_never_climbs(text: str) -> None:
    """Whatever the wire holds, what comes out has no dots, no new segment, and no NUL but for the slash's stand-in."""
    raw = "/" + text
    try:
        decoded = decode(raw)
    except PathError:
        return
    assert decoded.count("/") == raw.count("/")
    assert not {".", ".."} & set(plain(decoded).split("/"))
    decoded.encode()


@pytest.mark.parametrize(("path", "short"), [("/", "/"), ("/a/", "/a"), ("/a", "/a"), ("/a//", "/a/"), ("", "")])
def test_one_trailing_slash_means_nothing(path: str, short: str) -> None:
    """One, and no more; the root stays."""
    assert trimmed(path) == short


@pytest.mark.parametrize(
    ("path", "prefix", "rest"),
    [
        ("/a/b", "/a", "/b"),
        ("/a", "/a", "/"),
        ("/a/", "/a", "/"),
        ("/ab", "/a", None),
        ("/b", "/a", None),
        ("/b", "", "/b"),
        ("/", "", "/"),
    ],
)
def test_what_lies_beneath_a_prefix(path: str, prefix: str, rest: str | None) -> None:
    """A prefix ends at a slash, not in the middle of a word."""
    assert beneath(path, prefix) == rest
