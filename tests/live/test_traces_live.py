"""Traces that go on from a real broker's message: its header, or its user property, is the parent of the rest."""

import json

import pytest

from bridge.traces import collector as ours
from tests.devices import Sent, send
from tests.kafka import Broker
from tests.kafka_client import Talk
from tests.kafka_source import yaml
from tests.mosquitto import Broker as Mosquitto, mosquitto
from tests.support import until
from tests.traces.collector import PARENT, SPAN, TRACE, UNSAMPLED, follows
from tests.traces.test_tracer import traced

#: Fixtures that are used by their names.
__all__ = ["mosquitto"]

pytestmark = pytest.mark.live


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send what there is every few milliseconds instead of each second."""
    monkeypatch.setattr(ours, "EVERY", 0.02)


async def test_a_record_s_header_is_the_parent_of_its_write(kafka: Broker, talk: Talk, topic: str):
    """One that its sender does not sample is delivered and not traced."""
    await talk.create(topic)
    await talk.send(topic, b"before")
    async with traced(yaml(kafka.address, topic), sample=0) as (served, collector):
        await until(lambda: served.bridge.health.sources["k"].state == "up")
        client = await served.open("/k")
        # It is given the log first; a trace ends with the write to those who are at its head.
        await until(lambda: served.subscriber(client).audience)
        await talk.send(topic, b"no", headers=[("traceparent", UNSAMPLED.encode())])
        await talk.send(topic, b"yes", headers=[("traceparent", PARENT.encode()), ("tracestate", b"v=1")])
        await client.until(lambda: client.data == ["before", "no", "yes"])
        await collector.named("write /k")
        receive, *_ = follows(collector.spans, "receive k", "publish /k", "write /k")
    assert (receive.trace, receive.parent, receive.state, len(collector.spans)) == (TRACE, SPAN, "v=1", 3)
    assert receive.told["messaging.system"] == "kafka"
    assert receive.told["messaging.destination.name"] == topic
    assert receive.told["messaging.destination.partition.id"] == "0"
    assert receive.told["messaging.kafka.offset"] == 2


async def test_a_user_property_is_the_parent_of_the_write(mosquitto: Mosquitto):
    """Of MQTT 5, whose messages have such properties."""
    spec = {"kind": "mqtt", "url": mosquitto.url, "topics": ["plants/{plant}"]}
    text = f"sources: {json.dumps({'m': spec})}\nroutes: {{'/m/{{plant}}': {{from: m}}}}\n"
    async with traced(text, sample=0) as (served, collector):
        await until(lambda: served.bridge.health.sources["m"].state == "up")
        client = await served.open("/m/oslo")
        await send(mosquitto.port, Sent("plants/oslo", "no"))
        await send(mosquitto.port, Sent("plants/oslo", "yes", user=[("traceparent", PARENT), ("tracestate", "v=1")]))
        await client.until(lambda: client.data == ["no", "yes"])
        await collector.named("write /m/{plant}")
        receive, *_ = follows(collector.spans, "receive m", "publish /m/{plant}", "write /m/{plant}")
    assert (receive.trace, receive.parent, receive.state, len(collector.spans)) == (TRACE, SPAN, "v=1", 3)
    assert receive.told["messaging.system"] == "mqtt"
    assert receive.told["messaging.destination.name"] == "plants/oslo"
