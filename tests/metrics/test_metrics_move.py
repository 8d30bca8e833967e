"""Each metric is seen to change, in a running bridge, for the reason that it tells."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from bridge.errors import SourceError
from bridge.event import Loss, Message
from bridge.metrics.catalogue import SECTIONS
from bridge.sources.base import Outlet, Place, Source
from bridge.telemetry import LOG
from tests.gateway.proxy.app import HELLO, always, application
from tests.metrics.scrape import SEEN, rises, scraped, sees
from tests.support import PLAIN, SERVER, Client, Served, running, until

#: They say the same from the start to the end.
CONSTANT = {"workers", "build"}

KEYED = """
sources: {p: {kind: push, subject: "{room}", capture: {kind: data.kind}}}
routes: {"/rooms/{room}": {from: p, key: data.id, event: "{kind}"}}
"""


@sees("route_streams", "route_subscribers", "streams", "streams_accepted", "source_subscribers", "listener_connections")
async def test_a_stream_that_opens_and_leaves() -> None:
    """It counts as opened for good, and as open until it has left."""
    async with running() as served:
        before = await scraped(served)
        client = await served.open()
        there = await scraped(served)
        rises(before, there, "streams", "streams_accepted_total")
        rises(before, there, "route_streams_total", route="/p")
        rises(before, there, "route_subscribers", route="/p", state="live")
        rises(before, there, "source_subscribers", source="p")
        rises(before, there, "listener_connections", listener="public")
        client.close()
        await served.empty()
        after = await scraped(served)
        assert after.of("streams") == after.of("route_subscribers", route="/p", state="live") == 0
        assert after.of("streams_accepted_total") == after.of("route_streams_total", route="/p") == 1


@sees("route_events", "route_deliveries", "route_written_bytes", "route_latency_seconds", "route_channels", "channels")
@sees("route_history_events", "route_history_bytes", "memory_used_bytes")
@sees("source_messages", "source_received_bytes", "source_late_seconds", "source_last_message_timestamp_seconds")
async def test_events_that_are_delivered() -> None:
    """Two events to three subscribers: two come in, six go out, and all six are timed."""
    async with running() as served:
        empty = await scraped(served)
        assert empty.get("source_late_seconds", source="p") is None
        assert empty.get("source_last_message_timestamp_seconds", source="p") is None
        clients = [await served.open() for _ in range(3)]
        before = await scraped(served)
        now = served.bridge.bus.now()
        inlet = served.bridge.intakes["p"].inlet
        inlet.emit([Message(b"one", now - 20), Message("zwölf", now - 20)])
        for client in clients:
            await client.until(lambda client=client: len(client.events) == 2)
        after = await scraped(served)
    assert after.of("route_events_total", route="/p") == after.of("source_messages_total", source="p") == 2
    assert after.of("route_deliveries_total", route="/p") - before.of("route_deliveries_total", route="/p") == 6
    rises(before, after, "route_written_bytes_total", "route_history_events", "route_history_bytes", route="/p")
    assert after.of("route_latency_seconds_count", route="/p") == 6
    assert after.of("route_latency_seconds_bucket", route="/p", le="10.0") == 0
    assert after.of("route_latency_seconds_bucket", route="/p", le="30.0") == 6
    assert 120 <= after.of("route_latency_seconds_sum", route="/p") < 180
    assert after.of("source_received_bytes_total", source="p") == 3 + 6
    assert 20 <= after.of("source_late_seconds", source="p") < 30
    assert after.of("source_last_message_timestamp_seconds", source="p") >= now
    assert after.of("memory_used_bytes") == after.of("route_history_bytes", route="/p") > 0
    assert after.of("channels") == after.of("route_channels", route="/p") == 1 > empty.of("channels")


async def test_a_replay_is_no_latency() -> None:
    """What a client is given of the past is as old as its absence: it is delivered, and not timed."""
    async with running() as served:
        [id, *_] = served.publish("a", "b", "c")
        client = await served.open(id=id)
        await client.until(lambda: len(client.events) == 2)
        after = await scraped(served)
        assert after.of("route_deliveries_total", route="/p") == 2
        assert after.of("route_latency_seconds_count", route="/p") == 0


@sees("route_gaps", "route_replays")
async def test_a_stream_that_resumes() -> None:
    """An id of another run is a gap and all of memory; one of this run is a replay alone."""
    async with running() as served:
        [id, *_] = served.publish("a", "b")
        before = await scraped(served)
        await (await served.open(id=id)).event()
        rises(before, after := await scraped(served), "route_replays_total", route="/p", origin="memory")
        assert after.of("route_gaps_total", route="/p", reason="epoch") == 0
        await (await served.open(id="0000-1")).event()
        rises(after, await scraped(served), "route_gaps_total", route="/p", reason="epoch")


async def test_a_reader_that_falls_behind_is_told() -> None:
    """The gap that its own cursor makes counts as well."""
    text = "sources: {p: {kind: push}}\nroutes: {/p: {from: p, history: {events: 5}}}\n"
    async with running(text) as served:
        slow = await served.open(receive=4_096)
        for _ in range(200):
            served.publish("x" * 8_192)
            await asyncio.sleep(0)
        await slow.control("gap")
        assert (await scraped(served)).of("route_gaps_total", route="/p", reason="slow") >= 1
        assert {gap["reason"] for gap in slow.gaps} == {"slow"}


async def test_events_over_the_limit() -> None:
    """One that is truncated counts once; one that is left out, for each who is told."""
    text = """
limits: {event: 1KiB}
sources: {p: {kind: push}}
routes: {/cut: {from: p, oversize: truncate}, /out: {from: p, oversize: skip}}
"""
    async with running(text) as served:
        clients = [await served.open(path) for path in ("/cut", "/cut", "/out", "/out")]
        served.publish("x" * 4_000)
        for client in clients:
            await client.control("gap")
        found = await scraped(served)
        assert found.of("route_gaps_total", route="/cut", reason="oversize") == 1
        assert found.of("route_gaps_total", route="/out", reason="oversize") == 2


async def test_a_stream_at_the_head_replays_nothing() -> None:
    """A newcomer and a resume that missed nothing are no replays."""
    async with running() as served:
        [id] = served.publish("a")
        for resumed in (None, id):
            await served.open(id=resumed)
        found = await scraped(served)
        assert not any(found.of("route_replays_total", **labels) for labels in found.labels("route_replays_total"))


async def test_replays_by_origin() -> None:
    """The table, present values and a run of one's own are told apart."""
    text = """
sources: {p: {kind: push}, clock: {kind: timer, every: 1h, payload: "x"}, run: {kind: timer, every: 1s, count: 2}}
routes: {/table: {from: p, key: data.id, start: snapshot}, /clock: {from: clock}, /run: {from: run}}
"""
    async with running(text) as served:
        served.publish('{"id": 1}')
        for path in ("/table", "/clock", "/run"):
            await (await served.open(path)).event()
        found = await scraped(served)
        for path, origin in {"/table": "table", "/clock": "greeting", "/run": "run"}.items():
            assert found.of("route_replays_total", route=path, origin=origin) == 1


@sees("route_byes")
async def test_a_stream_that_is_asked_to_come_back() -> None:
    """A resume that meets its bound is ended by us, and says why."""
    async with running(f"limits: {{replay: {{events: 2}}}}\n{PLAIN}") as served:
        [id, *_] = served.publish(*"abcdef")
        client = await served.open(id=id)
        await client.control("bye")
        found = await scraped(served)
        assert found.of("route_byes_total", route="/p", reason="replay_bound") == 1


@sees("route_skipped_events")
async def test_events_without_a_place() -> None:
    """Each reason has its word."""
    async with running(KEYED) as served:
        before = await scraped(served)
        served.publish('{"id": 1, "kind": "x"}')
        served.publish('{"kind": "x"}', '{"id": 1}', '{"id": 1, "kind": "open"}', room="a")
        after = await scraped(served)
        for reason in ("no_capture", "no_key", "no_event", "bad_event"):
            rises(before, after, "route_skipped_events_total", route="/rooms/{room}", reason=reason)


@sees("route_waiting_bytes")
async def test_a_peer_that_takes_nothing() -> None:
    """It lags, and what waits for it is seen, also of an event that is larger than a write."""
    async with running() as served:
        stuck = await served.open(receive=4_096)
        for _ in range(100):
            served.publish("x" * 8_192)
        served.publish("y" * 200_000)
        await until(lambda: served.subscriber(stuck).audience is None)
        found = await scraped(served)
        assert found.of("route_waiting_bytes", route="/p") > 0
        assert found.of("route_subscribers", route="/p", state="lagging") == 1
        assert found.of("route_subscribers", route="/p", state="live") == 0


@sees("source_losses", "source_lost_messages")
async def test_a_loss_of_the_source() -> None:
    """It counts once at the source, and for each subscriber that is told."""
    async with running() as served:
        clients = [await served.open(), await served.open()]
        served.bridge.intakes["p"].inlet.lose(Loss(reason="source_reset", missed=5))
        served.bridge.intakes["p"].inlet.lose(Loss(reason="source_reset"))
        for client in clients:
            await client.until(lambda client=client: len(client.gaps) == 2)
        found = await scraped(served)
        assert found.of("source_losses_total", source="p", reason="source_reset") == 2
        assert found.of("source_lost_messages_total", source="p", reason="source_reset") == 5
        assert found.of("route_gaps_total", route="/p", reason="source_reset") == 4


class Failing(Source):
    """Comes up, waits for a word, and fails."""

    async def run(self, outlet: Outlet, place: Place) -> None:
        """Fail each time that it is told to."""
        outlet.up()
        place.behind = lambda: 42
        word = place.kept.setdefault("word", asyncio.Event())
        assert isinstance(word, asyncio.Event)
        await word.wait()
        word.clear()
        place.behind = lambda: None
        raise SourceError("it was told to")


@sees("source_state", "source_state_since_timestamp_seconds", "source_downs", "source_restarts")
@sees("source_behind_messages")
async def test_a_source_that_fails() -> None:
    """Its state is one of four; that it went down and was started anew is counted."""
    async with running(PLAIN, {"p": Failing()}) as served:
        status = served.bridge.health.sources
        await until(lambda: status["p"].state == "up")
        up = await scraped(served)
        assert up.of("source_state", source="p", state="up") == 1
        assert up.of("source_behind_messages", source="p") == 42
        word = served.bridge.intakes["p"].place.kept["word"]
        assert isinstance(word, asyncio.Event)
        word.set()
        await until(lambda: status["p"].state == "down")
        down = await scraped(served)
        assert down.of("source_state", source="p", state="down") == 1
        assert down.of("source_state", source="p", state="up") == 0
        assert down.get("source_behind_messages", source="p") is None
        rises(up, down, "source_downs_total", "source_state_since_timestamp_seconds", source="p")
        await until(lambda: status["p"].state == "up")
        rises(down, await scraped(served), "source_restarts_total", source="p")


@sees("streams_refused", "streams_limit", "channels_limit", "memory_limit_bytes", "route_source", "source")
async def test_limits_and_what_they_refuse() -> None:
    """Limits are as the file says, and a stream over one is counted by its name."""
    async with running(f"limits: {{subscribers: 1, channels: 7, memory: 2MiB}}\n{PLAIN}") as served:
        before = await scraped(served)
        assert before.of("streams_limit") == 1
        assert before.of("channels_limit") == 7
        assert before.of("memory_limit_bytes") == 2 * 1024 * 1024
        assert before.of("route_source_info", route="/p", source="p") == 1
        assert before.of("source_info", source="p", kind="push") == 1
        await served.open()
        await served.open()
        rises(before, await scraped(served), "streams_refused_total", reason="subscribers")


@sees("ready", "draining")
async def test_a_drain() -> None:
    """From its first moment the bridge is not ready, and a stream that comes is refused for it."""
    async with running(SERVER.replace("drain: 0s", "drain: 20s") + PLAIN) as served:
        # The second is told after a while, so the drain goes on.
        clients = [await served.open(), await served.open()]
        before = await scraped(served)
        assert (before.of("ready"), before.of("draining")) == (1, 0)
        served.stop.set()
        await until(lambda: served.bridge.streams.is_draining and len(served.bridge.streams) == 1)
        after = await scraped(served)
        assert (after.of("ready"), after.of("draining")) == (0, 1)
        assert after.of("route_byes_total", route="/p", reason="drain") == 1
        await served.open()
        rises(after, await scraped(served), "streams_refused_total", reason="drain")
        for client in clients:
            client.close()


@sees("proxy_requests_open", "proxy_tunnels", "proxy_requests")
async def test_requests_to_the_application() -> None:
    """One on its way is open, one that ended counts by how it did; without an application there is nothing to tell."""
    async with application(always(HELLO)) as app, _before(app.port) as (served, front):
        before = await scraped(served)
        assert (before.of("proxy_requests_open"), before.of("proxy_tunnels")) == (0, 0)
        await front.ask("/x")
        await front.until(lambda: front.status)
        rises(before, await scraped(served), "proxy_requests_total", outcome="answered")
    async with running() as served:
        found = await scraped(served)
        assert not found.labels("proxy_requests_total")
        assert found.get("proxy_requests_open") is None


async def test_a_tunnel_to_the_application() -> None:
    """A WebSocket is a request that stays open."""
    switching = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    async with application(always(switching)) as app, _before(app.port) as (served, front):
        await front.ask("/x", headers="Upgrade: websocket\r\nConnection: Upgrade\r\n")
        await until(lambda: served.bridge.proxy is not None and served.bridge.proxy.tunnels)
        found = await scraped(served)
        assert (found.of("proxy_requests_open"), found.of("proxy_tunnels")) == (1, 1)
        front.close()
        await until(lambda: served.bridge.proxy is not None and not served.bridge.proxy.tunnels)


async def test_an_application_that_is_not_there() -> None:
    """A request that gets no answer has failed."""
    async with application(always(HELLO)) as app:
        port = app.port
    async with _before(port) as (served, front):
        await front.ask("/x")
        await front.until(lambda: front.status)
        assert (await scraped(served)).of("proxy_requests_total", outcome="failed") == 1


@contextlib.asynccontextmanager
async def _before(port: int) -> AsyncIterator[tuple[Served, Client]]:
    server = SERVER.replace("}", f', upstream: "http://127.0.0.1:{port}"}}')
    async with running(server + PLAIN) as served:
        yield served, await served.connect()


@sees("listener_faults", "listener_connections_limit")
async def test_a_request_that_is_malformed() -> None:
    """It counts at its listener."""
    async with running() as served:
        before = await scraped(served)
        limits = {each: before.of("listener_connections_limit", listener=each) for each in ("public", "admin")}
        assert limits["public"] > limits["admin"] > 0
        client = await served.connect()
        await client.send(b"\0\0\r\n\r\n")
        await client.rest()
        after = await scraped(served)
        rises(before, after, "listener_faults_total", listener="public", reason="malformed")
        assert after.of("listener_faults_total", listener="admin", reason="malformed") == 0


class Spans:
    """A tracer that has lost some."""

    def counts(self) -> dict[str, int]:
        """Tell how many."""
        return {"sent": 3, "failed": 2, "dropped": 1, "waiting": 9}


@sees("trace_spans")
async def test_spans_of_traces() -> None:
    """They count by what became of them; without traces there is nothing to tell."""
    async with running() as served:
        assert not (await scraped(served)).labels("trace_spans_total")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(served.bridge.observed, "traces", Spans())
            found = await scraped(served)
        assert [found.of("trace_spans_total", outcome=each) for each in ("sent", "failed", "dropped")] == [3, 2, 1]


@sees("log_lines_held")
async def test_lines_that_the_log_holds_back() -> None:
    """The eleventh line of a cause within a second is not written, but counted."""
    async with running() as served:
        before = await scraped(served)
        for _ in range(20):
            with contextlib.suppress(structlog.DropEvent):
                LOG.cap(None, "info", {"event": "a test says so"})
        rises(before, await scraped(served), "log_lines_held_total")


@sees("canary_probes", "canary_seconds")
async def test_a_canary() -> None:
    """Its flights count, and how long they take; it is no route of anybody's. Without one there is nothing to tell."""
    async with running(SERVER.replace("}", ", canary: 1s}") + PLAIN) as served:
        await until(lambda: (served.bridge.observed.flights or {}).get("passed"))
        found = await scraped(served)
        assert found.of("canary_probes_total", outcome="passed") >= 1
        assert found.of("canary_probes_total", outcome="missed") == 0
        assert 0 < found.of("canary_seconds") < 30
        assert [labels["route"] for labels in found.labels("route_channels")] == ["/p"]
        assert [labels["source"] for labels in found.labels("source_info")] == ["p"]
    async with running() as served:
        found = await scraped(served)
        assert not found.labels("canary_probes_total")
        assert found.get("canary_seconds") is None


@sees("reloads", "config_refused", "config_loaded_timestamp_seconds")
async def test_reloads(tmp_path: Path) -> None:
    """Each counts by its outcome; a route that has gone has no series any more, one that has come has."""
    file = tmp_path / "routes.yaml"
    file.write_text(SERVER + PLAIN)
    async with running() as served:
        reloader = served.bridge.reloader
        reloader.file = file
        await served.open()
        before = await scraped(served)
        file.write_text(SERVER + "sources: {q: {kind: push}}\nroutes: {/q: {from: q}}\n")
        assert (await reloader.reload()).word == "applied"
        after = await scraped(served)
        rises(before, after, "reloads_total", outcome="applied")
        rises(before, after, "config_loaded_timestamp_seconds")
        assert [labels["route"] for labels in after.labels("route_streams_total")] == ["/q"]
        assert [labels["source"] for labels in after.labels("source_info")] == ["q"]
        assert after.of("streams_accepted_total") == 1
        file.write_text("routes: nonsense\n")
        assert (await reloader.reload()).word == "refused"
        refused = await scraped(served)
        rises(after, refused, "reloads_total", outcome="refused")
        rises(after, refused, "config_refused")
        assert refused.of("config_loaded_timestamp_seconds") == after.of("config_loaded_timestamp_seconds")


async def test_a_changed_route_goes_on_counting(tmp_path: Path) -> None:
    """A route that takes the place of another on its path has its counters, and the streams of both are its own."""
    file = tmp_path / "routes.yaml"
    async with running() as served:
        served.bridge.reloader.file = file
        client = await served.open()
        served.publish("a")
        await client.event()
        file.write_text(SERVER + PLAIN.replace("from: p", "from: p, heartbeat: 5s"))
        assert (await served.bridge.reloader.reload()).word == "applied"
        found = await scraped(served)
        assert found.of("route_deliveries_total", route="/p") == found.of("route_streams_total", route="/p") == 1


async def test_what_never_changes() -> None:
    """There is one process, and it says what it is."""
    async with running() as served:
        found = await scraped(served)
        assert found.of("workers") == 1
        [build] = found.labels("build_info")
        assert build.keys() == {"version", "python", "implementation", "aiohttp"}
        assert all(build.values())


def test_every_metric_is_seen_to_change() -> None:
    """The catalogue names no metric that no test here moves, and no test moves one that is not in it."""
    names = {metric.name for section in SECTIONS for metric in section.metrics}
    assert names - CONSTANT == SEEN
