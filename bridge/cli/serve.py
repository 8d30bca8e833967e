"""`sse-bridge serve SOURCE...`: files and topics as event streams, without a configuration."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bridge.app import Bridge
from bridge.cli.arguments import ArgumentError, Wanted, is_missing, wanted
from bridge.cli.run import REFUSED, say, set_up_log
from bridge.cli.serving import serve
from bridge.config.load import checked
from bridge.config.model import Config
from bridge.config.node import Mark, Node
from bridge.config.problems import Problems
from bridge.config.validate import Surroundings
from bridge.errors import ConfigError


def run(
    sources: list[str], *, listen: str, admin: str, log: tuple[str | None, str | None], anonymous: bool = False
) -> int:
    """Serve each source on a route of its own, with `log` at a level and in a format; return the exit code."""
    if not set_up_log(*log):
        return REFUSED
    try:
        found = wanted(sources)
        config = configured(found, listen, admin, anonymous=anonymous)
    except ArgumentError as error:
        say(str(error))
        return REFUSED
    except ConfigError as error:
        for problem in error.problems:
            say(f"{problem.file}: {problem.text.replace('`auth: anonymous`', '--anonymous')}")
        return REFUSED
    for each in filter(is_missing, found.values()):
        say(f"{each.text}: not there yet; it is followed as soon as it appears")
    return serve(config, _tell)


def configured(found: Mapping[str, Wanted], listen: str, admin: str, *, anonymous: bool = False) -> Config:
    """Return the configuration that stands for the command line; raises `ConfigError`, whose places are arguments."""
    sources = {name: _node(each.source, each.text) for name, each in found.items()}
    routes = {
        f"/{name}{rest}": _node({"from": name, **keys}, each.text)
        for name, each in found.items()
        for rest, keys in each.routes.items()
    }
    server = {"listen": _node(listen, "--listen"), "admin": _node(admin, "--admin")}
    sections = {"server": server, "sources": sources, "routes": routes}
    root = {name: _TOP.with_mapping(pairs) for name, pairs in sections.items()}
    if anonymous:
        root["auth"] = _node("anonymous", "--anonymous")
    return checked(_TOP.with_mapping(root), Surroundings(folder=Path.cwd(), environ=os.environ), Problems()).config


def _node(value: object, argument: str) -> Node:
    """Return a value as if it stood in a file: an error of it then names the argument that it comes from.

    A file of our own would be refused in its words, and `${` in a file's name would be taken for a variable.
    """
    mark = Mark(argument, 1, 1)
    match value:
        case Mapping():
            return Node({str(key): _node(item, argument) for key, item in value.items()}, mark, mark)
        case list():
            return Node(tuple(_node(item, argument) for item in value), mark, mark)
        case int() | str():
            return Node(value, mark, mark)
        case _:
            raise TypeError(value)


_NOWHERE: Final = Mark("sse-bridge serve", 1, 1)
_TOP: Final = Node({}, _NOWHERE, _NOWHERE)


def _tell(bridge: Bridge) -> None:
    place = bridge.public.places[0]
    for endpoint in bridge.endpoints:
        print(f"http://{place}{endpoint.text}", flush=True)  # noqa: T201 -- the command's answer
    print(f"http://{bridge.admin.places[0]}/ shows them", flush=True)  # noqa: T201 -- the command's answer
