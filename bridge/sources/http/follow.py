"""One run of the source: who is polled, and how it stands with all of them.

The source is up as long as one address works, or none has failed yet: to wait for listeners is no fault. It is down
when the last poll of every address that is polled has failed. Where subscribers choose the address, a value that the
server does not know (404, 410) counts for nothing here: it is told in the log and by the admin port.
"""

import random
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Final

from bridge.errors import SourceError
from bridge.event import Message
from bridge.sources.base import Outlet, Place
from bridge.sources.http.detail import detail
from bridge.sources.http.memory import Known, Memory
from bridge.sources.http.plan import Plan
from bridge.sources.http.polite import Chance
from bridge.sources.http.poller import Poller
from bridge.sources.schedule import SYSTEM
from bridge.sources.web.attend import Attendance
from bridge.sources.web.client import Client

#: What is not there, or is there no longer.
GONE: Final = frozenset({404, 410})

CHANCE: Final = Chance(SYSTEM, random.uniform)


class Follower:
    """One run."""

    def __init__(self, plan: Plan, outlet: Outlet, place: Place, chance: Chance) -> None:
        self._plan = plan
        self._outlet = outlet
        self._place = place
        self._chance = chance
        # Twice as many as are polled: who looks at one page after another finds the last ones as they were.
        kept = place.kept.setdefault("http", Memory(plan.rules, 2 * plan.at_once))
        self._memory = kept if isinstance(kept, Memory) else Memory(plan.rules, 2 * plan.at_once)
        place.present = self.present
        place.detail = lambda: detail(plan, self._memory, chance.clock)
        if (entries := plan.entries()) is not None:
            place.entries = lambda: entries

    def present(self, captures: Mapping[str, str]) -> Sequence[Message]:
        """Return what is known of an address, for a newcomer."""
        known = self._memory.get(self._plan.asked(captures))
        return known.emission.present() if known is not None else []

    async def run(self) -> None:
        """Poll what is listened to, until cancelled."""
        demand = self._place.demand
        if demand is None:
            raise SourceError("nobody can listen to this source")
        self._outlet.up()
        async with Client(self._plan.remote) as client:
            poller = Poller(self._plan, client, self._outlet, self._chance)
            attendance = Attendance(
                demand,
                lambda captures: self._follow(poller, captures),
                linger=self._plan.linger,
                at_once=self._plan.at_once,
            )
            await attendance.run()

    async def _follow(self, poller: Poller, captures: Mapping[str, str]) -> None:
        asked = self._plan.asked(captures)
        known = self._memory.enter(asked)
        try:
            async with aclosing(poller.follow(known)) as polls:
                async for _ in polls:
                    self._tell(known)
                    self._judge()
        finally:
            if asked:
                self._outlet.address(known.captures, None)
            for each in self._memory.leave(asked):
                if removed := each.emission.retract(self._chance.clock.wall()):
                    self._outlet.emit(removed)
            if asked and not any(known.is_polled for known in self._memory):
                # What failed was asked for by those who have left; the next one may ask for what works.
                self._outlet.up()

    def _tell(self, known: Known) -> None:
        """Tell who listens to an address how that is."""
        if self._plan.params:
            self._outlet.address(known.captures, known.words or None)

    def _judge(self) -> None:
        """Tell how the source is, after a poll."""
        words = ""
        for known in self._memory:
            if not known.is_polled or not known.polled_at:
                continue
            if not known.words and known.replies:
                self._outlet.up()
                return
            if self._plan.params and known.status in GONE:
                # One value that the server does not know, which any visitor may ask for, says nothing of the others.
                continue
            # Those of the first: which of them was asked last changes all the time, and is no news.
            words = words or known.words
        if words:
            self._outlet.down(words)


async def follow(plan: Plan, outlet: Outlet, place: Place, chance: Chance = CHANCE) -> None:
    """Poll until cancelled."""
    await Follower(plan, outlet, place, chance).run()
