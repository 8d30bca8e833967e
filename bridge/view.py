"""What the admin port tells of routes and sources, as documents."""

from collections.abc import Iterable, Mapping
from typing import Final

from bridge.gateway import listing
from bridge.gateway.endpoint import Endpoint
from bridge.gateway.proxy.proxy import Application, Proxy
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


def applications(proxy: Proxy | None) -> list[dict[str, object]]:
    """Return how each application behind us is."""
    return [_application(each) for each in proxy.applications] if proxy is not None else []


def _application(application: Application) -> dict[str, object]:
    target, health, there = application
    state = "not asked"
    if health is not None:
        state = "starting" if not health.is_asked else "up" if health.hindrance is None else "down"
    return {
        "path": target.prefix or "/",
        "address": f"unix:{target.socket}" if target.socket is not None else target.authority,
        "state": state,
        "error": health.hindrance if health is not None and state == "down" else None,
        "health": target.health,
        "open": there,
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
