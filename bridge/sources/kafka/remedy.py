"""What to do where a partition cannot be read on: say what is lost, and go on behind it."""

import time
from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol

import structlog
from aiokafka import errors as kafka  # type: ignore[import-untyped]  # it has no types

from bridge.event import EMPTY, Loss
from bridge.position import Part
from bridge.sources.kafka.damage import around, suspects
from bridge.sources.kafka.emission import Emission
from bridge.sources.kafka.stand import Stand
from bridge.sources.kafka.trouble import clipped

log = structlog.get_logger()

#: Seconds before a topic that we may not read is tried again.
DENIED: Final = 10.0


class Region(Protocol):
    """What a consumer reads, and where its losses are told."""

    @property
    def parts(self) -> Mapping[Any, Part]:
        """Return our names of the partitions."""

    def lose(self, loss: Loss) -> None:
        """Announce a loss."""

    async def rewind(self) -> None:
        """Let the consumer go on just after what was emitted."""

    def listen(self) -> None:
        """Say nothing of being well before all partitions have answered again."""


class Remedy:
    """Deals with what `getmany` raises."""

    def __init__(self, source: str, stand: Stand, consumer: Any, region: Region, emission: Emission) -> None:
        self._source = source
        self._stand = stand
        self._consumer = consumer
        self._region = region
        self._emission = emission
        #: Topics that we may not read, and when they were tried last.
        self.denied: dict[str, float] = {}

    async def out_of_range(self, offsets: Mapping[Any, int]) -> None:
        """Go on where partitions still have something. That it is no new topic has been seen to."""
        for each, offset in offsets.items():
            if each in self._region.parts:
                await self._step(each, offset)

    async def _step(self, each: Any, offset: int) -> None:
        first = (await self._consumer.beginning_offsets([each]))[each]
        end = (await self._consumer.end_offsets([each]))[each]
        part = self._region.parts[each]
        if first <= offset <= end:
            # It was elsewhere for a moment: a leader that lagged behind.
            self._consumer.seek(each, offset)
            return
        is_evicted = offset < first
        missed = first - offset if is_evicted and part not in self._stand.holed else None
        self._stand.move(part, first)
        self._consumer.seek(each, first)
        log.warning(
            "records are gone",
            source=self._source,
            topic=each.topic,
            partition=each.partition,
            offset=offset,
            first=first,
        )
        captures = self._stand.origin(part).captures
        reason: Literal["evicted", "source_reset"] = "evicted" if is_evicted else "source_reset"
        self._region.lose(Loss(reason=reason, missed=missed, captures=captures))

    def oversize(self, error: kafka.RecordTooLargeError) -> None:
        """Tell of a record that the library passed over: brokers of before 0.10.1 send a part of it."""
        each = error.args[1] if len(error.args) > 1 else None
        part = self._region.parts.get(each)
        log.warning("record is larger than a fetch", source=self._source, reason=clipped(each))
        captures = self._stand.origin(part).captures if part is not None else EMPTY
        self._region.lose(Loss(reason="oversize", missed=1, captures=captures))

    async def damaged(self, error: BaseException) -> None:
        """Read each partition with care, and pass over what cannot be read."""
        parts = self._region.parts
        # What came out of other partitions together with it was thrown away with it.
        await self._region.rewind()
        for each in await suspects(self._consumer, parts):
            part, behind = parts[each], None
            async for fetched, end in around(self._consumer, each):
                behind = end
                await self._emission.emit({each: fetched}, parts)
            if behind is None:
                continue
            offset = self._stand.next[part]
            log.warning(
                "records are damaged", source=self._source, topic=each.topic, partition=each.partition, offset=offset,
                records=behind - offset, reason=clipped(error),
            )  # fmt: skip
            self._stand.move(part, behind)
            self._region.lose(
                Loss(reason="undecodable", missed=behind - offset, captures=self._stand.origin(part).captures)
            )

    def deny(self, topic: str) -> None:
        """Leave a topic alone for a while that we may not read."""
        if topic not in self.denied:
            log.warning("not authorised to read a topic", source=self._source, topic=topic)
        self.denied[topic] = time.monotonic()
        self._consumer.pause(*(each for each in self._region.parts if each.topic == topic))

    def retry(self) -> None:
        """Try again what was denied a while ago."""
        now = time.monotonic()
        due = {topic for topic, since in self.denied.items() if now - since > DENIED}
        if due:
            for topic in due:
                del self.denied[topic]
            self._consumer.resume(*(each for each in self._region.parts if each.topic in due))
            # Nothing is said to be well before these have answered.
            self._region.listen()

    @property
    def is_denied(self) -> bool:
        """Tell whether nothing at all may be read."""
        return bool(self.denied) and all(each.topic in self.denied for each in self._region.parts)
