"""The three listeners: what the public reaches, what operators do, and what probes ask."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, Self

from bridge.config.server import Server
from bridge.gateway.handshake import Handle
from bridge.gateway.server import Listener, Opened, Place, Room

#: Seconds at the end for an answer to an operator or a probe. What is in flight on the public listener has the rest.
SHORT: Final = 0.5


class Handles(NamedTuple):
    """What answers on each."""

    public: Handle
    admin: Handle
    health: Handle


class Listeners:
    """All listeners of the process."""

    def __init__(self, server: Server, handles: Handles, room: Room, grace: Callable[[], float]) -> None:
        """`grace` tells how many seconds are left for answers in flight at the end."""
        self._grace = grace
        public, admin, health = _places(server)
        self.public = Listener("public", public, handles.public, room=room)
        self.admin = Listener("admin", admin, handles.admin)
        self.health = Listener("health", health, handles.health)
        self._open: list[Listener] = []

    @property
    def _all(self) -> tuple[Listener, ...]:
        return self.public, self.admin, self.health

    async def open_for(self, server: Server) -> list[Opened]:
        """Open what another configuration wants and is not open yet; raises `ListenError`, and then nothing is."""
        opened: list[Opened] = []
        try:
            for listener, places in zip(self._all, _places(server), strict=True):
                opened.append(await listener.open_at(places))
        except BaseException:
            abandon(opened)
            raise
        return opened

    def is_open(self, at: tuple[str, int]) -> bool:
        """Tell whether a stream may have come by this address of ours: the admin port shows them, too."""
        return any(listener.has(at) for listener in self._all)

    def take(self, opened: Sequence[Opened]) -> None:
        """Listen there and nowhere else. Never awaits."""
        for listener, each in zip(self._all, opened, strict=True):
            listener.take(each)

    async def __aenter__(self) -> Self:
        try:
            for listener in self._all:
                await listener.start()
                self._open.append(listener)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        # The public one last: a closed port is a proxy's 502, and that ends a browser's tab.
        while self._open:
            closing, grace = self._open.pop(), self._grace()
            await closing.close(grace if closing is self.public else min(grace, SHORT))


def abandon(opened: Iterable[Opened]) -> None:
    """Close what was opened for nothing."""
    for each in opened:
        each.abandon()


def _places(server: Server) -> tuple[list[Place], ...]:
    """Return where to listen: public, admin, health."""
    health = [Place(*server.health)] if server.health is not None else []
    return [Place(*at) for at in server.listen], [Place(*server.admin)], health
