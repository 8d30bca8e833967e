"""Who listens: the addresses that open streams ask of one source now.

A polled page is asked for only while somebody listens, once for all who do. What tells one address from another is
the names that the subscribers give; a source without such names has one address, which is `()`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType

#: The names that a source asks of its subscribers, with their values, in the order of the source's names.
Asked = tuple[tuple[str, str], ...]


class Demand:
    """How many streams listen, by address."""

    def __init__(self, names: Sequence[str] = (), *, at_once: int) -> None:
        self._names = tuple(names)
        self._at_once = at_once
        self._wanted: dict[Asked, int] = {}
        self._changed = asyncio.Event()
        #: Streams by address. An address that nobody listens to does not stand here.
        self.wanted: Mapping[Asked, int] = MappingProxyType(self._wanted)

    def has_room(self, captures: Mapping[str, str]) -> bool:
        """Tell whether a stream of these captures may come: its address is listened to, or one more may be."""
        return len(self._wanted) < self._at_once or self._asked(captures) in self._wanted

    def enter(self, captures: Mapping[str, str]) -> None:
        """Note that a stream has opened; its captures have all the names."""
        asked = self._asked(captures)
        self._wanted[asked] = self._wanted.get(asked, 0) + 1
        if self._wanted[asked] == 1:
            self._changed.set()

    def leave(self, captures: Mapping[str, str]) -> None:
        """Note that a stream which had entered is over."""
        asked = self._asked(captures)
        self._wanted[asked] -= 1
        if not self._wanted[asked]:
            del self._wanted[asked]
            self._changed.set()

    async def changed(self) -> None:
        """Return when an address has come or gone since the last call returned; one waits at a time."""
        await self._changed.wait()
        self._changed.clear()

    def _asked(self, captures: Mapping[str, str]) -> Asked:
        return tuple([(name, captures[name]) for name in self._names])
