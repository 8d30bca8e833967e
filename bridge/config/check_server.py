"""Where the bridge listens: that nothing is open by accident, and that what is named on disk is there.

Rule 10 of the language: without `auth:` the bridge is reached from this machine alone. Whoever wants more says
`auth: anonymous`, for all or route by route.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bridge.config.check_upstreams import check_twice, check_upstreams, path_fault
from bridge.config.draft import Draft
from bridge.config.node import Node
from bridge.config.problems import Problems
from bridge.config.types import Address

SAY: Final = "say `auth: anonymous` if everyone may read"


def check_server(draft: Draft, problems: Problems, notes: Problems) -> None:
    """Note what is wrong with `server`, and who could read what they should not."""
    node = draft.root.at("server") or draft.root
    _check_listeners(draft, node, problems)
    _check_open(draft, node, problems)
    _check_admin(draft, node, problems, notes)
    _check_pages(draft.server.pages, node.at("pages"), problems)
    check_upstreams(draft, node, problems, notes)
    state = draft.server.state
    if state is not None and _is_file(state):
        problems.add(node, "this is a file: name a folder, which is made if it is missing", "state")


def _check_listeners(draft: Draft, node: Node, problems: Problems) -> None:
    server, seen = draft.server, set[Address]()
    named = [*(("listen", a) for a in server.listen), ("health", server.health), ("admin", server.admin)]
    for key, address in named:
        # Port 0 is a free one each time, so two of them do not meet.
        if address is not None and address.port and address in seen:
            problems.add(node, "another listener has this address and port: choose another port", key)
        if address is not None:
            seen.add(address)


def _check_open(draft: Draft, node: Node, problems: Problems) -> None:
    wide = next((a for a in draft.server.listen if not a.is_loopback), None)
    if wide is None or draft.auth is not None:
        return
    routes = [route for route in draft.routes.values() if not route.spec.gone]
    closed = [route for route in routes if route.spec.auth is None]
    if len(closed) == len(routes):
        problems.add(node, f"without `auth` only a loopback address such as 127.0.0.1 is allowed: {SAY}", "listen")
        return
    for route in closed:
        problems.at_key(route.node, f"`server.listen` is wider than this machine, and this route has no `auth`: {SAY}")


def _check_admin(draft: Draft, node: Node, problems: Problems, notes: Problems) -> None:
    if draft.server.admin.is_loopback:
        return
    if draft.auth is None:
        problems.add(
            node,
            "the admin port asks for no token: leave it on 127.0.0.1, or say `auth: anonymous` at the top",
            "admin",
        )
    else:
        notes.add(node, "whoever reaches this port reads every route and pushes to every source", "admin")


def _check_pages(pages: Mapping[str, Path], node: Node | None, problems: Problems) -> None:
    if node is None:
        return
    for path, folder in pages.items():
        place = node.mapping[path]
        if fault := path_fault(path, "a page"):
            problems.at_key(place, fault)
        if not _exists(folder):
            problems.add(place, "there is no such file or folder (a relative path starts at this file's folder)")
    check_twice(node.mapping, "page", problems)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
