"""Whom a socket connects to: checked where it is made, for the request that it is made for.

A name may resolve to one address when it is looked at and to another when it is connected to (DNS rebinding). Here
there is nothing between: the address that is judged is the one that the socket gets.
"""

import asyncio
import socket
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

from aiohappyeyeballs import AddrInfoType

from bridge.sources.web import policy
from bridge.sources.web.trouble import Stage

#: Seconds of silence before the kernel asks whether the peer is there, between two questions, and how many it asks.
#: A stream from a server that lost its power is noticed within two minutes.
IDLE, INTERVAL, COUNT = 60, 15, 4


@dataclass(slots=True)
class Errand:
    """What a connection is being made for."""

    #: Of the server, or of the proxy where there is one.
    host: str
    is_written: bool
    allow: frozenset[str]
    #: How far it has come.
    stage: Stage = "name"
    #: Whether the connection was there before.
    is_reused: bool = False
    #: How its connection ends (`ending`).
    lost: asyncio.Future[None] | None = None
    #: Why addresses were refused.
    refused: list[str] = field(default_factory=list[str])


#: Of the task that makes the connection, and those it starts for that.
ERRAND: Final[ContextVar[Errand]] = ContextVar("errand")


class RefusedError(OSError):
    """An address that is not connected to."""


def make(info: AddrInfoType) -> socket.socket:
    """Make the socket for an address; raises `RefusedError`."""
    family, kind, proto, _, address = info
    errand = ERRAND.get()
    errand.stage = "connect"
    fault = policy.fault(str(address[0]), host=errand.host, is_written=errand.is_written, allow=errand.allow)
    if fault is not None:
        errand.refused.append(fault)
        raise RefusedError(fault)
    made = socket.socket(family=family, type=kind, proto=proto)
    _keep_alive(made)
    return made


def _keep_alive(made: socket.socket) -> None:
    """Let the kernel find out that a silent peer is gone."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS.items():
        made.setsockopt(socket.IPPROTO_TCP, name, value)


def _options() -> Mapping[int, int]:
    """Return what this system knows of them: macOS calls the first one otherwise."""
    named = (("TCP_KEEPIDLE", IDLE), ("TCP_KEEPALIVE", IDLE), ("TCP_KEEPINTVL", INTERVAL), ("TCP_KEEPCNT", COUNT))
    return {getattr(socket, name): value for name, value in named if hasattr(socket, name)}


_OPTIONS: Final = _options()
