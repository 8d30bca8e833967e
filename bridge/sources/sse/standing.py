"""How the source is, from how its addresses are.

It is up while one of its addresses is, and down when all that are read are down. While none is read it is as it was.
"""

from bridge.sources.base import Outlet


class Standing:
    """Tells the outlet. An address is known by any object of its own."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        #: Of each address: why it is down, "" where it is up, None before either is known.
        self._addresses: dict[object, str | None] = {}

    def enter(self, address: object) -> None:
        """Note that an address is wanted."""
        self._addresses[address] = None

    def leave(self, address: object) -> None:
        """Note that it is not any more."""
        del self._addresses[address]
        if self._addresses:
            # After the last one nothing is known that is newer.
            self._tell()

    def up(self, address: object) -> None:
        """Note that its stream is open."""
        self._addresses[address] = ""
        self._tell()

    def down(self, address: object, words: str) -> None:
        """Note that it has none, and why."""
        # The last one to tell is the last one that is told of.
        self._addresses.pop(address, None)
        self._addresses[address] = words
        self._tell()

    def _tell(self) -> None:
        words = list(self._addresses.values())
        if "" in words:
            self._outlet.up()
        elif all(words):
            self._outlet.down(words[-1] or "")
