"""One connection after another: how long to wait, under which client id, and what to say."""

import asyncio
import random
from typing import Final

from bridge.errors import SourceError
from bridge.sources.backoff import Backoff
from bridge.sources.base import Outlet, Place
from bridge.sources.mqtt.identity import ClientId, derived, fresh, host, token
from bridge.sources.mqtt.intake import Memory
from bridge.sources.mqtt.plan import Plan
from bridge.sources.mqtt.reasons import TAKEN_OVER, LostError
from bridge.sources.mqtt.session import Session

#: Seconds to wait at least, and at most, where another client has our id: coming back throws it out in turn.
TAKEN_DELAY: Final = (10.0, 30.0)

#: A connection that ends within so many seconds of its start, that often in a row, is somebody else's doing: neither
#: MQTT 3.1.1 nor Mosquitto 2.0 says that another client took the id.
QUICK: Final = 5.0
QUICK_ENDS: Final = 3


class Follower:
    """One run of the source."""

    def __init__(self, plan: Plan, outlet: Outlet, place: Place) -> None:
        self._plan = plan
        self._outlet = outlet
        self._place = place
        kept = place.kept.setdefault("mqtt", Memory())
        self._memory = kept if isinstance(kept, Memory) else Memory()
        self._backoff = Backoff(random.uniform)
        self._token = ""
        self._quick = 0

    async def run(self) -> None:
        """Connect again and again, until cancelled."""
        if self._plan.qos == 0:
            self._memory.heard_zero = True
        if self._plan.client_id is None:
            self._token = await asyncio.to_thread(token, self._place.state, host(), self._plan.name)
        while True:
            session = Session(self._plan, self._client_id(), self._memory, self._outlet)
            try:
                lost = await session.run()
            except SourceError as error:
                lost = LostError(str(error))
            await asyncio.sleep(self._ended(session.up_at, lost))

    def _client_id(self) -> ClientId:
        if self._plan.client_id is not None:
            return ClientId(self._plan.client_id)
        if not self._plan.keeps and not self._memory.suffix:
            # Nothing is kept under it, so it need not be the same tomorrow, and cannot be another's.
            self._memory.suffix = fresh()
        suffix = self._memory.suffix
        return ClientId(derived(self._plan.name, self._token, suffix), is_fleeting=bool(suffix))

    def _ended(self, up_at: float | None, lost: LostError) -> float:
        """Tell why a connection ended; return the seconds to wait."""
        lasted = asyncio.get_running_loop().time() - up_at if up_at is not None else 0.0
        self._quick = self._quick + 1 if up_at is not None and lasted < QUICK else 0
        delay = self._backoff.next(lasted)
        is_taken = lost.code == TAKEN_OVER
        if not is_taken and self._quick < QUICK_ENDS:
            self._outlet.down(str(lost))
            return delay
        if self._plan.client_id is None:
            # Only the one that is thrown out steps aside, so the other keeps its session.
            self._quick, self._memory.suffix = 0, fresh()
            guess = "" if is_taken else "maybe another client has our client id: "
            self._outlet.down(f"{lost}; {guess}taking a new one")
            return delay
        name = f"{'' if is_taken else 'maybe '}`client_id: {self._plan.client_id}`"
        self._outlet.down(f"{lost}; {name} is used twice: give each bridge its own, or leave it out")
        return max(delay, random.uniform(*TAKEN_DELAY))


async def follow(plan: Plan, outlet: Outlet, place: Place) -> None:
    """Follow the topics of a plan until cancelled."""
    await Follower(plan, outlet, place).run()
