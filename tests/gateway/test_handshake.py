"""aiohttp's parser within our bounds: time, size, words."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine

import pytest
import structlog
import uvloop
from aiohttp import http_parser, web

from bridge.errors import BridgeError
from bridge.gateway.handshake import UNREAD_BYTES, Times
from bridge.gateway.refusal import FIELD_BYTES, HEADER_BYTES, LINE_BYTES, require_parser
from tests.gateway.raw import Answer, Peer, ask, hello, request, serving, until

Run = Callable[[Coroutine[object, object, None]], None]

#: Short for what is meant to run out.
SHORT = Times(header=0.2, idle=0.4, send=0.3)
#: For tests in which a request must arrive first, on a machine that is busy with others.
FAIR = Times(header=1.0, idle=1.0)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a scenario on either loop."""
    runner: Run = request.param
    return runner


async def broken(_: web.BaseRequest) -> web.StreamResponse:
    """Fail as a bug would."""
    raise LookupError("a secret of the inside")


def test_answers_bear_our_name_without_a_version(run: Run) -> None:
    """Whoever looks for a version to attack finds none."""

    async def scenario() -> None:
        answer = await ask(hello, "/")
        assert (answer.status, answer.text) == (200, "hello")
        assert answer.headers["server"] == "sse-bridge"

    run(scenario())


def test_c15_silent_connection_is_cut(run: Run) -> None:
    """A connection that never says a word ends at the deadline for headers."""

    async def scenario() -> None:
        begun = asyncio.get_running_loop().time()
        async with serving(hello, SHORT) as listener, Peer.to(listener.port) as peer:
            assert await peer.rest() == b""
            assert asyncio.get_running_loop().time() - begun >= SHORT.header
            assert listener.server.counts["late"] == 1
            await until(lambda: listener.open == 0)

    run(scenario())


def test_c14_half_sent_header_is_cut_though_it_drips(run: Run) -> None:
    """A byte now and then does not buy more time."""

    async def scenario() -> None:
        async with serving(hello, SHORT) as listener, Peer.to(listener.port) as peer:
            peer.send(GET[:20])
            ended = asyncio.ensure_future(peer.rest())
            while not ended.done():
                peer.send(b"X")
                await asyncio.wait([ended], timeout=0.03)
            assert await ended == b""

    run(scenario())


def test_c14_second_request_has_a_deadline_of_its_own(run: Run) -> None:
    """A keep-alive connection may idle longer than headers may take, but half a request may not."""

    async def scenario() -> None:
        times = Times(header=1.0, idle=60)
        async with serving(hello, times) as listener, Peer.to(listener.port) as peer:
            assert (await request(peer, "/")).status == 200
            idle = asyncio.ensure_future(peer.reader.read(1))
            done, _ = await asyncio.wait([idle], timeout=1.5 * times.header)
            assert not done, "the deadline ran on without a request"
            peer.send(b"GET / HT")
            assert await idle == b""

    run(scenario())


def test_idle_connection_is_closed(run: Run) -> None:
    """Between two requests a connection waits for the idle time and no longer."""

    async def scenario() -> None:
        async with serving(hello, FAIR) as listener, Peer.to(listener.port) as peer:
            assert (await request(peer, "/")).status == 200
            assert await peer.rest() == b""
            assert listener.server.counts["late"] == 0

    run(scenario())


def test_body_may_take_longer_than_headers(run: Run) -> None:
    """The deadline is for headers; whoever reads a body sets its own."""

    async def scenario() -> None:
        async def read(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(body=await request.read())

        async with serving(read, FAIR) as listener, Peer.to(listener.port) as peer:
            peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
            answer = asyncio.ensure_future(peer.answer())
            await asyncio.wait([answer], timeout=1.5 * FAIR.header)
            peer.send(b"cd")
            assert (await answer).body == b"abcd"

    run(scenario())


def test_large_body_is_no_header(run: Run) -> None:
    """The bound on headers counts no byte of a body, in whatever pieces it comes."""

    async def scenario() -> None:
        async def read(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(text=str(len(await request.content.read())))

        size = 8 * UNREAD_BYTES
        async with serving(read) as listener, Peer.to(listener.port) as peer:
            for _ in range(3):
                assert (await request(peer, "/", "POST", b"x" * size)).text == str(size)

    run(scenario())


def test_last_event_id_of_64_kib_passes(run: Run) -> None:
    """C11: a 4xx would end the browser's tab, so an absurd id reaches the stream, which answers with a gap."""

    async def scenario() -> None:
        async def length(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(text=str(len(request.headers["Last-Event-ID"])))

        for size in (8_191, HEADER_BYTES, FIELD_BYTES - len("Last-Event-ID")):
            answer = await ask(length, "/", Last_Event_ID="x" * size)
            assert (answer.status, answer.text) == (200, str(size))

    run(scenario())


@pytest.mark.parametrize(
    ("status", "data"),
    [
        (414, b"GET /" + b"a" * LINE_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
        (431, b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"a" * HEADER_BYTES + b"\r\n\r\n"),
        (431, b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"a" * FIELD_BYTES + b"\r\n\r\n"),
        (431, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"A%d: 1\r\n" % n for n in range(200)) + b"\r\n"),
        (431, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"A%d: %0900d\r\n" % (n, 1) for n in range(20)) + b"\r\n"),
        (431, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"A%d: %040000d\r\n" % (n, 1) for n in range(20))),
    ],
    ids=["line", "field", "huge field", "count", "total", "endless"],
)
def test_c16_header_flood_is_refused(run: Run, status: int, data: bytes) -> None:
    """Too long a line, field, or whole is told so, and the connection closes."""

    async def scenario() -> None:
        async with serving(hello) as listener, Peer.to(listener.port) as peer:
            peer.send(data)
            answer = await peer.answer()
            assert answer.status == status
            assert b"hello" not in answer.body
            assert await peer.rest() == b""

    run(scenario())


def test_c16_pipelined_flood_is_cut(run: Run) -> None:
    """Half a request without end, sent while another is answered, pins no memory."""

    async def scenario() -> None:
        release = asyncio.Event()

        async def slow(_: web.BaseRequest) -> web.StreamResponse:
            await release.wait()
            return web.Response()

        async with serving(slow) as listener, Peer.to(listener.port) as peer:
            peer.send(GET + b"GET / HTTP/1.1\r\n")
            for n in range(40):
                peer.send(b"A%d: %060000d\r\n" % (n, 1))
            assert await peer.rest() == b""
            release.set()
            assert listener.server.counts["malformed"] == 1

    run(scenario())


def test_pipelined_requests_are_answered_in_order(run: Run) -> None:
    """C09: they wait their turn on one connection."""

    async def scenario() -> None:
        async def echo(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(text=request.rel_url.raw_path)

        async with serving(echo) as listener, Peer.to(listener.port) as peer:
            peer.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(100)))
            assert [(await peer.answer()).text for _ in range(100)] == [f"/{n}" for n in range(100)]

    run(scenario())


def test_failing_handler_is_500_without_its_words(run: Run) -> None:
    """A bug is logged with its traceback, once, and its client learns nothing of it."""

    async def scenario() -> None:
        with structlog.testing.capture_logs() as logs:
            answers = [await ask_twice(broken)]
        [(first, second)] = answers
        assert (first.status, second.status) == (500, 500)
        assert "secret" not in first.text
        assert "Traceback" not in first.text
        assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["request.failed"]

    run(scenario())


async def ask_twice(handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> tuple[Answer, Answer]:
    """Ask one server on two connections, since a failure closes its own."""
    async with serving(handle) as listener:
        async with Peer.to(listener.port) as peer:
            first = await request(peer, "/")
        async with Peer.to(listener.port) as peer:
            return first, await request(peer, "/")


def test_body_of_a_refused_request_is_not_waited_for(run: Run) -> None:
    """The answer goes out at once and the connection closes, however long the body was to be."""

    async def scenario() -> None:
        async with serving(hello) as listener, Peer.to(listener.port) as peer:
            peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nabc")
            answer = await peer.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert await peer.rest() == b""

    run(scenario())


def test_body_behind_its_answer_is_no_header(run: Run) -> None:
    """However much of it is on its way: a second answer could be taken for the one to the next request."""

    async def scenario() -> None:
        async with serving(hello) as listener, Peer.to(listener.port) as peer:
            peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n")
            assert (await peer.answer()).text == "hello"
            peer.send(bytes(UNREAD_BYTES * 4))
            assert await peer.rest() == b""
            assert listener.server.counts["malformed"] == 0

    run(scenario())


def test_peer_that_takes_no_answer_is_cut(run: Run) -> None:
    """An answer has its time; who does not read it is not waited for."""

    async def scenario() -> None:
        async def large(_: web.BaseRequest) -> web.StreamResponse:
            return web.Response(body=b"x" * 32_000_000)

        async with serving(large, Times(send=0.3)) as listener, Peer.to(listener.port) as peer:
            peer.send(GET)
            await peer.reader.read(1)
            peer.writer.transport.pause_reading()
            await until(lambda: listener.server.counts["late"] == 1)
            await until(lambda: listener.open == 0)

    run(scenario())


def test_reset_in_mid_request_is_no_failure(run: Run) -> None:
    """C05: a client that vanishes leaves neither a log line nor a connection behind."""

    async def scenario() -> None:
        with structlog.testing.capture_logs() as logs:
            async with serving(hello) as listener:
                for data in (b"", GET[:9], GET, GET * 3):
                    async with Peer.to(listener.port) as peer:
                        peer.send(data)
                        with contextlib.suppress(OSError):
                            await peer.writer.drain()
                await until(lambda: listener.open == 0)
                assert listener.server.counts["failed"] == 0
        assert not [entry for entry in logs if entry["log_level"] == "error"]

    run(scenario())


@pytest.mark.parametrize(
    ("rest", "status"),
    [(b"zz\r\n", 400), (b"-5\r\n", 400), (None, None)],
    ids=["no size", "negative", "leaves"],
)
def test_body_that_breaks_off_in_a_handler(run: Run, rest: bytes | None, status: int | None) -> None:
    """Malformed behind good headers is the client's fault, and to leave is no fault at all."""

    async def scenario() -> None:
        async def read(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(body=await request.read())

        with structlog.testing.capture_logs() as logs:
            async with serving(read) as listener:
                async with Peer.to(listener.port) as peer:
                    peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
                    await until(lambda: listener.server.requests_count == 1)
                    if rest is not None:
                        peer.send(rest)
                        assert (await peer.answer()).status == status
                        assert await peer.rest() == b""
                await until(lambda: listener.open == 0)
                assert listener.server.counts["failed"] == 0
        assert {entry["event"] for entry in logs} == {"listening"}

    run(scenario())


def test_failure_behind_the_head_cuts_the_answer(run: Run) -> None:
    """An error page cannot follow half an answer: the connection ends without the end of the body."""

    async def scenario() -> None:
        async def half(request: web.BaseRequest) -> web.StreamResponse:
            answer = web.StreamResponse()
            await answer.prepare(request)
            await answer.write(b"half")
            raise LookupError("a secret of the inside")

        async with serving(half) as listener, Peer.to(listener.port) as peer:
            peer.send(GET)
            sent = await peer.rest()
            assert sent.endswith(b"4\r\nhalf\r\n")
            assert listener.server.counts["failed"] == 1

    run(scenario())


def test_parser_in_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its C parser aiohttp is ten times slower and has two known holes: the bridge does not start."""
    monkeypatch.setattr(http_parser, "HttpRequestParser", http_parser.HttpRequestParserPy)
    with pytest.raises(BridgeError, match="C parser"):
        require_parser()
