"""The applications behind us: at paths of their own, and not ourselves."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Final

from bridge.config.address import check_path, trimmed
from bridge.config.draft import Draft
from bridge.config.node import Node
from bridge.config.problems import Problems
from bridge.config.types import Address
from bridge.config.upstream import Upstream, place
from bridge.errors import TemplateError

_OURSELVES: Final = "this leads back to the bridge itself: name the address of the application"


def check_upstreams(draft: Draft, node: Node, problems: Problems, notes: Problems) -> None:
    """Note what is wrong with `server.upstream` and `server.upstreams`."""
    server, ours = draft.server, list(_listeners(draft))
    if server.upstream is not None and _is_ours(server.upstream, ours):
        problems.add(node, _OURSELVES, "upstream")
    if server.upstream is None and not server.upstreams:
        _note_shared(draft, notes)
    prefixes = node.at("upstreams")
    if prefixes is None:
        return
    for path, upstream in server.upstreams.items():
        own = prefixes.mapping[path]
        if fault := path_fault(path, "an application"):
            problems.at_key(own, fault)
        elif path == "/":
            problems.at_key(own, "the application for all paths is `server.upstream`")
        elif trimmed(path) in {f"{server.base}{trimmed(route)}" for route in draft.routes}:
            notes.at_key(own, "a route has this very path: the application gets what the route does not answer")
        if _is_ours(upstream, ours):
            problems.add(own, _OURSELVES)
    check_twice(prefixes.mapping, "application", problems)


def _note_shared(draft: Draft, notes: Problems) -> None:
    for route in draft.routes.values():
        shared = route.node.at("shared")
        if route.spec.shared and shared is not None:
            notes.at_key(shared, "there is no application to share this path with: name it as `server.upstream`")


def check_twice(places: Mapping[str, Node], what: str, problems: Problems) -> None:
    """Note paths that differ by their last slash alone."""
    seen: set[str] = set()
    for path, node in places.items():
        if trimmed(path) in seen:
            problems.at_key(node, f"another {what} has this path: a slash at the end means nothing")
        seen.add(trimmed(path))


def path_fault(path: str, what: str) -> str | None:
    """Say what is wrong with a path that something lies beneath; None if nothing is."""
    try:
        check_path(path)
    except TemplateError as error:
        return str(error)
    if any(sign in path for sign in "{}?"):
        return f"the path of {what} has neither names nor a query"
    return None


def _listeners(draft: Draft) -> Iterator[Address]:
    server = draft.server
    yield from server.listen
    yield server.admin
    if server.health is not None:
        yield server.health


def _is_ours(upstream: Upstream, ours: list[Address]) -> bool:
    there = place(upstream.url)
    if there.socket is not None:
        return False
    # Port 0 is a free one each time: nobody can have written it here.
    return any(there.port == each.port and _meets(there.host, each.host) for each in ours if each.port)


def _meets(host: str, listening: str) -> bool:
    """Tell whether a host leads to a listener, as far as that can be told without asking anyone."""
    if host == listening.lower():
        return True
    is_local = host == "localhost" or _is_loopback(host)
    # An empty host listens on all addresses; "localhost" may be either family.
    wide = listening in {"", "0.0.0.0", "::"}  # noqa: S104  compared, not bound
    return is_local and (wide or listening == "localhost" or (host == "localhost" and _is_loopback(listening)))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
