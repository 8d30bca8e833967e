"""Hand over what was fetched: records into messages, messages to the outlet, and the place after them to the stand."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import structlog

from bridge.event import Loss, Message
from bridge.position import Part
from bridge.sources.base import Outlet
from bridge.sources.kafka.decoder import Undecodable
from bridge.sources.kafka.ledger import Segment
from bridge.sources.kafka.message import Record, messages
from bridge.sources.kafka.stand import Stand
from bridge.sources.kafka.values import ReadValue, Values

log = structlog.get_logger()


class Emission:
    """The way from the consumer to the outlet."""

    def __init__(self, source: str, outlet: Outlet, stand: Stand, values: Values) -> None:
        self._source = source
        self._outlet = outlet
        self._stand = stand
        self._values = values
        #: Whether it waits for a registry.
        self.is_waiting = False
        self._messages: list[Message] = []
        self._segments: list[Segment] = []

    async def emit(self, fetched: Mapping[Any, Sequence[Record]], parts: Mapping[Any, Part]) -> None:
        """Emit what was fetched, partition by partition in their order; `parts` has our names of them.

        It awaits nothing but a registry, and that before anything else: a batch is emitted as one, or not at all.
        """
        order = sorted(fetched)
        self.is_waiting = True
        read = await self._values.reading([record for each in order for record in fetched[each]], self._outlet)
        self.is_waiting = False
        self._messages, self._segments = [], []
        now = time.time()
        for each in order:
            if records := fetched[each]:
                self._take(parts[each], records, now, read)
        self._flush()

    def _take(self, part: Part, records: Sequence[Record], now: float, read: ReadValue) -> None:
        stand = self._stand
        offsets = [record.offset for record in records]
        if offsets[-1] - offsets[0] + 1 != len(offsets) or offsets[0] != stand.next[part]:
            stand.holed.add(part)
        texts = stand.texts(part, offsets)
        made = messages(records, stand.origin(part), texts, now, read)
        first = 0
        # To look for them this way costs 20 ns a record, and 100 to ask each.
        refused = _refused(made) if Undecodable in map(type, made) else ()
        for at, why in refused:
            self._add(part, offsets[first:at], made[first:at])
            self._flush()
            self._refuse(part, offsets[at], texts[at], why)
            first = at + 1
        self._add(part, offsets[first:], made[first:])

    def _add(self, part: Part, offsets: Sequence[int], made: Sequence[Message | Undecodable]) -> None:
        """Add what lies between two that were refused."""
        if offsets:
            self._messages += cast("Sequence[Message]", made)
            self._segments.append(Segment(part, offsets))

    def _flush(self) -> None:
        batch, segments = self._messages, self._segments
        if batch:
            self._messages, self._segments = [], []
            self._stand.emitted(self._outlet.emit(batch), segments)

    def _refuse(self, part: Part, offset: int, position: str, why: Undecodable) -> None:
        """Tell of a value that is not what `decode` says, in its place in the order."""
        origin = self._stand.origin(part)
        log.warning(
            "record is not what `decode` says",
            source=self._source,
            topic=origin.topic,
            partition=origin.partition,
            offset=offset,
            reason=why.reason,
        )
        self._stand.refused(part, offset)
        self._outlet.lose(Loss(reason="undecodable", missed=1, captures=origin.captures, position=position))


def _refused(made: Sequence[Message | Undecodable]) -> list[tuple[int, Undecodable]]:
    return [(at, each) for at, each in enumerate(made) if isinstance(each, Undecodable)]
