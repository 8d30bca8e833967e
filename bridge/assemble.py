"""From the configuration to the parts: what each key of the file becomes in the core and in the gateway."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Final

from bridge.bounds import Bounds as History
from bridge.bus import Bounds, Bus
from bridge.channel import Channel
from bridge.config.address import RouteAddress
from bridge.config.machine import memory_limit
from bridge.config.model import Config, Last, RouteSpec, SourceSpec
from bridge.demand import Demand
from bridge.event import Event
from bridge.eventid import EventId
from bridge.expression import looks_inside
from bridge.gateway import descriptors, stream
from bridge.gateway.beginning import PART
from bridge.gateway.connection import HIGH_WATER, SEND_BUFFER, SLICE
from bridge.gateway.endpoint import Endpoint, Heartbeat, Listing, Retry
from bridge.gateway.feed import RUN
from bridge.gateway.server import Room
from bridge.gateway.supply import Asking, Piece, Run, Supply
from bridge.inlet import Inlet
from bridge.intake import Intake, LogReadback, Readback
from bridge.normalise import Normaliser
from bridge.route import Feed, Route, Terms
from bridge.sources.base import Place, Source
from bridge.subscription import Replay
from bridge.supervisor import Health
from bridge.template import Template

#: What a subscriber may hold of memory at worst: its transport's buffer, a slice, the kernel's send buffer (which
#: Linux doubles).
WORST: Final = HIGH_WATER + SLICE + 2 * SEND_BUFFER

#: The part of the memory that subscribers may take where `limits.subscribers` is not given.
SHARE: Final = 1 / 4


def bounds(config: Config) -> Bounds:
    """Return what the whole process keeps at most."""
    limits = config.limits
    return Bounds(memory=limits.memory, channels=limits.channels, event=limits.event)


def replay(config: Config) -> Replay:
    """Return how far one resume goes."""
    return Replay(config.limits.replay.events, config.limits.replay.bytes)


def stream_bounds(config: Config) -> stream.Bounds:
    """Return how many streams may come."""
    limits = config.limits
    # Below the cap of connections, so that one too many can still be told to come back.
    most = descriptors.streams(descriptors.raise_limit(), proxies=_proxies(config))
    memory = memory_limit()
    allowed = most if memory is None else min(most, max(int(memory * SHARE) // WORST, 1))
    return stream.Bounds(
        subscribers=min(limits.subscribers or allowed, most),
        connects=limits.connects,
        per_peer=limits.per_peer,
        replay=replay(config),
    )


def room(config: Config, streams: Callable[[], int]) -> Room:
    """Return how many connections the public listener holds; `streams` counts those that it has handed over."""
    return Room(descriptors.connections(descriptors.raise_limit(), proxies=_proxies(config)), streams)


def _proxies(config: Config) -> bool:
    return config.server.upstream is not None or bool(config.server.upstreams)


def intakes(config: Config, bus: Bus, health: Health, subscribers: Callable[[str], int]) -> dict[str, Intake]:
    """Make the doors of all sources."""
    made = {name: intake(name, config, bus, health, subscribers) for name in config.sources}
    suit(made, config.routes.values())
    return made


def intake(name: str, config: Config, bus: Bus, health: Health, subscribers: Callable[[str], int]) -> Intake:
    """Make the door of a source; `suit` tells it of its routes."""
    spec = config.sources[name]
    inlet = Inlet(name, _normaliser(name, spec, ()), bus, health, partial(subscribers, name))
    return Intake(spec, inlet, place(name, spec.source))


def place(name: str, source: Source) -> Place:
    """Make what a source's first run is given."""
    demand = Demand(tuple(source.rules()), at_once=source.at_most) if source.is_asked else None
    return Place(name=name, demand=demand)


def suit(made: Mapping[str, Intake], routes: Iterable[RouteSpec]) -> None:
    """Let the sources' messages become events as these routes need them."""
    # Of all at once: a thousand sources that each look for theirs among a thousand routes take half a second.
    fed: defaultdict[str, list[RouteSpec]] = defaultdict(list)
    for route in routes:
        for feed in route.feeds:
            fed[feed.source].append(route)
    for name, intake in made.items():
        intake.inlet.normalise = _normaliser(name, intake.spec, fed[name])


def _normaliser(name: str, spec: SourceSpec, routes: Sequence[RouteSpec]) -> Normaliser:
    paths = [*spec.capture.values(), *(route.key for route in routes if route.key)]
    parses = any(route.format == "cloudevents" for route in routes) or any(map(looks_inside, paths))
    return Normaliser(name, capture=spec.capture, parses=parses)


def endpoints(config: Config, bus: Bus, made: Mapping[str, Intake]) -> dict[str, Endpoint]:
    """Make all routes, and what the gateway needs of each, by the path as the file has it."""
    found = {path: endpoint(spec, config, bus, made) for path, spec in config.routes.items()}
    for each in found.values():
        bus.attach(each.supply.route)
    return found


def endpoint(spec: RouteSpec, config: Config, bus: Bus, made: Mapping[str, Intake]) -> Endpoint:
    """Make a route, which nothing is handed yet (`Bus.attach`), and what the gateway needs of it."""
    address = RouteAddress.parse(spec.path)
    route = _route(spec, address.names, config, bus)
    sources = [made[feed.source] for feed in spec.feeds]
    beat = spec.heartbeat
    return Endpoint(
        path=address.path,
        query=address.query,
        supply=_supply(route, sources, bus),
        cors=spec.cors.origins if spec.cors is not None else (),
        retry=Retry(spec.retry.delay, spec.retry.exact),
        heartbeat=Heartbeat(beat.every, beat.visible) if beat is not None else None,
        listing=_listing(spec),
        entries=partial(_entries, route, sources),
        channels=lambda: [channel.captures for channel in route.channels.values() if channel.events],
        shared=spec.shared,
        gone=spec.gone,
    )


def _route(spec: RouteSpec, names: tuple[str, ...], config: Config, bus: Bus) -> Route:
    feeds = [
        Feed(
            source=feed.source,
            event=Template.parse(event, rest=False) if (event := feed.event or spec.event) else None,
            bind={**config.sources[feed.source].bind, **spec.bind},
            unkeyed=_unkeyed(spec.key, config.sources[feed.source].capture),
        )
        for feed in spec.feeds
    ]
    kept = spec.history
    terms = Terms(
        path=spec.path,
        names=names,
        key=spec.key,
        start=spec.start.n if isinstance(spec.start, Last) else spec.start,
        bounds=History(events=kept.events, bytes=kept.bytes, age=kept.age, keys=kept.keys),
        # Who falls behind on changes comes back for the whole: what it has is worth nothing without those it missed.
        slow="disconnect" if _is_delta(spec, config) else spec.slow,
        oversize=spec.oversize,
        is_cloudevents=spec.format == "cloudevents",
        notifies=spec.notify == "source",
        is_positional=_is_positional(spec, config),
    )
    return Route(terms, feeds, budget=bus.budget, limit=config.limits.event)


def _unkeyed(key: str | None, capture: Mapping[str, str]) -> frozenset[str]:
    """Return the names that a deletion lacks; none of them counts where the key itself is one that it lacks."""
    read = frozenset(name for name, path in capture.items() if looks_inside(path))
    return frozenset() if key is None or looks_inside(key) or key in read else read


def _is_positional(spec: RouteSpec, config: Config) -> bool:
    """Tell whether the ids are the source's positions: by default where it has them and the route is of it alone."""
    sources = [config.sources[feed.source].source for feed in spec.feeds]
    return spec.ids != "sequence" and len(sources) == 1 and sources[0].is_log


def _is_delta(spec: RouteSpec, config: Config) -> bool:
    return any(config.sources[feed.source].source.is_delta for feed in spec.feeds)


def _listing(spec: RouteSpec) -> Listing | None:
    if spec.list is None:
        return None
    name = Template.parse(spec.list.name) if spec.list.name is not None else None
    return Listing(spec.list.path, spec.list.as_ or "channels", name)


def _entries(route: Route, sources: Sequence[Intake]) -> list[Mapping[str, str]] | None:
    """Return the captures of what exists at the sources and comes through the route; None where one cannot tell."""
    out: list[Mapping[str, str]] = []
    for intake in sources:
        entries = intake.place.entries()
        if entries is None:
            return None
        bind = route.feeds[intake.place.name].bind.items()
        out += [entry for entry in entries if all(entry.get(name) == value for name, value in bind)]
    return out


def _supply(route: Route, sources: Sequence[Intake], bus: Bus) -> Supply:
    supply = Supply(
        route=route,
        greet=partial(_greet, route, sources, bus),
        refill=partial(_refill, route, sources, bus),
        fill=partial(_fill, route, sources, bus),
        is_delta=any(intake.spec.source.is_delta for intake in sources),
        asks=tuple(
            Asking(intake.place.name, demand, intake.spec.source.rules(), route.feeds[intake.place.name].bind)
            for intake in sources
            if (demand := intake.place.demand) is not None
        ),
    )
    if len(sources) != 1:
        return supply
    [intake] = sources
    source = intake.spec.source
    if source.is_private:
        return replace(supply, run=Run(partial(_visit, route, intake), source.is_finished))
    if not source.is_log:
        return replace(supply, back=Readback(route, intake, bus).back)
    reading = LogReadback(route, intake, bus)
    if route.terms.is_positional:
        route.where = reading.where
    return replace(supply, archive=reading.archive)


def _greet(route: Route, sources: Sequence[Intake], bus: Bus, captures: Mapping[str, str]) -> list[bytes]:
    """Return the present values of those sources that have one, under numbers of their own."""
    events = [(intake.place.name, event) for intake in sources for event in _present(route, intake, captures)]
    made = [(each, route.frame(*each, str(EventId(bus.epoch, bus.draw(), PART)))) for each in events]
    frames = [(each, frame) for each, frame in made if frame]
    if not frames:
        return []
    # The last one's id says that all have come.
    last, _ = frames[-1]
    return [*(frame for _, frame in frames[:-1]), route.frame(*last, str(EventId(bus.epoch, bus.draw())))]


def _refill(route: Route, sources: Sequence[Intake], bus: Bus, channel: Channel) -> None:
    """Put the present values into a channel that was forgotten for want of room, whose source sends no more of them."""
    for intake in sources:
        if intake.spec.source.is_asked:
            bus.refill(route, intake.place.name, _present(route, intake, channel.captures), channel)


def _fill(route: Route, sources: Sequence[Intake], bus: Bus) -> None:
    """Put the present values of all that is asked for into a route that is new, and not what a greeting gives."""
    for intake in sources if route.terms.start is not None else ():
        for asked in intake.place.demand.wanted if intake.place.demand is not None else ():
            events = intake.inlet.events(intake.place.present(dict(asked)))
            bus.refill(route, intake.place.name, events)


def _present(route: Route, intake: Intake, captures: Mapping[str, str]) -> list[Event]:
    """Return what a source knows now for a channel; of a list with `capture`, what belongs there."""
    name = intake.place.name
    events = intake.inlet.events(intake.place.present({**route.feeds[name].bind, **captures}))
    return [event for event in events if route.takes(name, event, captures)]


def _visit(route: Route, intake: Intake, mark: str) -> AsyncGenerator[Piece]:
    visited = intake.spec.source.visit(mark, intake.inlet)  # raises at once for a mark that is not of a run

    async def pieces() -> AsyncGenerator[Piece]:
        async with aclosing(visited):
            async for each in visited:
                [event] = intake.inlet.events([each.message])
                yield Piece(route.frame(intake.place.name, event, f"{RUN}-{each.mark}"), each.mark, each.is_last)

    return pieces()
