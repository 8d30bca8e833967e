"""Points 14 to 21 of the wire contract: where a stream starts, and where it goes on."""

import asyncio
import json

import pytest

from tests.support import PLAIN, Client, Served, numbers, running, until

#: Ids that we cannot have written, as they would stand in the header; EPOCH stands for the present one.
FOREIGN = [
    "unknown", "EPOCH-99999", "other-1", "EPOCH--1", "EPOCH-18446744073709551616", "EPOCH-1x", "EPOCH-01",
    129 * "a", 8_191 * "a", 60_000 * "a", "caf\xe9", "EPOCH-1, EPOCH-2", "' OR 1=1 --", '{"id": 1}',
    "../../etc/passwd", "run-1", "EPOCH-1.1.1", "-", "%00",
]  # fmt: skip


async def ended(client: Client, last: str = "end") -> list[str]:
    """Read until the event that says this, and return what came before it."""
    await client.until(lambda: client.data and client.data[-1] == last)
    return client.data[:-1]


def kept(served: Served, *payloads: str) -> list[str]:
    """Publish what a history keeps."""
    return served.publish(*payloads)


async def test_point_14_the_header_beats_the_query_and_both_beat_a_time():
    """The order of precedence, seen in what is replayed."""
    async with running() as served:
        ids = kept(served, "0", "1", "2", "3", "end")
        assert await ended(await served.open(f"/p?last_event_id={ids[2]}", id=ids[0])) == ["1", "2", "3"]
        assert await ended(await served.open(f"/p?last_event_id={ids[2]}&since=1h")) == ["3"]
        assert await ended(await served.open("/p?since=1h&last=1", id=ids[1])) == ["2", "3"]
        assert await ended(await served.open("/p?since=1h&last=1")) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("id", FOREIGN, ids=lambda text: repr(text[:20]))
async def test_point_14_an_id_that_is_not_ours_is_200_and_a_gap(id):
    """Unknown, malformed, oversized, foreign: the stream opens, says so, and gives the oldest kept."""
    async with running() as served:
        kept(served, "0", "1", "end")
        client = await served.connect()
        header = id.replace("EPOCH", served.epoch)
        await client.send(b"GET /p HTTP/1.1\r\nHost: x\r\nLast-Event-ID: " + header.encode("latin-1") + b"\r\n\r\n")
        assert await ended(client) == ["0", "1"]
        assert client.status == 200
        assert client.blocks[0].event == "bridge.gap"
        assert client.gaps[0]["reason"] == "epoch"
        json.dumps(client.gaps)


@pytest.mark.parametrize("id", ["a%01b", "%00", "caf%C3%A9", "%FF", "%F0%9F%98%80", "+", "a%0D%0Aid:%20evil"])
async def test_point_14_an_id_of_the_query_may_be_anything(id):
    """Control characters, NUL, and what is no UTF-8 among them: nothing of it is echoed as it came."""
    async with running() as served:
        kept(served, "0", "end")
        client = await served.open(f"/p?last_event_id={id}")
        assert await ended(client) == ["0"]
        assert client.gaps[0]["reason"] == "epoch"
        assert client.gaps[0]["from"] is None


async def test_point_15_replay_is_strictly_after_the_id_and_then_live():
    """Every id of a history leads to exactly what follows it, and then to what comes."""
    async with running() as served:
        ids = kept(served, *map(str, range(20)))
        clients = [await served.open(id=id) for id in ids]
        served.publish("20", "end")
        for n, client in enumerate(clients, 1):
            assert numbers(await ended(client)) == list(range(n, 21))
            assert not client.gaps


async def test_point_15_no_hole_and_no_repeat_at_the_seam_while_events_are_published():
    """Streams resume in the middle of a flow, at every turn of the loop."""
    async with running() as served:
        [id] = kept(served, "0")

        async def publish() -> None:
            for n in range(1, 200):
                served.publish(str(n))
                await asyncio.sleep(0)
            served.publish("end")

        publishing = asyncio.create_task(publish())
        clients = [await served.open(id=id) for _ in range(20)]
        await publishing
        for client in clients:
            assert numbers(await ended(client)) == list(range(1, 200))
            assert not client.gaps


async def test_point_16_an_evicted_id_is_a_gap_and_then_the_oldest_kept():
    """The number missed is exact, and both ends of the gap are named."""
    text = PLAIN.replace("{from: p}", "{from: p, history: {events: 5}}")
    async with running(text) as served:
        ids = kept(served, *map(str, range(19)), "end")
        client = await served.open(id=ids[3])
        assert await ended(client) == ["15", "16", "17", "18"]
        [gap] = client.gaps
        assert (gap["reason"], gap["from"], gap["to"]) == ("evicted", ids[3], ids[15])
        assert gap["missed"] in {None, 11}
        kept_still = await served.open(id=ids[14])
        assert await ended(kept_still) == ["15", "16", "17", "18"]
        assert not kept_still.gaps


async def test_point_16_an_id_of_another_epoch_is_a_gap_and_then_the_oldest_kept():
    """The bridge was started anew."""
    async with running() as served:
        [old] = kept(served, "before")
    async with running() as served:
        kept(served, "0", "end")
        client = await served.open(id=old)
        assert await ended(client) == ["0"]
        assert client.gaps[0]["reason"] == "epoch"
        assert client.gaps[0]["from"] == old


async def test_point_17_replay_is_what_live_was():
    """The same frames, byte for byte, in the same order, through the same code."""
    text = 'sources: {p: {kind: push, subject: "{room}"}}\nroutes: {"/room/{room}": {from: p, event: "in.{room}"}}\n'
    async with running(text) as served:
        live = await served.open("/room/a")
        for n in range(10):
            served.publish(f"{n}\nline", source="p", room="ab"[n % 2])
        served.publish("end", source="p", room="a")
        await ended(live)
        replayed = await served.open("/room/a", id=f"{served.epoch}-0")
        await ended(replayed)
        assert [block.fields for block in replayed.events] == [block.fields for block in live.events]
        assert len(live.events) == 6


async def test_point_18_an_id_and_a_blank_line_moves_the_cursor_without_an_event():
    """The first block is one: it dispatches nothing, and a resume goes on after it."""
    async with running() as served:
        [id] = kept(served, "0")
        client = await served.open()
        await client.until(lambda: client.blocks)
        assert client.last_event_id == id
        assert not client.events
        served.publish("end")
        assert await ended(await served.open(id=id)) == []


@pytest.mark.parametrize("bound", ["{events: 30}", "{bytes: 4KiB}"])
async def test_point_19_a_replay_is_bounded_and_nothing_is_skipped(bound):
    """`bridge.bye`, `retry`, a close; the client comes back with its last id until it has all."""
    text = PLAIN.replace("{from: p}", "{from: p, history: {events: 5000, bytes: 16MiB}}")
    async with running(text + f"limits: {{replay: {bound}}}\n") as served:
        kept(served, *(f"{n} {'x' * 300}" for n in range(400)))
        id, seen, rounds = f"{served.epoch}-0", [], 0
        while len(seen) < 400:
            client = await served.open(id=id)
            left = 400 - len(seen)
            await client.until(lambda c=client, n=left: c.is_over or len(c.events) == n)
            seen += client.data
            id = client.last_event_id
            rounds += 1
            assert not client.gaps
            if len(seen) < 400:
                await client.rest()
                bye = client.blocks[-1]
                assert bye.told["reason"] == "replay_bound"
                assert bye.get("retry") == str(bye.told["reconnect_in"])
                assert client.is_whole
        assert [int(text.split()[0]) for text in seen] == list(range(400))
        assert rounds > 2


async def test_point_19_a_first_connect_is_never_closed_for_its_length():
    """It is paced by what the peer takes."""
    text = PLAIN.replace("{from: p}", "{from: p, start: earliest, history: {events: 5000, bytes: 16MiB}}")
    async with running(text + "limits: {replay: {events: 10, bytes: 1KiB}}\n") as served:
        kept(served, *map(str, range(500)))
        client = await served.open()
        await client.until(lambda: len(client.events) == 500)
        assert numbers(client.data) == list(range(500))
        assert not client.controls


async def test_point_19_a_resume_that_reached_the_head_is_live_for_good():
    """The bound counts what is replayed, not what comes later."""
    async with running(PLAIN + "limits: {replay: {events: 10}}\n") as served:
        [id, *_] = kept(served, *map(str, range(5)))
        client = await served.open(id=id)
        await client.until(lambda: len(client.events) == 4)
        for n in range(5, 50):
            served.publish(str(n))
            await client.event()
        served.publish("end")
        assert numbers(await ended(client)) == list(range(1, 50))
        assert not client.controls


@pytest.mark.parametrize(
    ("start", "query", "expected"),
    [
        ("live", "", []),
        ("earliest", "", ["0", "1", "2", "3"]),
        ("{last: 2}", "", ["2", "3"]),
        ("{last: 100}", "", ["0", "1", "2", "3"]),
        ("live", "?last=3", ["1", "2", "3"]),
        ("earliest", "?last=0", []),
        ("live", "?since=10m", ["0", "1", "2", "3"]),
        ("earliest", "?since=2999-01-01T00:00:00Z", []),
        ("live", "?since=2020-01-01T00:00:00Z", ["0", "1", "2", "3"]),
    ],
)
async def test_point_20_a_first_connect_starts_where_the_route_or_the_query_says(start, query, expected):
    """The subscriber's word beats the route's."""
    text = PLAIN.replace("{from: p}", f"{{from: p, start: {start}}}")
    async with running(text) as served:
        kept(served, "0", "1", "2", "3")
        client = await served.open(f"/p{query}")
        served.publish("end")
        assert await ended(client) == expected
        assert not client.gaps


async def test_point_20_a_snapshot_is_the_latest_of_each_key():
    """Then live; cut in the middle, it is given again."""
    text = 'sources: {p: {kind: push, subject: "{item}"}}\nroutes: {/p: {from: p, key: item, start: snapshot}}\n'
    async with running(text) as served:
        for n in range(30):
            served.publish(str(n), source="p", item=str(n % 3))
        client = await served.open()
        served.publish("end", source="p", item="0")
        assert await ended(client) == ["27", "28", "29"]
        assert not client.gaps
        again = await served.open(id=client.blocks[0].id)
        assert await ended(again) == ["28", "29"]


async def test_point_21_without_start_a_route_is_live_and_an_explicit_live_sends_nothing_old():
    """A push route starts with what comes next."""
    text = "sources: {p: {kind: push}}\nroutes: {/p: {from: p}, /live: {from: p, start: live}}\n"
    async with running(text) as served:
        kept(served, "0", "1")
        for path in ("/p", "/live"):
            client = await served.open(path)
            served.publish("end")
            assert await ended(client) == []


async def test_point_21_earliest_is_the_earliest_that_is_kept():
    """What was evicted is no loss to one who never had an id."""
    text = PLAIN.replace("{from: p}", "{from: p, start: earliest, history: {events: 3}}")
    async with running(text) as served:
        kept(served, *map(str, range(9)), "end")
        client = await served.open()
        assert await ended(client) == ["7", "8"]
        await until(lambda: served.subscriber(client).audience is not None)
