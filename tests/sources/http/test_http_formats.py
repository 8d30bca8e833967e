"""What a reply holds, in which charset."""

import json
from dataclasses import replace
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, strategies as st

from bridge.sources.http.emission import Emission
from bridge.sources.http.formats import TYPES, Document, read
from bridge.sources.http.reply import Reply, ReplyError, Rules

JSON = "application/json"


def reply(body: bytes, content_type: str = "") -> Reply:
    """Make a reply."""
    return Reply(body, content_type, 1.0, "https://api.example.com/x", {}, 200)


def document(body: bytes, content_type: str = "", **rules) -> Document:
    """Read a reply."""
    return read(reply(body, content_type), Rules(**rules))


def words(body: bytes, content_type: str = "", **rules) -> str:
    """Return why a reply is refused."""
    with pytest.raises(ReplyError) as caught:
        document(body, content_type, **rules)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content_type", "body", "format"),
    [
        (JSON, b"[1]", "json"),
        ("application/geo+json; charset=utf-8", b"[1]", "json"),
        ("text/json", b"[1]", "json"),
        ("application/x-ndjson", b"1\n2\n", "ndjson"),
        ("text/csv", b"a,b\n1,2\n", "csv"),
        ("text/tab-separated-values", b"a\tb\n1\t2\n", "csv"),
        ("application/xml", b"<a/>", "xml"),
        ("text/xml", b"<a/>", "xml"),
        ("image/svg+xml", b"<svg/>", "xml"),
        ("application/rss+xml", b"<rss><channel/></rss>", "feed"),
        ("application/atom+xml", b'<feed xmlns="http://www.w3.org/2005/Atom"/>', "feed"),
        ("text/plain", b"[1]", "text"),
        ("", b" [1]\n", "json"),
        ("application/octet-stream", b"[1]", "json"),
        ("", b"hello", "text"),
        ("text/plain", b" ", "text"),
        ("nonsense", b"hello", "text"),
    ],
)
def test_the_content_type_says_what_a_reply_is(content_type, body, format):
    """Where it says nothing, the reply does."""
    assert document(body, content_type).format == format


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"b": 1.0, "a": 1e2, "b": "\\u00e9"}', '{"b": 1.0, "a": 1e2, "b": "\\u00e9"}'),
        (b"\xef\xbb\xbf \r\n[1, 2]\n\n", "[1, 2]"),
        (b"123456789012345678901234567890", "123456789012345678901234567890"),
        ("\ufeff[1]".encode("utf-16-le"), "[1]"),
    ],
)
def test_json_goes_out_as_it_came(body, text):
    """Numbers, escapes and keys as their sender wrote them, without a mark and the space around."""
    assert document(body, JSON).text == text


def test_the_media_type_of_json_goes_out_without_its_charset():
    """It is in UTF-8 from here on."""
    assert document(b"[1]", "Application/Geo+JSON; charset=latin1").content_type == "application/geo+json"
    assert document(b"[1]", "text/plain", format="json").content_type == JSON


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain", "grüß".encode(), "grüß"),
        ("text/plain; charset=iso-8859-1", b"gr\xfc\xdf", "grüß"),
        ("text/plain; charset=windows-1252", b"\x80", "€"),
        ("text/plain; charset=Shift_JIS", "日本".encode("cp932"), "日本"),
        ("text/plain; charset=utf-16", "a".encode("utf-16-le"), "a"),
        ("text/plain; charset=iso-8859-1", "\ufeffgrüß".encode(), "grüß"),
        ("text/plain; charset=utf-8", b"gr\xfc\xdf", "gr\ufffd\ufffd"),
        ("text/plain", b"a\xed\xa0\x80b", "a\ufffd\ufffd\ufffdb"),
        ("text/plain", b"a\r\n\0b", "a\r\n\0b"),
    ],
)
def test_h24_a_text_is_decoded(content_type, body, text):
    """By its mark, then by what is said of it; what is no character there is shown as such."""
    assert document(body, content_type).text == text


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("application/json; charset=iso-8859-1", '"grüß"'.encode(), '"grüß"'),
        ("application/json; charset=iso-8859-1", b'"gr\xfc\xdf"', '"grüß"'),
        ("application/json; charset=x-unheard-of", '"grüß"'.encode(), '"grüß"'),
    ],
)
def test_h24_json_is_utf8_whatever_is_said_of_it_unless_it_is_none(content_type, body, text):
    """Its charset has no meaning; some servers mean it."""
    assert document(body, content_type).text == text


@pytest.mark.parametrize("charset", ["zip", "idna", "rot13", "unicode_escape", "utf-7", "x" * 1_000, "utf-8\0"])
def test_h24_only_charsets_are_charsets(charset):
    """Python's codecs that are none are out of a server's reach."""
    assert "charset" in words(b"a", f"text/plain; charset={charset}")


@pytest.mark.parametrize(
    ("content_type", "sent"),
    [("text/html; charset=utf-8", "text/html"), ("application/json", "text/plain"), ("image/png", "text/plain")],
)
def test_a_text_is_never_called_what_nobody_has_checked(content_type, sent):
    """Where the file says that it is a text, it is one."""
    assert document(b"{", content_type, format="text").content_type == sent


def test_json_lines_are_one_list_of_what_came():
    """Empty lines count for nothing."""
    found = document(b'{"a": 1.0}\r\n\n  [2]\n"x"', "application/x-ndjson")
    assert found.text == '[{"a": 1.0},[2],"x"]'
    assert found.value == [{"a": 1.0}, [2], "x"]
    assert document(b"", "application/x-ndjson").text == "[]"


def test_a_bad_line_is_named():
    """With its column."""
    assert "line 2, column 2" in words(b"1\n{'a'}\n", format="ndjson")
    assert "more than 2 lines" in words(b"1\n2\n3\n", format="ndjson", max_items=2)


@pytest.mark.parametrize("content_type", ["text/html", "application/json", "", "text/plain"])
@pytest.mark.parametrize("body", [b"<!DOCTYPE html><title>Sign in</title>", b"\n <html lang=en>"])
@pytest.mark.parametrize("format", ["json", "csv", "ndjson", "feed"])
def test_h23_html_in_the_place_of_data_is_told_as_such(content_type, body, format):
    """A page to sign in is the most usual wrong reply with a 200."""
    assert "page of HTML" in words(body, content_type, format=format)


@pytest.mark.parametrize("rules", [{"emit": "items"}, {"delta": "json-patch"}])
def test_where_a_text_is_of_no_use_plain_text_is_read_as_json(rules):
    """Many a server calls JSON so; HTML is told as what it is."""
    assert document(b'{"a": 1}', "text/plain", **rules).value == {"a": 1}
    assert "not JSON" in words(b"hello", "text/plain", **rules)
    assert "page of HTML, not JSON" in words(b"<p>hello", "text/html", **rules)


@pytest.mark.parametrize("content_type", ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"])
@pytest.mark.parametrize("body", [b"<!DOCTYPE html><title>Sign in</title>", b"<p>hello", b"[1]"])
def test_h23_html_is_a_text_only_where_the_file_says_so(content_type, body):
    """Nobody who polls data means the page to sign in; who means a page says it."""
    assert words(body, content_type) == "the reply is HTML; say `format: text` if that is meant"
    assert document(body, content_type, format="text").text == body.decode()


def test_h23_what_is_called_html_is_no_xml():
    """XHTML is, and what an old server calls plain XML."""
    assert "page of HTML, not XML" in words(b"<a/>", "text/html", format="xml")
    assert document(b"<a/>", "application/xhtml+xml", format="xml").value == {"a": None}


@pytest.mark.parametrize("format", ["auto", "json", "csv", "xml", "feed"])
def test_h23_an_empty_reply_is_no_data(format):
    """Only JSON lines may be none."""
    assert words(b" \r\n", format=format) == "the reply is empty"


@pytest.mark.parametrize("content_type", ["", "text/plain", "text/html", JSON, "application/octet-stream"])
def test_h23_nothing_is_a_text_only_where_the_file_says_so(content_type):
    """A 204 has no content type, and a server in trouble has nothing to say under any."""
    assert words(b"", content_type) == "the reply is empty"
    assert document(b"", content_type, format="text").text == ""


def test_h23_bytes_of_which_nobody_says_what_they_are_and_that_are_no_text_are_refused():
    """An image does not become a text of question marks."""
    assert "neither JSON nor text" in words(b"\x89PNG\r\n\xff\xfe\0", "image/png")


@pytest.mark.parametrize("format", ["auto", "json", "ndjson"])
def test_a_reply_of_millions_of_lists_is_refused_before_it_is_parsed(format):
    """They would take a hundred times the memory of their text."""
    assert "more than 300000 objects and lists" in words(
        b"[" + b"{}," * 250_000 + b"[]," * 250_000 + b"1]", JSON, format=format
    )


def test_csv_becomes_a_list_of_objects():
    """By the names in its first line."""
    assert document(b"id,n\n1,x\n", "text/csv").text == '[{"id":"1","n":"x"}]'


def test_xml_becomes_an_object():
    """In xmltodict's way."""
    assert document(b'<a b="1"><c>x</c><c/></a>', "text/xml").text == '{"a":{"@b":"1","c":["x",null]}}'


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>'.encode("latin-1"), "text/xml"),
        ('<?xml version="1.0" encoding="windows-1251"?><a>é</a>'.encode(), "text/xml; charset=utf-8"),
        ('\ufeff<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>'.encode("utf-16-le"), "text/xml; charset=latin1"),
        ('<?xml version="1.0" encoding="utf-16"?><a>é</a>'.encode(), "text/xml"),
        ("<a>é</a>".encode(), "text/xml"),
    ],
)
def test_h24_xml_is_decoded_by_mark_then_header_then_declaration(body, content_type):
    """As RFC 7303 has it."""
    assert document(body, content_type).value == {"a": "é"}


#: Pieces of all formats, of which hypothesis makes replies that are nearly something.
PIECES = st.sampled_from(
    [
        *(
            b"[",
            b"]",
            b"{",
            b"}",
            b'"a"',
            b":",
            b",",
            b"1",
            b"-0.0",
            b"1e308",
            b"null",
            b"true",
            b"\\u00e9",
            b'"',
            b"\n",
        ),
        *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\0", b"\xff", b"\xed\xa0\x80", b" ", b"\r", b";", b"\t", b"id"),
        *(
            b"<rss>",
            b"</rss>",
            b"<channel>",
            b"<item>",
            b"</item>",
            b"<guid>",
            b"</guid>",
            b"<a b='c'>",
            b"</a>",
            b"<a/>",
        ),
        *(b"<?xml version='1.0' encoding='utf-16'?>", b"<!DOCTYPE a [", b"<!ENTITY b 'c'>", b"]>", b"&b;", b"&#0;"),
        *(b"<feed xmlns='http://www.w3.org/2005/Atom'>", b"<entry>", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"&lt;"),
    ]
)


@given(
    st.lists(PIECES, max_size=30).map(b"".join) | st.binary(max_size=100),
    st.sampled_from(["", *TYPES, "text/plain; charset=utf-16", "text/html", "application/xml; charset=big5", "a/b"]),
    st.sampled_from(["auto", "json", "ndjson", "text", "csv", "xml", "feed"]),
    st.sampled_from(
        [Rules(), Rules(emit="items", key="id"), Rules(emit="items", items="/a/a"), Rules(delta="json-patch")]
    ),
)
def test_whatever_a_server_sends_is_read_or_refused_in_words(body, content_type, format, rules):
    """Nothing else is ever raised, and what goes out is text, and JSON where it says so."""
    emission = Emission(replace(rules, format=format))
    for _ in range(2):
        try:
            messages = emission.take(reply(body, content_type))
        except ReplyError:
            return
        for message in messages:
            assert isinstance(message.payload, str)
            message.payload.encode()
            if message.content_type.endswith("json"):
                json.loads(message.payload)


@given(st.sampled_from(["<rss><channel>{}</channel></rss>", "<r>{}</r>"]), st.data())
def test_whatever_stands_in_a_feed_is_read_or_refused_in_words(frame, data):
    """Dates above all: each of the standard library's readers has its own way to fail."""
    texts = st.one_of(
        st.text("0123456789-:TZ+. ,MonJanFeb", max_size=40),
        st.text(max_size=10),
        st.datetimes().map(str),
        st.sampled_from(
            ["Mon, 32 Jan 2026 25:61:61 +9999", "2026-01-01T00:00:00+99:99", "Thu, 01 Jan 0001 00:00 -1200"]
        ),
    )
    tags = ["guid", "link", "title", "pubDate", "author", "category", "description"]
    items = data.draw(st.lists(st.dictionaries(st.sampled_from(tags), texts, max_size=4), max_size=4))
    written = "".join(
        f"<item>{''.join(f'<{tag}>{escape(text)}</{tag}>' for tag, text in item.items())}</item>" for item in items
    )
    try:
        messages = Emission(Rules(format="feed")).take(reply(frame.format(written).encode("utf-8", "replace")))
    except ReplyError:
        return
    for message in messages:
        assert json.loads(message.payload)["id"]
