"""One connection's life in a consumer group: the group says which partitions are ours, and keeps their places.

What was emitted is committed once a second, and when partitions are taken from us. So after a crash, or where a commit
comes too late, the group's next reader gets up to a second of records again: at least once, never less.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import structlog
from aiokafka import ConsumerRebalanceListener, errors as kafka  # type: ignore[import-untyped]  # it has no types

from bridge.event import Loss
from bridge.position import Part
from bridge.sources.base import Outlet
from bridge.sources.kafka import begin
from bridge.sources.kafka.consumer import SESSION, member, partition
from bridge.sources.kafka.damage import DAMAGE
from bridge.sources.kafka.emission import Emission
from bridge.sources.kafka.link import Link
from bridge.sources.kafka.message import Record
from bridge.sources.kafka.plan import Plan
from bridge.sources.kafka.remedy import Remedy
from bridge.sources.kafka.session import BATCH, WAIT
from bridge.sources.kafka.stand import Stand
from bridge.sources.kafka.survey import EVERY, Survey, Surveyor
from bridge.sources.kafka.trouble import ConflictError, clipped

log = structlog.get_logger()

#: Seconds between two commits: what is read again at worst, against a request for each batch.
COMMIT: Final = 1.0

#: Seconds that a commit may take. The library asks for the group's coordinator for ever.
PATIENCE: Final = 5.0


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Hears of what the group gives and takes."""

    def __init__(self, session: "GroupSession") -> None:
        self._session = session

    async def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
        """Commit what was emitted of them, while that is still ours to do."""
        await self._session.commit()
        if self._session.leave():
            # To ask for the name again would take it from the other one. The session ends now.
            await asyncio.Event().wait()

    async def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        """Note that we are one of the group."""
        self._session.join()


class GroupSession:
    """Reads what a group gives through one consumer, until that is of no use."""

    def __init__(self, plan: Plan, outlet: Outlet, stand: Stand, link: Link, consumer: Any) -> None:
        #: Our names of all partitions of the topics, whoever reads them.
        self.parts: dict[Any, Part] = {}
        #: When the group took us in; None while it makes up its mind.
        self.joined_at: float | None = None
        self._plan = plan
        self._outlet = outlet
        self._stand = stand
        self._consumer = consumer
        self._surveyor = Surveyor(plan.name, plan.selection, link)
        self._survey = Survey({}, {}, "")
        self._emission = Emission(plan.name, outlet, stand, plan.values)
        self._remedy = Remedy(plan.name, stand, consumer, self, self._emission)
        self._news: Survey | None = None
        #: Our id in the group, and whether another process has taken our name.
        self._id = ""
        self._is_replaced = False
        #: How far we are: what is not committed yet; and all since the group gave us the partition.
        self._done: dict[Any, int] = {}
        self._emitted: dict[Any, int] = {}
        self._committed_at = time.monotonic()
        self._left_at = time.monotonic()
        self._told: str | None = None

    @property
    def was_up(self) -> bool:
        """Tell whether all was well in the end."""
        return self._told == ""

    def lose(self, loss: Loss) -> None:
        """Announce a loss."""
        self._outlet.lose(loss)

    def listen(self) -> None:
        """Do nothing: what the group gives is answered by the group."""

    async def rewind(self) -> None:
        """Let the consumer go on just after what was emitted; where nothing was yet, at the group's place."""
        for each in self._consumer.assignment():
            place = self._emitted.get(each)
            place = await self._consumer.committed(each) if place is None else place
            if place is None:
                await self._start(each)
            else:
                self._consumer.seek(each, place)

    async def begin(self) -> None:
        """Join."""
        self._take(await self._surveyor.look(self._stand.topics))

    async def run(self) -> None:
        """Read until `LostError`, or cancelled."""
        watching = asyncio.create_task(self._watch(), name=f"kafka {self._plan.name} watch")
        try:
            while not watching.done():
                if self._news is not None:
                    news, self._news = self._news, None
                    self._take(news)
                self._check_name()
                await self._turn(watching)
                self._tell()
                if time.monotonic() - self._committed_at > COMMIT:
                    await self.commit()
            watching.result()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await self.commit()

    def join(self) -> None:
        """Note that the group took us in."""
        self.joined_at = time.monotonic()
        self._id = member(self._consumer)

    def leave(self) -> bool:
        """Note that the partitions are another's from here on; tell whether our name is, too."""
        joined_at, self.joined_at = self.joined_at, None
        self._emitted.clear()
        is_thrown_out = bool(self._id) and member(self._consumer) != self._id
        if self._plan.reading.member is not None and is_thrown_out and joined_at is not None:
            self._is_replaced = time.monotonic() - joined_at < SESSION
        return self._is_replaced

    async def commit(self) -> None:
        """Tell the group how far we are in what is ours. That it does not listen now is no loss."""
        self._committed_at = time.monotonic()
        assigned = self._consumer.assignment()
        done = {each: offset for each, offset in self._done.items() if each in assigned}
        self._done = {}
        if not done:
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await self._consumer.commit(done)
        except (kafka.KafkaError, kafka.IllegalStateError, TimeoutError) as error:
            # Offsets that are newer by now stand.
            self._done = {**done, **self._done}
            log.warning("offsets cannot be committed", source=self._plan.name, reason=clipped(error) or "no answer")

    def _take(self, survey: Survey) -> None:
        self._survey = survey
        for topic, leaders in survey.topics.values():
            self._stand.enter(topic, {number: self._stand.next.get(Part(topic.tag, number), 0) for number in leaders})
        self._stand.is_begun = True
        self.parts = {
            partition(topic.name, number): Part(topic.tag, number)
            for topic, leaders in survey.topics.values()
            for number in leaders
        }
        if survey.topics and survey.topics.keys() != self._consumer.subscription():
            self._consumer.subscribe(list(survey.topics), listener=_Listener(self))

    async def _turn(self, watching: "asyncio.Task[None]") -> None:
        """Emit what has come, or wait a moment."""
        try:
            fetched = await self._get(watching)
        except kafka.OffsetOutOfRangeError as error:
            await self._remedy.out_of_range(error.args[0])
        except kafka.NoOffsetForPartitionError as error:
            await self._start(error.args[0])
        except kafka.TopicAuthorizationFailedError as error:
            self._remedy.deny(str(error.args[0]))
        except kafka.RecordTooLargeError as error:
            self._remedy.oversize(error)
        except DAMAGE as error:
            await self._remedy.damaged(error)
        else:
            await self._emit(fetched)

    async def _get(self, watching: "asyncio.Task[None]") -> Mapping[Any, Sequence[Record]]:
        """Return what has come; while the group makes up its mind the library waits without end, and this does not."""
        if not self._survey.topics:
            await asyncio.sleep(WAIT / 1000)
            return {}
        getting = asyncio.ensure_future(self._consumer.getmany(timeout_ms=WAIT, max_records=BATCH))
        try:
            await asyncio.wait((getting, watching), timeout=COMMIT, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not getting.done():
                # Nothing is taken out while it waits.
                getting.cancel()
            await asyncio.gather(getting, return_exceptions=True)
        return {} if getting.cancelled() else getting.result()

    async def _emit(self, fetched: Mapping[Any, Sequence[Record]]) -> None:
        if not fetched.keys() <= self.parts.keys():
            # A partition that was added since the last look.
            self._take(await self._surveyor.look(self._stand.topics))
        await self._emission.emit(fetched, self.parts)
        done = {each: records[-1].offset + 1 for each, records in fetched.items() if records}
        self._done.update(done)
        self._emitted.update(done)

    async def _start(self, each: Any) -> None:
        """Begin in a partition of which the group knows no place."""
        offsets = await begin.offsets(self._plan.begin, self._consumer, [each], time.time())
        self._consumer.seek(each, offsets[each])
        # So that the place is kept, also where nothing comes before the next start.
        self._done[each] = offsets[each]

    def _check_name(self) -> None:
        """Raise `ConflictError` when another process bears our name: the two would take it from each other for ever."""
        if self._is_replaced:
            name = self._plan.reading.member
            raise ConflictError(f"another process is the member {name} of the group too: each needs a name of its own")

    def _tell(self) -> None:
        reason = self._trouble()
        if reason is None or reason == self._told:
            return
        self._told = reason
        if reason:
            self._outlet.down(reason)
        else:
            self._outlet.up()

    def _trouble(self) -> str | None:
        now = time.monotonic()
        if not self._survey.topics:
            return self._survey.missing or "no topic to read"
        if self.joined_at is None:
            is_late = now - self._left_at > self._plan.stall
            return f"the group {self._plan.reading.group} does not take us in" if is_late else None
        self._left_at = now
        if self._remedy.is_denied:
            return f"not authorised to read the topic {min(self._remedy.denied)}"
        return ""

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            survey = await self._surveyor.look(self._stand.topics)
            if survey != self._survey:
                self._news = survey
            self._remedy.retry()
