"""An application's own event stream on its way through us."""

import asyncio

import pytest
from aiohttp.http import HttpVersion11, RawResponseMessage
from multidict import CIMultiDict, CIMultiDictProxy

from bridge.gateway.proxy.events import Events
from tests.gateway.proxy.app import App, Connection, Script, proxied
from tests.gateway.raw import DEADLINE, Peer, request, until

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
#: It stays open, is not compressed, does not switch, has no chunks.
NOTHING_MORE = (False, None, False, False)

ASK = b"GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n"


def sending(*pieces: bytes, head: bytes = EVENTS + b"\r\n") -> Script:
    """Send pieces, each when the one before has been passed on; then be silent."""

    async def serve(_: App, connection: Connection) -> None:
        await connection.head()
        await connection.send(head)
        for piece in pieces:
            await connection.send(piece)
            await asyncio.sleep(0.05)
        await connection.gone()

    return serve


async def until_body(peer: Peer, end: bytes) -> bytes:
    """Read chunks until the body ends so; return it."""
    body = b""
    async with asyncio.timeout(DEADLINE):
        while not body.endswith(end):
            size = int(await peer.reader.readuntil(b"\r\n"), 16)
            assert size, body
            body += (await peer.reader.readexactly(size + 2))[:-2]
    return body


async def test_events_pass_as_they_come() -> None:
    """Each piece at once, and untouched; no comment of ours where none was asked for."""
    async with proxied(sending(b"data: 1\n\n", b"da", b"ta: 2\r\n\r\n")) as front, front.peer() as peer:
        peer.send(ASK)
        head = await peer.reader.readuntil(b"\r\n\r\n")
        assert b"Content-Type: text/event-stream; charset=utf-8\r\n" in head
        assert b"Transfer-Encoding: chunked\r\n" in head
        assert await until_body(peer, b"data: 1\n\n") == b"data: 1\n\n"
        assert await until_body(peer, b"data: 2\r\n\r\n") == b"data: 2\r\n\r\n"


async def test_a_comment_stands_between_events_and_nowhere_else() -> None:
    """None within an event that has begun, however long it takes."""
    script = sending(b"data: 1\n\n", b"data: 2\n")
    async with proxied(script, target={"heartbeat": 0.1}) as front, front.peer() as peer:
        peer.send(ASK)
        await peer.reader.readuntil(b"\r\n\r\n")
        # On a busy machine there may have been time for a comment between the two.
        assert (await until_body(peer, b"data: 2\n")).replace(b":\n\n", b"") == b"data: 1\n\ndata: 2\n"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await peer.reader.read(1)
    async with proxied(sending(b"data: 1\n\n"), target={"heartbeat": 0.05}) as front, front.peer() as peer:
        peer.send(ASK)
        await peer.reader.readuntil(b"\r\n\r\n")
        assert await until_body(peer, b":\n\n:\n\n:\n\n") == b"data: 1\n\n:\n\n:\n\n:\n\n"


@pytest.mark.parametrize(
    ("heartbeat", "said", "expected"),
    [(1.0, b"", [b"no"]), (None, b"", []), (1.0, b"X-Accel-Buffering: yes\r\n", [b"yes"])],
)
async def test_a_proxy_in_front_is_asked_to_hold_no_heartbeat_back(
    heartbeat: float | None, said: bytes, expected: list[bytes]
) -> None:
    """Where heartbeats are asked for, and the application has not said what it wants."""
    script = sending(b"data: 1\n\n", head=EVENTS + said + b"\r\n")
    async with proxied(script, target={"heartbeat": heartbeat}) as front, front.peer() as peer:
        peer.send(ASK)
        head = await peer.reader.readuntil(b"\r\n\r\n")
        assert await until_body(peer, b"data: 1\n\n") == b"data: 1\n\n"
    lines = [line.split(b": ") for line in head.split(b"\r\n")]
    assert [line[1] for line in lines if line[0].lower() == b"x-accel-buffering"] == expected


async def test_an_application_that_says_nothing_is_kept_alive_from_the_start() -> None:
    """And the mark that may stand at a stream's very beginning stands there no more."""

    async def serve(_: App, connection: Connection) -> None:
        await connection.head()
        await connection.send(EVENTS + b"\r\n")
        await heard.wait()
        await connection.send(b"\xef\xbb\xbfdata: 1\n\n")
        await connection.gone()

    heard = asyncio.Event()
    async with proxied(serve, target={"heartbeat": 0.1}) as front, front.peer() as peer:
        peer.send(ASK)
        await peer.reader.readuntil(b"\r\n\r\n")
        assert await until_body(peer, b":\n\n") == b":\n\n"
        heard.set()
        assert (await until_body(peer, b"data: 1\n\n")).replace(b":\n\n", b"") == b"data: 1\n\n"


@pytest.mark.parametrize(
    "head",
    [
        EVENTS + b"Content-Encoding: gzip\r\n\r\n",
        EVENTS.replace(b"text/event-stream", b"application/x-ndjson") + b"\r\n",
        EVENTS.replace(b"text/event-stream", b"text/plain") + b"\r\n",
    ],
)
async def test_what_cannot_be_looked_into_is_left_alone(head: bytes) -> None:
    """No comment in a compressed stream, nor in another format."""
    async with proxied(sending(b"abc\n\n", head=head), target={"heartbeat": 0.05}) as front, front.peer() as peer:
        peer.send(ASK)
        await peer.reader.readuntil(b"\r\n\r\n")
        assert await until_body(peer, b"abc\n\n") == b"abc\n\n"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await peer.reader.read(1)


async def test_a_stream_whose_length_was_told_is_left_alone() -> None:
    """What a comment pushes behind that length would be read as the next answer."""
    head = EVENTS + b"Content-Length: 18\r\n\r\n"

    async def serve(_: App, connection: Connection) -> None:
        await connection.head()
        await connection.send(head + b"data: 1\n\n")
        await asyncio.sleep(0.3)
        await connection.send(b"data: 2\n\n")

    async with proxied(serve, target={"heartbeat": 0.1}) as front, front.peer() as peer:
        peer.send(ASK)
        assert (await peer.answer()).body == b"data: 1\n\ndata: 2\n\n"


async def test_the_client_that_leaves_a_silent_stream_ends_it() -> None:
    """The application sees its connection close at once."""
    async with proxied(sending()) as front:
        async with front.peer() as peer:
            peer.send(ASK)
            await peer.reader.readuntil(b"\r\n\r\n")
            connection = await front.app.connected()
            assert not connection.is_over
        await until(lambda: connection.is_over)


@pytest.mark.parametrize(("last", "is_clean"), [(b"data: 1\n\n", True), (b"data: 1\n", False)])
async def test_a_drain_ends_streams_between_events(last: bytes, *, is_clean: bool) -> None:
    """In order where an event has ended; else as something that broke off."""
    async with proxied(sending(last)) as front, front.peer() as peer:
        peer.send(ASK)
        await peer.reader.readuntil(b"\r\n\r\n")
        await until_body(peer, last)
        await front.proxy.drain(0.0)
        assert await peer.rest() == (b"0\r\n\r\n" if is_clean else b"")
        connection = await front.app.connected()
        await until(lambda: connection.is_over)


async def test_a_drain_takes_no_new_streams() -> None:
    """As with our own: 200, `retry`, and a close."""
    async with proxied(sending()) as front, front.peer() as peer:
        await front.proxy.drain(0.0)
        answer = await request(peer, "/events", Accept="text/event-stream")
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert answer.body.startswith(b"retry: ")


def events(**headers: str) -> Events:
    """Make a stream that begins."""
    fields = CIMultiDictProxy(CIMultiDict({"Content-Type": "text/event-stream", **headers}))
    return Events(RawResponseMessage(HttpVersion11, 200, "OK", fields, (), *NOTHING_MORE))


@pytest.mark.parametrize(
    ("text", "is_between"),
    [
        (b"", True),
        (b"data: a\n\n", True),
        (b"data: a\r\n\r\n", True),
        (b"data: a\r\r", True),
        (b"data: a\n\r\n", True),
        (b"data: a\r\n\n", True),
        (b"data: a\n\r", True),
        (b"data: a\n", False),
        (b"data: a\r\n", False),
        (b"data: a\r", False),
        (b"data: a", False),
        (b":\n\n", True),
        (b"data: a\n\nd", False),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_the_end_of_an_event_is_seen(text: bytes, size: int, *, is_between: bool) -> None:
    """By any line ends, however the bytes are cut."""
    stream = events()
    for start in range(0, len(text), size):
        assert stream.passed(text[start : start + size]) == text[start : start + size]
    assert stream.is_between == is_between
