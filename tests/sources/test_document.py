"""What a body holds: texts, JSON, JSON lines."""

import contextlib

import pytest
from hypothesis import given, strategies as st

from bridge.errors import PushError
from bridge.sources.document import MAX_BATCH, Item, MediaType, document, lines, word

JSON = "application/json"


def read(content_type: str, body: bytes) -> Item:
    """Read a body as one document."""
    return document(MediaType.parse(content_type), body)


def refused(content_type: str, body: bytes) -> tuple[int, str]:
    """Return status and reason of a refusal."""
    with pytest.raises(PushError) as caught:
        read(content_type, body)
    return caught.value.status, caught.value.reason


@pytest.mark.parametrize(
    ("text", "media"),
    [
        ("", ("", "")),
        ("  ", ("", "")),
        ("text/plain", ("text/plain", "")),
        ("Text/Plain; Charset=UTF-8", ("text/plain", "utf-8")),
        ('text/plain; format=flowed; charset="latin1"', ("text/plain", "latin1")),
        ("application/json;", (JSON, "")),
        ("a;charset=", ("a", "")),
        ("\udcff; charset=\udcff", ("\udcff", "\udcff")),
    ],
)
def test_a_media_type_is_read(text, media):
    """Names are without case, and parameters may stand in any order."""
    assert MediaType.parse(text) == media


@pytest.mark.parametrize(
    ("content_type", "body", "text", "media"),
    [
        ("text/plain", b"hello", "hello", "text/plain"),
        ("text/plain", "grüß".encode(), "grüß", "text/plain"),
        ("text/plain; charset=iso-8859-1", b"gr\xfc\xdf", "grüß", "text/plain"),
        ("text/plain; charset=windows-1252", b"\x80", "€", "text/plain"),
        ("text/html; charset=utf-16", "é".encode("utf-16"), "é", "text/html"),
        ("text/csv", b"a,b\r\nc,d", "a,b\r\nc,d", "text/csv"),
        ("text/plain", b"\xef\xbb\xbfmarked", "marked", "text/plain"),
        ("text/plain", b"a\x00b\r\n\rc", "a\x00b\r\n\rc", "text/plain"),
        (JSON, b'{"b": 1.0, "a": 1e2, "b": "\\u00e9"}', '{"b": 1.0, "a": 1e2, "b": "\\u00e9"}', JSON),
        ("application/geo+json", b"[1]", "[1]", "application/geo+json"),
        ("application/json; charset=utf-8", b" 1\n", " 1\n", JSON),
        (JSON, b"null", "null", JSON),
        (JSON, b"", "", JSON),
        ("text/plain", b"", "", "text/plain"),
        ("", b"", "", "text/plain"),
        ("", b"hello", "hello", "text/plain"),
        ("", b'{"a": 1}', '{"a": 1}', JSON),
        ("", b"\n [1]", "\n [1]", JSON),
        ("", b"{not json}", "{not json}", "text/plain"),
        ("", b"42", "42", "text/plain"),
        ("application/x-www-form-urlencoded", b'{"a": 1}', '{"a": 1}', JSON),
        ("application/x-www-form-urlencoded", b"a=b", "a=b", "text/plain"),
    ],
)
def test_a_document_is_passed_on_as_it_came(content_type, body, text, media):
    """Checked, decoded, and otherwise untouched."""
    item = read(content_type, body)
    assert (item.text, item.content_type, item.is_tombstone) == (text, media, False)


@pytest.mark.parametrize(
    "content_type",
    ["image/png", "application/octet-stream", "multipart/form-data", "json", "application/xml", "*/*", "\udcff"],
)
def test_p04_a_type_that_is_no_text_is_refused(content_type):
    """With what to send instead."""
    status, reason = refused(content_type, b"x")
    assert status == 415
    assert "application/x-ndjson" in reason


@pytest.mark.parametrize("content_type", ["text/plain; charset=utf-7", "application/json; charset=utf-16"])
def test_p04_a_charset_that_is_not_known_is_refused(content_type):
    """JSON is UTF-8 alone, texts are in one of a few."""
    assert refused(content_type, b"x")[0] == 415


@pytest.mark.parametrize(
    ("content_type", "body", "words"),
    [
        ("text/plain", b"ab\xff", "not UTF-8: byte 2"),
        ("", b"\x80", "not UTF-8: byte 0"),
        (JSON, b'"\xed\xa0\x80"', "not UTF-8: byte 1"),
        ("text/plain; charset=us-ascii", b"a\x80", "not ASCII: byte 1"),
        ("text/plain; charset=utf-16", b"a", "not UTF-16: byte 0"),
        (JSON, b'{"a":\n 1,}', "line 2, column"),
        (JSON, b"[1,\n\n  tru]", "line 3, column 3"),
        (JSON, b"NaN", "line 1, column 1"),
        (JSON, b"[1e400]", "infinity"),
        (JSON, b"1" * 5_000, "infinity"),
        (JSON, b'"\\ud800"', "surrogate"),
        (JSON, b"{} {}", "line 1, column"),
        (JSON, b" ", "line 1"),
        (JSON, b"[" * 2_000 + b"]" * 2_000, "nested too deeply"),
        (JSON, b"[" * 1_000_000, "nested too deeply"),
    ],
)
def test_p05_a_bad_body_is_refused_with_its_place(content_type, body, words):
    """Bytes that are no UTF-8, and all that is JSON only to lenient parsers."""
    status, reason = refused(content_type, body)
    assert status == 400
    assert words in reason


def test_p05_a_reason_repeats_nothing_of_the_body():
    """It may be a secret, and stands in the sender's log."""
    assert "hunter2" not in refused(JSON, b'{"password": hunter2}')[1]


@given(st.binary(max_size=200), st.sampled_from(["", JSON, "text/plain", "text/plain; charset=utf-16"]))
def test_p05_no_bytes_break_a_document(body, content_type):
    """They are an event, or refused."""
    with contextlib.suppress(PushError):
        assert isinstance(read(content_type, body).text, str)


def test_json_lines_are_a_batch():
    """Each line an event, a null a tombstone, empty lines nothing; LS and NEL stand within a text."""
    body = '\ufeff{"a":1}\r\n\n  \n"x\u2028y\x85z"\nnull\n 3 '
    assert lines(body.encode()) == [
        Item('{"a":1}', JSON),
        Item('"x\u2028y\x85z"', JSON),
        Item("", JSON, is_tombstone=True),
        Item("3", JSON),
    ]
    assert lines(b"") == []


def test_a_bad_line_refuses_the_batch_with_its_number():
    """Nothing of it is published."""
    with pytest.raises(PushError, match="line 3, column 2"):
        lines(b"1\n\n{x\n4")


def test_a_batch_is_bounded():
    """One turn of the loop publishes it."""
    assert len(lines(b"1\n" * MAX_BATCH)) == MAX_BATCH
    with pytest.raises(PushError, match="at most") as caught:
        lines(b"1\n" * (MAX_BATCH + 1))
    assert caught.value.status == 413


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "\x00", "\x7f", "\x85", "\u2028", "\udcff", "x" * 257])
def test_p10_a_word_holds_nothing_harmful(text):
    """No line end in any spelling, no byte that was no UTF-8, no endless text."""
    with pytest.raises(PushError) as caught:
        word(text, "the key")
    assert caught.value.status == 422
    assert text not in caught.value.reason
