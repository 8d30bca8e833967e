"""Asking the bridge that runs beside us, on its admin port, without a shell or curl in the image.

A command of a probe or a hook runs within the bridge's own bounds of CPU and memory, so nothing here needs the models.
"""

import http.client
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from bridge.cli.health import admin
from bridge.errors import BridgeError

#: Bytes of an answer that are read: more than any that a command asks for.
MAX_ANSWER: Final = 64 * 1024

_MAX_PORT: Final = 65_535


class AskError(BridgeError):
    """The bridge cannot be asked, in words for the user."""


class Place(NamedTuple):
    """Where it is asked."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Answered(NamedTuple):
    """What the bridge said."""

    status: int
    body: bytes


def admin_of(file: Path, environ: Mapping[str, str] = os.environ) -> Place:
    """Return where a file's bridge is asked; raises `AskError` where there is no such file."""
    if not os.path.lexists(file):
        raise AskError(f"{file}: there is no such file")
    return Place(*admin(file, environ))


def place_of(text: str) -> Place:
    """Return the place that an option names; raises `AskError`."""
    host, _, port = text.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and 0 < int(port) <= _MAX_PORT):
        raise AskError("--admin: expected an address and a port, for example 127.0.0.1:9090")
    return Place(host.strip("[]"), int(port))


def readable(text: str) -> str:
    """Return a text on one line, and without what a terminal would obey: whoever answers may be no bridge."""
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()


def ask(place: Place, method: str, path: str, *, within: float) -> Answered:
    """Send a request without a body and return its answer; raises `TimeoutError` and `AskError`.

    `within` is in seconds and holds for each byte that one waits for: the answers are short.
    """
    if not place.port:
        raise AskError(f"{place} is a port of the system's choice: name the one that it chose with --admin")
    connection = http.client.HTTPConnection(place.host, place.port, timeout=within)
    try:
        _connect(connection, place)
        connection.request(method, path)
        answer = connection.getresponse()
        return Answered(answer.status, answer.read(MAX_ANSWER))
    except TimeoutError:
        raise
    except ConnectionRefusedError:
        raise AskError(f"nothing listens on {place}") from None
    except (OSError, http.client.HTTPException) as error:
        raise AskError(f"{place}: {readable(str(error)) or type(error).__name__}") from None
    except UnicodeError:
        raise AskError(f"{readable(str(place))}: this is no name of a machine") from None
    finally:
        connection.close()


def _connect(connection: http.client.HTTPConnection, place: Place) -> None:
    """Connect, or say so: who was never reached has not been asked."""
    try:
        connection.connect()
    except TimeoutError:
        raise AskError(f"{place} takes no connection") from None
