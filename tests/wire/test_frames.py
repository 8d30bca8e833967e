"""Points 8 to 13 of the wire contract: frames, byte by byte, and what an independent parser makes of them."""

import re

import pytest

from bridge.sources.sse.decoder import Decoder, Heard
from tests.reference import parse
from tests.support import PLAIN, running, until

#: What forges fields, ends lines, or is taken for one of the two somewhere.
NASTY = {
    "LF": "a\nb",
    "CR": "a\revent: evil",
    "CRLF": "a\r\nid: evil",
    "two LF": "a\n\nb",
    "NUL": "a\0b",
    "NEL": "a\x85b",
    "LS": "a\u2028b",
    "PS": "a\u2029b",
    "VT": "a\vb",
    "FF": "a\fb",
    "BOM": "\ufeffa",
    "edges": "  a  ",
    "empty": "",
    "newline": "\n",
    "trailing": "a\n\n",
    "colon": ": a",
    "data": "data: a",
    "id": "id: evil",
    "retry": "retry: 0",
    "emoji": "\U0001f600",
}


def lines(text: str) -> str:
    """Return a text as a browser gives it: CRLF and CR become LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_point_10_any_data_arrives_as_one_event(version):
    """It splits at CRLF, CR and LF and nowhere else; nothing in it is a field, and empty data dispatches."""
    async with running() as served:
        client = await served.open(version=version)
        ids = served.publish(*NASTY.values())
        served.publish("end")
        await client.until(lambda: client.data and client.data[-1] == "end")
        found = parse(bytes(client.body)).events
        # Of the one parser that counts, an event with nothing but an empty line has the data "".
        assert [data for _, data, _ in found] == [*map(lines, NASTY.values()), "end"]
        assert [id for _, _, id in found[:-1]] == ids
        assert {name for name, _, _ in found} == {"message"}
        for line in bytes(client.body).split(b"\n"):
            assert not line.startswith(b"data") or line.startswith(b"data: ")


async def test_point_08_what_leaves_is_utf_8_with_lf_alone_and_no_byte_order_mark():
    """A bad byte becomes U+FFFD, a lone surrogate of JSON does not crash."""
    async with running() as served:
        client = await served.open()
        served.publish(b"a\xffb", "\ud83d", "\ud83d\ude00", b"\xef\xbb\xbfbom", "line\r\nline\r")
        await client.until(lambda: len(client.events) == 5)
        assert client.data[:3] == ["a\ufffdb", "\ufffd", "\U0001f600"]
        body = bytes(client.body)
        assert b"\r" not in body
        assert not body.startswith(b"\xef\xbb\xbf")
        body.decode("utf-8", "strict")


async def test_point_09_a_frame_ends_in_a_blank_line_and_none_is_cut_at_a_close():
    """Whatever ends a stream on our side ends it behind a whole frame."""
    async with running() as served:
        for reason in ("drain", "slow"):
            client = await served.connect(receive=4096)
            await client.ask("/p")
            await client.until(lambda client=client: client.blocks)
            subscriber = served.subscriber(client)
            served.publish(500_000 * "x")
            await until(lambda subscriber=subscriber: subscriber.connection.is_paused)
            served.bridge.pump.bye(subscriber, reason)
            await client.rest()
            assert client.body.endswith(b"\n\n")
            assert client.data == [500_000 * "x"]
            assert client.blocks[-1].told["reason"] == reason


async def test_point_11_ids_stand_on_every_event_and_only_grow():
    """They match the alphabet, and within an epoch they are in order."""
    async with running() as served:
        client = await served.open()
        for n in range(20):
            served.publish(*map(str, range(n % 3 + 1)))
        served.publish("end")
        await client.until(lambda: client.data and client.data[-1] == "end")
        ids = [block.id or "" for block in client.events]
        assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,128}", id) for id in ids)
        assert all(id.startswith(f"{served.epoch}-") for id in ids)
        numbers = [int(id.rpartition("-")[2]) for id in ids]
        assert numbers == sorted(set(numbers))
        assert all(block.names[0] == "id" for block in client.events)


async def test_point_11_the_events_name_is_the_routes_or_the_producers():
    """The route's, literal or filled in; else the producer's; else none."""
    text = """
sources: {p: {kind: push, subject: "{room}"}}
routes: {/named: {from: p, event: news}, /filled: {from: p, event: "room.{room}"}, /plain: {from: p}}
"""
    async with running(text) as served:
        clients = [await served.open(path) for path in ("/named", "/filled", "/plain")]
        served.publish("one", source="p", type="kind", room="a")
        served.publish("two", source="p", room="b")
        for client in clients:
            await client.until(lambda client=client: len(client.events) == 2)
        assert [[block.event for block in client.events] for client in clients] == [
            ["news", "news"],
            ["room.a", "room.b"],
            ["kind", ""],
        ]


async def test_point_11_a_name_that_an_event_may_not_have_never_leaves():
    """A capture that would make `error`, or ours, or a forged field is counted and left out."""
    text = 'sources: {p: {kind: push, subject: "{room}"}}\nroutes: {/p: {from: p, event: "{room}"}}\n'
    async with running(text) as served:
        client = await served.open()
        for name in ("error", "open", "bridge.bye", "a\nid: evil", "1st", 65 * "a", "ok"):
            served.publish(name, source="p", room=name)
        assert (await client.event()).event == "ok"
        assert client.last_event_id.endswith("-7")
        assert sum(served.bridge.bus.routes[0].skipped.values()) == 6


async def test_point_12_heartbeats_are_comments_and_never_move_the_cursor():
    """`:` and a blank line."""
    text = "sources: {p: {kind: push}}\nroutes: {/p: {from: p, heartbeat: 10ms}}\n"
    async with running(text) as served:
        client = await served.open()
        [id] = served.publish("one")
        await client.event()
        at = len(client.body)
        await client.until(lambda: client.body.count(b":\n\n", at) >= 3)
        assert bytes(client.body[at:]).replace(b":\n\n", b"") == b""
        assert parse(bytes(client.body)).last_event_id == id


@pytest.mark.parametrize("size", [1, 2, 3, 7, 65_536])
async def test_point_13_a_parser_fed_in_pieces_reads_the_same(size):
    """Our own decoder in pieces, and the independent one over the whole."""
    async with running() as served:
        client = await served.open(id="elsewhere-1")
        served.publish(*NASTY.values())
        served.publish("end")
        await client.until(lambda: client.data and client.data[-1] == "end")
        body = bytes(client.body)
        decoder = Decoder(limit=1 << 30)
        found = [each for at in range(0, len(body), size) for each in decoder.feed(body[at : at + size])]
        heard = [(e.event or "message", e.data.decode(), e.id) for e in found if isinstance(e, Heard)]
        assert heard == parse(body).events
        assert decoder.retry == parse(body).retry


async def test_point_13_a_one_megabyte_event_arrives_whole_at_a_dripping_peer():
    """It is written as the peer takes it, and stays in history though it is larger than that."""
    text = PLAIN.replace("{from: p}", "{from: p, history: {bytes: 64KiB}}")
    async with running(text) as served:
        client = await served.connect(receive=4096)
        await client.ask("/p")
        await client.until(lambda: client.blocks)
        large = 1_000_000 * "x"
        [id] = served.publish(large)
        while not client.events:
            await client.read(3_000)
        assert client.data == [large]
        late = await served.open(id=f"{served.epoch}-0")
        assert (await late.event()).data == large
        assert late.events[0].id == id


@pytest.mark.parametrize(
    ("policy", "data", "gaps"),
    [
        ("truncate", ["é" * 524_288, "next"], [("oversize", 0)]),
        ("split", [*(4 * ["é" * 524_288]), "next"], []),
        ("skip", ["next"], [("oversize", 1)]),
    ],
)
async def test_point_13_an_event_over_the_limit_gets_the_routes_policy(policy, data, gaps):
    """Four megabytes are cut, sent in parts, or left out; never within a character, and always told."""
    text = PLAIN.replace("{from: p}", f"{{from: p, oversize: {policy}, history: {{bytes: 16MiB}}}}")
    async with running(text) as served:
        client = await served.open()
        served.publish(2_097_152 * "é")
        served.publish("next")
        await client.until(lambda: client.data and client.data[-1] == "next")
        assert client.data == data
        assert [(gap["reason"], gap["missed"]) for gap in client.gaps] == gaps
        ids = [block.id for block in client.events]
        assert len(set(ids)) == len(ids)
        again = await served.open(id=f"{served.epoch}-0")
        await again.until(lambda: again.data and again.data[-1] == "next")
        assert again.data == data


async def test_control_events_carry_no_id_and_our_prefix():
    """An id on one would move the browser's cursor past events it never saw."""
    beat = "heartbeat: {every: 20ms, visible: true}"
    text = PLAIN.replace("{from: p}", f"{{from: p, notify: source, {beat}}}")
    async with running(text) as served:
        served.bridge.intakes["p"].inlet.down("gone")
        client = await served.open(id="elsewhere-1")
        served.publish("one")
        await client.control("heartbeat")
        served.bridge.pump.bye(served.subscriber(client), "drain")
        await client.rest()
        assert {block.event for block in client.controls} >= {
            "bridge.gap", "bridge.source", "bridge.heartbeat", "bridge.bye",
        }  # fmt: skip
        for block in client.controls:
            assert block.id is None
        gap, source = client.gaps[0], (await client.control("source")).told
        assert gap.keys() == {"reason", "missed", "from", "to", "snapshot"}
        assert source.keys() == {"source", "state", "since", "error"}
        assert (await client.control("heartbeat")).told.keys() == {"interval", "time", "head", "lag"}
        assert client.blocks[-1].told.keys() == {"reason", "reconnect_in", "delivered", "missed"}
        assert client.blocks[-1].get("retry") is not None
