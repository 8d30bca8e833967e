"""A collector that is slow, wrong or gone: it costs a line of the log, some spans, and nothing else."""

import contextlib
import time

import pytest
from structlog.testing import capture_logs

from bridge.traces import collector as ours, tracer
from tests.http_server import HttpServer, Request, Wire
from tests.support import until
from tests.traces.collector import PARENT
from tests.traces.test_tracer import counts, publish, traced


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "the collector answers 400"),
        (401, "the collector answers 401"),
        (307, "the collector answers 307"),
        (500, "the collector answers 500"),
    ],
)
async def test_a_refusal_is_told_once_and_so_is_its_end(status: int, reason: str):
    """What was refused is lost and counted; a redirect is a refusal, since the file names the address."""
    with capture_logs() as lines:
        async with traced() as (served, collector):
            collector.status = status
            publish(served, "a")
            await until(lambda: counts(served)["failed"])
            publish(served, "b")
            await until(lambda: counts(served)["failed"] == 6)
            collector.status = 200
            publish(served, "c")
            await until(lambda: counts(served)["sent"] == 3)
    told = [line for line in lines if line["event"].startswith("traces")]
    assert [(line["event"], line.get("reason"), line.get("lost")) for line in told] == [
        ("traces cannot be sent", reason, None),
        ("traces are sent again", None, 6),
    ]


@pytest.mark.parametrize(("status", "outcome"), [(200, "sent"), (302, "failed"), (500, "failed")])
async def test_an_answer_without_an_end_is_not_read(status: int, outcome: str):
    """At a wrong address there may be a stream: its body would fill the memory, and its end never come."""
    taken = 0

    async def endless(_: Request, wire: Wire) -> None:
        nonlocal taken
        await wire.send(f"HTTP/1.1 {status} X\r\nLocation: /elsewhere\r\n\r\n".encode())
        with contextlib.suppress(ConnectionError):
            while True:
                await wire.send(bytes(64 * 1024))
                taken += 64 * 1024

    async with HttpServer.serving(endless) as server, traced(url=server.url("/")) as (served, _):
        publish(served, "a")
        await until(lambda: counts(served)[outcome])
        await until(lambda: not server.open)
    assert taken < 16 * 1024 * 1024


async def test_a_collector_that_is_gone_costs_spans_alone(monkeypatch: pytest.MonkeyPatch):
    """The queue is bounded, what does not fit is counted, every event is delivered, and the stop waits for nobody."""
    monkeypatch.setattr(ours, "MAX_QUEUE", 64)
    monkeypatch.setattr(ours, "MAX_BATCH", 16)
    monkeypatch.setattr(ours, "TIMEOUT", 0.5)
    monkeypatch.setattr(tracer, "MAX_TRACES", 100_000)
    monkeypatch.setattr(tracer, "FLUSH", 0.3)
    with capture_logs() as lines:
        async with traced() as (served, collector):
            collector.is_stalling = True
            client = await served.open("/p")
            for _ in range(10):
                publish(served, *map(str, range(50)))
            await client.until(lambda: len(client.events) == 500)
            await until(lambda: counts(served)["dropped"])
            told = counts(served)
            assert told["dropped"] >= 500
            assert told["sent"] == 0
            begun = time.monotonic()
            served.stop.set()
            await served.stopped.wait()
            assert time.monotonic() - begun < 3.0
            collector.is_stalling = False
    assert [line for line in lines if "traceparent" in str(line)] == []


async def test_what_is_made_is_sent_before_the_end():
    """A stop takes the time that the collector needs, to a bound."""
    async with traced() as (served, collector):
        publish(served, "a", traceparent=PARENT)
        served.stop.set()
        await served.stopped.wait()
        assert len(collector.of("receive p")) == 1


async def test_headers_go_along():
    """Texts and secrets, to the collector alone."""
    async with traced(headers={"X-Team": "orders"}) as (served, collector):
        publish(served, "a")
        await collector.named("receive p")
    assert collector.headers["x-team"] == "orders"


async def test_the_sdk_says_nothing_by_itself(caplog: pytest.LogCaptureFixture):
    """Its words hold addresses and answers; ours are enough."""
    async with traced() as (served, collector):
        collector.status = 400
        publish(served, "a")
        await until(lambda: counts(served)["failed"])
    assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []
