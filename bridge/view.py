"""What the admin port tells of routes and sources, as documents."""

from collections.abc import Iterable, Mapping
from typing import Final

from bridge.gateway import listing
from bridge.gateway.endpoint import Endpoint
from bridge.gateway.pump import Pump
from bridge.gateway.stream import Streams
from bridge.intake import Intake
from bridge.supervisor import Health

#: Channels of a route that the console offers to pick from; any other can be typed.
OFFERED: Final = 100


def routes(endpoints: Iterable[Endpoint], pump: Pump) -> list[dict[str, object]]:
    """Return the routes."""
    return [_route(endpoint, pump) for endpoint in endpoints]


def _route(endpoint: Endpoint, pump: Pump) -> dict[str, object]:
    route = endpoint.supply.route
    channels = route.channels.values()
    return {
        "path": endpoint.text,
        "names": list(endpoint.names),
        "channels": listing.addresses(endpoint, OFFERED) if endpoint.names else [],
        "gone": endpoint.gone,
        "sources": list(route.feeds),
        "subscribers": pump.count(channels),
        "events": sum(channel.events for channel in channels),
        "history": {"channels": len(channels), "bytes": sum(channel.bytes for channel in channels)},
        "skipped": dict(route.skipped),
        "list": endpoint.listing.path if endpoint.listing is not None else None,
    }


def sources(intakes: Mapping[str, Intake], health: Health, streams: Streams) -> list[dict[str, object]]:
    """Return how each source is."""
    return [
        {
            "name": name,
            "kind": intakes[name].spec.kind,
            "state": status.state,
            "since": status.since,
            "error": status.error,
            "messages": intakes[name].inlet.messages,
            "subscribers": streams.of_source(name),
            "detail": intakes[name].place.detail(),
        }
        for name, status in health.sources.items()
        if name in intakes
    ]
