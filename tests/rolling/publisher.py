"""What is told to all bridges, on a push route and on a Kafka route, and what pages must have heard of it."""

import asyncio
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.kafka_client import Talk
from tests.rolling.eventsource import Dispatched
from tests.rolling.fleet import Fleet
from tests.rolling.ledger import Pushed, Recorded

#: Seconds between two events of each route.
EVERY: Final = 0.2

PARTITIONS: Final = 2

NOTICES: Final = "/notices"
RECORDS: Final = "/records"


@dataclass
class Publisher:
    """Tells the bridges and the topic of one event after another."""

    fleet: Fleet
    talk: Talk
    topic: str
    pushed: Pushed = field(default_factory=Pushed)
    recorded: Recorded = field(default_factory=Recorded)

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until told to stop; then publish one more, and remember it as the last."""
        for number in itertools.count():
            is_last = stop.is_set()
            await self._publish(number)
            if is_last:
                self.pushed.end = number
                return
            await asyncio.sleep(EVERY)

    async def _publish(self, number: int) -> None:
        partition = number % PARTITIONS
        record = {"partition": partition, "n": self.recorded.partitions[partition]}
        self.recorded.partitions[partition] += 1
        await self.talk.send(self.topic, json.dumps(record).encode(), partition=partition)
        await self.fleet.push(number, lambda by: self.pushed.by[by].append(number))

    def is_heard(self, path: str, heard: Sequence[Dispatched]) -> bool:
        """Tell whether the last of all has come."""
        return (self.pushed if path == NOTICES else self.recorded).is_over(heard)

    def faults(self, path: str, heard: Sequence[Dispatched]) -> list[str]:
        """Say what a page lost without a word, or heard twice."""
        return (self.pushed if path == NOTICES else self.recorded).faults(heard)
