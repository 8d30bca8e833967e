"""Each route against its sources and against every other route."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Final

from bridge.config.address import RouteAddress, both, check_path, trimmed
from bridge.config.check_asked import check_asked, check_whole
from bridge.config.check_sources import check_bind, names_of
from bridge.config.draft import Draft, DraftRoute, DraftSource
from bridge.config.names import Names, event_fault, key_fault, lacking
from bridge.config.near import hint, listed
from bridge.config.node import OWN
from bridge.config.problems import Problems
from bridge.errors import TemplateError
from bridge.sources.base import Source
from bridge.sources.file import File
from bridge.sources.kafka import Kafka
from bridge.sources.mqtt import Mqtt
from bridge.template import LITERAL, REST, Template

#: Each pair with the same shape is compared. Whoever needs more routes needs a name in one of them.
MAX_ROUTES: Final = 1000


def check_routes(draft: Draft, problems: Problems, notes: Problems) -> None:
    """Note what is wrong with the routes."""
    if len(draft.routes) > MAX_ROUTES:
        last = list(draft.routes.values())[MAX_ROUTES]
        problems.at_key(last.node, f"more than {MAX_ROUTES} routes: a name in a path stands for many, /logs/{{file}}")
        return
    check_whole(draft.sources, draft.limits.event, problems)
    addresses: dict[str, RouteAddress] = {}
    for path, route in draft.routes.items():
        try:
            addresses[path] = RouteAddress.parse(path)
        except TemplateError as error:
            problems.at_key(route.node, str(error))
        _check_route(route, addresses.get(path), draft.sources, problems, notes)
    _check_apart(addresses, draft.routes, problems)
    _check_lists(addresses, draft.routes, problems)


def _check_route(
    route: DraftRoute,
    address: RouteAddress | None,
    sources: Mapping[str, DraftSource],
    problems: Problems,
    notes: Problems,
) -> None:
    if route.spec.gone:
        others = [key for key in route.own.mapping if key != "gone" and not key.startswith(OWN)]
        for key in others:
            problems.at_key(route.own.mapping[key], "a route with `gone: true` has no other key")
        return
    if "from" not in route.node.mapping:
        there = f"there is {listed(sources)}" if sources else "there is no source yet"
        problems.at_key(route.node, f"`from` is missing, the name of a source: {there}")
    _check_feeds(route, sources, problems)
    names = _names(route, sources)
    _check_names(route, address, names, problems)
    _check_start(route, sources, problems, notes)
    _check_oversize(route, problems)
    _check_ids(route, sources, problems)
    check_asked(route, address, sources, problems)
    _check_cors(route, problems)


# -- sources


def _check_feeds(route: DraftRoute, sources: Mapping[str, DraftSource], problems: Problems) -> None:
    seen: set[str] = set()
    feeds = route.spec.feeds
    for number, feed in enumerate(feeds):
        place = route.feed(number)
        at = place.mapping.get("source", place)
        source = sources.get(feed.source)
        if source is None:
            there = f"there is {listed(sources)}" if sources else "there is none"
            problems.add(at, f"no source has this name: {there}{hint(feed.source, sources)}")
        elif feed.source in seen:
            problems.add(at, "this source stands here twice: take one away")
        elif len(feeds) > 1 and source.spec is not None and source.spec.source.is_private:
            problems.add(
                at, "this timer makes a run for each visitor, so it feeds a route alone; or give it `per: process`"
            )
        seen.add(feed.source)
        names = names_of(source) if source is not None else None
        if feed.event is not None and (fault := event_fault(feed.event, names)):
            problems.add(place, fault, "event")


def _names(route: DraftRoute, sources: Mapping[str, DraftSource]) -> Names | None:
    """Return the names that all sources of a route have; None where one of them is not known."""
    found = [sources.get(feed.source) for feed in route.spec.feeds]
    known = [names for source in found if source is not None and (names := names_of(source)) is not None]
    return reduce(Names.common, known) if known and len(known) == len(found) else None


# -- names


def _check_names(route: DraftRoute, address: RouteAddress | None, names: Names | None, problems: Problems) -> None:
    spec, node = route.spec, route.node
    check_bind(spec.bind, node, names, problems)
    for name in address.names if address is not None else ():
        if names is not None and name not in names.captures:
            problems.at_key(node, lacking(name, names.captures))
        if name in spec.bind:
            problems.at_key(node, f"`bind` fixes `{name}`, so it cannot stand in the path too: take one away")
    if spec.event is not None and (fault := event_fault(spec.event, names)):
        problems.add(node, fault, "event")
    if spec.key is not None and (fault := key_fault(spec.key, names)):
        problems.add(node, fault, "key")


# -- choices


def _check_start(route: DraftRoute, sources: Mapping[str, DraftSource], problems: Problems, notes: Problems) -> None:
    if route.spec.start != "snapshot":
        return
    if "key" not in route.node.mapping:
        problems.add(route.node, "a snapshot is the latest event of each key: give the route a `key`", "start")
    for feed in route.spec.feeds:
        found = sources.get(feed.source)
        source = found.spec.source if found is not None and found.spec is not None else None
        if source is not None and (why := _partial(source)):
            notes.add(route.node, f"the snapshot is not whole: `{feed.source}` {why}", "start")


def _partial(source: Source) -> str:
    """Return why the latest of each key may not be among what a source reads, or "" where it is."""
    match source:
        case File(begin=begin) if begin != "beginning":
            return "is not read from its beginning (`begin: beginning`)"
        case Kafka(group=str()):
            return "reads in a `group`, whose members have a part of the records each"
        case Kafka(begin=begin) if begin != "earliest":
            return "is not read from its beginning (`begin: earliest`)"
        case Mqtt(share=str()):
            return "shares a subscription (`share`), to which no retained messages come"
        case _:
            return ""


def _check_oversize(route: DraftRoute, problems: Problems) -> None:
    if route.spec.oversize == "split" and route.spec.key is not None:
        told = "a key keeps one event, not its parts: `truncate` or `skip` on a route with `key`"
        problems.add(route.node, told, "oversize" if "oversize" in route.node.mapping else "key")


def _check_ids(route: DraftRoute, sources: Mapping[str, DraftSource], problems: Problems) -> None:
    if route.spec.ids != "position":
        return
    fed = [source.spec.source for feed in route.spec.feeds if (source := sources.get(feed.source)) and source.spec]
    if len(route.spec.feeds) > 1:
        problems.add(route.node, "positions are of one log, and this route has several sources: `sequence`", "ids")
    elif fed and not fed[0].is_log:
        problems.add(route.node, _no_positions(fed[0], route.spec.feeds[0].source), "ids")


def _no_positions(source: Source, name: str) -> str:
    """Say why a source's messages have no positions, and what to do."""
    if isinstance(source, Kafka) and source.group is not None:
        return (
            f"in a `group` nobody has the whole log, so no positions: take the `group` of `{name}` away, or `sequence`"
        )
    return "this source has no positions that ids could be (a `kafka` source without `group` has): `sequence`"


def _check_cors(route: DraftRoute, problems: Problems) -> None:
    cors = route.spec.cors
    if cors is not None and "*" in cors.origins and len(cors.origins) > 1:
        place = route.node.at("cors", "origins") or route.node
        problems.add(place, '"*" lets all origins in: leave the others out')


# -- addresses


def _check_apart(addresses: Mapping[str, RouteAddress], routes: Mapping[str, DraftRoute], problems: Problems) -> None:
    """Note each route whose address another takes as well, with one that both would take."""
    for first, second, taken in overlapping(addresses):
        where = f"{routes[first].node.key.file}:{routes[first].node.key.line}"
        text = f"overlaps {first} ({where}), and neither wins: both would take {taken}"
        problems.at_key(routes[second].node, text)


def overlapping(addresses: Mapping[str, RouteAddress]) -> Iterator[tuple[str, str, str]]:
    """Yield each two paths of which neither wins over the other, with an address that both would take."""
    alike: dict[tuple[object, ...], list[str]] = {}
    for path, address in addresses.items():
        alike.setdefault(_shape(address.path), []).append(path)
    for paths in alike.values():
        for first, second in _close(paths, addresses):
            taken = both(addresses[first], addresses[second])
            if taken is not None:
                yield first, second, taken


def _close(paths: Sequence[str], addresses: Mapping[str, RouteAddress]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of paths of one shape that may overlap, the earlier first.

    What a segment begins with in one path must begin what it begins with in the other, so sorting by that leaves the
    neighbours to compare; likewise backwards for what it ends in. Of all these the one that tells most apart is used.
    """
    keys: list[list[str]] = []
    for number in range(len(_shape(addresses[paths[0]].path))):
        segments = [addresses[path].path.segments[number] for path in paths]
        keys.append([s.literals[0] for s in segments])
        # What follows a rest may be another segment's, so its end tells nothing.
        if segments[0].kind != REST:
            keys.append([s.literals[-1][::-1] for s in segments])
    best = max(keys, key=lambda each: len(set(each)))
    order = sorted(range(len(paths)), key=lambda i: best[i])
    for at, i in enumerate(order):
        for j in order[at + 1 :]:
            if not best[j].startswith(best[i]):
                break
            yield paths[min(i, j)], paths[max(i, j)]


def _shape(template: Template) -> tuple[object, ...]:
    """Return what two templates have in common if any text matches both and neither wins."""
    shape: list[object] = []
    for segment in template.segments:
        shape.append(segment.literals[0] if segment.kind == LITERAL else segment.kind)
        if segment.kind == REST:
            break
    return tuple(shape)


def _check_lists(addresses: Mapping[str, RouteAddress], routes: Mapping[str, DraftRoute], problems: Problems) -> None:
    taken = {trimmed(path): path for path, address in addresses.items() if address.is_literal}
    for path, address in addresses.items():
        listing, node = routes[path].spec.list, routes[path].node
        if listing is None or routes[path].spec.gone:
            continue
        if address.is_literal:
            # Then there is nothing to list, and what its path says does not matter.
            problems.add(node, "a list names the channels of a route with names in its path, and this has none", "list")
            continue
        place = node.at("list", "path") or node.at("list") or node
        if fault := _list_fault(listing.path):
            problems.add(place, fault)
        elif other := taken.get(trimmed(listing.path)):
            problems.add(place, f"the route {other} or its list has this path already: choose another")
        taken.setdefault(trimmed(listing.path), path)
        if listing.name is not None and (fault := _entry_fault(listing.name, address.names)):
            problems.add(node.at("list") or node, fault, "name")


def _list_fault(path: str) -> str | None:
    try:
        check_path(path)
    except TemplateError as error:
        return str(error)
    return "a list's path has neither names nor a query" if set(path) & set("{}?") else None


def _entry_fault(text: str, names: Iterable[str]) -> str | None:
    try:
        template = Template.parse(text)
    except TemplateError as error:
        return str(error)
    names = tuple(names)
    unknown = [name for name in template.names if name not in names]
    if unknown:
        return f"the path has no name `{unknown[0]}`: it has {listed(names) or 'none'}{hint(unknown[0], names)}"
    return None
