"""The three listeners: what the public reaches, what operators do, and what probes ask."""

from collections.abc import Callable
from typing import Final, NamedTuple, Self

from bridge.config.server import Server
from bridge.gateway.handshake import Handle
from bridge.gateway.server import Listener, Place, Room

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
        self.public = Listener("public", [Place(*at) for at in server.listen], handles.public, room=room)
        self.admin = Listener("admin", [Place(*server.admin)], handles.admin)
        health = [Place(*server.health)] if server.health is not None else []
        self.health = Listener("health", health, handles.health)
        self._open: list[Listener] = []

    async def __aenter__(self) -> Self:
        try:
            for listener in (self.public, self.admin, self.health):
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
