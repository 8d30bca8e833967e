"""`sse-bridge drain`: have the bridge beside us tell its streams to come back elsewhere; for an exec preStop hook.

A native sidecar gets SIGTERM only after the application has ended: too late for its streams. preStop hooks run at once.
"""

import json
import sys
from pathlib import Path
from typing import Final

from bridge.cli.ask import Answered, AskError, address, ask, server_of
from bridge.cli.run import FAILED, OK, REFUSED, say
from bridge.config.server import Server
from bridge.config.types import Address
from bridge.units import seconds

PATH: Final = "/-/drain"

#: Seconds beyond `prestop` and `drain` for the answer to come.
MARGIN: Final = 5.0

_DONE: Final = 200


def run(file: Path, *, admin: str | None = None, within: str | None = None) -> int:
    """Drain, wait for its end, and return the exit code.

    Nobody to ask is a failure, although a hook's failure stops nothing and is but an event of the pod: a hook that asks
    at a wrong address would else do nothing for ever, and nobody would know.
    """
    wait = seconds(within) if within is not None else None
    if within is not None and not wait:
        say("--within: expected a duration such as 20s or 1m")
        return REFUSED
    try:
        place, server = _found(file, admin)
    except AskError as error:
        say(str(error))
        return REFUSED
    try:
        answer = ask(place, "POST", PATH, within=wait or server.prestop + server.drain + MARGIN)
    except TimeoutError:
        sys.stdout.write("the time is over, and the drain goes on\n")
        return OK
    except AskError as error:
        say(f"{error}: is there a bridge, and is `server.admin` of {file} its admin port?")
        return FAILED
    return _told(answer, place)


def _found(file: Path, admin: str | None) -> tuple[Address, Server]:
    """Return whom to ask, and how long a drain takes; a file that cannot be read matters where it alone can tell."""
    if admin is None:
        server = server_of(file)
        return server.admin, server
    place = address(admin)
    try:
        return place, server_of(file)
    except AskError:
        return place, Server()


def _told(answer: Answered, place: Address) -> int:
    if answer.status != _DONE:
        say(f"{place}: {answer.status} {answer.body.decode(errors='replace').strip()}")
        return FAILED
    drained = json.loads(answer.body)
    sys.stdout.write(f"told {drained['told']} streams; {drained['left']} of them had to be cut\n")
    return OK
