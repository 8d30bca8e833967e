"""Faults within an upstream's stream, S05 to S15: what it sends, and what our subscribers get of it."""

import resource

import pytest

from bridge.sources.sse import session
from tests import reference
from tests.http_server import Cut, Drip, HttpServer, Tap, answer
from tests.support import Client, running
from tests.upstream import HEAD, event, following

#: Of a bridge before us: what it sends as its first block.
GREETING = b"retry: 1000\nid: e-1\n\n"


def bridged(url: str, **keys: str) -> str:
    """Return a configuration of one stream that is passed on."""
    more = "".join(f", {name}: {value}" for name, value in keys.items())
    return f'sources: {{u: {{kind: sse, url: "{url}"{more}}}}}\nroutes: {{/u: {{from: u, start: earliest}}}}\n'


def seen(client: Client) -> list[tuple[str, str]]:
    """Return (event, data) as a browser would see them, without our own events."""
    events = reference.parse(bytes(client.body)).events
    return [(name, data) for name, data, _ in events if not name.startswith("bridge.")]


async def test_s05_a_line_without_an_end_takes_no_memory():
    """Sixty-four megabytes of it cost what one event may cost; the event behind it is heard."""
    tap = Tap()
    async with HttpServer.serving(tap) as server, following(server.url(), max="64KiB") as heard:
        await tap.send(b"id: 1\ndata: ")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(64):
            await tap.send(b"x" * 1024 * 1024)
        await tap.send(b"\n\n", event("b", "2"))
        await heard.says("<oversize>", "b")
        assert heard.losses[0].missed == 1
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024  # KiB


async def test_s05_what_was_too_large_is_not_asked_for_again():
    """Its id counts, or it would come for ever."""
    tap = Tap()
    large = b"id: 7\ndata: " + b"x" * 100_000 + b"\n\n"
    async with HttpServer.serving(Cut(HEAD + large), tap) as server, following(server.url(), max="64KiB") as heard:
        await tap.send(event("b", "8"))
        await heard.says("<oversize>", "b")
        assert server.requests[1].header("last-event-id") == "7"


async def test_s05_an_event_that_never_ends_is_nothing():
    """No blank line comes: it was cut, and its id is no place to go on after."""
    tap = Tap()
    async with (
        HttpServer.serving(Cut(HEAD + event("a", "1") + b"id: 2\n" + b"data: x\n" * 50_000), tap) as server,
        following(server.url(), max="64KiB") as heard,
    ):
        await tap.send(event("b", "3"))
        await heard.says("a", "b")
        assert server.requests[1].header("last-event-id") == "1"


async def test_s06_one_byte_at_a_time_gives_the_same_events():
    """Line ends and characters of several bytes cut in two."""
    stream = "\ufeffid: 1\r\nevent: e\r\ndata: é\U0001f600\r\n\r\ndata: b\r\rdata: c\n\n".encode()
    async with (
        HttpServer.serving(Drip(HEAD + stream)) as server,
        running(bridged(server.url())) as bridge,
    ):
        client = await bridge.open("/u")
        await client.until(lambda: len(client.events) >= 3)
        assert seen(client) == [("e", "é\U0001f600"), ("message", "b"), ("message", "c")]


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("retry: 0", session.MIN_RETRY),
        ("retry: 999", session.MIN_RETRY),
        ("retry: 5000", 5.0),
        ("retry: 300000", 300.0),
        ("retry: 99999999999999999999", session.MAX_RETRY),
        ("retry: " + "9" * 8_000, session.MAX_RETRY),
        ("retry: -1", None),
        ("retry: 1.5", None),
        ("retry: 5s", None),
        ("retry: 1e3", None),
        ("retry:", None),
        ("retry", None),
        ("retry: \N{ARABIC-INDIC DIGIT THREE}", None),
    ],
)
async def test_s07_a_retry_is_taken_within_bounds(line, seconds):
    """What is no number is passed over."""
    tap = Tap()
    async with HttpServer.serving(tap) as server, following(server.url(), is_hasty=False) as heard:
        await tap.send(line.encode() + b"\n\n" + event("a"))
        await heard.says("a")
        [cursor] = heard.place.kept["sse"]._cursors.values()  # type: ignore[attr-defined]
        assert cursor.retry == seconds


@pytest.mark.parametrize(
    ("field", "fact", "sent"),
    [
        (b"id: 2\x003", "1", "1"),
        (b"id: \x00", "1", "1"),
        (b"id: 2\rdata: more", "2", "2"),
        (b"id: " + b"9" * 9_000, None, None),
        (b"id: 2\x0b", "2\x0b", None),
        ("id: é\u2028".encode(), "é\u2028", "Ã©â\x80¨"),
        (b"id: \xff", "\ufffd", "ï¿½"),
        (b"id: 2\tx", "2\tx", "2\tx"),
    ],
    ids=["nul", "nul alone", "cr", "9 kB", "control", "utf-8", "bad utf-8", "tab"],
)
async def test_s08_an_id_is_what_the_standard_says_and_what_a_header_holds(field, fact, sent):
    """A NUL leaves the one before it; what cannot be sent back is none, and a loss after the next connection."""
    tap = Tap()
    first = event("a", "1") + field + b"\ndata: b\n\n"
    async with HttpServer.serving(Cut(HEAD + first), tap) as server, following(server.url()) as heard:
        await tap.send(event("c"))
        await heard.until(lambda: "c" in heard.said)
        assert heard.messages[1].facts.get("id") == fact
        assert server.requests[1].header("last-event-id") == sent
        assert len(heard.losses) == (sent is None)


async def test_s08_no_id_of_an_upstream_reaches_a_subscriber():
    """It gets one of ours; theirs is a fact, which a route may use."""
    tap = Tap()
    async with HttpServer.serving(tap) as server, running(bridged(server.url())) as bridge:
        client = await bridge.open("/u")
        await tap.send(b"id: \xe2\x80\xa8evil\r\ndata: a\r\n\r\n")
        block = await client.event()
        assert block.id
        assert block.id.startswith(f"{bridge.epoch}-")


@pytest.mark.parametrize("field", [b"id", b"id:", b"id: "])
async def test_s09_an_id_that_is_reset_is_none(field):
    """The upstream said so: there is nothing to go on after, and what is missed is told."""
    tap = Tap()
    first = event("a", "1") + field + b"\ndata: b\n\n"
    async with HttpServer.serving(Cut(HEAD + first), tap) as server, following(server.url()) as heard:
        await tap.send(event("c"))
        await heard.says("a", "b", "<source_reset>", "c")
        assert "id" not in heard.messages[1].facts
        assert server.requests[1].header("last-event-id") is None


async def test_s09_a_block_of_an_id_alone_moves_the_cursor():
    """No event comes of it."""
    tap = Tap()
    async with (
        HttpServer.serving(Cut(HEAD + event("a", "1") + b"id: 2\n\n"), tap) as server,
        following(server.url()) as heard,
    ):
        await tap.send(event("b", "3"))
        await heard.says("a", "b")
        assert server.requests[1].header("last-event-id") == "2"


async def test_s10_a_gap_of_another_bridge_reaches_our_subscribers():
    """In its place, with its reason and its count."""
    tap = Tap()
    async with HttpServer.serving(tap) as server, running(bridged(server.url())) as bridge:
        client = await bridge.open("/u")
        gap = b'event: bridge.gap\ndata: {"reason":"slow","missed":3,"from":"e-1","to":"e-5","snapshot":false}\n\n'
        await tap.send(GREETING, event("a", "e-1"), gap, event("b", "e-5"))
        await client.until(lambda: len(client.events) >= 2)
        told = [block.event or block.data for block in client.blocks if block.event or block.data]
        assert told == ["a", "bridge.gap", "b"]
        assert [(gap["reason"], gap["missed"]) for gap in client.gaps] == [("slow", 3)]


async def test_s10_a_goodbye_of_another_bridge_is_planned():
    """It says when to come back; nothing is wrong, and with its ids nothing is lost."""
    tap = Tap()
    bye = b'event: bridge.bye\ndata: {"reason":"drain","reconnect_in":1000,"delivered":1,"missed":0}\nretry: 20\n\n'
    first = HEAD + GREETING + event("a", "e-2") + bye
    async with (
        HttpServer.serving(Cut(first), *[Cut(HEAD + GREETING + bye)] * 4, tap) as server,
        following(server.url()) as heard,
    ):
        await tap.send(b"id: e-2\n\n", event("b", "e-3"))
        await heard.says("a", "b")
        assert set(heard.states) == {"up"}
        assert server.requests[1].header("last-event-id") == "e-2"


async def test_s10_other_words_of_another_bridge_stay_there():
    """Its heartbeats and states are about itself."""
    tap = Tap()
    async with HttpServer.serving(tap) as server, following(server.url()) as heard:
        for name in ("heartbeat", "source", "auth"):
            await tap.send(event("{}", name=f"bridge.{name}"))
        await tap.send(event("a"))
        await heard.says("a")


@pytest.mark.parametrize("name", ["error", "open", "bridge.gap2", "bridge.", "a b", "9", "é", "x" * 65, "a:b"])
async def test_s14_a_name_that_a_page_must_not_see_is_not_sent(name):
    """The event is, as a message; a route may still tell them apart by the fact `event`."""
    tap = Tap()
    async with HttpServer.serving(tap) as server, running(bridged(server.url())) as bridge:
        client = await bridge.open("/u")
        await tap.send(event("a", name=name), event("b", name="fine"))
        await client.until(lambda: len(client.events) >= 2)
        assert seen(client) == [("message", "a"), ("fine", "b")]


@pytest.mark.parametrize("data", ["a\revent: evil", "a\r\n\r\nevent: error\r\ndata: b"])
async def test_s14_no_field_is_forged_through_us(data):
    """What an upstream sends is read by its rules, and written by ours."""
    tap = Tap()
    async with HttpServer.serving(tap) as server, running(bridged(server.url())) as bridge:
        client = await bridge.open("/u")
        await tap.send(f"data: {data}\n\n".encode(), event("end"))
        await client.until(lambda: "end" in client.data)
        assert not {name for name, _ in seen(client)} & {"error", "open"}


async def test_s15_an_upstream_that_counts_anew_has_lost_what_we_asked_for():
    """It was restarted and knows nothing of our id."""
    tap = Tap()
    async with (
        HttpServer.serving(Cut(HEAD + event("a", "100")), tap) as server,
        following(server.url()) as heard,
    ):
        await tap.send(event("b", "1"), event("c", "2"))
        await heard.says("a", "<source_reset>", "b", "c")
        assert server.requests[1].header("last-event-id") == "100"


async def test_s15_the_new_ids_are_the_ones_to_go_on_with():
    """Once told is enough."""
    tap = Tap()
    async with (
        HttpServer.serving(Cut(HEAD + event("a", "100")), Cut(HEAD + event("b", "1")), tap) as server,
        following(server.url()) as heard,
    ):
        await tap.send(event("c", "2"))
        await heard.says("a", "<source_reset>", "b", "c")
        assert server.requests[2].header("last-event-id") == "1"


async def test_s15_a_restart_without_ids_is_a_gap_for_those_who_listen():
    """In their stream, before what comes next."""
    first, tap = Tap(), Tap()
    async with (
        HttpServer.serving(first, answer(503), tap) as server,
        running(bridged(server.url())) as bridge,
    ):
        client = await bridge.open("/u")
        await first.send(b"retry: 1000\n\n", event("a"))
        assert (await client.event()).data == "a"
        first.reset()
        await tap.send(event("b"))
        assert (await client.event()).data == "b"
        assert [(gap["reason"], gap["missed"]) for gap in client.gaps] == [("source_reset", None)]
