"""Raw HTTP requests: the malformed are refused before any handler runs, the odd are served as the RFCs say.

Each is one connection's bytes. R01 to R59 count with the faults of clients (C09, C14 to C16 are timed or too long, and
stand with what bounds them, in `tests/gateway/test_handshake.py`, and here once against the public port).
"""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import structlog
import uvloop
from aiohttp import web
from hypothesis import given, strategies as st

from bridge.gateway.handshake import Times
from bridge.gateway.public import Public
from tests.gateway.raw import Peer, request, serving, until
from tests.gateway.serve import public

Run = Callable[[Coroutine[object, object, None]], None]

GET = b"GET /clock HTTP/1.1"
POST = b"POST /clock HTTP/1.1"
HOST = b"Host: localhost"

#: A second request hidden behind a body whose end is in dispute.
HIDDEN = b"0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"


def message(line: bytes, *fields: bytes, body: bytes = b"") -> bytes:
    """Make a request from its line and fields."""
    return b"".join(part + b"\r\n" for part in (line, HOST, *fields)) + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    """Make a request whose body is chunked, in these bytes."""
    return message(POST, b"Transfer-Encoding: chunked", body=body)


MALFORMED = {
    "r01_te_and_cl": message(POST, b"Transfer-Encoding: chunked", b"Content-Length: 5", body=HIDDEN),
    "r02_cl_and_te": message(POST, b"Content-Length: 5", b"Transfer-Encoding: chunked", body=HIDDEN),
    "r03_te_twice": message(POST, b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=HIDDEN),
    "r04_te_chunked_chunked": message(POST, b"Transfer-Encoding: chunked, chunked", body=HIDDEN),
    "r05_te_unknown": message(POST, b"Transfer-Encoding: xchunked", body=HIDDEN),
    "r06_te_not_last": message(POST, b"Transfer-Encoding: chunked, identity", body=HIDDEN),
    "r07_te_gzip": message(POST, b"Transfer-Encoding: gzip, chunked", body=HIDDEN),
    "r08_te_space_before_colon": message(POST, b"Transfer-Encoding : chunked", body=HIDDEN),
    "r09_te_vertical_tab": message(POST, b"Transfer-Encoding:\x0bchunked", body=HIDDEN),
    "r10_te_quoted": message(POST, b'Transfer-Encoding: "chunked"', body=HIDDEN),
    "r11_te_folded": message(POST, b"Transfer-Encoding:\r\n chunked", body=HIDDEN),
    "r12_te_in_1_0": b"POST /clock HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + HIDDEN,
    "r13_cl_twice": message(POST, b"Content-Length: 5", b"Content-Length: 6", body=b"abcdef"),
    "r14_cl_list": message(POST, b"Content-Length: 5, 5", body=b"abcde"),
    "r15_cl_negative": message(POST, b"Content-Length: -1"),
    "r16_cl_signed": message(POST, b"Content-Length: +5", body=b"abcde"),
    "r17_cl_hexadecimal": message(POST, b"Content-Length: 0x5", body=b"abcde"),
    "r18_cl_underscore": message(POST, b"Content-Length: 1_0", body=b"abcdefghij"),
    "r19_cl_huge": message(POST, b"Content-Length: 99999999999999999999999"),
    "r20_cl_other_digits": message(POST, "Content-Length: \u0665".encode()),
    "r21_cl_empty": message(POST, b"Content-Length:"),
    "r22_chunk_no_size": chunked(b"zz\r\n\r\n"),
    "r23_chunk_negative": chunked(b"-1\r\n\r\n"),
    "r24_chunk_huge": chunked(b"fffffffffffffffff\r\n\r\n"),
    "r25_chunk_0x": chunked(b"0x5\r\nabcde\r\n0\r\n\r\n"),
    "r26_chunk_longer_than_its_size": chunked(b"1\r\nabc\r\n0\r\n\r\n"),
    "r27_folded_field": message(GET, b"X: a\r\n b"),
    "r28_folded_first_field": b"GET /clock HTTP/1.1\r\n Host: localhost\r\n\r\n",
    "r29_space_in_name": message(GET, b"X y: a"),
    "r30_no_colon": message(GET, b"nonsense"),
    "r31_no_name": message(GET, b": a"),
    "r32_nul_in_value": message(GET, b"X: a\0b"),
    "r33_nul_in_name": message(GET, b"X\0: a"),
    "r34_control_in_value": message(GET, b"X: a\x01b"),
    "r35_bare_cr": message(GET, b"X: a\rY: b"),
    "r36_bare_lf": b"GET /clock HTTP/1.1\nHost: localhost\n\n",
    "r37_nul_in_path": message(b"GET /clo\0ck HTTP/1.1"),
    "r38_space_in_path": message(b"GET /clo ck HTTP/1.1"),
    "r39_raw_bytes_in_path": message(b"GET /clo\xff HTTP/1.1"),
    "r40_http_0_9": b"GET /clock\r\n\r\n",
    "r41_http_2_0": message(b"GET /clock HTTP/2.0"),
    "r42_http_9_9": message(b"GET /clock HTTP/9.9"),
    "r43_http_in_small_letters": message(b"GET /clock http/1.1"),
    "r44_version_with_a_tail": message(b"GET /clock HTTP/1.1x"),
    "r45_two_versions": message(b"GET /clock HTTP/1.1 HTTP/1.1"),
    "r46_tabs_in_line": message(b"GET\t/clock\tHTTP/1.1"),
    "r47_unknown_method": message(b"FOO /clock HTTP/1.1"),
    "r48_method_in_small_letters": message(b"get /clock HTTP/1.1"),
    "r49_method_of_other_letters": message(b"G(T /clock HTTP/1.1"),
    "r50_no_slash": message(b"GET clock HTTP/1.1"),
    "r51_star_is_for_options": message(b"GET * HTTP/1.1"),
    "r52_absolute_form_broken": message(b"GET http://[::1/clock HTTP/1.1"),
    "r53_absolute_form_impossible_port": message(b"GET http://localhost:99999/clock HTTP/1.1"),
    "r54_no_host": b"GET /clock HTTP/1.1\r\n\r\n",
    "r55_two_hosts": message(GET, b"Host: other"),
    "r56_http2_preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "r57_tls_hello": bytes.fromhex("16030100c8010000c40303") + bytes(190),
    "r58_ssh": b"SSH-2.0-OpenSSH_9.9\r\n",
    "r59_every_byte": bytes(range(256)) * 4,
}

#: These are sound HTTP that no route of ours may be asked for.
REFUSED = {
    "r60_host_with_a_space": (400, b"GET /clock HTTP/1.1\r\nHost: a b\r\n\r\n"),
    "r61_host_with_a_path": (400, b"GET /clock HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    "r62_dots": (400, message(b"GET /../clock HTTP/1.1")),
    "r63_encoded_dots": (400, message(b"GET /%2e%2e/clock HTTP/1.1")),
    "r64_half_encoded_dots": (400, message(b"GET /.%2E/clock HTTP/1.1")),
    "r65_dots_with_encoded_slash": (400, message(b"GET /..%2fclock HTTP/1.1")),
    "r66_overlong_dots": (400, message(b"GET /%c0%ae%c0%ae/clock HTTP/1.1")),
    "r67_dots_encoded_twice": (404, message(b"GET /%252e%252e/clock HTTP/1.1")),
    "r68_backslash": (404, message(rb"GET /..\..\clock HTTP/1.1")),
    "r69_encoded_slash": (404, message(b"GET /logs%2Fapp HTTP/1.1")),
    "r70_encoded_slash_in_a_name": (404, message(b"GET /logs/a%2Fb HTTP/1.1")),
    "r71_encoded_nul": (400, message(b"GET /clock%00 HTTP/1.1")),
    "r72_not_utf8": (400, message(b"GET /%ff HTTP/1.1")),
    "r73_two_slashes": (404, message(b"GET //evil.example/clock HTTP/1.1")),
    "r74_connect": (405, message(b"CONNECT localhost:80 HTTP/1.1")),
    "r75_trace": (405, message(b"TRACE /clock HTTP/1.1")),
    "r76_post_that_waits_for_100": (405, message(POST, b"Expect: 100-continue", b"Content-Length: 5")),
    "r77_post_with_half_its_body": (405, message(POST, b"Content-Length: 500", body=b"abc")),
    "r78_gzip_that_is_none": (405, message(POST, b"Content-Encoding: gzip", b"Content-Length: 3", body=b"abc")),
}

#: These are odd, and right.
SERVED = {
    "r79_absolute_form": message(b"GET http://other.example/clock HTTP/1.1"),
    "r80_absolute_form_ipv6": message(b"GET http://[::1]:80/clock HTTP/1.1"),
    "r81_range": message(GET, b"Range: bytes=0-5"),
    "r82_expect_without_a_body": message(GET, b"Expect: 100-continue"),
    "r83_unknown_expectation": message(GET, b"Expect: the-unexpected"),
    "r84_upgrade_to_websocket": message(GET, b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Key: x"),
    "r85_upgrade_to_h2c": message(GET, b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AA"),
    "r86_body_on_get": message(GET, b"Content-Length: 3", body=b"abc"),
    "r87_empty_lines_first": b"\r\n\r\n" + message(GET),
    "r88_latin_1_in_a_field": message(GET, b"X: \xe9\xff"),
    "r89_fragment": message(b"GET /clock#top HTTP/1.1"),
    "r90_query_of_nonsense": message(b"GET /clock?%ff=%zz&&==&?? HTTP/1.1"),
    "r91_letters_encoded_for_no_reason": message(b"GET /%63lock HTTP/1.1"),
    "r92_trailing_slash": message(b"GET /clock/ HTTP/1.1"),
    "r93_http_1_0_without_host": b"GET /clock HTTP/1.0\r\n\r\n",
    "r94_empty_host": b"GET /clock HTTP/1.1\r\nHost:\r\n\r\n",
}


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a scenario on either loop."""
    runner: Run = request.param
    return runner


class Door:
    """A public port that counts what gets past the handshake."""

    def __init__(self) -> None:
        self.public: Public = public("/clock", "/logs/{file}")
        self.asked = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Count, and answer."""
        self.asked += 1
        return await self.public.handle(request)


def errors(logs: list[Any]) -> list[Any]:
    """Return what was logged as worse than news."""
    return [entry for entry in logs if entry["log_level"] not in {"debug", "info"}]


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_malformed_request_is_refused_and_closed(run: Run, data: bytes) -> None:
    """4xx, 501 or 505, no handler, no second answer, no log line, and nothing of the request in the words."""

    async def scenario() -> None:
        door = Door()
        with structlog.testing.capture_logs() as logs:
            async with serving(door.handle) as listener, Peer.to(listener.port) as peer:
                peer.send(data)
                answer = await peer.answer()
                assert 400 <= answer.status < 500 or answer.status in {501, 505}
                assert answer.headers["content-type"] == "text/plain; charset=utf-8"
                assert answer.text.count("\n") == 1
                assert await peer.rest() == b""
                assert door.asked == 0
        assert not errors(logs)

    run(scenario())


@pytest.mark.parametrize(("status", "data"), REFUSED.values(), ids=REFUSED)
def test_sound_request_for_nothing_is_refused(run: Run, status: int, data: bytes) -> None:
    """With the status that says why; a 400 closes, and so does a body that nobody reads."""

    async def scenario() -> None:
        door = Door()
        with structlog.testing.capture_logs() as logs:
            async with serving(door.handle) as listener, Peer.to(listener.port) as peer:
                peer.send(data)
                answer = await peer.answer()
                assert answer.status == status
                assert "the nearest is /" in answer.text or status != 404
                if status == 400 or b"Content-Length: 5" in data:
                    assert answer.headers["connection"] == "close"
                    assert await peer.rest() == b""
        assert not errors(logs)

    run(scenario())


@pytest.mark.parametrize("data", SERVED.values(), ids=SERVED)
def test_odd_request_is_served(run: Run, data: bytes) -> None:
    """As RFC 9110 and 9112 say: fields that we need not understand are ignored."""

    async def scenario() -> None:
        async with serving(Door().handle) as listener, Peer.to(listener.port) as peer:
            peer.send(data)
            answer = await peer.answer()
            assert (answer.status, json.loads(answer.body)) == (200, ["/clock", {}])
            if b"HTTP/1.1" in data:
                assert (await request(peer, "/clock")).status == 200, "the connection is still good"

    run(scenario())


def test_r95_options_star(run: Run) -> None:
    """It asks about the server itself."""

    async def scenario() -> None:
        async with serving(Door().handle) as listener, Peer.to(listener.port) as peer:
            answer = await request(peer, "*", "OPTIONS")
            assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")

    run(scenario())


def test_r96_absolute_form_without_a_path(run: Run) -> None:
    """It means the root (RFC 9112, 3.2.2)."""

    async def scenario() -> None:
        async with serving(public("/").handle) as listener, Peer.to(listener.port) as peer:
            assert json.loads((await request(peer, "http://localhost")).body) == ["/", {}]

    run(scenario())


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_r97_request_in_small_pieces(run: Run, size: int) -> None:
    """TCP has no edges: a request byte by byte is the same request."""

    async def scenario() -> None:
        async with serving(Door().handle) as listener, Peer.to(listener.port) as peer:
            data = message(GET, b"Last-Event-ID: e-1")
            for start in range(0, len(data), size):
                peer.send(data[start : start + size])
                await peer.writer.drain()
                await asyncio.sleep(0)
            assert (await peer.answer()).status == 200

    run(scenario())


SOUND = message(GET, b"Accept: text/event-stream", b"Last-Event-ID: e-1", b"Content-Length: 2", body=b"ab")


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(SOUND)),
            st.integers(0, 6),
            st.one_of(
                st.binary(max_size=4), st.sampled_from([b"\r\n", b"\0", b"%", b"%2e", b"/..", b": ", b"chunked"])
            ),
        ),
        max_size=4,
    )
)
def test_r98_any_request(changes: list[tuple[int, int, bytes]]) -> None:
    """Whatever is cut out of a sound request and put into it: an answer or a close, never a failure of ours."""
    data = SOUND
    for at, cut, put in changes:
        data = data[:at] + put + data[at + cut :]

    async def scenario() -> None:
        async with serving(Door().handle) as listener, Peer.to(listener.port) as peer:
            peer.send(data)
            peer.writer.write_eof()
            answered = await peer.rest()
            assert b"HTTP/1.1 5" not in answered.replace(b"HTTP/1.1 501", b"").replace(b"HTTP/1.1 505", b"")
            assert listener.server.counts["failed"] == 0

    uvloop.run(scenario())


def test_c08_c09_pipelined_with_heads_and_refusals_between(run: Run) -> None:
    """Each answer ends where it should, or the next would be read as its body."""

    async def scenario() -> None:
        async with serving(Door().handle) as listener, Peer.to(listener.port) as peer:
            for method in (b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"HEAD", b"GET"):
                peer.send(message(method + b" /clock HTTP/1.1"))
            answers = [await peer.answer(bodiless=at in {1, 4}) for at in range(6)]
            assert [answer.status for answer in answers] == [200, 200, 204, 405, 200, 200]

    run(scenario())


def test_c09_malformed_behind_a_good_one(run: Run) -> None:
    """The good one is answered, the bad one refused, what follows is not read."""

    async def scenario() -> None:
        door = Door()
        async with serving(door.handle) as listener, Peer.to(listener.port) as peer:
            peer.send(message(GET))
            assert (await peer.answer()).status == 200
            peer.send(MALFORMED["r01_te_and_cl"] + message(GET))
            assert (await peer.answer()).status == 400
            assert await peer.rest() == b""
            assert door.asked == 1

    run(scenario())


def test_c14_c15_c16_nothing_is_left_of_the_slow_and_the_endless(run: Run) -> None:
    """Silent, half-sent and endless connections by the dozen, while a good client is served."""

    async def scenario() -> None:
        door = Door()
        async with serving(door.handle, Times(header=1.0)) as listener:
            peers = [Peer(*await asyncio.open_connection("127.0.0.1", listener.port)) for _ in range(36)]
            for peer in peers[12:24]:
                peer.send(b"GET /clock HTTP/1.1\r\nHost: loc")
            for peer in peers[24:]:
                peer.send(b"GET /clock HTTP/1.1\r\n" + b"X: y\r\n" * 200)
            async with Peer.to(listener.port) as good:
                assert (await request(good, "/clock")).status == 200
                for peer in peers:
                    assert b"200" not in await peer.rest()
                    peer.writer.close()
                await until(lambda: listener.open == 1)
            assert door.asked == 1

    run(scenario())
