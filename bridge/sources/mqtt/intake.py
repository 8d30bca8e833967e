"""Messages: from PUBLISH to the outlet, and only then the acknowledgement.

Rule 1: whatever is acknowledged has been emitted before, or told as a loss, or was seen before.
Rule 2: a message of QoS 2 is emitted when it comes, and its identifier kept until the broker releases it (method B of
    MQTT 5.0, section 4.3.3). Kept by the process, not by the connection: a repetition after a cut is known. It says
    so itself (section 3.3.1.1); one that does not is new, from a broker that came back with an older store.
Rule 3: of the copies that overlapping subscriptions bring, the one of the first filter that takes the topic counts.
Rule 4: the memory learns of a message when the outlet has it. Before that, who sends it again is right.
"""

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from bridge.event import Loss, Message, Reason
from bridge.sources.base import Outlet
from bridge.sources.decode import Decode, decoded
from bridge.sources.mqtt.packets import (
    AT_LEAST_ONCE,
    EXACTLY_ONCE,
    Packet,
    Publish,
    identified,
    identifier,
    puback,
    pubcomp,
    publish,
    pubrec,
)
from bridge.sources.mqtt.plan import Plan
from bridge.sources.mqtt.properties import MalformedError
from bridge.sources.mqtt.retained import Retained
from bridge.sources.mqtt.topics import Matched, facts

log = structlog.get_logger()

#: Signs of a topic that a log line shows.
MAX_SHOWN: Final = 200


class Memory:
    """What of a source outlives a connection, and a run: it is kept for as long as the process lives."""

    def __init__(self) -> None:
        self.retained = Retained()
        #: Identifiers of QoS 2 that were emitted and not released yet: 65,535 at most, by their size.
        self.held: set[int] = set()
        #: A message of QoS 0 came: what is published so while there is no connection is lost, whatever the session.
        self.heard_zero = False
        #: A connection was up: from then on, what passes unheard is a loss.
        self.was_up = False
        #: The filters that the broker's session has, as far as we know.
        self.subscribed: frozenset[str] = frozenset()
        #: Of a derived client id, where the first one is somebody else's too.
        self.suffix = ""


class Intake:
    """The messages of one connection."""

    def __init__(self, plan: Plan, memory: Memory, outlet: Outlet, write: Callable[[bytes], None]) -> None:
        self._name = plan.name
        self._topics = plan.topics
        self._decode: Decode = plan.decode
        self._is_five = plan.is_five
        self._memory = memory
        self._outlet = outlet
        self._write = write
        self._batch: list[Message] = []
        self._acks: list[bytes] = []
        self._lost: tuple[Reason, Mapping[str, str]] | None = None
        self._missed = 0
        #: Identifiers of QoS 2 that came over this connection and were not released yet.
        self._met: set[int] = set()
        #: What the memory does not know before the outlet has it: identifiers to hold, and the last words by topic.
        self._taken: set[int] = set()
        self._words: dict[bytes, bytes] = {}
        #: The outlet has taken all that it was given. If not, nothing more is acknowledged here.
        self._is_sound = True
        #: The broker tells which subscription a copy is for.
        self.has_ids = False
        #: All subscriptions are in force: from now on each message has a copy for one of them.
        self.is_settled = False

    def take(self, packet: Packet, now: float) -> None:
        """Take in a PUBLISH; raises `MalformedError` where it cannot even be acknowledged."""
        try:
            message = publish(packet, is_five=self._is_five)
            found = self._topics.match(message.topic)
        except ValueError as error:
            self._unfit(packet, error)
            return
        if message.qos == EXACTLY_ONCE and self._is_repetition(message):
            self._acks.append(pubrec(message.mid))
            return
        if found is not None and self._is_wanted(message, found):
            self._hear(packet, message, found, now)
        self._acknowledge(message.qos, message.mid)

    def release(self, packet: Packet) -> None:
        """Take in a PUBREL; raises `MalformedError`."""
        mid = identifier(packet)
        for ids in (self._memory.held, self._met, self._taken):
            ids.discard(mid)
        self._acks.append(pubcomp(mid))

    def flush(self) -> None:
        """Emit what was taken in, then acknowledge it; after a failure of the outlet do nothing."""
        if not self._is_sound:
            return
        self._tell()
        self._emit()
        if self._acks:
            acks, self._acks = self._acks, []
            self._write(b"".join(acks))

    def _acknowledge(self, qos: int, mid: int) -> None:
        if qos == AT_LEAST_ONCE:
            self._acks.append(puback(mid))
        elif qos == EXACTLY_ONCE:
            self._met.add(mid)
            self._taken.add(mid)
            self._acks.append(pubrec(mid))

    def _is_repetition(self, message: Publish) -> bool:
        mid, held = message.mid, self._memory.held
        if mid in self._met:
            return True
        if mid in held and message.is_dup:
            self._met.add(mid)
            return True
        # The number is of another message now: if this one fails, its repetition must not pass for the older one's.
        held.discard(mid)
        return False

    def _is_wanted(self, message: Publish, found: Matched) -> bool:
        ids = message.properties.subscriptions
        if not ids or not self.has_ids:
            return True
        if not self.is_settled and not any(id & ~1 in self._topics.ids for id in ids):
            # It was queued under a subscription of an older configuration, and has no other copy.
            return True
        return any(id & ~1 == found.id for id in ids)

    def _hear(self, packet: Packet, message: Publish, found: Matched, now: float) -> None:
        is_snapshot = message.is_retained and self._is_look(message)
        if not message.qos and not is_snapshot:
            self._memory.heard_zero = True
        if packet.is_oversize:
            log.warning("message is larger than `max`", source=self._name, topic=found.topic[:MAX_SHOWN])
            self._lose("oversize", found.captures)
            return
        if is_snapshot and self._is_last_word(message):
            return
        self._add(message, found, now, is_snapshot=is_snapshot)
        # Without identifiers the broker does not tell whether a live message is retained: it may be. Noted after
        # `_add`, which may emit what came before.
        if message.is_retained or not self.has_ids:
            self._words[message.topic] = message.payload

    def _is_last_word(self, message: Publish) -> bool:
        word = self._words.get(message.topic)
        return (
            self._memory.retained.is_last(message.topic, message.payload) if word is None else word == message.payload
        )

    def _is_look(self, message: Publish) -> bool:
        """Tell whether a copy with the retain flag is one that a subscription brought, and not a live one."""
        ids = message.properties.subscriptions
        return not self.has_ids or not ids or any(not id & 1 for id in ids)

    def _add(self, message: Publish, found: Matched, now: float, *, is_snapshot: bool) -> None:
        given = message.properties
        # An empty payload clears what is retained. Without identifiers the broker does not say whether it did.
        is_tombstone = not message.payload and (message.is_retained or not self.has_ids)
        what = decoded(message.payload, given.content_type, "text" if is_tombstone else self._decode)
        if what is None:
            log.warning("payload is no JSON", source=self._name, topic=found.topic[:MAX_SHOWN])
            self._lose("undecodable", found.captures)
            return
        self._tell()
        told = found.facts[message.qos]
        if is_snapshot or message.is_dup:
            told = facts(found.topic, message.qos, retained=is_snapshot, dup=message.is_dup)
        if given.content_type:
            told = {**told, "content_type": given.content_type}
        if given.expiry is not None:
            told = {**told, "expiry": given.expiry}
        self._batch.append(
            Message(
                payload=what.payload,
                time=now,
                subject=found.topic,
                captures=found.captures,
                headers=given.headers,
                facts=told,
                key=found.topic,
                content_type=what.content_type,
                is_tombstone=is_tombstone,
                is_base64=what.is_base64,
            )
        )

    def _unfit(self, packet: Packet, error: ValueError) -> None:
        qos, mid = identified(packet)
        words = str(error) if isinstance(error, MalformedError) else "its topic is no text"
        log.warning("message cannot be read", source=self._name, reason=words)
        self._lose("undecodable", {})
        self._acknowledge(qos, mid)

    def _lose(self, reason: Reason, captures: Mapping[str, str]) -> None:
        """Note a loss in its place; those of one kind in a row are told as one.

        There is a batch or a loss, never both: so what the memory is to learn belongs to the one there is.
        """
        if self._lost != (reason, captures):
            self._tell()
            self._emit()
            self._lost = (reason, captures)
        self._missed += 1

    def _tell(self) -> None:
        if self._lost is None:
            return
        reason, captures = self._lost
        self._is_sound = False
        self._outlet.lose(Loss(reason=reason, missed=self._missed, captures=captures))
        self._is_sound = True
        self._lost, self._missed = None, 0
        self._learn()

    def _emit(self) -> None:
        if self._batch:
            batch, self._batch = self._batch, []
            self._is_sound = False
            self._outlet.emit(batch)
            self._is_sound = True
        self._learn()

    def _learn(self) -> None:
        """Let the memory know what the outlet has."""
        if self._taken:
            self._memory.held |= self._taken
            self._taken.clear()
        if self._words:
            for topic, payload in self._words.items():
                self._memory.retained.note(topic, payload)
            self._words.clear()
