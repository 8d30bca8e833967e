"""Request smuggling and response splitting: what two readers could read differently goes no further than us.

A request that is in doubt is refused before the application hears of it; one that is odd but clear reaches it as
exactly one request, which a parser without any leniency reads.
"""

import asyncio
import re

import pytest
import structlog

from tests.faults.test_requests import HIDDEN, MALFORMED, chunked, message
from tests.gateway.proxy.app import HELLO, App, Connection, once, proxied
from tests.gateway.raw import DEADLINE, Peer, request, until

POST = b"POST /clock HTTP/1.1"
GET = b"GET /clock HTTP/1.1"
TE = b"Transfer-Encoding: "

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
LINE = re.compile(rb"[A-Z]+ /[\x21-\x7e]* HTTP/1\.1")


def strict(raw: bytes) -> tuple[bytes, list[tuple[bytes, bytes]], bytes]:
    """Read exactly one request, as strictly as it can be read."""
    head, found, rest = raw.partition(b"\r\n\r\n")
    assert found
    line, *lines = head.split(b"\r\n")
    assert LINE.fullmatch(line), line
    fields = []
    for each in lines:
        name, colon, value = each.partition(b":")
        assert colon
        assert TOKEN.fullmatch(name), each
        assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value), each
        fields.append((name.lower(), value.strip(b" \t")))
    names = [name for name, _ in fields]
    framing = [(name, value) for name, value in fields if name in {b"transfer-encoding", b"content-length"}]
    assert len(framing) <= 1, framing
    assert names.count(b"host") == 1
    if not framing:
        assert rest == b""
        return line, fields, b""
    name, value = framing[0]
    if name == b"content-length":
        assert re.fullmatch(rb"[0-9]+", value)
        assert len(rest) == int(value)
        return line, fields, rest
    assert value == b"chunked"
    body = b""
    while True:
        size, found, rest = rest.partition(b"\r\n")
        assert found
        assert re.fullmatch(rb"[0-9a-f]+", size), size
        length = int(size, 16)
        assert rest[length : length + 2] == b"\r\n"
        body, rest = body + rest[:length], rest[length + 2 :]
        if not length:
            assert rest == b""
            return line, fields, body


REFUSED = {
    **{name: raw for name, raw in MALFORMED.items() if name != "r58_ssh"},
    "te_tab_before_colon": message(POST, b"Transfer-Encoding\t: chunked", body=HIDDEN),
    "te_twice_chunked": message(POST, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=HIDDEN),
    "te_identity_and_cl": message(POST, b"Transfer-Encoding: identity", b"Content-Length: 5", body=HIDDEN),
    "te_identity": message(POST, b"Transfer-Encoding: identity", body=HIDDEN),
    "te_empty": message(POST, b"Transfer-Encoding:", b"Content-Length: 5", body=HIDDEN),
    "te_empty_alone": message(POST, b"Transfer-Encoding:", body=HIDDEN),
    "te_comma_first": message(POST, TE + b", chunked", body=HIDDEN),
    "te_comma_last": message(POST, TE + b"chunked,", body=HIDDEN),
    "te_parameter": message(POST, TE + b"chunked;q=1", body=HIDDEN),
    "te_tab_behind": message(POST, TE + b"chunked\t", body=HIDDEN),
    "te_nul": message(POST, TE + b"chunked\0", body=HIDDEN),
    "te_form_feed": message(POST, TE + b"\x0cchunked", body=HIDDEN),
    "te_delete": message(POST, TE + b"chunked\x7f", body=HIDDEN),
    "te_high_byte": message(POST, TE + b"\xffchunked", body=HIDDEN),
    "te_next_line": message(POST, "Transfer-Encoding: \x85chunked".encode("latin-1"), body=HIDDEN),
    "te_after_bare_cr": message(POST, b"X: a\rTransfer-Encoding: chunked", b"Content-Length: 5", body=HIDDEN),
    "te_after_bare_lf": message(POST, b"X: a\nTransfer-Encoding: chunked", b"Content-Length: 5", body=HIDDEN),
    "te_and_cl_in_a_get": message(GET, b"Transfer-Encoding: chunked", b"Content-Length: 4", body=HIDDEN),
    "te_folded_with_a_tab": message(POST, b"Transfer-Encoding:\r\n\tchunked", body=HIDDEN),
    "te_folded_behind": message(POST, b"Transfer-Encoding: chunked\r\n x", body=HIDDEN),
    "te_in_http_1_0": message(b"POST /clock HTTP/1.0", b"Transfer-Encoding: chunked", body=HIDDEN),
    "cl_twice_the_same": message(POST, b"Content-Length: 5", b"Content-Length: 5", body=b"abcde"),
    "cl_list_that_differs": message(POST, b"Content-Length: 5, 6", body=b"abcdef"),
    "cl_space_within": message(POST, b"Content-Length: 1 0", body=b"abcdefghij"),
    "cl_plus_zero": message(POST, b"Content-Length: +0"),
    "cl_minus_zero": message(POST, b"Content-Length: -0"),
    "cl_fraction": message(POST, b"Content-Length: 5.0", body=b"abcde"),
    "cl_exponent": message(POST, b"Content-Length: 1e1", body=b"abcdefghij"),
    "cl_two_to_the_64": message(POST, b"Content-Length: 18446744073709551616"),
    "cl_two_to_the_64_and_5": message(POST, b"Content-Length: 18446744073709551621", body=b"abcde"),
    "cl_nul": message(POST, b"Content-Length: 5\0", body=b"abcde"),
    "cl_vertical_tab": message(POST, b"Content-Length: \x0b5", body=b"abcde"),
    "cl_space_before_colon": message(POST, b"Content-Length : 5", body=b"abcde"),
    "host_space_before_colon": b"GET /clock HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "line_bare_cr": b"GET /clock HTTP/1.1\rHost: localhost\r\n\r\n",
    "line_tab_in_path": b"GET /clo\tck HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "line_version_1_2": message(b"GET /clock HTTP/1.2"),
    "head_bare_lf_at_its_end": b"GET /clock HTTP/1.1\r\nHost: localhost\r\n\n",
    "head_bare_cr_at_its_end": b"GET /clock HTTP/1.1\r\nHost: localhost\r\n\r\rX: y\r\n\r\n",
    "field_cr_cr_lf": message(GET, b"X: a\r"),
    "path_dots": message(b"GET /a/../-/push HTTP/1.1"),
    "path_encoded_dots": message(b"GET /a/%2e%2E/-/push HTTP/1.1"),
    "path_nul": message(b"GET /a%00b HTTP/1.1"),
    "fragment": message(b"GET /a#/../b HTTP/1.1"),
}

#: The head is sound, the body is not: the application may see a beginning, and never an end.
CUT = {
    "chunk_extension_bare_lf": chunked(b"5;a=b\nabcde\r\n0\r\n\r\n"),
    "chunk_size_then_lf": chunked(b"5\nabcde\r\n0\r\n\r\n"),
    "chunk_lf_behind_data": chunked(b"5\r\nabcde\n0\r\n\r\n"),
    "chunk_cr_behind_data": chunked(b"5\r\nabcde\r0\r\n\r\n"),
    "chunk_nothing_behind_data": chunked(b"5\r\nabcde0\r\n\r\n"),
    "chunk_size_space_before": chunked(b" 5\r\nabcde\r\n0\r\n\r\n"),
    "chunk_size_plus": chunked(b"+5\r\nabcde\r\n0\r\n\r\n"),
    "chunk_size_underscore": chunked(b"1_0\r\nabcde\r\n0\r\n\r\n"),
    "chunk_size_overflow": chunked(b"10000000000000005\r\nabcde\r\n0\r\n\r\n"),
    "chunk_size_many_digits": chunked(b"0" * 40 + b"zz\r\n\r\n"),
    "chunk_size_nul": chunked(b"5\0\r\nabcde\r\n0\r\n\r\n"),
    "chunk_extension_with_a_nul": chunked(b"5;a=\0\r\nabcde\r\n0\r\n\r\n"),
    "chunk_last_then_lf": chunked(b"5\r\nabcde\r\n0\r\n\n"),
    "trailer_content_length": chunked(b"5\r\nabcde\r\n0\r\nContent-Length: 99\r\n\r\n"),
    "trailer_folded": chunked(b"5\r\nabcde\r\n0\r\nX: a\r\n b\r\n\r\n"),
    "trailer_without_colon": chunked(b"5\r\nabcde\r\n0\r\nnonsense\r\n\r\n"),
    "trailer_bare_lf": chunked(b"5\r\nabcde\r\n0\r\nX: a\nY: b\r\n\r\n"),
}

#: Odd, and clear: one request with this body.
CLEAR = {
    "te_capitals": (message(POST, b"TRANSFER-encoding: CHUNKED", body=b"5\r\nabcde\r\n0\r\n\r\n"), b"abcde"),
    "line_two_spaces": (b"GET  /clock HTTP/1.1\r\nHost: localhost\r\n\r\n", b""),
    "te_spaces_before": (message(POST, b"Transfer-Encoding:  \t chunked", body=b"5\r\nabcde\r\n0\r\n\r\n"), b"abcde"),
    "te_no_space": (message(POST, b"Transfer-Encoding:chunked", body=b"5\r\nabcde\r\n0\r\n\r\n"), b"abcde"),
    "te_in_a_get": (message(GET, b"Transfer-Encoding: chunked", body=b"5\r\nabcde\r\n0\r\n\r\n"), b"abcde"),
    "chunk_extension": (chunked(b"5;a=b;c\r\nabcde\r\n0;x\r\n\r\n"), b"abcde"),
    "chunk_leading_zeros": (chunked(b"0005\r\nabcde\r\n000\r\n\r\n"), b"abcde"),
    "chunk_capital_digits": (chunked(b"A\r\nabcdefghij\r\n0\r\n\r\n"), b"abcdefghij"),
    "chunk_trailers": (chunked(b"5\r\nabcde\r\n0\r\nX: y\r\n\r\n"), b"abcde"),
    "cl_leading_zeros": (message(POST, b"Content-Length: 0005", body=b"abcde"), b"abcde"),
    "cl_spaces_around": (message(POST, b"Content-Length: \t 5 \t", body=b"abcde"), b"abcde"),
    "cl_in_a_get": (message(GET, b"Content-Length: 5", body=b"abcde"), b"abcde"),
    "cl_named_in_connection": (
        message(POST, b"Content-Length: 5", b"Connection: Content-Length, Host, keep-alive", body=b"abcde"),
        b"abcde",
    ),
    "te_named_in_connection": (
        message(POST, b"Transfer-Encoding: chunked", b"Connection: Transfer-Encoding", body=b"1\r\na\r\n0\r\n\r\n"),
        b"a",
    ),
    "underscores": (
        message(POST, b"Transfer_Encoding: chunked", b"Content_Length: 99", b"Content-Length: 5", body=b"abcde"),
        b"abcde",
    ),
    "version_1_0": (b"POST /clock HTTP/1.0\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nabcde", b"abcde"),
    "no_host_in_1_0": (b"POST /clock HTTP/1.0\r\nContent-Length: 5\r\n\r\nabcde", b"abcde"),
    "latin_1_in_a_value": (message(POST, b"X: \xe9\xff", b"Content-Length: 5", body=b"abcde"), b"abcde"),
    "absolute_form": (
        message(b"POST http://localhost/clock HTTP/1.1", b"Content-Length: 5", body=b"abcde"),
        b"abcde",
    ),
    "empty_lines_first": (b"\r\n\r\n" + message(POST, b"Content-Length: 5", body=b"abcde"), b"abcde"),
}


async def settled(peer: Peer) -> int:
    """Return the status of the first answer; 0 where the connection just closes."""
    try:
        async with asyncio.timeout(DEADLINE):
            head = await peer.reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return 0
    return int(head.split()[1])


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_in_doubt_is_refused(name: str) -> None:
    """The application gets no whole request of it, least of all the hidden one."""
    async with proxied() as front, front.peer() as peer:
        peer.send(REFUSED[name])
        status = await settled(peer)
        assert status == 0 or 400 <= status < 600, status
        await peer.rest()
        await until(lambda: not len(front.proxy))
        assert front.app.requests == []
        assert not any(b"hidden" in connection.received for connection in front.app.connections)


@pytest.mark.parametrize("name", CUT)
async def test_a_body_that_is_malformed_never_ends(name: str) -> None:
    """What came of it may have gone on; the application's connection then breaks off."""
    async with proxied() as front, front.peer() as peer:
        peer.send(CUT[name])
        assert await settled(peer) in {400, 501, 0}
        await peer.rest()
        await until(lambda: not len(front.proxy))
        assert front.app.requests == []
        for connection in front.app.connections:
            await until(lambda connection=connection: connection.is_over)


@pytest.mark.parametrize("name", CLEAR)
async def test_what_is_clear_is_one_request(name: str) -> None:
    """In one spelling, whatever it came in; and the next one on the connection is the next one."""
    raw, body = CLEAR[name]
    async with proxied() as front, front.peer() as peer:
        peer.send(raw)
        assert await settled(peer) == 200
        assert len(front.app.requests) == 1
        line, _, got = strict(front.app.requests[0])
        assert line.endswith(b" /clock HTTP/1.1")
        assert got == body


async def test_pipelined_requests_are_requests_of_their_own() -> None:
    """What stands behind a body is the next request, and comes after the first was answered."""
    async with proxied() as front, front.peer() as peer:
        peer.send(message(POST, b"Content-Length: 5", body=b"abcde") + message(b"GET /second HTTP/1.1"))
        assert [(await peer.answer()).body for _ in range(2)] == [b"hello", b"hello"]
        lines = [strict(each)[0] for each in front.app.requests]
        assert lines == [b"POST /clock HTTP/1.1", b"GET /second HTTP/1.1"]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("http://localhost?/-/push", b"/?/-/push"),
        ("http://localhost?a/../b", b"/?a/../b"),
        ("http://localhost?", b"/?"),
        ("http://localhost/a?b/c", b"/a?b/c"),
        ("http://localhost/a?http://other/b", b"/a?http://other/b"),
        ("http://user@localhost/a", b"/a"),
    ],
)
async def test_the_path_that_goes_on_is_the_one_that_was_looked_at(target: str, path: bytes) -> None:
    """A target in absolute form may have a query and no path: a slash in it begins none."""
    async with proxied() as front, front.peer() as peer:
        peer.send(message(f"GET {target} HTTP/1.1".encode()))
        assert await settled(peer) == 200
        line, names, _ = strict(front.app.requests[0])
        assert line == b"GET %b HTTP/1.1" % path
        assert (b"host", b"localhost") in names


async def test_a_refused_request_takes_its_connection_along() -> None:
    """What follows something malformed is not looked at."""
    async with proxied() as front, front.peer() as peer:
        peer.send(message(POST, TE + b"chunked", b"Content-Length: 5", body=HIDDEN) + message(b"GET /second HTTP/1.1"))
        assert await settled(peer) == 400
        await peer.rest()
        assert front.app.requests == []


async def test_every_field_of_ours_is_dropped_under_its_other_name() -> None:
    """`X_Forwarded_For` is `X-Forwarded-For` to many an application; what is ours cannot be forged so."""
    names = ["X_Forwarded_For", "X-Forwarded_Proto", "x_real_ip", "Transfer_Encoding", "Content_Length", "Forwarded_"]
    async with proxied() as front, front.peer() as peer:
        fields = [f"{name}: forged".encode() for name in names]
        peer.send(message(GET, *fields, b"My_Own: kept"))
        assert await settled(peer) == 200
        sent = front.app.requests[0]
        assert sent.count(b"forged") == 1, "Forwarded_ is no field of ours"
        assert b"My_Own: kept" in sent


BAD_ANSWERS = {
    "control_in_value": b"HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 2\r\n\r\nno",
    "bare_cr_in_value": b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 2\r\n\r\nno",
    "nul_in_value": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nno",
    "control_in_reason": b"HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nno",
    "bare_cr_in_reason": b"HTTP/1.1 200 OK\rSet-Cookie: b\r\nContent-Length: 2\r\n\r\nno",
    "space_in_name": b"HTTP/1.1 200 OK\r\nX y: a\r\nContent-Length: 2\r\n\r\nno",
    "no_colon": b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\nno",
    "two_lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nnoo",
    "list_of_lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nno",
    "signed_length": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nno",
    "length_and_chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + TE + b"chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
    "gzip_chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
    "unknown_coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\nConnection: close\r\n\r\nno",
    "no_http": b"SSH-2.0-OpenSSH_9.9\r\n",
    "http_2": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nno",
    "status_of_two_digits": b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nno",
    "status_of_nothing": b"HTTP/1.1 000 X\r\nContent-Length: 2\r\n\r\nno",
    "switching_unasked": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nno",
    "head_without_end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000,
    "fields_without_end": b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 1_000 + b"\r\n",
    "nothing": b"",
    "half_a_head": b"HTTP/1.1 200 OK\r\nContent-Le",
}


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=secret\0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno'secret",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz'\"secret\r\n",
        b"HTTP/1.1 200 OK\r\nSet-Cookie: secret" + bytes(100_000).replace(b"\0", b"x"),
    ],
)
async def test_what_an_answer_held_is_not_logged(answer: bytes) -> None:
    """The parser quotes what it stumbles over, and that may be a cookie."""
    with structlog.testing.capture_logs() as logged:
        async with proxied(once(answer)) as front, front.peer() as peer:
            peer.send(message(GET))
            assert await settled(peer) in {200, 502}
            await until(lambda: not len(front.proxy))
    assert "proxied request failed" in [line["event"] for line in logged]
    assert "secret" not in str(logged)


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_an_answer_that_may_not_be_passed_on_is_502(name: str) -> None:
    """Nothing of it reaches the client, and nothing of the inside is told."""
    async with proxied(once(BAD_ANSWERS[name])) as front, front.peer() as peer:
        answer = await request(peer, "/x")
        assert answer.status == 502, answer
        assert "set-cookie" not in answer.headers
        assert answer.text.startswith(("what the application answered", "the application"))
        assert str(front.app.port) not in answer.text
        assert b"127.0.0.1" not in answer.body


async def test_an_answer_of_odd_lines_goes_on_in_ours() -> None:
    """Lines that end in LF alone, and a folded one, which aiohttp reads: what goes on is one spelling, or a 502."""
    async with proxied(once(b"HTTP/1.1 200 OK\nX: a\nContent-Length: 2\n\nok")) as front, front.peer() as peer:
        peer.send(message(GET, b"Connection: close"))
        raw = await peer.rest()
        head = raw.partition(b"\r\n\r\n")[0]
        assert b"\n" not in head.replace(b"\r\n", b"")
        assert b"\r" not in head.replace(b"\r\n", b"")


async def test_what_comes_behind_an_answer_is_nobodys() -> None:
    """A second answer that nobody asked for is not the next client's."""
    split = HELLO + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"

    async def serve(app: App, connection: Connection) -> None:
        while await connection.whole():
            app.requests.append(b"")
            await connection.send(split if len(app.requests) == 1 else HELLO)

    async with proxied(serve) as front, front.peer() as peer:
        for _ in range(3):
            assert (await request(peer, "/x")).body == b"hello"


async def test_what_comes_on_an_idle_connection_is_nobodys() -> None:
    """An application that says 408 before it closes has answered nothing."""

    async def serve(app: App, connection: Connection) -> None:
        if await connection.whole():
            await connection.send(HELLO)
            app.requests.append(b"")
            if len(app.requests) == 1:
                await connection.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
            await connection.whole()

    async with proxied(serve) as front, front.peer() as peer:
        assert (await request(peer, "/x")).body == b"hello"
        upstream = front.proxy._upstreams[0]
        held = next(iter(upstream._used))
        await until(lambda: held.should_close)
        assert (await request(peer, "/x")).body == b"hello"
        assert len(front.app.connections) == 2


async def test_a_host_that_is_refused_is_not_the_applications() -> None:
    """The Host header is looked at before anything goes on."""
    async with proxied() as front, front.peer() as peer:
        peer.send(b"GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n")
        assert await settled(peer) == 400
        assert front.app.requests == []


def test_the_strict_reader_is_strict() -> None:
    """It would find what we let through."""
    good = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
    assert strict(good)[2] == b""
    for bad in (good + b"x", good.replace(b"Host: a", b"Host: a\r\nHost: b"), good.replace(b"\r\n\r\n", b"\n\n")):
        with pytest.raises(AssertionError):
            strict(bad)
