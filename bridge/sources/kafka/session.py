"""One connection's life without a group: all partitions are read here, and their places are ours to keep.

The consumer fetches. Beside it a watch looks at the topics every two seconds: it finds partitions that were added and
topics that came, went or were made anew, and it is the first to notice that no broker answers. When the session is of
no use any more it raises `LostError`; the next one goes on where the stand is.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import errors as kafka  # type: ignore[import-untyped]  # it has no types

from bridge.sources.base import Outlet
from bridge.sources.kafka.assignment import Assignment
from bridge.sources.kafka.consumer import Way
from bridge.sources.kafka.damage import DAMAGE
from bridge.sources.kafka.emission import Emission
from bridge.sources.kafka.link import Link
from bridge.sources.kafka.plan import Plan
from bridge.sources.kafka.remedy import Remedy
from bridge.sources.kafka.stand import Stand
from bridge.sources.kafka.survey import EVERY, Survey, Surveyor
from bridge.sources.kafka.trouble import LostError

#: Records of one batch: large enough that its overhead is small, and small enough that the loop turns meanwhile: every
#: 2 ms or so when they come without end.
BATCH: Final = 1_000

#: Milliseconds to wait for records before looking at what the watch found.
WAIT: Final = 250


class Session:
    """Reads through one consumer until that is of no use."""

    def __init__(self, plan: Plan, outlet: Outlet, stand: Stand, link: Link, consumer: Any) -> None:
        self._plan = plan
        self._outlet = outlet
        self._stand = stand
        self._link = link
        self._consumer = consumer
        self._surveyor = Surveyor(plan.name, plan.selection, link)
        self._emission = Emission(plan.name, outlet, stand, plan.values)
        self._assignment = Assignment(plan, outlet, stand, consumer)
        self._remedy = Remedy(plan.name, stand, consumer, self._assignment, self._emission)
        self._way: Way | None = None
        #: What the watch found, until it is taken in; and partitions that do not answer, in words.
        self._news: Survey | None = None
        self._stalled = ""
        self._told: str | None = None

    @property
    def was_up(self) -> bool:
        """Tell whether all was well in the end."""
        return self._told == ""

    async def begin(self) -> None:
        """Find out where to read."""
        await self._assignment.take(await self._surveyor.look(self._stand.topics))

    async def run(self) -> None:
        """Read until `LostError`, or cancelled."""
        watching = asyncio.create_task(self._watch(), name=f"kafka {self._plan.name} watch")
        try:
            while not watching.done():
                if self._news is not None:
                    news, self._news = self._news, None
                    await self._assignment.keep_place()
                    await self._assignment.take(news)
                await self._turn()
                self._tell()
            await self._assignment.keep_place()
            watching.result()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _turn(self) -> None:
        """Emit what has come, or wait a moment for it."""
        assignment, remedy = self._assignment, self._remedy
        if not assignment.parts:
            await asyncio.sleep(WAIT / 1000)
            return
        try:
            fetched = await self._consumer.getmany(timeout_ms=WAIT, max_records=BATCH)
        except kafka.OffsetOutOfRangeError as error:
            if await self._is_same():
                await remedy.out_of_range(error.args[0])
        except kafka.TopicAuthorizationFailedError as error:
            remedy.deny(str(error.args[0]))
        except kafka.RecordTooLargeError as error:
            remedy.oversize(error)
        except DAMAGE as error:
            await remedy.damaged(error)
        else:
            if fetched and await self._is_certain():
                await self._emission.emit(fetched, assignment.parts)
                # `getmany` does not give way while it has something.
                await asyncio.sleep(0)

    async def _is_certain(self) -> bool:
        """Tell whether what was fetched is of the topics that we know.

        The protocol fetches by name. A topic that was made anew while we were connected answers with an error first,
        upon which aiokafka asks anew where the partitions are. So after that, and over a new connection, the ids of
        the topics are looked at before anything is emitted.
        """
        way = Way.of(self._consumer)
        if way == self._way and not way.is_uncertain:
            return True
        is_same = await self._is_same()
        self._way = way
        return is_same

    async def _is_same(self) -> bool:
        """Look at the topics; False where one was made anew, and is read from its beginning from here on."""
        ids = {name: topic.id for name, topic in self._stand.topics.items()}
        survey = await self._surveyor.look(self._stand.topics)
        if all(ids.get(name, topic.id) == topic.id for name, (topic, _) in survey.topics.items()):
            return True
        # What was fetched of the other topics is fetched again, from where the stand is.
        await self._assignment.take(survey)
        # The partitions may be the same as before, where the new topic has no leader yet.
        await self._assignment.rewind()
        return False

    def _tell(self) -> None:
        """Tell how we are, when that has changed."""
        reason = self._trouble()
        if reason is None or reason == self._told:
            return
        self._told = reason
        if reason:
            self._outlet.down(reason)
        else:
            self._outlet.up()

    def _trouble(self) -> str | None:
        """Return why nothing can come, "" where all is well, None where that is not known yet."""
        assignment = self._assignment
        if not assignment.parts:
            return assignment.survey.missing or "no topic to read"
        if self._remedy.is_denied:
            return f"not authorised to read the topic {min(self._remedy.denied)}"
        if self._stalled:
            return self._stalled
        return "" if assignment.pulse.is_whole else None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            survey = await self._surveyor.look(self._stand.topics)
            if survey != self._assignment.survey:
                self._news = survey
            self._remedy.retry()
            if self._emission.is_waiting:
                # Nobody fetches meanwhile, and the outlet knows why.
                self._assignment.pulse.rest()
            stalled = self._assignment.pulse.stalled()
            self._stalled = await self._reason(stalled) if stalled else ""
            if stalled and len(stalled) == len(self._assignment.parts):
                raise LostError(self._stalled)

    async def _reason(self, stalled: Sequence[Any]) -> str:
        """Find out why partitions do not answer although the cluster does."""
        survey = self._assignment.survey
        first = stalled[0]
        entry = survey.topics.get(first.topic)
        leader = survey.brokers.get(entry.leaders.get(first.partition, -1)) if entry is not None else None
        wrong = await self._link.prove([leader]) if leader is not None else {}
        more = f", and {len(stalled) - 1} other partitions" if len(stalled) > 1 else ""
        reason = next(iter(wrong.values()), "its broker does not answer")
        return f"partition {first.partition} of {first.topic}{more}: {reason}"
