"""One request and its answer, over real sockets."""

import asyncio
import contextlib
import hashlib
import socket
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from bridge.gateway.proxy import downstream, upload
from bridge.gateway.proxy.forwarding import PSEUDONYM
from bridge.gateway.proxy.target import Target
from bridge.gateway.proxy.upstream import Upstream
from bridge.instance import VIA
from tests.gateway.proxy.app import HELLO, App, Connection, Front, always, application, fronting, once, proxied
from tests.gateway.raw import DEADLINE, request, until

LOOPBACK = (ip_network("127.0.0.0/8"),)
MIB = 1024 * 1024


def fields(raw: bytes) -> dict[str, str]:
    """Return the fields of a request's head, names in lower case."""
    lines = raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def test_path_and_query_go_on_as_they_came() -> None:
    """No encoding is undone, none added, a bare question mark is kept."""
    targets = ["/", "/a%20b?c=d%2Fe&f", "/x?", "//x//y", "/%E2%82%AC", "/%ff%FE", "/a%2Fb", "/?a=%00;b+c", "/a;b=c,d"]
    async with proxied() as front, front.peer() as peer:
        for target in targets:
            assert (await request(peer, target)).status == 200
        assert [raw.split()[1].decode() for raw in front.app.requests] == targets
        assert len(front.app.connections) == 1, "one connection serves them all"


async def test_nothing_is_added_that_nobody_said() -> None:
    """No User-Agent, no Accept, no Accept-Encoding, no Content-Type, no length of nothing."""
    async with proxied() as front, front.peer() as peer:
        await request(peer, "/x")
        await request(peer, "/x", "POST", b"abc")
        got, posted = map(fields, front.app.requests)
        told = {"host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "via"}
        assert set(got) == told
        assert set(posted) == told | {"content-length"}


@pytest.mark.parametrize(
    "method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "MKCOL", "REPORT", "PURGE", "TRACE"]
)
async def test_every_method_goes_through(method: str) -> None:
    """Those of WebDAV too."""
    async with proxied() as front, front.peer() as peer:
        assert (await request(peer, "/x", method)).body == b"hello"
        assert front.app.requests[0].split()[0].decode() == method


async def test_head_has_the_fields_of_get_and_no_body() -> None:
    """The length that GET would have stands there; the next answer on the connection is whole."""
    async with proxied(once(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")) as front, front.peer() as peer:
        answer = await request(peer, "/x", "HEAD")
        assert (answer.status, answer.headers["content-length"]) == (200, "1234")
        front.app.script = always(HELLO)
        assert (await request(peer, "/x")).body == b"hello"


@pytest.mark.parametrize(("status", "more"), [(204, b""), (304, b'ETag: "a"\r\nContent-Length: 7\r\n')])
async def test_answers_without_a_body(status: int, more: bytes) -> None:
    """Whatever their fields say."""
    async with proxied(always(b"HTTP/1.1 %d X\r\n%b\r\n" % (status, more))) as front, front.peer() as peer:
        for _ in range(2):
            assert (await request(peer, "/x")).status == status
        assert len(front.app.connections) == 1


async def test_an_answer_comes_back_as_it_is() -> None:
    """Its reason, its fields in their order and spelling, bytes beyond ASCII, two cookies, its own Server and Date."""
    told = (
        b"HTTP/1.1 299 Tr\xc3\xa8s bien\r\nSet-Cookie: a=1\r\nx-CasE: \xe9\xff\r\nSet-Cookie: b=2\r\nServer: app\r\n"
        b"Date: Sat, 21 Nov 2026 10:00:00 GMT\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n"
    )
    async with proxied(always(told + b"\r\n\x1f\x8b\x08")) as front, front.peer() as peer:
        peer.send(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        raw = await peer.rest()
        head, _, body = raw.partition(b"\r\n\r\n")
        assert body == b"\x1f\x8b\x08"
        lines = told.removesuffix(b"\r\n").split(b"\r\n")
        assert head.split(b"\r\n")[: len(lines) - 1] == lines[:-1]
        assert head.split(b"\r\n")[len(lines) - 1 :] == [b"Content-Length: 3", b"Connection: close"]


async def test_a_date_is_added_where_there_is_none() -> None:
    """RFC 9110, 6.6.1."""
    async with proxied() as front, front.peer() as peer:
        answer = await request(peer, "/x")
        assert answer.headers["date"].endswith(" GMT")
        assert "server" not in answer.headers


async def test_hop_by_hop_fields_stay_on_their_hop() -> None:
    """Those that are always such, and those that Connection names, both ways."""
    told = (
        "Connection: close, X-Mine, keep-alive\r\nKeep-Alive: 5\r\nX-Mine: a\r\nProxy-Authenticate: x\r\nTrailer: y\r\n"
    )
    answer = f"HTTP/1.1 200 OK\r\n{told}Upgrade: h2c\r\nX-Other: b\r\nContent-Length: 0\r\n\r\n".encode()
    async with proxied(always(answer)) as front, front.peer() as peer:
        named = told.replace("close, ", "Via, upgrade, ")
        more = "TE: trailers\r\nProxy-Connection: x\r\nProxy-Authorization: y\r\nProxy: q\r\n"
        more += "Upgrade: h2c\r\nHTTP2-Settings: z\r\nX-Other: b\r\n"
        peer.send(f"GET /x HTTP/1.1\r\nHost: a\r\n{named}{more}\r\n".encode())
        back = await peer.answer()
        assert set(back.headers) == {"x-other", "content-length", "date"}
        sent = fields(front.app.requests[0])
        assert set(sent) - {"via", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"} == {
            "host",
            "x-other",
        }
        assert sent["via"] == VIA


async def test_the_body_of_an_answer_ends_as_the_client_can_tell() -> None:
    """A length stays one, chunks stay chunks, what ends with the connection becomes chunks; for HTTP/1.0 a close."""
    bodies = {
        "length": b"Content-Length: 5\r\n\r\nhello",
        "chunks": b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n",
        "close": b"\r\nhello",
    }
    for how, body in bodies.items():
        async with proxied(once(b"HTTP/1.1 200 OK\r\n" + body)) as front:
            async with front.peer() as peer:
                answer = await request(peer, "/x")
                assert answer.body == b"hello"
                assert answer.headers.get("content-length") == ("5" if how == "length" else None)
                assert answer.headers.get("transfer-encoding") == (None if how == "length" else "chunked")
                assert (await request(peer, "/x")).body == b"hello", "the connection goes on"
            async with front.peer() as peer:
                peer.send(b"GET /x HTTP/1.0\r\n\r\n")
                raw = await peer.rest()
                assert raw.endswith(b"\r\n\r\nhello")
                assert b"chunked" not in raw


async def test_an_http_1_0_connection_is_kept_where_it_can_be() -> None:
    """As the client asked, and as it is told."""
    async with proxied() as front, front.peer() as peer:
        for _ in range(2):
            peer.send(b"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            answer = await peer.answer()
            assert (answer.body, answer.headers["connection"]) == (b"hello", "keep-alive")


@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_bodies_stream_both_ways(framing: str) -> None:
    """Eight MiB there and eight back, in pieces, the same bytes."""
    body = bytes(range(256)) * (8 * MIB // 256)

    async def serve(_: App, connection: Connection) -> None:
        whole = await connection.whole()
        got = whole.partition(b"\r\n\r\n")[2]
        if framing == "chunks":
            got = b"".join(unchunked(got))
        assert hashlib.sha256(got).digest() == hashlib.sha256(body).digest()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await connection.whole()

    async with proxied(serve) as front, front.peer() as peer:
        if framing == "length":
            peer.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        else:
            peer.send(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for start in range(0, len(body), 100_000):
                piece = body[start : start + 100_000]
                peer.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            peer.send(b"0\r\n\r\n")
        assert hashlib.sha256((await peer.answer()).body).digest() == hashlib.sha256(body).digest()


def unchunked(raw: bytes) -> Iterator[bytes]:
    """Yield the chunks of a body."""
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        yield raw[: int(size, 16)]
        raw = raw[int(size, 16) + 2 :]


async def test_a_slow_application_slows_the_client() -> None:
    """What it does not take waits with the client, but for buffers of a bounded size; and not for ever."""

    async def serve(_app: App, _connection: Connection) -> None:
        await asyncio.sleep(DEADLINE)

    async with proxied(serve, target={"timeout": 1.5}) as front, front.peer() as peer:
        peer.send(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = 0
        piece = b"10000\r\n" + bytes(65536) + b"\r\n"
        with contextlib.suppress(TimeoutError):
            while sent < 64 * MIB:
                peer.send(piece)
                sent += len(piece)
                await asyncio.wait_for(peer.writer.drain(), 0.5)
        assert sent < 32 * MIB
        answer = await peer.answer()
        assert (answer.status, answer.text) == (504, "the application does not take the request in time\n")


async def test_a_slow_client_slows_the_application() -> None:
    """What it does not take is not read from the application."""
    sent = 0

    async def serve(_: App, connection: Connection) -> None:
        nonlocal sent
        await connection.whole()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            await connection.send(bytes(65536))
            sent += 65536

    async with proxied(serve) as front, front.peer() as peer:
        peer.writer.transport.pause_reading()
        peer.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        last = -1
        while sent != last or not sent:
            last = sent
            await asyncio.sleep(0.3)
        assert sent < 32 * MIB


async def test_the_application_is_asked_before_the_body_comes() -> None:
    """Expect: 100-continue goes to the application; the client is told to go on when the application says so."""

    async def serve(app: App, connection: Connection) -> None:
        head = await connection.head()
        assert head.endswith(b"\r\n\r\n"), "no byte of the body has come"
        assert b"\r\nExpect: 100-continue\r\n" in head
        await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        app.requests.append(await connection.whole())
        await connection.send(HELLO)

    async with proxied(serve) as front, front.peer() as peer:
        peer.send(b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert await peer.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.send(b"abcde")
        assert (await peer.answer()).body == b"hello"
        assert front.app.requests[0].endswith(b"abcde")


async def test_an_application_may_refuse_before_the_body_comes() -> None:
    """The client hears of it instead of an invitation, and the connection closes."""

    async def serve(_: App, connection: Connection) -> None:
        await connection.head()
        await connection.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await connection.gone()

    async with proxied(serve) as front, front.peer() as peer:
        peer.send(b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        answer = await peer.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")


async def test_an_application_that_knows_no_100_gets_the_body_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a moment, the client is told to send."""
    monkeypatch.setattr(upload, "PATIENCE", 0.05)
    async with proxied() as front, front.peer() as peer:
        peer.send(b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert await peer.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.send(b"abcde")
        assert (await peer.answer()).body == b"hello"


async def test_an_early_answer_does_not_wait_for_the_body() -> None:
    """A refusal of a large upload arrives while it is still being sent."""

    async def serve(_: App, connection: Connection) -> None:
        await connection.head()
        await connection.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        await connection.gone()

    async with proxied(serve) as front, front.peer() as peer:
        peer.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" + bytes(1000))
        answer = await peer.answer()
        assert (answer.status, answer.body, answer.headers["connection"]) == (413, b"big", "close")


async def test_informational_answers_are_not_the_answer() -> None:
    """103 and 102 are passed over."""
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    async with proxied(always(early + HELLO)) as front, front.peer() as peer:
        for _ in range(2):
            assert (await request(peer, "/x")).body == b"hello"


async def test_the_client_that_leaves_ends_its_request() -> None:
    """At once, and although the application has not said a word."""

    async def serve(_: App, connection: Connection) -> None:
        await connection.head()
        await connection.gone()

    async with proxied(serve) as front:
        async with front.peer() as peer:
            peer.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            connection = await front.app.connected()
            await until(lambda: b"\r\n\r\n" in connection.received)
            assert not connection.is_over
        await until(lambda: connection.is_over)
        await until(lambda: not len(front.proxy))


async def test_the_client_that_leaves_ends_its_download_and_its_upload() -> None:
    """In the middle of either."""

    async def serve(_: App, connection: Connection) -> None:
        await connection.head()
        if b"POST" not in connection.received:
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await connection.gone()

    async with proxied(serve) as front:
        for number, head in enumerate(
            (b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nha")
        ):
            async with front.peer() as peer:
                peer.send(head)
                connection = await front.app.connected(number + 1)
                await until(lambda connection=connection: b"\r\n\r\n" in connection.received)
            await until(lambda connection=connection: connection.is_over)
            assert not connection.received.endswith(b"\r\n0\r\n\r\n")


#: What comes first, and what follows when that has been passed on.
CUTS = {
    "length": (b"Content-Length: 100\r\n\r\nhalf", b""),
    "chunks": (b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", b""),
    "in_a_chunk": (b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf", b""),
    "malformed_chunk": (b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", b"zz\r\n"),
    "reset": (b"\r\nhalf", b""),
    "reset_event_stream": (b"Content-Type: text/event-stream\r\n\r\nhalf", b""),
}


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("name", CUTS)
async def test_an_answer_that_breaks_off_never_ends_well(name: str, version: str) -> None:
    """No last chunk, no whole length; where neither is there, a reset."""

    async def serve(_: App, connection: Connection) -> None:
        await connection.head()
        await connection.send(b"HTTP/1.1 200 OK\r\n" + first)
        await passed.wait()
        await connection.send(then)
        connection.reset() if name.startswith("reset") else connection.close()

    first, then = CUTS[name]
    passed = asyncio.Event()

    async with proxied(serve) as front, front.peer() as peer:
        peer.send(f"GET /x HTTP/{version}\r\nHost: a\r\n\r\n".encode())
        raw, is_reset = b"", False
        async with asyncio.timeout(DEADLINE):
            try:
                while piece := await peer.reader.read(65536):
                    raw += piece
                    if b"half" in raw:
                        passed.set()
            except ConnectionResetError:
                is_reset = True
        if b"Content-Length: 100" in raw:
            assert raw.endswith(b"half")
        elif version == "1.1":
            assert b"chunked" in raw
            assert not raw.endswith(b"0\r\n\r\n")
        else:
            assert is_reset


async def test_a_stale_connection_is_tried_again_where_that_is_safe() -> None:
    """A GET that met a kept connection just being closed goes over a new one; a POST is not sent twice."""

    async def serve(app: App, connection: Connection) -> None:
        await connection.whole()
        await connection.send(HELLO)
        if await connection.head():
            app.requests.append(connection.received)  # and closes without an answer

    async with proxied(serve) as front, front.peer() as peer:
        assert (await request(peer, "/a")).status == 200
        assert (await request(peer, "/b")).status == 200
        assert (len(front.app.requests), len(front.app.connections)) == (1, 2)
        assert (await request(peer, "/c", "POST", b"x")).status == 502
        assert len(front.app.connections) == 2
        assert (await request(peer, "/d")).status == 200


async def test_a_fresh_connection_is_not_tried_twice() -> None:
    """An application that falls over a request is not made to fall twice."""

    async def serve(app: App, connection: Connection) -> None:
        app.requests.append(await connection.whole())

    async with proxied(serve) as front, front.peer() as peer:
        answer = await request(peer, "/x")
        assert (answer.status, answer.text) == (502, "the application closed the connection without an answer\n")
        assert len(front.app.requests) == 1


async def test_an_application_that_is_away_is_502() -> None:
    """In words, without an address of the inside; for an EventSource it is 200, `retry` and a close."""
    with socket.socket() as held:  # a port that nobody listens at, and nobody else is given
        held.bind(("127.0.0.1", 0))
        target = Target(host="127.0.0.1", port=held.getsockname()[1])
        async with application(always(HELLO)) as app, fronting(target, app=app) as front:
            await away(front)


async def away(front: Front) -> None:
    """Ask in several ways."""
    async with front.peer() as peer:
        answer = await request(peer, "/x")
        assert (answer.status, answer.text) == (502, "the application does not take connections\n")
        stream = await request(peer, "/x", Accept="text/event-stream")
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        assert stream.body.startswith(b"retry: 3")
        assert stream.headers["connection"] == "close"
        await peer.rest()
    async with front.peer() as peer:
        answer = await request(peer, "/x", "POST", b"abc", Accept="text/event-stream")
        assert answer.status == 502


async def test_an_application_that_does_not_answer_is_504() -> None:
    """To an EventSource it is a reason to come back."""

    async def serve(_: App, connection: Connection) -> None:
        await connection.gone()

    async with proxied(serve, target={"timeout": 0.1}) as front:
        for method, body in (("GET", b""), ("POST", b"abc")):
            async with front.peer() as peer:
                answer = await request(peer, "/x", method, body)
                assert (answer.status, answer.text) == (504, "the application does not answer in time\n")
        async with front.peer() as peer:
            assert (await request(peer, "/x", Accept="text/event-stream")).body.startswith(b"retry: ")


async def test_the_time_to_answer_begins_behind_the_body() -> None:
    """A client that takes its time to send is no fault of the application's; nor is a 100 on the way."""

    async def serve(_: App, connection: Connection) -> None:
        await connection.head()
        await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await connection.whole()
        await connection.send(HELLO)

    async with proxied(serve, target={"timeout": 0.6}) as front, front.peer() as peer:
        peer.send(b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        await peer.reader.readuntil(b"\r\n\r\n")
        for byte in b"abcd":
            await asyncio.sleep(0.25)
            peer.send(bytes((byte,)))
        assert (await peer.answer()).status == 200


async def test_a_pause_within_a_body_is_bounded_and_a_streams_is_not() -> None:
    """A download that stops is cut; an event stream may be silent."""

    async def serve(_: App, connection: Connection) -> None:
        head = await connection.head()
        type = b"text/event-stream" if b" /events " in head else b"text/plain"
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n\r\nhalf" % type)
        await connection.gone()

    async with proxied(serve, target={"timeout": 0.6}) as front, front.peer() as peer, front.peer() as other:
        peer.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        other.send(b"GET /file HTTP/1.1\r\nHost: a\r\n\r\n")
        raw = await other.rest()
        assert raw.endswith(b"4\r\nhalf\r\n")
        await asyncio.sleep(0.8)
        assert len(front.proxy) == 1
        assert not peer.reader.at_eof()


async def test_a_client_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so long without one byte."""
    monkeypatch.setattr(downstream, "STALL", 0.2)

    async def serve(_: App, connection: Connection) -> None:
        await connection.whole()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            await connection.send(bytes(65536))

    async with proxied(serve) as front, front.peer() as peer:
        peer.writer.transport.pause_reading()
        peer.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        await front.app.connected()
        await until(lambda: len(front.proxy) == 1)
        await until(lambda: not len(front.proxy))


async def test_a_client_that_sends_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that does not come is 408."""
    monkeypatch.setattr(upload, "STALL", 0.1)

    async def serve(_: App, connection: Connection) -> None:
        await connection.gone()

    async with proxied(serve) as front, front.peer() as peer:
        peer.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        assert (await peer.answer()).status == 408
        connection = await front.app.connected()
        await until(lambda: connection.is_over)


async def test_one_request_too_many_is_told_to_come_back() -> None:
    """503 with Retry-After; to an EventSource 200 and `retry`."""

    async def serve(_: App, connection: Connection) -> None:
        await connection.gone()

    async with proxied(serve, limit=1) as front, front.peer() as first, front.peer() as peer:
        first.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: len(front.proxy) == 1)
        answer = await request(peer, "/x")
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert (await request(peer, "/x", Accept="text/event-stream")).status == 200


async def test_an_applications_own_limit_is_waited_for() -> None:
    """For as long as a connection may take; whoever comes in then is served."""
    release = asyncio.Event()

    async def serve(_: App, connection: Connection) -> None:
        while await connection.whole():
            await release.wait()
            await connection.send(HELLO)

    async with proxied(serve, target={"connections": 1, "connect": 0.6}) as front, front.peer() as a, front.peer() as b:
        a.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: len(front.proxy) == 1)
        answer = await request(b, "/b")
        assert (answer.status, answer.text) == (503, "the application has more requests than it takes at a time\n")
        b.send(b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: len(front.proxy) == 2)
        release.set()
        assert [(await each.answer()).status for each in (a, b)] == [200, 200]
        assert len(front.app.connections) == 1


async def test_a_unix_socket_is_as_good(tmp_path: Path) -> None:
    """With the client's Host, or with `localhost`."""
    path = tmp_path / "app.sock"
    target = Target(socket=path, keeps_host=False)
    async with application(always(HELLO), str(path)) as app, fronting(target, app=app) as front, front.peer() as peer:
        assert (await request(peer, "/x")).body == b"hello"
        assert fields(app.requests[0])["host"] == "localhost"


async def test_host_is_the_clients_or_the_targets() -> None:
    """As configured; and what the client asked for is told in any case."""
    for keeps, expected in ((True, "localhost"), (False, "127.0.0.1:{port}")):
        async with proxied(target={"keeps_host": keeps}) as front, front.peer() as peer:
            await request(peer, "/x")
            sent = fields(front.app.requests[0])
            assert sent["host"] == expected.format(port=front.app.port)
            assert sent["x-forwarded-host"] == "localhost"


async def test_what_a_stranger_says_of_others_is_dropped() -> None:
    """The socket tells the truth."""
    forged = {
        "X_Forwarded_For": "1.2.3.4",
        "X_Forwarded_Proto": "https",
        "X_Forwarded_Host": "evil",
        "X_Forwarded_Port": "1",
    }
    async with proxied() as front, front.peer() as peer:
        await request(peer, "/x", **forged, Forwarded="for=1.2.3.4", X_Real_IP="1.2.3.4", X_Forwarded_Prefix="/evil")
        sent = fields(front.app.requests[0])
        assert sent["x-forwarded-for"] == "127.0.0.1"
        assert sent["x-forwarded-proto"] == "http"
        assert sent["x-forwarded-host"] == "localhost"
        assert sent["forwarded"] == 'for=127.0.0.1;host="localhost";proto=http'
        assert not {"x-real-ip", "x-forwarded-port", "x-forwarded-prefix"} & set(sent)


async def test_what_a_hop_says_is_extended() -> None:
    """The application sees the whole chain, in both forms."""
    told = {"X_Forwarded_For": "2001:db8::1, 1.2.3.4", "X_Forwarded_Proto": "https", "X_Forwarded_Host": "app.example"}
    async with proxied(hops=LOOPBACK) as front, front.peer() as peer:
        await request(peer, "/x", **told, X_Real_IP="1.2.3.4", X_Forwarded_Prefix="/pre")
        sent = fields(front.app.requests[0])
        assert sent["x-forwarded-for"] == "2001:db8::1, 1.2.3.4, 127.0.0.1"
        assert sent["x-forwarded-proto"] == "https"
        assert sent["x-forwarded-host"] == "app.example"
        assert sent["x-forwarded-prefix"] == "/pre"
        assert sent["x-real-ip"] == "1.2.3.4"
        assert sent["forwarded"] == 'for="[2001:db8::1]";host="app.example";proto=https, for=1.2.3.4, for=127.0.0.1'
        await request(peer, "/x", Forwarded="for=9.9.9.9;proto=https")
        assert fields(front.app.requests[1])["forwarded"] == 'for=9.9.9.9;proto=https, for=127.0.0.1;host="localhost"'


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"For": "1.2.3.4:5678"}, 'for="1.2.3.4:5678", for=127.0.0.1;host="localhost";proto=http'),
        ({"For": "[2001:db8::1]:80"}, 'for="[2001:db8::1]:80", for=127.0.0.1;host="localhost";proto=http'),
        ({"For": 'a"b, unknown'}, 'for=unknown, for=unknown, for=127.0.0.1;host="localhost";proto=http'),
        ({"Proto": "https"}, 'proto=https, for=127.0.0.1;host="localhost"'),
        ({"Proto": "https, http", "Host": "a.example, b"}, 'host="a.example";proto=https, for=127.0.0.1'),
        ({"Proto": 'x";y', "Host": 'a"'}, 'for=127.0.0.1;host="localhost";proto=http'),
    ],
)
async def test_both_forms_agree(said: dict[str, str], expected: str) -> None:
    """An application that reads `Forwarded` alone sees the client, its scheme and the name that it asked for."""
    async with proxied(hops=LOOPBACK) as front, front.peer() as peer:
        await request(peer, "/x", **{f"X_Forwarded_{name}": value for name, value in said.items()})
        assert fields(front.app.requests[0])["forwarded"] == expected


async def test_via_grows_and_ends_a_loop() -> None:
    """Another proxy's entry stays; our own means that the request has been here."""
    async with proxied() as front, front.peer() as peer:
        await request(peer, "/x", Via="1.0 fred, 1.1 other")
        assert fields(front.app.requests[0])["via"] == f"1.0 fred, 1.1 other, {VIA}"
        answer = await request(peer, "/x", Via=f"1.1 other, 1.1 {PSEUDONYM}")
        assert answer.status == 508
        assert (await request(peer, "/x", Via=VIA, Accept="text/event-stream")).status == 508
        assert len(front.app.requests) == 1


async def test_a_bridge_that_proxies_to_itself_ends_the_loop() -> None:
    """However that came about."""
    async with application(always(HELLO)) as app, fronting(Target(host="127.0.0.1", port=1), app=app) as front:
        front.proxy._upstreams[:] = [Upstream(Target(host="127.0.0.1", port=front.port))]
        async with front.peer() as peer:
            assert (await request(peer, "/x")).status == 508


async def test_the_longest_prefix_answers() -> None:
    """It ends at a slash; what is cut off is told."""
    async with application(always(HELLO)) as one, application(always(HELLO)) as two, application(always(HELLO)) as rest:
        targets = [
            Target(host="127.0.0.1", port=one.port, prefix="/api"),
            Target(host="127.0.0.1", port=two.port, prefix="/api/v2", strips=True),
            Target(host="127.0.0.1", port=rest.port),
        ]
        async with fronting(*targets, app=rest) as front, front.peer() as peer:
            for path in ("/api", "/api/x?y", "/apix", "/", "/api/v2", "/api/v2?y", "/%61pi/v2/a%2Fb/?y", "/api%2Fv2/x"):
                assert (await request(peer, path)).status == 200
        lines = [[raw.split()[1].decode() for raw in app.requests] for app in (one, two, rest)]
        assert lines == [["/api", "/api/x?y"], ["/", "/?y", "/a%2Fb/?y"], ["/apix", "/", "/api%2Fv2/x"]]
        assert {fields(raw)["x-forwarded-prefix"] for raw in two.requests} == {"/api/v2"}


async def test_max_forwards_is_counted_down() -> None:
    """For OPTIONS and TRACE (RFC 9110, 7.6.2)."""
    async with proxied() as front, front.peer() as peer:
        await request(peer, "/x", "OPTIONS", Max_Forwards="2")
        assert fields(front.app.requests[0])["max-forwards"] == "1"
        assert (await request(peer, "/x", "OPTIONS", Max_Forwards="0")).status == 204
        assert (await request(peer, "/x", "TRACE", Max_Forwards="0")).status == 501
        assert len(front.app.requests) == 1


async def test_a_link_local_address_behind_a_name_is_not_connected_to() -> None:
    """The address is checked where the socket is made."""
    async with proxied(target={"refusal": lambda address: f"{address} is not for us"}) as front, front.peer() as peer:
        answer = await request(peer, "/x")
        assert (answer.status, answer.text) == (502, "the application does not take connections\n")
        assert front.app.connections == []
