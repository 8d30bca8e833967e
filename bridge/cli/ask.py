"""Asking the bridge that runs beside us, on its admin port, without a shell or curl in the image."""

import http.client
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import TypeAdapter, ValidationError

from bridge.config.files import folder_of, read
from bridge.config.node import Node
from bridge.config.problems import Problems
from bridge.config.server import Server
from bridge.config.types import Address, Listen
from bridge.config.validate import Surroundings, validate
from bridge.errors import BridgeError, ConfigError

#: Bytes of an answer that are read: more than any that a command asks for.
MAX_ANSWER: Final = 64 * 1024

#: What a command needs to know of `server`.
_KEYS: Final = ("admin", "prestop", "drain")


class AskError(BridgeError):
    """The bridge cannot be asked, in words for the user."""


class Answered(NamedTuple):
    """What the bridge said."""

    status: int
    body: bytes


def server_of(file: Path, environ: Mapping[str, str] = os.environ) -> Server:
    """Return what a file says of the admin port and of the drain; raises `AskError` where there is no such file.

    What is wrong in the file does not matter, since the bridge may run with an older one: what can be read of it
    counts, and otherwise what is built in.
    """
    if not file.exists():
        raise AskError(f"{file}: there is no such file")
    try:
        root = read(file, environ, Problems())
    except ConfigError:
        root = None
    if root is None:
        return Server()
    node = (root.mapping.get("server") or Node({}, root.mark, root.key)).only(*_KEYS)
    return validate(Server, node, Surroundings(folder=folder_of(file), environ=environ), Problems()) or Server()


def address(text: str) -> Address:
    """Return the address that an option names; raises `AskError`."""
    try:
        found: Address = TypeAdapter(Listen).validate_python(text)
    except ValidationError as error:
        raise AskError(error.errors()[0]["msg"]) from None
    return found


def ask(place: Address, method: str, path: str, *, within: float) -> Answered:
    """Send a request without a body and return its answer; raises `TimeoutError` and `AskError`.

    `within` is in seconds and holds for each byte that one waits for: the answers are short.
    """
    if not place.port:
        raise AskError(f"{place} is a port of the system's choice: name the one that it chose with --admin")
    connection = http.client.HTTPConnection(_here(place.host), place.port, timeout=within)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return Answered(answer.status, answer.read(MAX_ANSWER))
    except TimeoutError:
        raise
    except ConnectionRefusedError:
        raise AskError(f"nothing listens on {place}") from None
    except (OSError, http.client.HTTPException) as error:
        raise AskError(f"{place}: {str(error) or type(error).__name__}") from None
    finally:
        connection.close()


def _here(host: str) -> str:
    """Return where a listener of all addresses is reached from this machine."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- compared, not bound
