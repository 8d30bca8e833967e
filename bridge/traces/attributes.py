"""What of a message is told in a span, by the names of OpenTelemetry's semantic conventions for messaging.

https://opentelemetry.io/docs/specs/semconv/messaging/
"""

import re
from collections.abc import Mapping
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.util.types import AttributeValue

from bridge.event import Event

#: What holds the context of a message: the W3C's names, then what CloudEvents makes of them in Kafka's headers.
NAMES: Final = (("traceparent", "tracestate"), ("ce_traceparent", "ce_tracestate"))

#: What the SDK calls a service that has no name.
UNKNOWN: Final = "unknown_service"

#: As the W3C has it: no version ff, no id of zeros, and nothing behind the flags of version 00.
_PARENT: Final = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?"
)


def parent(headers: Mapping[str, str]) -> tuple[bool, dict[str, str]] | None:
    """Return whether the sender samples, and the context as the W3C names it; None where there is none of sense."""
    for name, state in NAMES:
        given = headers.get(name)
        if given is None:
            continue
        match = _PARENT.fullmatch(given)
        if match is None:
            return None
        return bool(int(match[1], 16) & 1), {"traceparent": given, "tracestate": headers.get(state, "")}
    return None


def of_event(kind: str, event: Event) -> dict[str, AttributeValue]:
    """Return what is told of an event when it comes."""
    told: dict[str, AttributeValue] = {
        "messaging.system": kind,
        "messaging.operation.name": "receive",
        "messaging.operation.type": "receive",
        "messaging.message.body.size": len(event.text),
        "sse_bridge.source": event.source,
    }
    topic = event.facts.get("topic")
    if topic:
        told["messaging.destination.name"] = topic
    if kind == "kafka" and "partition" in event.facts:
        told["messaging.destination.partition.id"] = str(event.facts["partition"])
        told["messaging.kafka.offset"] = event.facts.get("offset", 0)
    return told


def of_route(path: str, operation: str) -> dict[str, AttributeValue]:
    """Return what is told of a route."""
    # The path as the file has it: the values of its names are a subscriber's or a producer's.
    return {
        "messaging.system": "sse",
        "messaging.operation.name": operation,
        "messaging.operation.type": "send",
        "messaging.destination.template": path,
    }


def service(version: str) -> Resource:
    """Name ourselves, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES do."""
    found = Resource.create({"service.version": version})
    if str(found.attributes.get("service.name", UNKNOWN)).startswith(UNKNOWN):
        return found.merge(Resource({"service.name": "sse-bridge"}))
    return found
