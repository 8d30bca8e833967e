"""A source that works only for who listens, and does as a test says."""

import asyncio
from collections.abc import Mapping, Sequence

from pydantic import ConfigDict, Field

from bridge.demand import Asked
from bridge.event import Message
from bridge.params import Param
from bridge.sources.base import Outlet, Place, Source


class Desk:
    """What a test sees of the source, and does with it."""

    def __init__(self) -> None:
        self.outlet: Outlet | None = None
        self.place: Place | None = None
        #: The present value of each address.
        self.values: dict[str, str] = {}

    @property
    def wanted(self) -> Mapping[Asked, int]:
        """Tell who listens to what."""
        assert self.place is not None
        assert self.place.demand is not None
        return self.place.demand.wanted

    def emit(self, currency: str, *messages: Message) -> None:
        """Emit for one address."""
        assert self.outlet is not None
        captured = [
            Message(payload=m.payload, time=0.0, type=m.type, captures={"currency": currency}) for m in messages
        ]
        self.outlet.emit(captured)

    def present(self, captures: Mapping[str, str]) -> Sequence[Message]:
        """Return the present value of an address."""
        currency = captures.get("currency", "EUR")
        if currency not in self.values:
            return []
        return [Message(payload=self.values[currency], time=0.0, type="snapshot", captures={"currency": currency})]


class Asking(Source):
    """Asks for a currency; says who listens."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    desk: Desk
    params: dict[str, Param] = Field(default_factory=lambda: {"currency": Param(in_=["EUR", "USD", "NOK"])})
    most: int = 10
    sends_changes: bool = False

    async def run(self, outlet: Outlet, place: Place) -> None:
        """Wait for the test."""
        self.desk.outlet, self.desk.place = outlet, place
        place.present = self.desk.present
        outlet.up()
        await asyncio.Event().wait()

    def names(self) -> frozenset[str]:
        """Return what it asks for."""
        return frozenset(self.params)

    def facts(self) -> frozenset[str]:
        """Return what it vouches for."""
        return frozenset({"change"})

    def rules(self) -> Mapping[str, Param]:
        """Return what may be asked for."""
        return self.params

    @property
    def is_asked(self) -> bool:
        """It does want to know."""
        return True

    @property
    def at_most(self) -> int:
        """Return how many addresses there may be."""
        return self.most

    @property
    def is_delta(self) -> bool:
        """As the test has it."""
        return self.sends_changes
