"""Faults of an upstream's connection, S01 to S16, over real sockets."""

import asyncio
import gzip
import time
import zlib

import pytest

from bridge.sources.sse import refusal, session
from tests.http_server import Cut, HttpServer, Silence, Tap, Torn, answer, chunk
from tests.support import configured, running, until
from tests.upstream import CHUNKED, HEAD, LAST_CHUNK, event, following, place, source

TYPE = ("Content-Type", "text/event-stream")


def ids(server: HttpServer) -> list[str | None]:
    """Return the last id that each request brought."""
    return [each.header("last-event-id") for each in server.requests]


@pytest.mark.parametrize(
    "end",
    [
        answer(200, event("a", "1"), TYPE),
        answer(200, event("a", "1"), TYPE, chunked=True),
        Cut(HEAD + event("a", "1")),
        answer(200, event("a", "1"), TYPE, version="1.0"),
    ],
    ids=["length", "chunked", "close", "1.0"],
)
async def test_s01_a_stream_that_ends_in_order_is_asked_for_again(end):
    """After its last id, and nothing is wrong meanwhile."""
    tap = Tap()
    async with HttpServer.serving(end, tap) as server, following(server.url()) as heard:
        await tap.send(event("b", "2"))
        await heard.says("a", "b")
        assert ids(server) == [None, "1"]
        assert set(heard.states) == {"up"}


async def test_s01_a_stream_that_ends_in_order_is_not_asked_for_in_haste():
    """Without a `retry` as browsers do, in three seconds."""
    async with HttpServer.serving(Cut(HEAD + event("a")), Tap()) as server:
        began = time.monotonic()
        async with following(server.url(), is_hasty=False):
            await server.asked(2)
    assert 3.0 <= time.monotonic() - began < 10.0


async def test_s02_no_content_ends_the_source():
    """And the streams that it feeds: 204 means that nothing will come any more (HTML, section 9.2.3)."""
    async with HttpServer.serving(Cut(HEAD + event("a", "1")), answer(204)) as server:
        made = source(server.url())
        async with following(server.url()) as heard:
            assert heard.task is not None
            await asyncio.wait_for(heard.task, 30.0)
            assert heard.said == ["a"]
            assert set(heard.states) == {"up"}
        assert len(server.requests) == 2
        assert made.names() == frozenset()


async def test_s02_no_content_ends_the_source_where_it_is_read_only_when_listened_to():
    """Without names there is no other address."""
    at = place(source("http://x/", connect="listened"))
    assert at.demand is not None
    async with (
        HttpServer.serving(answer(204)) as server,
        following(server.url(), connect="listened", at=at) as heard,
    ):
        at.demand.enter({})
        assert heard.task is not None
        await asyncio.wait_for(heard.task, 30.0)
        assert len(server.requests) == 1


async def test_s02_no_content_ends_one_address_of_many():
    """It is asked again for those who come after its listeners have left; the others go on."""
    params = {"city": {"in": ["oslo", "bergen"]}}
    at = place(source("http://x/{city}", params=params))
    assert at.demand is not None
    tap = Tap()
    async with HttpServer.serving() as server:
        server.on("/oslo", answer(204))
        server.on("/bergen", tap)
        async with following(server.url("/{city}"), params=params, linger="0s", at=at) as heard:
            at.demand.enter({"city": "oslo"})
            at.demand.enter({"city": "bergen"})
            await tap.send(event("b"))
            await heard.says("b")
            await heard.until(lambda: len(heard.streams) == 1)
            assert [each.path for each in server.requests].count("/oslo") == 1
            while [each.path for each in server.requests].count("/oslo") == 1:
                at.demand.leave({"city": "oslo"})
                await asyncio.sleep(0.01)  # nobody listens for so long
                at.demand.enter({"city": "oslo"})
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 299, 304])
async def test_s03_a_server_error_is_told_and_tried_again(status):
    """Until it is over; what was heard before is not asked for twice."""
    tap = Tap()
    replies = [Cut(HEAD + event("a", "1")), answer(status, b"" if status == 304 else b"data: no event\n\n", TYPE), tap]
    async with HttpServer.serving(*replies) as server, following(server.url()) as heard:
        await tap.send(event("b", "2"))
        await heard.says("a", "b")
        assert ids(server) == [None, "1", "1"]
        assert any(f"answers {status}" in state for state in heard.states)
        assert heard.states[-1] == "up"


async def test_s03_a_server_that_says_when_is_asked_then():
    """`Retry-After`, which is at most five minutes here."""
    async with HttpServer.serving(answer(503, b"", ("Retry-After", "1")), Tap()) as server:
        began = time.monotonic()
        async with following(server.url()):
            await server.asked(2)
    assert 1.0 <= time.monotonic() - began < 10.0


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_s03_what_needs_a_person_is_asked_for_seldom(status, monkeypatch):
    """The words say what to look at."""
    waits: list[float] = []
    wait, sleep = asyncio.Event(), asyncio.sleep

    async def noted(seconds: float, result: object = None) -> object:
        if seconds >= refusal.FOR_A_PERSON:
            waits.append(seconds)
            await wait.wait()
        return await sleep(seconds, result)

    monkeypatch.setattr(asyncio, "sleep", noted)
    async with HttpServer.serving(answer(status)) as server, following(server.url()) as heard:
        words = await heard.goes_down()
        await heard.until(lambda: waits)
        assert f"answers {status}: " in words
        assert "check" in words
        assert len(server.requests) == 1
    assert waits[0] <= 1.25 * refusal.FOR_A_PERSON


async def test_s03_an_upstream_that_is_not_there_is_told_and_waited_for(free_port):
    """It is read as soon as it is."""
    tap = Tap()
    async with following(f"http://127.0.0.1:{free_port}/e") as heard:
        assert "refuses connections" in await heard.goes_down()
        async with HttpServer.serving(tap, port=free_port):
            await tap.send(event("a"))
            await heard.says("a")
            assert heard.states[-1] == "up"


@pytest.mark.parametrize("cut", range(1, len(event("lost half", "2", "e")), 3))
async def test_s04_an_event_that_was_torn_is_none(cut):
    """Its id neither: it comes whole with the next connection."""
    tap = Tap()
    torn = event("lost half", "2", "e")
    first = Tap()
    async with HttpServer.serving(first, tap) as server, following(server.url()) as heard:
        await first.send(event("a", "1"))
        await heard.says("a")
        await first.send(torn[:cut])
        await heard.until(lambda: heard.streams[0]["bytes"] == len(event("a", "1")) + cut)
        first.reset()
        await tap.send(torn)
        await heard.says("a", "lost half")
        assert ids(server) == [None, "1"]


async def test_s04_a_reset_is_told_until_the_stream_is_back():
    """Without ids it is a gap, too."""
    first, tap = Tap(), Tap()
    async with HttpServer.serving(first, tap) as server, following(server.url()) as heard:
        await first.send(event("a"))
        await heard.says("a")
        first.reset()
        await tap.send(event("b"))
        await heard.says("a", "<source_reset>", "b")
        assert "reset" in heard.states[1]
        assert heard.states[-1] == "up"


async def test_s11_a_stream_that_is_silent_for_too_long_is_asked_for_again():
    """Where `silence` says how long that is."""
    first, tap = Tap(), Tap()
    async with HttpServer.serving(first, tap) as server, following(server.url(), silence="1s") as heard:
        await first.send(event("a", "1"))
        await heard.says("a")
        assert "silent for 1s" in await heard.goes_down()
        await tap.send(event("b", "2"))
        await heard.says("a", "b")
        assert ids(server) == [None, "1"]


async def test_s11_a_heartbeat_is_life():
    """A comment, or any byte."""
    tap = Tap()
    async with HttpServer.serving(tap, Silence()) as server, following(server.url(), silence="1s") as heard:
        for _ in range(4):
            await tap.send(b":\n")
            await asyncio.sleep(0.5)  # half the silence that is allowed
        await tap.send(event("a"))
        await heard.says("a")
        assert len(server.requests) == 1
        assert heard.states == ["up"]


async def test_s11_a_stream_may_be_silent_for_ever_unless_told_otherwise():
    """The kernel asks whether the host is there: that finds a dead one, and no live one."""
    tap = Tap()
    async with HttpServer.serving(tap) as server, following(server.url()) as heard:
        await tap.opened()
        await heard.comes_up()
        assert source(server.url()).silence is None  # type: ignore[attr-defined]
        assert len(server.requests) == 1


async def test_s11_an_answer_that_does_not_begin_is_not_waited_for():
    """`timeout` says for how long it is."""
    tap = Tap()
    async with HttpServer.serving(Silence(), tap) as server, following(server.url(), timeout="200ms") as heard:
        assert "did not answer within 200ms" in await heard.goes_down()
        await tap.send(event("a"))
        await heard.says("a")


@pytest.mark.parametrize("type", ["text/html", "application/json", "", "text/event-streams", "text/plain, x\x7f"])
async def test_s12_another_content_type_is_no_stream(type):
    """A page that says "log in" is not read for events."""
    tap = Tap()
    page = answer(200, event("a", "1"), ("Content-Type", type))
    async with HttpServer.serving(page, tap) as server, following(server.url()) as heard:
        words = await heard.goes_down()
        assert "text/event-stream" in words
        assert words.isprintable()
        await tap.send(event("b"))
        await heard.says("b")
        assert ids(server) == [None, None]


def _gzip(*parts: bytes) -> list[bytes]:
    """Compress as a server does that flushes after each event."""
    made = zlib.compressobj(wbits=31)
    return [made.compress(part) + made.flush(zlib.Z_SYNC_FLUSH) for part in parts]


async def test_s12_a_stream_that_is_compressed_all_the_same_is_read():
    """Although it was asked for without. Each event comes when it was flushed."""
    tap = Tap(HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"))
    async with HttpServer.serving(tap) as server, following(server.url()) as heard:
        for n, part in enumerate(_gzip(event("a", "1"), event("b", "2"), event("c" * 10_000, "3"))):
            await tap.send(part)
            await heard.payloads(n + 1)
        assert heard.said == ["a", "b", "c" * 10_000]


async def test_s12_a_stream_that_is_cut_within_its_compression_was_not_ended_in_order():
    """What came before that counts."""
    [first] = _gzip(event("a", "1"))
    tap = Tap()
    head = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    async with HttpServer.serving(Cut(head + first), tap) as server, following(server.url()) as heard:
        assert "cut" in await heard.goes_down()
        await tap.send(event("b", "2"))
        await heard.says("a", "b")


async def test_s12_a_compressed_bomb_is_left():
    """A gigabyte of one event in a megabyte: neither is held."""
    bomb = gzip.compress(b"data: " + b"x" * 64 * 1024 * 1024)
    tap = Tap()
    head = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    async with HttpServer.serving(head + chunk(bomb) + LAST_CHUNK, tap) as server, following(server.url()) as heard:
        assert "times its size" in await heard.goes_down()
        await tap.send(event("b"))
        await heard.until(lambda: "b" in heard.said)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br", "x\x7f"])
async def test_s12_another_coding_is_refused_in_words(coding):
    """It was not asked for."""
    reply = answer(200, event("a"), TYPE, ("Content-Encoding", coding))
    async with HttpServer.serving(reply, Tap()) as server, following(server.url()) as heard:
        words = await heard.goes_down()
        assert "compresses" in words
        assert words.isprintable()
        assert heard.messages == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_s13_a_redirect_is_followed(status):
    """The last id goes along, on each connection anew: it may lead elsewhere tomorrow."""
    tap = Tap()
    async with HttpServer.serving() as server:
        server.on("/e", answer(status, b"", ("Location", "/moved")))
        server.on("/moved", Cut(HEAD + event("a", "1")), tap)
        async with following(server.url("/e")) as heard:
            await tap.send(event("b", "2"))
            await heard.says("a", "b")
            assert [each.path for each in server.requests] == ["/e", "/moved"] * 2
            assert ids(server) == [None, None, "1", "1"]
            assert {each.subject for each in heard.messages} == {"/e"}


async def test_s13_a_redirect_in_circles_is_told():
    """It is tried again, with growing waits."""
    async with (
        HttpServer.serving(answer(302, b"", ("Location", "/e"))) as server,
        following(server.url("/e")) as heard,
    ):
        assert "redirects" in await heard.goes_down()


async def test_s13_a_redirect_to_a_metadata_service_is_not_followed():
    """The rules of `web` hold for streams as well."""
    async with (
        HttpServer.serving(answer(302, b"", ("Location", "http://169.254.169.254/latest"))) as server,
        following(server.url("/e")) as heard,
    ):
        assert "169.254.169.254" in await heard.goes_down()


async def test_s16_a_stream_of_our_own_is_told_as_a_loop_and_left_alone(monkeypatch):
    """508 is what the public port answers to our own `Via`."""
    waits: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float, result: object = None) -> object:
        if seconds > refusal.FOR_A_PERSON:
            waits.append(seconds)
        return await sleep(seconds, result)

    monkeypatch.setattr(asyncio, "sleep", noted)
    async with HttpServer.serving(answer(508)) as server, following(server.url()) as heard:
        assert "leads back to this bridge" in await heard.goes_down()
        await heard.until(lambda: waits)
        assert waits[0] >= refusal.FOR_A_LOOP
        assert len(server.requests) == 1


async def test_s16_a_source_that_reads_its_own_route_feeds_nobody(free_port):
    """No event goes round, the port stays free for others, and the source says what is wrong."""
    text = f"""
server: {{listen: "127.0.0.1:{free_port}", admin: "127.0.0.1:0", drain: 0s}}
sources:
  loop: {{kind: sse, url: "http://127.0.0.1:{free_port}/loop"}}
  p: {{kind: push}}
routes: {{/loop: {{from: [loop, p]}}}}
"""
    assert configured(text)
    async with running(text) as bridge:
        client = await bridge.open("/loop")
        health = bridge.bridge.health
        await until(lambda: health.sources["loop"].state == "down")
        assert "leads back to this bridge" in (health.sources["loop"].error or "")
        bridge.publish("once")
        assert (await client.event()).data == "once"
        bridge.publish("twice")
        assert (await client.event()).data == "twice"
        assert client.data == ["once", "twice"]


async def test_s07_no_retry_makes_us_ask_in_haste():
    """A second is the least, whatever the upstream says; the times are the loop's own."""
    async with HttpServer.serving(Cut(HEAD + b"retry: 0\n\n" + event("a")), Tap()) as server:
        began = time.monotonic()
        async with following(server.url(), is_hasty=False):
            await server.asked(2)
    assert session.MIN_RETRY == 1.0
    assert 1.0 <= time.monotonic() - began < 3.0


async def test_s01_a_torn_stream_is_asked_for_within_a_second():
    """Whoever was reset is back at once: the server was only started again."""
    async with HttpServer.serving(Torn(HEAD), Tap()) as server:
        began = time.monotonic()
        async with following(server.url(), is_hasty=False):
            await server.asked(2)
    assert time.monotonic() - began < 3.0
