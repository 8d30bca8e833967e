"""A listener: sockets, their connections, and an orderly end.

Connections are accepted by a loop of our own instead of `loop.create_server`. asyncio's goes on through its whole
backlog when descriptors run out and logs each try (98,909 lines in ten seconds, with a backlog of 4,096); libuv's
closes the connection without a word. Ours counts, waits, and says so once. It costs some 10 µs a connection.

Rule 1: at its cap a listener accepts no more; clients wait in the kernel's queue until a place is free. To accept and
    close would be a proxy's 502, which ends a browser's tab. Places come free by themselves: a stream too many is
    answered and closed by the stream's own limit, which lies lower, and all else has a deadline.
Rule 2: the sockets close last, when nothing in flight is left or its grace is over.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import structlog

from bridge.errors import BridgeError
from bridge.gateway.handshake import Handle, Server, Times
from bridge.gateway.refusal import require_parser

log = structlog.get_logger()

#: Connections that wait in the kernel. 5,000 clients that come back at once took 2.9 s with 128, 1.25 s with 4,096.
#: The kernel cuts it to `net.core.somaxconn`, 4,096 by default since Linux 5.4.
BACKLOG: Final = 4_096

#: Bytes that the kernel buffers for a peer that does not read; of its own accord it goes up to 4 MB. Streams take less.
SEND_BUFFER: Final = 64 * 1024

#: Accepted in one turn of the loop: enough for 5,000 within a second, few enough that streams go on meanwhile.
ACCEPTED: Final = 64

#: Seconds before a full house, and a process out of descriptors, looks again.
FULL_PAUSE: Final = 0.05
STARVED_PAUSE: Final = 1.0

#: Seconds at a close for answers in flight. Streams have drained before.
GRACE: Final = 5.0

#: Seconds after it for aiohttp's own tasks to take note.
ABORT: Final = 0.1

#: Connections on a listener that serves probes and operators.
FEW: Final = 256

#: Tries to find a port that is free in both families, when any will do.
TRIES: Final = 16

_STARVED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_NO_FAMILY: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


class ListenError(BridgeError):
    """An address cannot be listened on, in words for the user."""


class Place(NamedTuple):
    """Where to listen; an empty host is every address, in both families."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Room:
    """How many connections a listener holds."""

    cap: int = FEW
    #: Counts the connections that streams have taken over, where they share the cap.
    streams: Callable[[], int] = int


class Listener:
    """Serves `handle` at `places`."""

    def __init__(
        self,
        name: str,
        places: Sequence[Place],
        handle: Handle,
        *,
        room: Room | None = None,
        times: Times | None = None,
    ) -> None:
        self._name = name
        self._places = tuple(places)
        self._handle = handle
        self._room = room or Room()
        self._times = times
        self._sockets: list[socket.socket] = []
        self._arriving: set[asyncio.Task[object]] = set()
        self._is_closed = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen; raises `ListenError`."""
        require_parser()
        self._loop = asyncio.get_running_loop()
        self.server = Server(self._handle, self._times)
        try:
            for place in self._places:
                self._sockets += await _bound(place)
        except ListenError:
            self._release()
            raise
        for listening in self._sockets:
            self._watch(listening)
        log.info("listening", listener=self._name, at=[str(place) for place in self.places])

    @property
    def places(self) -> list[Place]:
        """Return where it listens, with the ports that the system chose."""
        return [Place(*listening.getsockname()[:2]) for listening in self._sockets]

    @property
    def port(self) -> int:
        """Return the port of its first socket."""
        return self.places[0].port

    @property
    def open(self) -> int:
        """Count its connections, streams included."""
        return self.server.open + len(self._arriving) + self._room.streams()

    async def close(self, grace: float = GRACE) -> None:
        """Let answers in flight end, within `grace` seconds; then stop listening."""
        self.server.let_go()
        end = self._loop.time() + grace
        # aiohttp tells nobody that a connection has left, so there is no event to wait for.
        while (self.server.open or self._arriving) and self._loop.time() < end:  # noqa: ASYNC110
            await asyncio.sleep(FULL_PAUSE)
        self._release()
        await self.server.shutdown(ABORT)

    def _release(self) -> None:
        self._is_closed = True
        for listening in self._sockets:
            self._loop.remove_reader(listening.fileno())
            listening.close()
        self._sockets.clear()

    def _watch(self, listening: socket.socket) -> None:
        if not self._is_closed:
            self._loop.add_reader(listening.fileno(), self._accept, listening)

    def _pause(self, listening: socket.socket, seconds: float, why: str) -> None:
        self._loop.remove_reader(listening.fileno())
        self._loop.call_later(seconds, self._watch, listening)
        withheld = self.server.seldom.withheld(why)
        if withheld is not None:
            log.warning(why, listener=self._name, open=self.open, cap=self._room.cap, withheld=withheld)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTED):
            if self.open >= self._room.cap:
                return self._pause(listening, FULL_PAUSE, "listener.full")
            try:
                arrived, _peer = listening.accept()
            except (BlockingIOError, InterruptedError):
                return None
            except OSError as error:
                if error.errno in _STARVED:
                    return self._pause(listening, STARVED_PAUSE, "listener.starved")
                # The client has left before it was accepted: accept(2) reports its errors as ours.
                continue
            self._welcome(arrived)
        return None

    def _welcome(self, arrived: socket.socket) -> None:
        arrived.settimeout(0)
        task: asyncio.Task[object] = self._loop.create_task(
            self._loop.connect_accepted_socket(self.server, arrived), name=f"{self._name}-arrival"
        )
        self._arriving.add(task)
        task.add_done_callback(self._arrived)

    def _arrived(self, task: "asyncio.Task[object]") -> None:
        self._arriving.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), OSError):
            log.debug("arrival.failed", listener=self._name, error=str(error))


async def _bound(place: Place) -> list[socket.socket]:
    """Return listening sockets for every address of a place, all on one port."""
    for _ in range(TRIES):
        bound: list[socket.socket] = []
        try:
            for family, address in await _addresses(place):
                # Where any port will do, the second family takes the one that the first was given.
                port = bound[0].getsockname()[1] if bound else place.port
                _add(bound, family, (address, port))
        except OSError as error:
            for listening in bound:
                listening.close()
            if bound and place.port == 0 and error.errno == errno.EADDRINUSE:
                continue
            raise _explained(place, error) from None
        if bound:
            return bound
        raise ListenError(f"{place}: this machine has no such address")
    raise ListenError(f"{place}: no port is free in both families")


def _add(bound: list[socket.socket], family: socket.AddressFamily, address: tuple[str, int]) -> None:
    """Listen on one address; a family that this machine has switched off is left out."""
    try:
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno in _NO_FAMILY:
            return
        raise
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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
