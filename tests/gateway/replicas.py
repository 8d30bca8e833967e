"""Bridges over one partitioned log, as replicas of one deployment are."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.gateway.partitioned import Reader, Reading, Topic
from tests.support import Client, Served, running

TEXT = """
limits: {replay: {events: REPLAY}}
sources: {s: {kind: push, subject: "{name}"}}
routes:
  /s: {from: s, heartbeat: 50ms, history: {events: KEPT}}
  /all: {from: s, start: earliest, history: {events: KEPT}}
  /by/{name}: {from: s, history: {events: KEPT}}
  /numbers: {from: s, ids: sequence, history: {events: KEPT}}
"""


class Replica:
    """A bridge whose source reads a topic."""

    def __init__(self, served: Served, source: Reading) -> None:
        self.served = served
        self._source = source

    @property
    def _intake(self) -> Any:
        return self.served.bridge.intakes["s"]

    @property
    def reader(self) -> Reader:
        """Return where it stands."""
        log: Reader = self._intake.place.log
        return log

    def emit(self, *partitions: int) -> list[str]:
        """Let it read the next messages of these partitions."""
        return self.reader.emit(*partitions)

    async def follow(self, client: Client, *batches: tuple[int, ...]) -> None:
        """Emit batch after batch, each once the client has the one before."""
        for batch in batches:
            due = len(client.data) + len(batch)
            self.emit(*batch)
            while len(client.data) < due:
                await client.read()

    def find_place(self) -> None:
        """Let a source that was late know where it stands."""
        self._source.offer(self._intake.inlet, self._intake.place)

    async def all(self, count: int, path: str = "/s", id: str | None = None) -> tuple[list[str], Client]:
        """Open a stream and read so many events; return what they say."""
        client = await self.served.open(path, id=id)
        await client.until(lambda: len(client.data) >= count)
        return client.data, client


@asynccontextmanager
async def replica(
    topic: Topic, begin: Sequence[int] | None = None, *, kept: int = 1_000, replay: int = 10_000, **more: Any
) -> AsyncIterator[Replica]:
    """Run a bridge over the topic, which begins at these offsets."""
    source = Reading(topic=topic, begin=begin, **more)
    async with running(TEXT.replace("KEPT", str(kept)).replace("REPLAY", str(replay)), {"s": source}) as served:
        yield Replica(served, source)


def filled(*counts: int) -> Topic:
    """Make a topic with so many messages a partition; the first word is `a` or `b` in turn."""
    topic = Topic(len(counts))
    for number, count in enumerate(counts):
        topic.write(number, *(f"{'ab'[n % 2]} {number}:{n}" for n in range(count)))
    return topic


def every(topic: Topic, *begin: int) -> list[str]:
    """Return all messages from these offsets on, sorted."""
    return sorted(text for texts, first in zip(topic.partitions, begin, strict=True) for text in texts[first:])
