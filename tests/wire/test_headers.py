"""Points 1 to 7 and 22 of the wire contract: status, headers, the first block, where it is served."""

import asyncio
import re
from types import SimpleNamespace

import orjson
import pytest

from bridge import app
from bridge.gateway.framing import Framing
from tests.support import PLAIN, Client, running, until

TWO = """
sources: {p: {kind: push}, q: {kind: push, subject: "{room}"}}
routes:
  /p: {from: p, retry: {exact: 5s}, cors: {origins: ["https://app.example.com"]}}
  /all: {from: p, cors: {origins: ["*"]}}
  /gone: {gone: true}
  /room/{room}: {from: q}
"""


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_point_01_a_stream_is_200_event_stream_without_a_length(version):
    """In chunks on HTTP/1.1, up to the close on HTTP/1.0."""
    async with running() as served:
        client = await served.open(version=version)
        served.publish("hello")
        await client.event()
        assert client.status == 200
        assert client.headers["content-type"] == "text/event-stream"
        assert "content-length" not in client.headers
        assert client.headers.get("transfer-encoding") == ("chunked" if version == "1.1" else None)
        assert client.headers["connection"] == "close"
        assert client.raw.startswith(b"HTTP/1.1 200 OK\r\n")
        served.bridge.pump.bye(served.subscriber(client), "drain")
        await client.rest()
        assert client.is_whole == (version == "1.1")
        assert not client.is_reset
        assert not client.is_cut


async def test_point_01_a_frame_is_encoded_once_for_each_kind_of_peer(monkeypatch):
    """Ten peers of each kind take the same two buffers."""
    async with running() as served:
        clients = [await served.open(version=version) for version in ("1.0", "1.1") for _ in range(10)]
        wrapped = []
        plain = Framing.piece
        monkeypatch.setattr(Framing, "piece", lambda self, body: wrapped.append(self) or plain(self, body))
        served.publish("hello")
        for client in clients:
            assert (await client.event()).data == "hello"
        assert len(wrapped) == 2


async def test_point_02_nothing_on_the_way_keeps_alters_or_compresses_a_stream():
    """No cache, no transformation, no buffering in nginx, no encoding, though it is offered."""
    async with running() as served:
        client = await served.open(headers="Accept-Encoding: gzip, br, zstd\r\n")
        assert client.headers["cache-control"] == "no-store, no-transform"
        assert client.headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in client.headers


async def test_point_03_the_first_block_leaves_at_once_with_retry_and_id():
    """Nothing is pending, and yet head and block come, in time measured on the bridge's own loop."""
    async with running() as served:
        loop = asyncio.get_running_loop()
        waits = []
        for _ in range(5):
            begun = loop.time()
            client = await served.open()
            waits.append(loop.time() - begun)
            await client.until(lambda client=client: client.blocks)
            [first] = client.blocks
            assert first.names == ["retry", "id"]
            assert first.id == f"{served.epoch}-0"
        # The best of five: a busy machine delays any one of them.
        assert min(waits) < 0.1


async def test_point_03_head_and_first_block_are_one_write():
    """What the kernel hands over at once holds the head and the whole first block."""
    async with running() as served:
        client = await served.connect()
        await client.ask("/p")
        await client.read()
        assert client.status
        assert client.blocks


async def test_point_03_a_connection_cut_before_its_first_event_resumes_from_where_it_began():
    """The id of the first block is a place: what came after it comes, and nothing before."""
    async with running() as served:
        served.publish("before")
        client = await served.open()
        await client.until(lambda: client.blocks)
        client.reset()
        served.publish("after")
        again = await served.open(id=client.last_event_id)
        assert (await again.event()).data == "after"
        assert not again.gaps


async def test_point_03_a_gap_stands_before_the_id_and_in_the_same_write():
    """An id never leaves before the gaps it steps over."""
    async with running() as served:
        served.publish("kept")
        client = await served.connect()
        await client.ask("/p", headers="Last-Event-ID: elsewhere-7\r\n")
        await client.read()
        names = [name for block in client.blocks for name in block.names]
        assert names[:4] == ["retry", "event", "data", "id"]
        [first, second] = client.blocks[:2]
        assert first.event == "bridge.gap"
        assert first.id is None
        assert second.names == ["id"]


async def test_point_04_head_gives_the_headers_alone_and_opens_nothing():
    """The headers are those of GET; no byte follows them, and the connection serves on."""
    async with running() as served:
        got = await served.open()
        client = await served.connect()
        await client.ask("/p", method="HEAD")
        await client.ask("/nowhere", method="HEAD")
        await client.until(lambda: client.raw.count(b"\r\n\r\n") == 2)
        head, _, rest = bytes(client.raw).partition(b"\r\n\r\n")
        assert rest.startswith(b"HTTP/1.1 404"), rest
        fields = {
            line.partition(b": ")[0].lower().decode(): line.partition(b": ")[2].decode() for line in head.split(b"\r\n")
        }
        for name in ("content-type", "cache-control", "x-accel-buffering"):
            assert fields[name] == got.headers[name]
        assert "content-length" not in fields
        assert len(served.bridge.streams) == 1


async def test_point_04_options_is_204_and_allows_what_a_client_sends():
    """A preflight learns the methods and both headers."""
    async with running(TWO) as served:
        client = await served.connect()
        asked = "Origin: https://app.example.com\r\nAccess-Control-Request-Method: GET\r\n"
        asked += "Access-Control-Request-Headers: last-event-id\r\n"
        await client.ask("/p", method="OPTIONS", headers=asked)
        await client.until(lambda: client.status)
        assert client.status == 204
        allowed = client.headers["access-control-allow-headers"].lower()
        assert "last-event-id" in allowed
        assert "authorization" in allowed
        assert len(served.bridge.streams) == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_point_04_other_methods_are_405_with_allow(method):
    """Nothing but GET opens a stream."""
    async with running() as served:
        client = await served.connect()
        await client.ask("/p", method=method, headers="Content-Length: 0\r\n")
        await client.until(lambda: client.status)
        assert client.status == 405
        assert client.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("accept", ["", "Accept: */*\r\n", "Accept: text/event-stream\r\n", "Accept: text/html\r\n"])
async def test_point_05_any_accept_opens_an_event_stream(accept):
    """A missing one, any, the exact one, and one that does not fit."""
    async with running() as served:
        client = await served.open(headers=accept)
        assert client.headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_point_05_ndjson_gives_the_same_events_as_json_lines(version):
    """Each line is one object of the block's fields; an event's data is one text."""
    async with running() as served:
        plain = await served.open()
        client = await served.open(version=version, headers="Accept: application/x-ndjson\r\n")
        assert client.headers["content-type"] == "application/x-ndjson"
        ids = served.publish("one", "two\nlines", "", type="news")
        await client.until(lambda: client.body.count(b"\n") == 4)
        first, *events = map(orjson.loads, client.body.splitlines())
        assert first.keys() == {"retry", "id"}
        data = ["one", "two\nlines", ""]
        assert events == [{"id": id, "event": "news", "data": text} for id, text in zip(ids, data, strict=True)]
        await plain.until(lambda: len(plain.events) == 3)
        assert [(b.id, b.event, b.data) for b in plain.events] == [(e["id"], e["event"], e["data"]) for e in events]


async def test_point_06_a_route_that_is_gone_is_204():
    """204 means never come back."""
    async with running(TWO) as served:
        client = await served.connect()
        await client.ask("/gone")
        await client.until(lambda: client.status)
        assert client.status == 204


async def test_point_06_a_finished_run_is_204_after_its_last_id_alone():
    """Who saw the last event is told never to come back; who missed it gets it."""
    text = 'sources: {ten: {kind: timer, every: 10ms, count: 3, payload: "{n}"}}\nroutes: {/ten: {from: ten}}\n'
    async with running(text) as served:
        client = await served.open("/ten")
        await client.rest()
        assert client.data == ["0", "1", "2"]
        assert client.is_whole
        last = await served.connect()
        await last.ask("/ten", headers=f"Last-Event-ID: {client.last_event_id}\r\n")
        await last.until(lambda: last.status)
        assert last.status == 204
        before = await served.open("/ten", id=client.events[1].id)
        await before.rest()
        assert before.data == ["2"]


async def test_point_06_no_route_is_404_with_the_nearest_in_its_body():
    """A retry is pointless, and the body says why."""
    async with running() as served:
        client = await served.connect()
        await client.ask("/pp")
        await client.until(lambda: b"/p" in client.body)
        assert client.status == 404


async def test_point_06_a_route_opens_though_its_channel_is_empty():
    """A room in which nothing was ever said is a room."""
    async with running(TWO) as served:
        client = await served.open("/room/7")
        assert client.status == 200
        served.publish("hello", source="q", room="7")
        assert (await client.event()).data == "hello"


async def test_point_06_overload_is_200_with_retry_and_a_close():
    """A status would end a browser's EventSource; `retry` brings it back."""
    async with running(TWO + "limits: {subscribers: 1}\n") as served:
        first = await served.open()
        client = await served.open()
        await client.rest()
        assert client.status == 200
        assert client.headers["content-type"] == "text/event-stream"
        assert [block.fields for block in client.blocks] == [(("retry", "5000"),)]
        first.close()
        await served.empty()
        third = await served.open()
        served.publish("room again")
        assert (await third.event()).data == "room again"


async def test_point_06_a_source_that_is_down_does_not_close_its_route():
    """Streams open, and a route that says `notify: source` tells."""
    text = "sources: {p: {kind: push}}\nroutes: {/p: {from: p, notify: source}}\n"
    async with running(text) as served:
        served.bridge.intakes["p"].inlet.down("the disk is gone")
        client = await served.open()
        told = (await client.control("source")).told
        assert (told["source"], told["state"], told["error"]) == ("p", "down", "the disk is gone")
        served.bridge.intakes["p"].inlet.up()
        await client.until(lambda: len(client.controls) == 2)
        assert client.controls[1].told["state"] == "up"


@pytest.mark.parametrize(
    ("path", "origin", "allowed", "vary"),
    [
        ("/p", "https://app.example.com", "https://app.example.com", True),
        ("/p", "https://app.example.com.evil.com", None, True),
        ("/p", "null", None, True),
        ("/p", None, None, True),
        ("/all", "https://any.example", "*", False),
        ("/all", "null", "*", False),
    ],
)
async def test_point_07_an_origin_is_echoed_when_it_is_listed_and_a_star_never_has_credentials(
    path, origin, allowed, vary
):
    """A listed origin by its own name with Vary, `*` literally, nothing for others."""
    async with running(TWO) as served:
        client = await served.open(path, headers=f"Origin: {origin}\r\n" if origin else "")
        assert client.status == 200
        assert client.headers.get("access-control-allow-origin") == allowed
        assert allowed != "*" or "access-control-allow-credentials" not in client.headers
        if vary and allowed:
            assert "origin" in client.headers["vary"].lower()


async def test_point_07_a_refusal_and_an_end_bear_the_same_cors_headers():
    """A page of another origin must be able to read that it should come back."""
    async with running(TWO + "limits: {subscribers: 1}\n") as served:
        await served.open()
        client = await served.open(headers="Origin: https://app.example.com\r\n")
        assert client.headers["access-control-allow-origin"] == "https://app.example.com"


async def test_point_22_everything_works_under_a_base_path():
    """Streams, resumes and refusals, beneath the base and nowhere else."""
    server = "server: {listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: 0s, base: /live}\n"
    async with running(server + PLAIN) as served:
        client = await served.open("/live/p")
        [id] = served.publish("one")
        await client.event()
        served.publish("two")
        again = await served.open("/live/p", id=id)
        assert (await again.event()).data == "two"
        other = await served.connect()
        await other.ask("/p")
        await other.until(lambda: other.status)
        assert other.status == 404


async def test_point_22_a_prefix_counts_from_a_configured_hop():
    """The ingress says under which path it shows us."""
    server = 'server: {listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: 0s, hops: ["127.0.0.0/8"]}\n'
    async with running(server + PLAIN) as served:
        client = await served.open("/live/p", headers="X-Forwarded-Prefix: /live\r\n")
        served.publish("one")
        assert (await client.event()).data == "one"


async def test_point_11_retry_is_drawn_for_each_client_upward_only(monkeypatch):
    """Between N and a quarter more, each its own; never less than a second."""
    drawn = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return high if len(drawn) % 2 else low

    monkeypatch.setattr(app, "random", SimpleNamespace(uniform=uniform))
    async with running("sources: {p: {kind: push}}\nroutes: {/p: {from: p, retry: 4s}}\n") as served:
        clients = [await served.open() for _ in range(4)]
        for client in clients:
            await client.until(lambda client=client: client.blocks)
        assert [client.blocks[0].get("retry") for client in clients] == ["5000", "4000", "5000", "4000"]
        assert set(drawn) == {(4000, 5000)}


async def test_point_11_an_exact_retry_is_just_that():
    """No draw: every client is told the same."""
    async with running(TWO) as served:
        for _ in range(3):
            client = await served.open()
            await client.until(lambda client=client: client.blocks)
            assert re.match(rb"retry: 5000\n", client.body)


async def test_point_06_while_draining_a_new_stream_is_asked_to_come_back():
    """The listener is open to the last, and answers 200."""
    server = "server: {listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: 5s}\n"
    async with running(server + TWO) as served:
        stalled = await served.open(receive=4096)
        served.publish("x" * 900_000)  # it cannot leave before it is read, so the drain lasts
        draining = asyncio.create_task(served.bridge.streams.drain(20))
        await until(lambda: served.bridge.streams.is_draining)
        client: Client = await served.open()
        await client.rest()
        assert client.status == 200
        assert [block.fields for block in client.blocks] == [(("retry", "5000"),)]
        # By the letter of the standard a stream without an id would take the client's own away.
        client = await served.open(id=f"{served.epoch}-1")
        await client.rest()
        assert [block.fields for block in client.blocks] == [(("retry", "5000"), ("id", f"{served.epoch}-1"))]
        client = await served.open(id="not of ours: \xe4")
        await client.rest()
        assert [block.fields for block in client.blocks] == [(("retry", "5000"),)]
        await stalled.rest()
        assert stalled.controls[-1].event == "bridge.bye"
        await draining
