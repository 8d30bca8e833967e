"""A running source: who is asked, how often, after which id, and what is said of it."""

import asyncio
import gzip
import json
import random

import pytest
from structlog.testing import capture_logs

from bridge.errors import SourceError
from bridge.event import Loss
from bridge.sources.sse import follow, memory, session, upstream
from bridge.sources.sse.decoder import Decoder
from tests.http_server import Cut, Each, HttpServer, Silence, Tap, Torn, answer
from tests.support import running, until
from tests.upstream import CHUNKED, HEAD, LAST_CHUNK, event, following, place, source

CITIES = {"city": {"in": ["oslo", "bergen", "tromsø"]}}


def ids(server: HttpServer) -> list[str | None]:
    """Return the last id that each request brought."""
    return [each.header("last-event-id") for each in server.requests]


async def test_an_upstream_is_asked_as_a_browser_asks():
    """And for nothing compressed."""
    async with HttpServer.serving(Tap()) as server, following(server.url("/e?lang=x")):
        request = await server.asked(1)
    assert (request.method, request.target) == ("GET", "/e?lang=x")
    assert request.header("accept") == "text/event-stream"
    assert request.header("cache-control") == "no-store"
    assert request.header("accept-encoding") == "identity"
    assert request.header("last-event-id") is None
    assert (request.header("via") or "").startswith("1.1 sse-bridge-")


async def test_one_connection_serves_all_who_listen():
    """However many they are."""
    tap = Tap()
    async with HttpServer.serving(tap) as server:
        text = f"sources: {{u: {{kind: sse, url: {server.url('/e')}}}}}\nroutes: {{/u: {{from: u}}}}\n"
        async with running(text) as bridge:
            clients = [await bridge.open("/u") for _ in range(20)]
            await tap.send(event("a", "7", "price"))
            for client in clients:
                block = await client.event()
                assert (block.data, block.event) == ("a", "price")
                assert block.id
                assert block.id.startswith(bridge.epoch)
        assert len(server.requests) == server.connections == 1


async def test_an_address_is_read_while_somebody_listens():
    """Nobody asks before, and nobody after the linger."""
    tap = Tap()
    async with HttpServer.serving(tap) as server:
        text = f"""
sources:
  u: {{kind: sse, url: "{server.url("/e/{city}")}", params: {json.dumps(CITIES)}, linger: 0s}}
routes: {{"/u/{{city}}": {{from: u}}}}
"""
        async with running(text) as bridge:
            first = await bridge.open("/u/oslo")
            await tap.send(event("a", "1"))
            assert (await first.event()).data == "a"
            second = await bridge.open("/u/oslo")
            assert [each.target for each in server.requests] == ["/e/oslo"]
            first.close()
            second.close()
            await server.empty()
            third = await bridge.open("/u/oslo")
            await tap.send(event("b", "2"))
            assert (await third.event()).data == "b"
    assert ids(server) == [None, "1"]


async def test_each_address_has_its_own_connection_and_its_own_place():
    """What comes on one is told on its channels alone."""
    made = source("http://x/{city}", params=CITIES)
    at = place(made)
    assert at.demand is not None
    taps = {"/oslo": Tap(), "/bergen": Tap()}
    async with (
        HttpServer.serving(Each(lambda request: taps[request.path])) as server,
        following(server.url("/{city}"), params=CITIES, at=at) as heard,
    ):
        await heard.comes_up()
        for city in ("oslo", "bergen"):
            at.demand.enter({"city": city})
        await taps["/oslo"].send(event("a", "1"))
        await heard.says("a")
        await taps["/bergen"].send(event("b"))
        await heard.says("a", "b")
        assert [each.captures for each in heard.messages] == [{"city": "oslo"}, {"city": "bergen"}]
        assert [each.subject for each in heard.messages] == ["/oslo", "/bergen"]
        taps["/bergen"].reset()
        await heard.until(lambda: heard.losses)
        assert heard.losses == [Loss(reason="source_reset", captures={"city": "bergen"})]
        taps["/oslo"].reset()
        await server.asked(4)
        assert dict(zip([each.path for each in server.requests[2:]], ids(server)[2:], strict=True)) == {
            "/oslo": "1",
            "/bergen": None,
        }


async def test_who_listens_to_an_address_is_told_how_it_is():
    """Of that one alone: what fails, that it works again, and that nothing will come any more."""
    made = source("http://x/{city}", params=CITIES)
    at = place(made)
    assert at.demand is not None
    replies = {"/oslo": [answer(503), Tap()], "/bergen": [Tap()]}
    with capture_logs() as logs:
        async with (
            HttpServer.serving(Each(lambda request: replies[request.path].pop(0))) as server,
            following(server.url("/{city}"), params=CITIES, at=at) as heard,
        ):
            at.demand.enter({"city": "bergen"})
            await server.asked(1)
            at.demand.enter({"city": "oslo"})
            await heard.until(lambda: len([each for each in heard.addresses if each[0] == {"city": "oslo"}]) >= 2)
    told = [(words, is_over) for of, words, is_over in heard.addresses if of == {"city": "oslo"}]
    assert told[0][0] is not None
    assert "answers 503" in told[0][0]
    assert told[1] == (None, False)
    assert {words for of, words, _ in heard.addresses if of == {"city": "bergen"}} == {None}
    assert [each["url"] for each in logs if each["event"] == "a stream failed"] == [server.url("/oslo")]


async def test_s02_an_address_that_has_ended_is_told_so():
    """To those who listen to it now."""
    made = source("http://x/{city}", params=CITIES)
    at = place(made)
    assert at.demand is not None
    async with (
        HttpServer.serving(answer(204)) as server,
        following(server.url("/{city}"), params=CITIES, at=at) as heard,
    ):
        at.demand.enter({"city": "oslo"})
        await heard.until(lambda: heard.addresses)
        [of, words, is_over] = heard.addresses[0]
        assert (of, is_over) == ({"city": "oslo"}, True)
        assert "204" in (words or "")
        assert len(server.requests) == 1


async def test_a_value_that_no_address_holds_costs_its_own_streams_only():
    """The rule of the file let it pass."""
    made = source("http://x/{city}", params={"city": {"pattern": ".*"}})
    at = place(made)
    assert at.demand is not None
    tap = Tap()
    async with (
        HttpServer.serving(tap) as server,
        following(server.url("/{city}"), params={"city": {"pattern": ".*"}}, at=at) as heard,
    ):
        at.demand.enter({"city": ".."})
        at.demand.enter({"city": "oslo"})
        await tap.send(event("a"))
        await heard.says("a")
        assert [each.path for each in server.requests] == ["/oslo"]


async def test_who_comes_back_to_an_address_without_ids_is_told_that_something_is_missing():
    """The channel has what came before, and nothing of the time between."""
    at = place(source("http://x/", connect="listened"))
    assert at.demand is not None
    tap = Tap()
    async with (
        HttpServer.serving(tap) as server,
        following(server.url("/"), connect="listened", linger="0s", at=at) as heard,
    ):
        at.demand.enter({})
        await tap.send(event("a"))
        await heard.says("a")
        at.demand.leave({})
        await server.empty()
        at.demand.enter({})
        await tap.send(event("b"))
        await heard.says("a", "<source_reset>", "b")


async def test_an_id_is_sent_with_the_next_request_and_nothing_was_lost():
    """However the connection ended."""
    tap = Tap()
    replies = [Torn(HEAD + event("a", "1")), Cut(CHUNKED), Cut(HEAD + event("b", "2")), tap]
    async with HttpServer.serving(*replies) as server, following(server.url("/e")) as heard:
        await tap.send(event("c", "3"))
        await heard.until(lambda: "c" in heard.said)
    assert heard.losses == []
    # A reset may overtake what was sent before it.
    assert heard.said in (["a", "b", "c"], ["b", "c"])
    assert ids(server)[-1] == "2"


async def test_without_ids_each_reconnect_is_a_loss():
    """Just one, before whatever comes then."""
    tap = Tap()
    replies = [Cut(HEAD + event("a")), answer(503), answer(503), Cut(CHUNKED), tap]
    async with HttpServer.serving(*replies) as server, following(server.url("/e")) as heard:
        await tap.send(event("b"))
        await heard.until(lambda: "b" in heard.said)
        # The stream that broke before anything came was open all the same.
        assert heard.said == ["a", "<source_reset>", "<source_reset>", "b"]


async def test_what_is_missed_before_the_first_connection_is_nobodys():
    """Nobody was promised anything."""
    tap = Tap()
    async with (
        HttpServer.serving(answer(503), tap) as server,
        following(server.url("/e")) as heard,
    ):
        await tap.send(event("a"))
        await heard.says("a")


async def test_who_is_told_to_come_back_has_missed_nothing():
    """A stream that ends at once and in order, as this bridge sends when it is full."""
    tap = Tap()
    later = answer(200, b"retry: 20\n\n", ("Content-Type", "text/event-stream"), chunked=True)
    async with HttpServer.serving(later, later, tap) as server, following(server.url("/e")) as heard:
        await tap.send(event("a"))
        await heard.says("a")
        assert heard.states == ["up", "up"]


async def test_a_quiet_stream_that_was_open_for_a_while_sends_nobody_away(monkeypatch):
    """It was meant, and what came between its end and the next one is missing."""
    monkeypatch.setattr(upstream, "AT_ONCE", 0.02)
    tap = Tap(HEAD)
    async with HttpServer.serving(tap) as server, following(server.url("/e")) as heard:
        for count in (1, 2, 3):
            await tap.opened()
            await heard.until(lambda count=count: len(heard.heard) == count - 1)
            await asyncio.sleep(0.05)  # open, and quiet
            tap.end()
            await server.asked(count + 1)
        await heard.says(*["<source_reset>"] * 3)


async def test_streams_that_all_end_at_once_are_a_fault(monkeypatch):
    """It is told after a few, and a stream that stays makes good for it, although it is quiet."""
    monkeypatch.setattr(upstream, "STABLE_AFTER", 0.2)
    tap = Tap()
    empty = HEAD + b"retry: 20\n\n"
    async with HttpServer.serving(*[empty] * 4, tap) as server, following(server.url("/e")) as heard:
        assert "at once" in await heard.goes_down()
        await tap.opened()
        await heard.until(lambda: heard.states[-1] == "up")
        assert heard.messages == []


async def test_an_event_is_as_good_a_sign_of_life():
    """The source is up with it."""
    tap = Tap()
    async with HttpServer.serving(*[HEAD] * 4, tap) as server, following(server.url("/e")) as heard:
        await heard.goes_down()
        await tap.opened()
        await tap.send(event("a"))
        await heard.until(lambda: heard.states[-1] == "up")


async def test_the_last_id_goes_over_a_restart(tmp_path):
    """Where there is a folder for it; the events between are asked for."""
    tap = Tap()
    async with HttpServer.serving(tap) as server:
        for n, expected in enumerate([None, "1", "2"]):
            async with following(server.url("/e"), at=place(source(server.url("/e")), state=tmp_path)) as heard:
                await tap.send(event("x", str(n + 1)))
                await heard.says("x")
            await tap.left()
            assert ids(server)[-1] == expected
    assert [each.name for each in tmp_path.iterdir()] == [memory.NAME]


async def test_the_last_id_is_written_down_meanwhile(tmp_path, monkeypatch):
    """A crash costs a second's events, which come twice."""
    monkeypatch.setattr(follow, "EVERY", 0.01)
    tap = Tap()
    async with (
        HttpServer.serving(tap) as server,
        following(server.url("/e"), at=place(source(server.url("/e")), state=tmp_path)),
    ):
        for id in ("1", "2"):
            await tap.send(event("x", id))
            await until(lambda last=id: list((memory.load(tmp_path) or {}).values()) == [last])


async def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    """A run that follows another one in the process goes on all the same."""
    monkeypatch.chdir(tmp_path)
    tap = Tap()
    async with HttpServer.serving(tap) as server:
        at = place(source(server.url("/e")))
        for _ in range(2):
            async with following(server.url("/e"), at=at) as heard:
                await tap.send(event("x", "1"))
                await heard.says("x")
            await tap.left()
        assert ids(server) == [None, "1"]
    assert list(tmp_path.iterdir()) == []


async def test_a_damaged_file_is_a_line_of_the_log(tmp_path, capsys):
    """And the start is one without it."""
    (tmp_path / memory.NAME).write_bytes(b"{")
    tap = Tap()
    async with HttpServer.serving(tap) as server:
        async with following(server.url("/e"), at=place(source(server.url("/e")), state=tmp_path)) as heard:
            await tap.send(event("x", "1"))
            await heard.says("x")
        assert ids(server) == [None]
    assert "damaged" in capsys.readouterr().out
    assert list((memory.load(tmp_path) or {}).values()) == ["1"]


async def test_a_folder_that_cannot_be_written_costs_a_line_of_the_log(tmp_path, monkeypatch, capsys):
    """One, however long that lasts."""
    monkeypatch.setattr(follow, "EVERY", 0.01)
    state = tmp_path / "gone"
    state.mkdir()
    tap = Tap()
    async with (
        HttpServer.serving(tap) as server,
        following(server.url("/e"), at=place(source(server.url("/e")), state=state)) as heard,
    ):
        await tap.opened()
        state.rmdir()
        for n in range(20):
            await tap.send(event("x", str(n)))
            await heard.until(lambda n=n: len(heard.messages) > n)
            await asyncio.sleep(0.01)
    assert capsys.readouterr().out.count("cannot be kept") == 1


async def test_the_admin_port_shows_each_stream():
    """State, times, counts and the last words; no query."""
    tap = Tap()
    async with (
        HttpServer.serving(answer(503), Cut(HEAD + event("a", "7")), tap) as server,
        following(server.url("/e?lang=hidden")) as heard,
    ):
        await tap.opened()
        await tap.send(event("b"), b": x\n\n")
        await heard.says("a", "b")
        [stream] = heard.streams
        assert {name: stream[name] for name in ("url", "state", "error", "last_id", "events", "reconnects")} == {
            "url": server.url("/e"),
            "state": "open",
            "error": None,
            "last_id": "7",
            "events": 2,
            "reconnects": 1,
        }
        assert stream["since_at"] <= stream["last_event_at"]
        await heard.until(lambda: heard.streams[0]["bytes"] == len(event("a", "7") + event("b") + b": x\n\n"))
        server.play(Silence())
        tap.end()
        await heard.until(lambda: heard.streams[0]["state"] != "open")
        assert "ended the stream" in heard.streams[0]["error"]


async def test_a_burst_is_cut_into_batches(monkeypatch):
    """A turn of the loop takes so many at most."""
    tap = Tap()
    sizes: list[int] = []
    async with HttpServer.serving(tap) as server, following(server.url("/e")) as heard:
        emit = heard.emit
        monkeypatch.setattr(heard, "emit", lambda batch: (sizes.append(len(batch)), emit(batch))[1])
        await tap.send(b"".join(event(n, str(n)) for n in range(5_000)))
        await heard.payloads(5_000)
        assert heard.said == [str(n) for n in range(5_000)]
        assert max(sizes) == session.BATCH


async def test_a_packed_burst_is_taken_apart_piece_by_piece(monkeypatch):
    """Thirty kilobytes may hold millions of events: neither memory nor the loop takes them at once."""
    pieces: list[int] = []
    feed = Decoder.feed
    monkeypatch.setattr(Decoder, "feed", lambda self, data: (pieces.append(len(data)), feed(self, data))[1])
    # What does not shrink comes first, so that the whole is no bomb.
    noise = f": {random.Random(1).randbytes(20_000).hex()}\n".encode()
    packed = gzip.compress(noise + b"data: 1\n\n" * 20_000 + b": quiet\n" * 300_000 + event("last", "7"))
    head = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    tap = Tap(head)
    async with HttpServer.serving(tap) as server, following(server.url("/e")) as heard:
        await tap.send(packed)
        await heard.payloads(20_001)
        assert heard.said[-1] == "last"
        assert max(pieces) <= session.SLICE
        await heard.until(lambda: heard.streams[0]["last_id"] == "7")


async def test_events_of_one_piece_are_handed_over_together(monkeypatch):
    """One batch costs a route's subscribers one write."""
    tap = Tap()
    sizes: list[int] = []
    async with HttpServer.serving(tap) as server, following(server.url("/e")) as heard:
        emit = heard.emit
        monkeypatch.setattr(heard, "emit", lambda batch: (sizes.append(len(batch)), emit(batch))[1])
        await tap.send(b"".join(event(n) for n in range(50)))
        await heard.payloads(50)
        assert sizes == [50]


async def test_an_id_that_cannot_be_sent_back_is_none():
    """No header holds a control character. What is missed is told."""
    tap = Tap()
    async with (
        HttpServer.serving(Cut(HEAD + event("a", "1\x01")), tap) as server,
        following(server.url("/e")) as heard,
    ):
        await tap.send(event("b", "2"))
        await heard.says("a", "<source_reset>", "b")
        assert heard.messages[0].facts["id"] == "1\x01"
        assert ids(server) == [None, None]


@pytest.mark.parametrize("status", [400, 431])
async def test_an_upstream_that_does_not_take_its_id_back_is_asked_without(status):
    """Asked with it again it would say the same for ever."""
    tap = Tap()
    replies = [Cut(HEAD + event("a", "x" * 4_000)), answer(status), tap]
    async with HttpServer.serving(*replies) as server, following(server.url("/e")) as heard:
        await tap.send(event("b", "2"))
        await heard.says("a", "<source_reset>", "b")
        assert ids(server) == [None, "x" * 4_000, None]
        assert any("without the last id" in state for state in heard.states)


async def test_a_last_chunk_is_an_end_in_order():
    """The stream is asked for again, and the source stays up."""
    tap = Tap()
    body = event("a", "1")
    whole = CHUNKED + f"{len(body):x}\r\n".encode() + body + b"\r\n" + LAST_CHUNK
    async with HttpServer.serving(whole, tap) as server, following(server.url("/e")) as heard:
        await tap.send(event("b", "2"))
        await heard.says("a", "b")
        assert set(heard.states) == {"up"}


async def test_a_run_that_crashes_loses_nothing_that_has_an_id():
    """What was not handed over comes again."""
    first, tap = Tap(), Tap()
    async with HttpServer.serving(first, tap) as server, following(server.url("/e")) as heard:
        await first.send(event("a", "1"))
        await heard.says("a")
        heard.failure = SourceError("a bug")
        await first.send(event("b", "2"))
        await tap.send(event("b", "2"))
        await heard.says("a", "b")
        assert ids(server) == [None, "1"]
