"""The pump: once a turn of the loop, what is new in a channel goes to all who are at its head.

They all get the *same* bytes: joined once, framed once, one `transport.write` each. Under load a turn finds more
events, the batch grows, and the cost of an event falls. Who cannot take a write leaves the group and reads on by
itself, from the channel, as its peer drains; when it has caught up it joins the group again.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from bridge import wire
from bridge.channel import Channel
from bridge.gateway.connection import BATCH, Connection
from bridge.gateway.endpoint import Heartbeat
from bridge.gateway.subscriber import Audience, Subscriber
from bridge.trace import Tracer

#: Writes that one reader is given before others have their turn.
TURN: Final = 8


class Pump:
    """Moves what is new in channels to their subscribers."""

    def __init__(self, now: Callable[[], float], newest: Callable[[Channel], str | None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = now
        self._newest = newest
        #: Who traces, if anybody does.
        self.tracer: Tracer | None = None
        self._audiences: dict[Channel, Audience] = {}
        self._subscribers: set[Subscriber] = set()
        self._stale: list[Audience] = []
        self._paused: list[Subscriber] = []
        self._is_flushing = False

    @property
    def subscribers(self) -> list[Subscriber]:
        """Return all open streams."""
        return list(self._subscribers)

    def count(self, channels: Iterable[Channel]) -> int:
        """Count the open streams of these channels."""
        return sum(self._audiences[channel].users for channel in channels if channel in self._audiences)

    def admit(self, subscriber: Subscriber) -> Audience:
        """Count a stream as its channel's; `start` then lets it read."""
        channel = subscriber.subscription.channel
        audience = self._audiences.get(channel)
        if audience is None:
            audience = self._audiences[channel] = Audience(channel, subscriber.endpoint.heartbeat, subscriber.meter)
            channel.wake = lambda: self._wake(audience)
        elif audience.heartbeat != subscriber.endpoint.heartbeat:
            self._pace(audience, subscriber.endpoint.heartbeat)
        audience.users += 1
        subscriber.connection.owner = subscriber
        self._subscribers.add(subscriber)
        return audience

    def start(self, subscriber: Subscriber, audience: Audience) -> None:
        """Give the subscriber what its cursor has before it, then the live events."""
        self._read(subscriber, audience)

    def bye(self, subscriber: Subscriber, reason: str) -> None:
        """Tell a peer to come back, and close its stream."""
        if not subscriber.connection.is_closing:
            subscriber.meter.byes[reason] += 1
        self.end(subscriber, lambda: subscriber.farewell(reason))

    def end(self, subscriber: Subscriber, frames: Callable[[], bytes] = bytes) -> None:
        """Close a stream after what `frames` gives; nothing is written after that."""
        self._part(subscriber)
        subscriber.connection.finish(frames())

    # -- what connections tell

    def paused(self, connection: Connection) -> None:
        """Take a subscriber out of its group: its peer takes no more."""
        subscriber: Subscriber = connection.owner
        if subscriber.audience is None:
            return
        if self._is_flushing:
            self._paused.append(subscriber)  # the position is that after the write that paused it
        else:
            self._part(subscriber)

    def resumed(self, connection: Connection) -> None:
        """Let a subscriber read on from where it was."""
        subscriber: Subscriber = connection.owner
        if subscriber.audience is None and not subscriber.is_feeding:
            self._read(subscriber, self._audiences[subscriber.subscription.channel])

    def closed(self, connection: Connection) -> None:
        """End a stream whose peer says that it will send no more: it has left, or is about to."""
        self.end(connection.owner)

    def lost(self, connection: Connection) -> None:
        """Forget a stream that is over."""
        subscriber: Subscriber = connection.owner
        self._subscribers.discard(subscriber)
        self._part(subscriber)
        channel = subscriber.subscription.channel
        audience = self._audiences[channel]
        audience.users -= 1
        if not audience.users:
            del self._audiences[channel]
            channel.wake = None
            if audience.pulse is not None:
                audience.pulse.cancel()
        subscriber.left(subscriber)

    # -- reading

    def _read(self, subscriber: Subscriber, audience: Audience) -> None:
        connection, cursor = subscriber.connection, subscriber.subscription
        for _ in range(TURN):
            if not connection.is_ready:
                return
            if cursor.is_slow and cursor.slow == "disconnect":
                cursor.count_missed()
                self.bye(subscriber, "slow")
                return
            events, told = cursor.delivered, cursor.told
            frames = cursor.read(BATCH)
            if not frames:
                self._join(subscriber, audience)
                return
            connection.send(frames)
            audience.meter.wrote(frames, cursor.delivered - events)
            if cursor.told > told:
                audience.meter.tell(frames)
            if cursor.is_spent:
                self.bye(subscriber, "replay_bound")
                return
        self._loop.call_soon(self._go_on, subscriber)

    def _go_on(self, subscriber: Subscriber) -> None:
        audience = self._audiences.get(subscriber.subscription.channel)
        if audience is not None and subscriber.audience is None and not subscriber.is_feeding:
            self._read(subscriber, audience)

    def _join(self, subscriber: Subscriber, audience: Audience) -> None:
        if audience.channel.is_ended:
            self.end(subscriber)
            return
        # The group must stand where the cursor does, or it would be given again what it has read.
        self._flush(audience)
        audience.members.setdefault(subscriber.connection.framing, set()).add(subscriber)
        subscriber.join(audience)
        heartbeat = audience.heartbeat
        if audience.pulse is None and heartbeat is not None:
            audience.last = self._loop.time()
            audience.pulse = self._loop.call_later(heartbeat.every, self._beat, audience, heartbeat)

    def _pace(self, audience: Audience, heartbeat: Heartbeat | None) -> None:
        """Beat as the newest endpoint says: its route was changed, and those of the earlier one are leaving."""
        audience.heartbeat = heartbeat
        if audience.pulse is not None:
            audience.pulse.cancel()
            audience.pulse = None
        if heartbeat is not None and any(audience.members.values()):
            audience.pulse = self._loop.call_later(heartbeat.every, self._beat, audience, heartbeat)

    def _part(self, subscriber: Subscriber) -> None:
        if subscriber.audience is not None:
            subscriber.audience.members[subscriber.connection.framing].discard(subscriber)
            subscriber.leave()

    # -- writing

    def _wake(self, audience: Audience) -> None:
        if audience.is_stale:
            return
        audience.is_stale = True
        if not self._stale:
            self._loop.call_soon(self._run)
        self._stale.append(audience)

    def _run(self) -> None:
        stale, self._stale = self._stale, []
        for audience in stale:
            audience.is_stale = False
            self._flush(audience)
            if audience.channel.is_ended:
                self._end(audience)

    def _flush(self, audience: Audience) -> None:
        """Write what is new to all members, a slice at a time, so that a burst pins one slice a peer."""
        channel = audience.channel
        # A burst can outrun the history between two turns: each member is then told by its own cursor.
        if audience.position < channel.first:
            self._scatter(audience)
        while audience.position < channel.next:
            if not any(audience.members.values()):
                audience.position, audience.events = channel.next, channel.events
                return
            records = channel.read(audience.position, BATCH)
            events = sum(not record.is_control for record in records)
            began = self.tracer.now() if self.tracer is not None else 0
            frames = b"".join([record.frame for record in records])
            readers = self._write(audience, frames, events)
            if events < len(records):
                audience.meter.tell(frames, readers)
            if self.tracer is not None:
                self.tracer.written(channel, records, readers, began)
            audience.meter.latency.observe(records, self._now(), readers)
            audience.position += len(records)
            audience.events += events
            audience.last = self._loop.time()
            self._settle()

    def _write(self, audience: Audience, frames: bytes, events: int = 0) -> int:
        """Write frames with that many events in them to all members; return how many these are."""
        self._is_flushing = True
        readers = 0
        for framing, members in audience.members.items():
            if members:
                readers += len(members)
                body = framing.body(frames)
                if len(body) <= BATCH:
                    data = framing.piece(body)
                    for subscriber in tuple(members):
                        subscriber.connection.transport.write(data)
                else:
                    for subscriber in tuple(members):
                        subscriber.connection.pour(body)
        self._is_flushing = False
        audience.meter.wrote(frames, events, readers)
        return readers

    def _settle(self) -> None:
        """Take out of their group those that the last write has paused, now that its place is known."""
        paused, self._paused = self._paused, []
        for subscriber in paused:
            self._part(subscriber)
            # A transport may have paused and resumed within one write; nobody would tell again.
            self._loop.call_soon(self._go_on, subscriber)

    def _scatter(self, audience: Audience) -> None:
        scattered = [subscriber for members in audience.members.values() for subscriber in members]
        for subscriber in scattered:
            self._part(subscriber)
            self._loop.call_soon(self._go_on, subscriber)

    def _end(self, audience: Audience) -> None:
        for members in audience.members.values():
            for subscriber in tuple(members):
                self.end(subscriber)

    def _beat(self, audience: Audience, heartbeat: Heartbeat) -> None:
        """Write a heartbeat if nothing else was written for as long; a comment never moves the cursor."""
        now = self._loop.time()
        due = audience.last + heartbeat.every
        if now >= due:
            self._write(audience, self.heartbeat(audience.channel, heartbeat))
            self._settle()
            audience.last, due = now, now + heartbeat.every
        if any(audience.members.values()):
            audience.pulse = self._loop.call_at(due, self._beat, audience, heartbeat)
        else:
            audience.pulse = None

    def heartbeat(self, channel: Channel, heartbeat: Heartbeat) -> bytes:
        """Return what an idle stream of the channel is sent."""
        if not heartbeat.visible:
            return wire.HEARTBEAT
        told: dict[str, object] = {
            "interval": heartbeat.every,
            "time": self._now(),
            "head": self._newest(channel),
            "lag": round(channel.lag, 3),
        }
        return wire.control("heartbeat", told)
