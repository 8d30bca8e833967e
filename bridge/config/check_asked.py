"""Each route against sources that work only for who listens: the names that a subscriber must give, and changes."""

from collections.abc import Mapping
from typing import Final

from bridge.config.address import RouteAddress
from bridge.config.draft import DraftRoute, DraftSource
from bridge.config.problems import Problems
from bridge.errors import TemplateError
from bridge.template import Template
from bridge.units import size_text

#: The fact that tells a whole document from a change of it.
CHANGE: Final = "change"


def check_asked(
    route: DraftRoute, address: RouteAddress | None, sources: Mapping[str, DraftSource], problems: Problems
) -> None:
    """Note names that no subscriber of the route could give, and keys that changes of a document do not go with."""
    for number, feed in enumerate(route.spec.feeds):
        source = sources.get(feed.source)
        if source is None or source.spec is None:
            continue
        if address is not None and not source.is_faulty:
            _check_names(route, address, feed.source, source, problems)
        if source.spec.source.is_delta:
            _check_delta(route, number, problems)


def check_whole(sources: Mapping[str, DraftSource], limit: int, problems: Problems) -> None:
    """Note documents that would be cut: nobody can apply changes to a part of one."""
    for source in sources.values():
        longest = source.spec.source.longest if source.spec is not None and source.spec.source.is_delta else None
        place = source.node.at("max") or source.node.at("delta")
        if longest is not None and longest > limit and place is not None:
            told = f"a document of `max` ({size_text(longest)}) is one event, and `limits.event` ({size_text(limit)})"
            problems.add(place, f"{told} would cut it: make one larger, or the other smaller")


def _check_names(route: DraftRoute, address: RouteAddress, name: str, source: DraftSource, problems: Problems) -> None:
    bound = {**(source.spec.bind if source.spec is not None else {}), **route.spec.bind}
    rules = source.spec.source.rules() if source.spec is not None else {}
    for asked, rule in rules.items():
        if asked not in bound and asked not in address.names:
            told = f"the address of `{name}` needs `{asked}`: put {{{asked}}} into this path, or fix it with `bind`"
            problems.at_key(route.node, told)
        if asked not in bound or (fault := rule.fault(bound[asked])) is None:
            continue
        place = route.node.at("bind", asked) or source.node.at("bind", asked) or route.node
        problems.add(place, f"`params` of `{name}` does not allow this value: {fault}")


def _check_delta(route: DraftRoute, number: int, problems: Problems) -> None:
    feed = route.spec.feeds[number]
    name = feed.source
    if route.spec.start is not None:
        told = f"`{name}` sends changes (`delta`), and its streams begin with the whole document: take `start` away"
        problems.add(route.node, told, "start")
    if route.spec.key is not None:
        told = f"`{name}` sends changes (`delta`), of which none stands for another: take `key` away"
        problems.add(route.node, told, "key")
    given = feed.event or route.spec.event
    if given is not None and CHANGE not in _names(given):
        told = f"a page must tell the whole document from a change of it: write {{{CHANGE}}} into the name"
        problems.add(route.feed(number) if feed.event else route.node, told, "event")


def _names(event: str) -> tuple[str, ...]:
    try:
        return Template.parse(event, rest=False).names
    except TemplateError:
        return (CHANGE,)  # its form is at fault, which is told elsewhere
