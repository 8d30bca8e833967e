"""Sockets that listen: at every address of a place, all on one port, or a reason in words."""

import asyncio
import errno
import os
import socket
from typing import Final, NamedTuple

from bridge.errors import BridgeError

#: Connections that wait in the kernel. 5,000 clients that come back at once took 2.9 s with 128, 1.25 s with 4,096.
#: The kernel cuts it to `net.core.somaxconn`, 4,096 by default since Linux 5.4.
BACKLOG: Final = 4_096

#: Bytes that the kernel buffers for a peer that does not read; of its own accord it goes up to 4 MB. Streams take less.
SEND_BUFFER: Final = 64 * 1024

#: Tries to find a port that is free in both families, when any will do.
TRIES: Final = 16

_NO_FAMILY: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


class ListenError(BridgeError):
    """An address cannot be listened on, in words for the user."""


class Place(NamedTuple):
    """Where to listen; an empty host is every address, in both families."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


async def bound(place: Place, *, is_shared: bool = False) -> list[socket.socket]:
    """Return listening sockets for every address of a place, all on one port; raises `ListenError`.

    Where it is shared, others that allow that may have the port at this moment (`share`).
    """
    for _ in range(TRIES):
        found: list[socket.socket] = []
        try:
            for family, address in await _addresses(place):
                # Where any port will do, the second family takes the one that the first was given.
                port = found[0].getsockname()[1] if found else place.port
                _add(found, family, (address, port), is_shared=is_shared)
        except OSError as error:
            for listening in found:
                listening.close()
            if found and place.port == 0 and error.errno == errno.EADDRINUSE:
                continue
            raise _explained(place, error) from None
        if found:
            return found
        raise ListenError(f"{place}: this machine has no such address")
    raise ListenError(f"{place}: no port is free in both families")


def share(listening: socket.socket, *, is_shared: bool = True) -> None:
    """Let another socket of this user have the same port: one of ours that is about to take its place."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(is_shared))


def _add(
    bound: list[socket.socket], family: socket.AddressFamily, address: tuple[str, int], *, is_shared: bool
) -> None:
    """Listen on one address; a family that this machine has switched off is left out."""
    try:
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno in _NO_FAMILY:
            return
        raise
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            share(listening)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # which accepted ones inherit
        if family == socket.AF_INET6:
            # Two sockets instead of one for both: peers over IPv4 then look like IPv4.
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.settimeout(0)
    except OSError as error:
        listening.close()
        if error.errno in _NO_FAMILY and family == socket.AF_INET6:
            return
        raise
    bound.append(listening)


async def _addresses(place: Place) -> list[tuple[socket.AddressFamily, str]]:
    if not place.host:
        return [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]  # noqa: S104  asked for: ":8080" is every address
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            place.host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror:
        raise ListenError(f"{place}: the name {place.host!r} is not known") from None
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _explained(place: Place, error: OSError) -> ListenError:
    match error.errno:
        case errno.EADDRINUSE:
            return ListenError(f"{place} is in use: stop what listens there, or choose another port")
        case errno.EACCES:
            return ListenError(f"{place}: ports below 1024 need a privilege; choose one above")
        case errno.EADDRNOTAVAIL:
            return ListenError(f"{place}: this machine has no such address")
    return ListenError(f"{place}: {os.strerror(error.errno or 0)}")
