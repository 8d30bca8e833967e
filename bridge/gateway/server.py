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
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, NamedTuple, Self

import structlog

from bridge.gateway.handshake import Handle, Server, Times
from bridge.gateway.refusal import require_parser
from bridge.gateway.sockets import SEND_BUFFER, ListenError, Place, bound, share

__all__ = ["SEND_BUFFER", "ListenError", "Listener", "Opened", "Place", "Room"]

log = structlog.get_logger()

#: Accepted in one turn of the loop: enough for 5,000 within a second, few enough that streams go on meanwhile.
ACCEPTED: Final = 64

#: Seconds before a full house, and a process out of descriptors, looks again.
FULL_PAUSE: Final = 0.05
STARVED_PAUSE: Final = 1.0

#: Seconds at a close for answers in flight. Streams have drained before.
GRACE: Final = 5.0

#: Seconds that each connection has for a request that may be on its way. One that is cut right after it was accepted is
#: a proxy's 502, and that ends a browser's tab.
FRESH: Final = 0.2

#: Seconds after the grace for aiohttp's own tasks to take note.
ABORT: Final = 0.1

#: Connections on a listener that serves probes and operators.
FEW: Final = 256

_STARVED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


@dataclass(frozen=True, slots=True)
class Room:
    """How many connections a listener holds."""

    cap: int = FEW
    #: Counts the connections that streams have taken over, where they share the cap.
    streams: Callable[[], int] = int


class Opened(NamedTuple):
    """Sockets at the places that a listener is to have; those that it has not yet are not accepted from so far."""

    places: tuple[Place, ...]
    fresh: dict[Place, list[socket.socket]]

    def abandon(self) -> None:
        """Close what was opened for nothing."""
        for listening in chain.from_iterable(self.fresh.values()):
            listening.close()


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
        self.room = room or Room()
        self._times = times
        self._sockets: dict[Place, list[socket.socket]] = {}
        self._arriving: set[asyncio.Task[object]] = set()

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
        self.take(await self.open_at(self._places))

    async def open_at(self, places: Sequence[Place]) -> Opened:
        """Open sockets where it does not listen yet, before any that it has is closed; raises `ListenError`."""
        opened = Opened(tuple(places), {})
        leaving = [sock for place in self._sockets.keys() - places for sock in self._sockets[place]]
        try:
            for place in places:
                if place not in self._sockets:
                    ours = [each for each in leaving if each.getsockname()[1] == place.port]
                    for each in ours:
                        share(each)
                    opened.fresh[place] = await bound(place, is_shared=bool(ours))
        except BaseException:
            opened.abandon()
            for each in leaving:
                share(each, is_shared=False)
            raise
        return opened

    def take(self, opened: Opened) -> None:
        """Listen at these places and no others. Never awaits."""
        before = self._sockets
        self._sockets = {place: opened.fresh.get(place) or before[place] for place in opened.places}
        for listening in chain.from_iterable(opened.fresh.values()):
            self._watch(listening)
        for place in before.keys() - self._sockets.keys():
            for listening in before[place]:
                # Who was let in by the kernel is answered, not reset.
                self._accept(listening)
                self._stop(listening)
        if opened.fresh or len(before) > len(self._sockets):
            log.info("listening", listener=self._name, at=[str(place) for place in self.places])

    def has(self, name: tuple[str, int]) -> bool:
        """Tell whether it listens where a connection with this local address came in."""
        return any(place.port == name[1] and place.host in {name[0], "0.0.0.0", "::"} for place in self.places)  # noqa: S104

    @property
    def places(self) -> list[Place]:
        """Return where it listens, with the ports that the system chose."""
        return [Place(*each.getsockname()[:2]) for sockets in self._sockets.values() for each in sockets]

    @property
    def port(self) -> int:
        """Return the port of its first socket."""
        return self.places[0].port

    @property
    def name(self) -> str:
        """Return what it is called in the log."""
        return self._name

    @property
    def cap(self) -> int:
        """Return how many connections it holds at most."""
        return self.room.cap

    @property
    def open(self) -> int:
        """Count its connections, streams included."""
        return self.server.open + len(self._arriving) + self.room.streams()

    @property
    def is_full(self) -> bool:
        """Tell whether it accepts no more for now."""
        return self.open >= self.room.cap

    async def close(self, grace: float = GRACE) -> None:
        """Let answers in flight end, within `grace` seconds; then stop listening."""
        end = self._loop.time() + grace
        self.server.let_go(self._loop.time() - FRESH)
        # aiohttp tells nobody that a connection has left, so there is no event to wait for.
        while (self.server.open or self._arriving) and self._loop.time() < end:
            await asyncio.sleep(FULL_PAUSE)
            self.server.let_go(self._loop.time() - FRESH)
        self._release()
        await self.server.shutdown(ABORT)

    def _release(self) -> None:
        sockets, self._sockets = self._sockets, {}
        for listening in chain.from_iterable(sockets.values()):
            self._stop(listening)

    def _stop(self, listening: socket.socket) -> None:
        self._loop.remove_reader(listening.fileno())
        listening.close()

    def _watch(self, listening: socket.socket) -> None:
        # A pause may outlast the socket, whose number is -1 then.
        if listening.fileno() >= 0:
            self._loop.add_reader(listening.fileno(), self._accept, listening)

    def _pause(self, listening: socket.socket, seconds: float, why: str) -> None:
        self._loop.remove_reader(listening.fileno())
        self._loop.call_later(seconds, self._watch, listening)
        self.server.counts[why.removeprefix("listener.")] += 1
        withheld = self.server.seldom.withheld(why)
        if withheld is not None:
            log.warning(why, listener=self._name, open=self.open, cap=self.room.cap, withheld=withheld)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTED):
            if self.is_full:
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
