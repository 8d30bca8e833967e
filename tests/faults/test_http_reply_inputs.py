"""Bad replies to a poll: what a server, or whoever stands in its place, may answer. Forty-three, each named.

Each is the second of three replies of a real server to the real client. The good ones around it become events in any
case. It becomes an event that says just what it said, or a reason in words; never another event, and never the end.
"""

import asyncio
import gzip
from contextlib import aclosing
from typing import Any, NamedTuple

import pytest

from bridge.sources.http.memory import Known
from bridge.sources.http.polite import LONGEST_WORD
from bridge.sources.http.poller import Poller
from bridge.sources.web.client import Client
from tests.http_server import Cut, Drip, HttpServer, Reply, answer
from tests.polling import Hands, Heard, plan

JSON = ("Content-Type", "application/json")
GZIP = ("Content-Encoding", "gzip")
KIB = 1024

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

#: What holds none of the good replies' texts.
SECRET = b"s3cr3t-v4lue"


class Case(NamedTuple):
    """A reply, and what becomes of it."""

    reply: Reply
    #: What its event says; None where there is none.
    told: str | None = None
    #: What the reason says; "" where it is no failure.
    words: str = ""
    keys: dict[str, Any] = {}  # noqa: RUF012 -- never changed


def json(body: bytes, *headers: tuple[str, str]) -> bytes:
    """Answer with JSON."""
    return answer(200, body, *(headers or (JSON,)))


def typed(content_type: str, body: bytes) -> bytes:
    """Answer with a content type."""
    return answer(200, body, ("Content-Type", content_type))


BOMB = gzip.compress(bytes(8 * KIB * KIB))
FORGED = b"a\r\nevent: evil\r\rdata: b\n\nid: 7\n\n"

CASES = {
    # H07, H08: bodies that end too early.
    "h07_length_beyond_the_body": Case(Cut(HEAD + b'Content-Length: 100\r\n\r\n{"a": 1}'), words="before its end"),
    "h08_chunks_cut": Case(Cut(HEAD + b'Transfer-Encoding: chunked\r\n\r\n8\r\n{"a": 1}\r\n'), words="before its end"),
    "h08_chunk_of_no_size": Case(
        Cut(HEAD + b'Transfer-Encoding: chunked\r\n\r\nzz\r\n{"a": 1}\r\n0\r\n\r\n'),
        words="does not answer as an HTTP server",
    ),
    # H09 to H14: failures that look like data.
    "h09_429_with_a_document": Case(answer(429, b'{"a": 1}', JSON, ("Retry-After", "7")), words="answers 429"),
    "h10_retry_after_garbage": Case(answer(429, b"", ("Retry-After", "soon, \x80;")), words="answers 429"),
    "h10_retry_after_a_billion": Case(answer(503, b"", ("Retry-After", "1000000000")), words="answers 503"),
    "h10_retry_after_5000_digits": Case(answer(503, b"", ("Retry-After", "9" * 5_000)), words="answers 503"),
    "h12_502_of_a_proxy": Case(
        answer(502, b"<html>Bad Gateway</html>", ("Content-Type", "text/html")), words="answers 502"
    ),
    "h14_404_with_a_document": Case(answer(404, b'{"error": "gone"}', JSON), words="answers 404"),
    # H15 to H18: redirects.
    "h15_redirect_to_nowhere": Case(answer(302), words="answers 302"),
    "h16_redirect_to_itself": Case(answer(302, b"", ("Location", "/loop")), words="redirect"),
    "h18_redirect_to_a_file": Case(answer(302, b"", ("Location", "file:///etc/passwd")), words="redirect"),
    "h18_redirect_to_metadata": Case(
        answer(302, b"", ("Location", "http://169.254.169.254/")), words="169.254.169.254 is not connected to"
    ),
    # H19: nothing new, and nobody has asked for that.
    "h19_304_to_a_plain_request": Case(answer(304), words="answers 304"),
    "h19_206_to_a_plain_request": Case(answer(206, b'{"a": 1}', JSON), words="answers 206"),
    # H20 to H22: too much.
    "h20_length_over_the_cap": Case(json(b'"' + b"x" * 64 * KIB + b'"'), words="64KiB"),
    "h20_chunks_over_the_cap": Case(answer(200, b" " * 80 * KIB, JSON, chunked=1_000), words="64KiB"),
    "h21_gzip_bomb": Case(json(BOMB, JSON, GZIP), words="64KiB"),
    "h21_gzip_within_gzip": Case(json(gzip.compress(BOMB), JSON, ("Content-Encoding", "gzip, gzip")), words="gzip"),
    "h22_gzip_of_many_members": Case(json(gzip.compress(b"") * 2_000, JSON, GZIP), words="parts of gzip"),
    "h22_gzip_cut": Case(json(gzip.compress(b'{"a": 1}')[:-4], JSON, GZIP), words="is cut"),
    "h22_gzip_that_is_none": Case(json(b'{"a": 1}', JSON, GZIP), words="not the gzip"),
    # H23: no data.
    "h23_empty": Case(json(b""), words="the reply is empty"),
    "h23_html_with_200": Case(
        typed("text/html", b"<!doctype html><title>Sign in</title>" + SECRET), words="a page of HTML, not JSON"
    ),
    "h23_html_of_which_nobody_says_what_it_is": Case(
        typed("text/html", b"<!doctype html><title>Sign in</title>" + SECRET),
        words="the reply is HTML; say `format: text`",
        keys={"format": "auto"},
    ),
    "h23_204": Case(answer(204), words="the reply is empty", keys={"format": "auto"}),
    "h23_empty_of_no_type": Case(answer(200), words="the reply is empty", keys={"format": "auto"}),
    "h23_not_json": Case(json(b"{'a': 1, 's': '" + SECRET + b"'}"), words="not JSON: line 1, column 2"),
    "h23_json_and_more": Case(json(b'{"a": 1} {"b": 2}'), words="not JSON: line 1, column 10"),
    # H24: charsets.
    "h24_text_in_another_charset": Case(
        typed("text/plain; charset=utf-8", b"gr\xfc\xdf"), told="gr\ufffd\ufffd", keys={"format": "text"}
    ),
    "h24_json_in_another_charset": Case(json(b'"gr\xfc\xdf"'), words="not UTF-8: byte 3"),
    "h24_mark_before_json": Case(json(b'\xef\xbb\xbf{"a": 1}'), told='{"a": 1}'),
    "h24_codec_for_a_charset": Case(typed("text/plain; charset=zip", b"x"), words="charset", keys={"format": "text"}),
    # H25: JSON to lenient parsers alone.
    "h25_nested_deeply": Case(json(b"[" * 30_000 + b"]" * 30_000), words="nested too deeply"),
    "h25_integer_of_5000_digits": Case(json(b"9" * 5_000), words="not JSON"),
    "h25_nan": Case(json(b'{"a": NaN}'), words="not JSON: line 1, column 7"),
    "h25_beyond_a_double": Case(json(b"[1e400]"), words="infinity"),
    "h25_one_name_twice": Case(json(b'{"a": 1, "a": 2}'), told='{"a": 1, "a": 2}'),
    "h25_lone_surrogate": Case(json(b'"\\ud800"'), words="surrogate"),
    # H26: another content type.
    "h26_json_as_html": Case(typed("text/html", b'{"a": 1}'), told='{"a": 1}'),
    "h26_image_as_json": Case(json(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), words="not UTF-8: byte 0"),
    # H28: beside the body.
    "h28_frames_in_the_body": Case(Drip(typed("text/plain", FORGED), 5), told=FORGED.decode(), keys={"format": "text"}),
    "h28_flood_of_headers": Case(json(b"1", JSON, *((f"X-{n}", "x" * 100) for n in range(2_000))), words="head"),
}


def test_there_are_as_many_cases_as_are_named():
    """43 of 43."""
    assert len(CASES) == 43


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_h07_to_h28_a_bad_reply_costs_itself_only(case):
    """The good ones around it arrive, and of it comes what is said; nobody is told what stood in it."""
    good = "text/plain" if case.keys.get("format") == "text" else "application/json"
    async with HttpServer.serving(typed(good, b'"before"'), case.reply, typed(good, b'"after"')) as server:
        server.on("/loop", answer(302, b"", ("Location", "/loop")))
        terms = plan(url=server.url(), max="64KiB", **{"format": "json", **case.keys})
        heard, hands, known = Heard(), Hands(), Known({}, terms.rules)
        reasons: list[str] = []
        async with Client(terms.remote) as client, asyncio.timeout(20):
            polls = Poller(terms, client, heard, hands.chance).follow(known)
            async with aclosing(polls):
                for _ in range(3):
                    await anext(polls)
                    reasons.append(known.words)
    told = [] if case.told is None else [case.told]
    assert [message.payload for message in heard.messages] == ['"before"', *told, '"after"']
    assert [reasons[0], bool(reasons[1]), reasons[2]] == ["", bool(case.words), ""]
    assert case.words in reasons[1]
    assert max(hands.slept) <= 1.1 * LONGEST_WORD  # and its jitter
    assert SECRET.decode() not in reasons[1]
    assert len(reasons[1]) < 300
