"""The faults of pushing, P01 to P14, over real sockets: the source's own door behind the gateway's own listener."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp import web

from bridge.event import Loss, Message
from bridge.gateway.ingest import Ingest
from bridge.secret import Secret
from bridge.sources.push import Push
from tests.gateway.raw import DEADLINE, Peer, request, serving, until

HEAD = b"POST /-/push/notices HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class Recorder:
    """An outlet that keeps what it is given."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.fails = False

    def emit(self, messages: Sequence[Message]) -> Sequence[str]:
        """Keep the messages; number them."""
        if self.fails:
            raise LookupError("a bug")
        self.heard += messages
        last = len(self.heard)
        return [f"e-{n}" for n in range(last - len(messages) + 1, last + 1)]

    def lose(self, loss: Loss) -> None:
        """Never called."""
        raise AssertionError(loss)

    def up(self) -> None:
        """Never called: the door needs no run."""
        raise AssertionError

    def down(self, reason: str) -> None:
        """Never called."""
        raise AssertionError(reason)

    def subscribers(self) -> int:
        """Count nobody."""
        return 0


class Desk:
    """A push source that listens."""

    def __init__(self, deadline: float = DEADLINE, bodies: int = 4, **fields: object) -> None:
        self.recorder = Recorder()
        self.is_draining = False
        door = Push.model_validate(fields).door(self.recorder)
        self.ingest = Ingest({"notices": door}, is_draining=lambda: self.is_draining, deadline=deadline, bodies=bodies)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        """Listen; give the port. No handler may have failed at the end."""
        async with serving(self._handle) as listener:
            yield listener.port
            assert listener.server.counts["failed"] == self.recorder.fails

    async def _handle(self, asked: web.BaseRequest) -> web.StreamResponse:
        return await self.ingest.handle(asked, asked.path.removeprefix("/-/push/"), public=False)

    @property
    def said(self) -> list[str]:
        """Return what was published."""
        return [str(message.payload) for message in self.recorder.heard]


async def test_p01_a_body_over_the_limit_is_refused_by_its_length():
    """Before any of it is read, and the one after it on another connection passes."""
    desk = Desk(max="1KiB")
    async with desk.open() as port:
        async with Peer.to(port) as peer:
            peer.send(HEAD + b"Content-Length: 1025\r\n\r\n")
            answer = await peer.answer()
            assert answer.status == 413
            assert answer.headers["connection"] == "close"
        async with Peer.to(port) as peer:
            assert (await request(peer, "/-/push/notices", "POST", b"x" * 1024)).status == 202
    assert desk.said == ["x" * 1024]


async def test_p02_an_endless_chunked_body_is_refused_at_the_limit():
    """However many chunks would follow; the connection ends."""
    desk = Desk(max="64KiB")
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    async with desk.open() as port, Peer.to(port) as peer:
        peer.send(CHUNKED)

        async def flow() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    peer.send(chunk)
                    await peer.writer.drain()

        sending = asyncio.create_task(flow())
        try:
            assert (await peer.answer()).status == 413
            await peer.rest()
        finally:
            sending.cancel()
            await asyncio.wait([sending])
    assert desk.said == []


async def test_p03_a_body_of_a_byte_now_and_then_meets_the_deadline():
    """The whole body has a time, not each of its bytes."""
    desk = Desk(deadline=0.3)
    async with desk.open() as port, Peer.to(port) as peer:
        peer.send(HEAD + b"Content-Length: 1000\r\n\r\n")

        async def drip() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    peer.send(b"x")
                    await asyncio.sleep(0.02)  # the fault itself

        sending = asyncio.create_task(drip())
        try:
            answer = await peer.answer()
        finally:
            sending.cancel()
            await asyncio.wait([sending])
    assert answer.status == 408
    assert answer.headers["connection"] == "close"
    assert desk.said == []


@pytest.mark.parametrize("content_type", ["image/png", "application/octet-stream", "multipart/form-data; boundary=x"])
async def test_p04_a_type_that_is_no_text_is_refused(content_type):
    """415, with what would be taken."""
    desk = Desk()
    async with desk.open() as port, Peer.to(port) as peer:
        answer = await request(peer, "/-/push/notices", "POST", b"x", Content_Type=content_type)
        assert answer.status == 415
        assert "application/json" in answer.text
        # The body was read, so the connection serves on.
        assert (await request(peer, "/-/push/notices", "POST", b"x")).status == 202


@pytest.mark.parametrize(
    ("content_type", "body", "words"),
    [
        ("text/plain", b"caf\xe9", "byte 3"),
        ("application/json", b'{"a":\n  }', "line 2, column"),
        ("application/json", b"\xff", "byte 0"),
        ("application/json", b"[" * 100_000, "nested too deeply"),
        ("application/json", b"[NaN]", "line 1, column 2"),
        ("application/x-ndjson", b"1\n2\n{", "line 3, column"),
        ("application/cloudevents+json", b"[]", "a JSON object"),
        ("application/cloudevents-batch+json", b"[{}]", "event 0 of the batch"),
    ],
)
async def test_p05_a_bad_body_is_refused_with_its_place(content_type, body, words):
    """And the one after it passes."""
    desk = Desk()
    async with desk.open() as port, Peer.to(port) as peer:
        answer = await request(peer, "/-/push/notices", "POST", body, Content_Type=content_type)
        assert answer.status in {400, 422}
        assert words in json.loads(answer.body)["error"]
        assert (await request(peer, "/-/push/notices", "POST", b"good")).status == 202
    assert desk.said == ["good"]


async def test_p06_a_gzip_bomb_does_not_go_off():
    """Refused by its header; nothing of it is published."""
    desk = Desk()
    bomb = gzip.compress(bytes(50_000_000))
    async with desk.open() as port, Peer.to(port) as peer:
        answer = await request(peer, "/-/push/notices", "POST", bomb, Content_Encoding="gzip")
    assert answer.status == 415
    assert desk.said == []


async def test_p07_a_repeated_key_gets_the_same_id():
    """By header and by query, for one event and for a batch, on one connection and on another."""
    desk = Desk()
    ndjson = {"Content_Type": "application/x-ndjson"}
    async with desk.open() as port:
        answers = []
        for _ in range(2):
            async with Peer.to(port) as peer:
                answers += [
                    (await request(peer, "/-/push/notices", "POST", b"a", Idempotency_Key="k")).text,
                    (await request(peer, "/-/push/notices?id=k", "POST", b"a")).text,
                    (await request(peer, "/-/push/notices?id=batch", "POST", b"1\n2", **ndjson)).text,
                ]
    assert answers == ['{"id":"e-1"}', '{"id":"e-1"}', '{"ids":["e-2","e-3"]}'] * 2
    assert desk.said == ["a", "1", "2"]


async def test_p08_a_flood_is_told_to_come_again():
    """At the bound 429 with `Retry-After`, without holding the body; a place that comes free is given on."""
    desk = Desk(bodies=3)
    async with desk.open() as port, contextlib.AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(Peer.to(port)) for _ in range(3)]
        for peer in slow:
            peer.send(HEAD + b"Content-Length: 4\r\n\r\nhe")
        await until(lambda: desk.ingest._free == 0)
        late = await stack.enter_async_context(Peer.to(port))
        answer = await request(late, "/-/push/notices", "POST", b"late")
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        slow[0].send(b"re")
        assert (await slow[0].answer()).status == 202
        async with Peer.to(port) as again:
            assert (await request(again, "/-/push/notices", "POST", b"again")).status == 202
    assert desk.said == ["here", "again"]


async def test_p08_a_flood_of_whole_bodies_is_served_in_order():
    """A thousand quick ones on few connections are no flood: each is answered, none is lost."""
    desk = Desk()

    async def push(port: int, name: str) -> None:
        async with Peer.to(port) as peer:
            for number in range(100):
                answer = await request(peer, "/-/push/notices", "POST", f"{name} {number}".encode())
                assert answer.status in {202, 429}
                while answer.status == 429:
                    answer = await request(peer, "/-/push/notices", "POST", f"{name} {number}".encode())

    async with desk.open() as port, asyncio.TaskGroup() as group:
        for name in "abcdefghij":
            group.create_task(push(port, name))
    for name in "abcdefghij":
        assert [said for said in desk.said if said[0] == name] == [f"{name} {number}" for number in range(100)]


@pytest.mark.parametrize("given", [None, "Bearer wrong", "Basic czNjcmV0"])
async def test_p09_without_the_token_nothing_is_read(given):
    """401 comes before the body, and names no secret."""
    desk = Desk(token=Secret("s3cret"))
    async with desk.open() as port, Peer.to(port) as peer:
        line = f"Authorization: {given}\r\n".encode() if given else b""
        peer.send(HEAD + line + b"Content-Length: 1000000\r\n\r\n")
        answer = await peer.answer()
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "s3cret" not in answer.text
    assert desk.said == []


async def test_p09_with_the_token_or_signature_it_passes():
    """The signature is the one that `openssl dgst -sha256 -hmac key` makes."""
    desk = Desk(token=Secret("s3cret"), hmac=Secret("key"))
    signature = "sha256=9307b3b915efb5171ff14d8cb55fbcc798c6c0ef1456d66ded1a6aa723a58b7b"
    fields = {"Authorization": "Bearer s3cret", "X_Signature_256": signature}
    async with desk.open() as port, Peer.to(port) as peer:
        assert (await request(peer, "/-/push/notices", "POST", b"hello", **fields)).status == 202
        assert (await request(peer, "/-/push/notices", "POST", b"hullo", **fields)).status == 401
    assert desk.said == ["hello"]


@pytest.mark.parametrize(
    "query", ["event=a%0D%0Aid:%201", "event=a%0Ab", "event=a%00", "event=error", "id=a%0D%0Ab", "id=%00", "key=a%0Ab"]
)
async def test_p10_line_ends_and_nul_in_the_query_are_refused(query):
    """They would forge fields of the stream, or lines of a log."""
    desk = Desk()
    async with desk.open() as port, Peer.to(port) as peer:
        answer = await request(peer, f"/-/push/notices?{query}", "POST", b"x")
    assert answer.status == 422
    assert desk.said == []


@pytest.mark.parametrize(
    "line", [b"Event: a\rb", b"Event: a\x00b", b"Idempotency-Key: a\x00", b"Event: \xff", b"Event: \xc3\xa9"]
)
async def test_p10_line_ends_nul_and_bytes_in_headers_are_refused(line):
    """By the parser or by the door, with a 4xx either way."""
    desk = Desk()
    async with desk.open() as port, Peer.to(port) as peer:
        peer.send(HEAD + line + b"\r\nContent-Length: 1\r\n\r\nx")
        assert (await peer.answer()).status in {400, 422}
    assert desk.said == []


async def test_p11_a_push_during_the_drain_is_told_to_come_again():
    """503 with `Retry-After`; one whose body is on its way is still taken."""
    desk = Desk()
    async with desk.open() as port, Peer.to(port) as early, Peer.to(port) as late:
        early.send(HEAD + b"Content-Length: 5\r\n\r\near")
        await until(lambda: desk.ingest._free == 3)
        desk.is_draining = True
        answer = await request(late, "/-/push/notices", "POST", b"late")
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        early.send(b"ly")
        assert (await early.answer()).status == 202
    assert desk.said == ["early"]


@pytest.mark.parametrize(
    "beginning",
    [HEAD + b"Content-Length: 10\r\n\r\nhalf", CHUNKED + b"4\r\nhalf\r\n", CHUNKED + b"4\r\nha"],
)
@pytest.mark.parametrize("is_reset", [False, True])
async def test_p12_a_sender_who_leaves_amid_the_body_publishes_nothing(beginning, is_reset):
    """By a close or a reset; its place comes free, and no handler fails."""
    desk = Desk()
    async with desk.open() as port:
        async with Peer.to(port) as peer:
            peer.send(beginning)
            await until(lambda: desk.ingest._free == 3)
            if not is_reset:
                peer.writer.close()
                await peer.writer.wait_closed()
        await until(lambda: desk.ingest._free == 4)
    assert desk.said == []


async def test_p12_a_malformed_chunk_publishes_nothing():
    """Its sender is told, and the connection ends."""
    desk = Desk()
    async with desk.open() as port, Peer.to(port) as peer:
        peer.send(CHUNKED + b"4\r\nhalf\r\nZZ\r\n")
        assert (await peer.answer()).status == 400
        await peer.rest()
    assert desk.said == []


async def test_p13_a_sender_who_waits_is_told_to_go_on():
    """100 Continue, then the body, then one 202, and the connection serves on."""
    desk = Desk()
    async with desk.open() as port, Peer.to(port) as peer:
        for body in (b"hello", b"again"):
            peer.send(HEAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            async with asyncio.timeout(DEADLINE):
                assert await peer.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            peer.send(body)
            answer = await peer.answer()
            assert answer.status == 202
            assert answer.headers.get("connection", "keep-alive") == "keep-alive"
    assert desk.said == ["hello", "again"]


async def test_p13_a_sender_who_waits_in_vain_is_refused_at_once():
    """No 100 before a 401 or a 413; the body is never sent."""
    for fields, length, status in (({"token": Secret("s3cret")}, 5, 401), ({"max": "4B"}, 5, 413)):
        desk = Desk(**fields)
        async with desk.open() as port, Peer.to(port) as peer:
            peer.send(HEAD + f"Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n".encode())
            assert (await peer.answer()).status == status
        assert desk.said == []


async def test_p13_other_expectations_and_older_versions():
    """417 for what nobody knows; HTTP/1.0 has no expectations, and gets no 100."""
    desk = Desk()
    async with desk.open() as port:
        async with Peer.to(port) as peer:
            peer.send(HEAD + b"Expect: a-miracle\r\nContent-Length: 5\r\n\r\nhello")
            assert (await peer.answer()).status == 417
        async with Peer.to(port) as peer:
            peer.send(HEAD.replace(b"1.1", b"1.0") + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello")
            assert (await peer.answer()).status == 202
        async with Peer.to(port) as peer:
            peer.send(HEAD + b"Expect: 100-continue\r\nContent-Length: 0\r\n\r\n")
            assert (await peer.answer()).status == 202
    assert desk.said == ["hello", ""]


async def test_p14_the_answer_comes_after_the_event():
    """When its sender reads 202 the event is published, under the id that it reads."""
    desk = Desk()
    async with desk.open() as port, Peer.to(port) as peer:
        for number in range(1, 4):
            answer = await request(peer, "/-/push/notices", "POST", f"{number}".encode())
            assert json.loads(answer.body) == {"id": f"e-{number}"}
            assert len(desk.said) == number


async def test_p14_what_could_not_be_published_is_not_accepted():
    """A failure inside is a 500, and the same key sent again is published."""
    desk = Desk()
    async with desk.open() as port:
        desk.recorder.fails = True
        async with Peer.to(port) as peer:
            answer = await request(peer, "/-/push/notices?id=k", "POST", b"x")
            assert answer.status == 500
        desk.recorder.fails = False
        async with Peer.to(port) as peer:
            assert (await request(peer, "/-/push/notices?id=k", "POST", b"x")).status == 202
        desk.recorder.fails = True  # the one failure above was meant
    assert desk.said == ["x"]
