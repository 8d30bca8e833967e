"""Which partitions are read, from where: what a survey found, joined to where the source stands."""

import time
from collections.abc import Collection
from typing import Any

import structlog

from bridge.event import Loss
from bridge.position import Part
from bridge.sources.base import Outlet
from bridge.sources.kafka import begin
from bridge.sources.kafka.consumer import partition
from bridge.sources.kafka.plan import Plan
from bridge.sources.kafka.pulse import Pulse
from bridge.sources.kafka.stand import Stand, Topic
from bridge.sources.kafka.survey import Survey

log = structlog.get_logger()


class Assignment:
    """What one consumer reads."""

    def __init__(self, plan: Plan, outlet: Outlet, stand: Stand, consumer: Any) -> None:
        #: Our names of the partitions that are read.
        self.parts: dict[Any, Part] = {}
        self.survey = Survey({}, {}, "")
        self.pulse = Pulse(consumer, plan.stall)
        self._plan = plan
        self._outlet = outlet
        self._stand = stand
        self._consumer = consumer

    async def take(self, survey: Survey) -> None:
        """Read what there is now, from where we stand in it.

        What the consumer has handed over is emitted by now, or is to be fetched again.
        """
        stand = self._stand
        self.survey = survey
        parts = {Part(topic.tag, n) for topic, leaders in survey.topics.values() for n in leaders}
        stand.see(parts, survey.hidden)
        led = {
            name: [n for n, leader in leaders.items() if leader >= 0] for name, (_, leaders) in survey.topics.items()
        }
        if not stand.is_begun:
            stand.late = {Part(topic.tag, n) for topic, leaders in survey.topics.values() for n in leaders}
        for name, (topic, _) in survey.topics.items():
            await self._enter(topic, led[name])
        if not stand.is_begun:
            stand.is_begun = True
            stand.start = stand.head
        known = {(name, n): Part(topic.tag, n) for name, (topic, _) in survey.topics.items() for n in led[name]}
        self._assign({partition(*key): part for key, part in known.items() if part in stand.next})

    def _assign(self, parts: dict[Any, Part]) -> None:
        if parts == self.parts:
            return
        self.parts = parts
        self._consumer.assign(list(parts))
        for each, part in parts.items():
            self._consumer.seek(each, self._stand.next[part])
        self.pulse.follow(parts)

    async def _enter(self, topic: Topic, numbers: Collection[int]) -> None:
        """Find out where to begin in partitions that are new."""
        stand = self._stand
        new = {partition(topic.name, number): Part(topic.tag, number) for number in numbers}
        new = {each: part for each, part in new.items() if part not in stand.next}
        first = [each for each, part in new.items() if part in stand.late]
        # What came into being since is read whole.
        later = [each for each, part in new.items() if part not in stand.late]
        if not new:
            return
        now = time.time()
        offsets = {
            **await begin.offsets(self._plan.begin, self._consumer, first, now),
            **await begin.offsets("earliest", self._consumer, later, now),
        }
        before = stand.topics.get(topic.name)
        stand.enter(topic, {each.partition: offset for each, offset in offsets.items()})
        if before is not None and before.id != topic.id:
            log.warning("topic was made anew", source=self._plan.name, topic=topic.name)
            self.lose(Loss(reason="source_reset", captures=topic.captures))
        elif first and stand.is_begun:
            # Until now its place was not known, so no position before this one tells of it.
            stand.lost()

    async def keep_place(self) -> None:
        """Note how far the consumer came beyond the last records: over compacted ones, over marks of transactions."""
        for each, part in self.parts.items():
            at = await self._consumer.position(each)
            if at > self._stand.next.get(part, at):
                self._stand.move(part, at)

    async def rewind(self) -> None:
        """Let the consumer go on just after what was emitted."""
        for each, part in self.parts.items():
            self._consumer.seek(each, self._stand.next[part])

    def lose(self, loss: Loss) -> None:
        """Announce a loss: from here on all is whole again."""
        self._stand.lost()
        self._outlet.lose(loss)

    def listen(self) -> None:
        """Say nothing of being well before all partitions have answered again."""
        self.pulse.follow(self.parts)
