"""Traces: from the message's own context, through publish, to the first write."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bridge.event import Message
from bridge.traces import tracer
from tests.support import Served, running, until
from tests.traces.collector import PARENT, SPAN, TRACE, UNSAMPLED, Collector, collecting, follows

PARTS = "sources: {p: {kind: push}, q: {kind: push}}\nroutes: {/p: {from: p}, '/all/{subject}': {from: [p, q]}}\n"


@asynccontextmanager
async def traced(text: str = PARTS, **keys: Any) -> AsyncIterator[tuple[Served, Collector]]:
    """Run a bridge that traces, and a collector."""
    async with collecting() as collector:
        traces = json.dumps({"url": collector.url, **keys})
        server = f"server: {{listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: 0s, traces: {traces}}}\n"
        async with running(server + text) as served:
            yield served, collector


def made(served: Served) -> tracer.Traces:
    """Return who traces."""
    assert isinstance(served.bridge.observed.traces, tracer.Traces)
    return served.bridge.observed.traces


def counts(served: Served) -> dict[str, int]:
    """Return what became of spans."""
    return made(served).counts()


def publish(served: Served, *texts: str, source: str = "p", **headers: str) -> None:
    """Let a source hear messages with these headers."""
    heard = [Message(payload=each, time=time.time(), captures={"subject": "s"}, headers=headers) for each in texts]
    served.bridge.intakes[source].inlet.emit(heard)


async def push(served: Served, body: Any = "hello", **headers: str) -> None:
    """Push over HTTP."""
    url = f"http://127.0.0.1:{served.bridge.admin.port}/-/push/p/s"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, str) else json.dumps(body)
    async with aiohttp.request("POST", url, data=data, headers=named) as response:
        assert response.status == 202, await response.text()


async def test_a_push_is_followed_from_its_header_to_the_write():
    """Each span is the child of the one before it, and the first that of the sender's own."""
    async with traced() as (served, collector):
        first, second = await served.open("/p"), await served.open("/p")
        await push(served, traceparent=PARENT, tracestate="vendor=abc")
        assert ((await first.event()).data, (await second.event()).data) == ("hello", "hello")
        await collector.named("write /p")
        receive, published, write = follows(collector.spans, "receive p", "publish /p", "write /p")
    assert (receive.trace, receive.parent, receive.state) == (TRACE, SPAN, "vendor=abc")
    assert {span.trace for span in collector.spans} == {TRACE}
    assert [span.kind for span in (receive, published, write)] == ["consumer", "internal", "producer"]
    assert receive.begun <= published.begun <= published.ended <= receive.ended
    assert published.ended <= write.begun <= write.ended
    assert receive.told == {
        "messaging.system": "push",
        "messaging.operation.name": "receive",
        "messaging.operation.type": "receive",
        "messaging.message.body.size": 5,
        "sse_bridge.source": "p",
    }
    size = write.told["messaging.message.envelope.size"]
    assert write.told == {
        "messaging.system": "sse",
        "messaging.operation.name": "write",
        "messaging.operation.type": "send",
        "messaging.destination.template": "/p",
        "messaging.message.envelope.size": size,
        "sse_bridge.subscribers": 2,
        "sse_bridge.bytes": 2 * size,
    }
    assert collector.service["service.name"] == "sse-bridge"


async def test_each_route_has_its_own_publish_and_only_those_that_are_heard_a_write():
    """Nobody is written to on a channel that nobody listens to."""
    async with traced() as (served, collector):
        await served.open("/all/s")
        publish(served, "x", traceparent=PARENT)
        await collector.named("write /all/{subject}")
        await collector.named("publish /p")
        follows(collector.spans, "receive p", "publish /all/{subject}", "write /all/{subject}")
        assert collector.of("write /p") == []
        assert counts(served)["waiting"] == 0


async def test_no_value_of_a_route_s_names_is_told():
    """They are a producer's or a subscriber's, and may be anybody's name."""
    async with traced() as (served, collector):
        await served.open("/all/s")
        publish(served, "hunter2", traceparent=PARENT, password="hunter2")
        await collector.named("write /all/{subject}")
    assert "hunter2" not in str(collector.spans)
    assert "/all/s" not in str(collector.spans)


async def test_the_sender_decides_whether_its_messages_are_traced():
    """One that does not sample is not traced, though every message without a parent is."""
    async with traced(sample=1.0) as (served, collector):
        await served.open("/p")
        publish(served, "no", traceparent=UNSAMPLED)
        publish(served, "yes", traceparent=PARENT)
        await collector.named("write /p")
        assert len(collector.of("receive p")) == 1
    assert len(collector.spans) == 4


async def test_without_a_parent_a_trace_of_its_own_begins():
    """By chance: all with 1, none with 0."""
    async with traced(sample=1.0) as (served, collector):
        await served.open("/p")
        publish(served, "a", "b")
        await collector.named("write /p", 2)
    roots = collector.of("receive p")
    assert [span.parent for span in roots] == ["", ""]
    assert len({span.trace for span in roots}) == 2


async def test_with_a_sample_of_none_only_parents_are_traced():
    """Whoever sends one has decided."""
    async with traced(sample=0) as (served, collector):
        await served.open("/p")
        publish(served, *["a"] * 100)
        publish(served, "b", traceparent=PARENT)
        await collector.named("write /p")
    assert len(collector.of("receive p")) == 1


SENSELESS = [
    "",
    "hello",
    f"00-{TRACE}-{SPAN}",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"ff-{TRACE}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}-01-more",
]


@pytest.mark.parametrize("given", SENSELESS)
async def test_a_parent_that_makes_no_sense_decides_nothing(given: str):
    """It does not sample: whether a message with one is traced is a matter of chance, as without."""
    async with traced(sample=0) as (served, collector):
        publish(served, "a", traceparent=given)
        publish(served, "b", traceparent=PARENT)
        await collector.named("receive p")
    assert [span.trace for span in collector.of("receive p")] == [TRACE]


@pytest.mark.parametrize("given", SENSELESS)
async def test_a_parent_that_makes_no_sense_is_none(given: str):
    """The trace is a new one, and nothing fails."""
    async with traced(sample=1.0) as (served, collector):
        publish(served, "a", traceparent=given)
        [span] = await collector.named("receive p")
    assert span.parent == ""
    assert span.trace != TRACE


async def test_a_cloud_event_s_own_trace_is_meant_before_the_request_s():
    """The distributed tracing extension is the producer's; the header may be a relay's."""
    async with traced(sample=0) as (served, collector):
        other = PARENT.replace(SPAN, "00f067aa0ba902b7")
        event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": 1, "traceparent": PARENT}
        await push(served, event, Content_Type="application/cloudevents+json", traceparent=other)
        [structured] = await collector.named("receive p")
        assert structured.parent == SPAN
        binary = {f"ce_{name}": str(value) for name, value in event.items() if name != "data"} | {"ce_id": "2"}
        await push(served, "{}", Content_Type="application/json", traceparent=other, **binary)
        assert (await collector.named("receive p", 2))[1].parent == SPAN
        await push(served, "{}", Content_Type="application/json", traceparent=other)
        assert (await collector.named("receive p", 3))[2].parent == "00f067aa0ba902b7"


async def test_cloud_events_in_kafka_s_headers_have_a_name_of_their_own():
    """`ce_traceparent`, as the binding for Kafka writes extensions."""
    async with traced(sample=0) as (served, collector):
        publish(served, "a", ce_traceparent=PARENT, ce_tracestate="v=1")
        [span] = await collector.named("receive p")
    assert (span.parent, span.state) == (SPAN, "v=1")


async def test_a_flood_is_traced_in_part(monkeypatch: pytest.MonkeyPatch):
    """So many traces a second and no more; the rest is counted, and every event is delivered."""
    monkeypatch.setattr(tracer, "MAX_TRACES", 10)
    async with traced(sample=1.0) as (served, collector):
        made(served)._steady = lambda: 1_000.0
        client = await served.open("/p")
        publish(served, *map(str, range(500)))
        await client.until(lambda: len(client.events) == 500)
        await collector.named("write /p", 10)
        assert counts(served)["skipped"] == 490
    assert len(collector.of("receive p")) == 10


async def test_what_waits_for_its_write_is_bounded(monkeypatch: pytest.MonkeyPatch):
    """By number, and by age: whoever lags behind is no part of a trace."""
    monkeypatch.setattr(tracer, "MAX_WAITING", 5)
    async with traced(sample=1.0) as (served, _):
        await served.open("/p")
        now = 0.0
        made(served)._steady = lambda: now
        monkeypatch.setattr(served.bridge.pump, "_flush", lambda _: None)
        publish(served, *"abcdefgh")
        assert (counts(served)["waiting"], counts(served)["unwritten"]) == (5, 3)
        now = 60.0
        publish(served, "i")
        assert (counts(served)["waiting"], counts(served)["unwritten"]) == (1, 8)
        monkeypatch.undo()


async def test_the_canary_is_not_traced():
    """It is no source of the file, and would fill the collector with itself."""
    async with collecting() as collector:
        traces = json.dumps({"url": collector.url})
        server = f"listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: 0s, canary: 1s, traces: {traces}"
        async with running(f"server: {{{server}}}\n{PARTS}") as served:
            await until(lambda: served.bridge.observed.canary and served.bridge.observed.canary.passed)
            publish(served, "a")
            await collector.named("receive p")
    assert {span.name for span in collector.spans} == {"receive p", "publish /p", "publish /all/{subject}"}


async def test_the_proxy_passes_a_trace_on_untouched():
    """A request on its way to the application keeps its own context, and is given no other."""
    async with collecting() as application:
        server = f"server: {{listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: 0s, upstream: {application.url[:-10]}}}\n"
        application.status = 204
        async with running(server + PARTS) as served:
            client = await served.connect()
            await client.ask("/x", headers=f"traceparent: {PARENT}\r\ntracestate: a=b\r\nConnection: close\r\n")
            await client.rest()
            assert (application.headers["traceparent"], application.headers["tracestate"]) == (PARENT, "a=b")
            client = await served.connect()
            await client.ask("/x", headers="Connection: close\r\n")
            await client.rest()
            assert "traceparent" not in application.headers


async def test_traces_start_stop_and_move_with_the_configuration():
    """As a reload has it; what was made so far is sent first."""
    async with traced() as (served, collector), collecting() as other:
        observed, before = served.bridge.observed, served.bridge.config.server
        first = observed.traces
        await observed.follow(before)
        assert observed.traces is first
        publish(served, "a", traceparent=PARENT)
        assert before.traces is not None
        moved = before.traces.model_copy(update={"url": other.url})
        await observed.follow(before.model_copy(update={"traces": moved}))
        assert len(collector.of("receive p")) == 1
        publish(served, "b", traceparent=PARENT)
        await other.named("receive p")
        await observed.follow(before.model_copy(update={"traces": None}))
        assert (served.bridge.bus.tracer, served.bridge.pump.tracer) == (None, None)
        publish(served, "c", traceparent=PARENT)
    assert (len(collector.of("receive p")), len(other.of("receive p"))) == (1, 1)


async def test_the_environment_names_the_service_and_nothing_else(monkeypatch: pytest.MonkeyPatch):
    """Kubernetes says who a pod is by OTEL_RESOURCE_ATTRIBUTES; where to send, the file alone says."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "orders-bridge")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=orders-0")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with traced() as (served, collector):
        publish(served, "a")
        await collector.named("receive p")
    assert collector.service["service.name"] == "orders-bridge"
    assert collector.service["k8s.pod.name"] == "orders-0"
