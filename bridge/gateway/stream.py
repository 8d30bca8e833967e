"""Opening a stream: what the subscriber asks for, whether there is room, where it starts, and the first block.

A transient condition is never answered with 4xx or 5xx: any status but 200 ends a browser's EventSource for good. So
overload and drain are a 200 that says `retry` and closes.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog
from aiohttp import web
from multidict import CIMultiDict

from bridge import wire
from bridge.bus import Bus
from bridge.gateway import reply
from bridge.gateway.beginning import Beginning
from bridge.gateway.connection import BATCH, Connection, TakenOver, take_over
from bridge.gateway.endpoint import Endpoint, Retry
from bridge.gateway.feed import RUN, Pulse
from bridge.gateway.framing import EVENT_STREAM, HEADERS, framing, head
from bridge.gateway.leaving import Ages, Drained, drain
from bridge.gateway.notices import Notices
from bridge.gateway.pump import Pump
from bridge.gateway.subscriber import Audience, Subscriber
from bridge.gateway.supply import Piece, Supply
from bridge.gateway.want import brought, wanted
from bridge.subscription import EventId, Replay, Want

log = structlog.get_logger()

#: `retry` is drawn from [N, 1.25 N], so that those who left together do not return together.
JITTER: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How many may come."""

    subscribers: int
    #: A second; None for any number.
    connects: int | None = None
    #: Of one address; None for any number.
    per_peer: int | None = None
    replay: Replay = field(default_factory=Replay)


class Streams:
    """All open streams of the process, and the way in."""

    def __init__(
        self,
        bus: Bus,
        pump: Pump,
        bounds: Bounds,
        *,
        now: Callable[[], float],
        uniform: Callable[[float, float], float],
    ) -> None:
        self._bus = bus
        self._pump = pump
        self._bounds = bounds
        self._now = now
        self._uniform = uniform
        self._beginning = Beginning(bus, bounds.replay)
        #: The address that a stream counts for; behind a proxy it takes configured hops to know it.
        self.peer: Callable[[web.BaseRequest], str] = _remote
        self._peers: Counter[str] = Counter()
        self._by_source: Counter[str] = Counter()
        self._opened = (0, 0)  # (a second, streams let in within it)
        self._leave = self._left  # one bound method for all streams
        self._tasks: dict[Subscriber, asyncio.Task[None]] = {}
        self._notices = Notices()
        self.ages = Ages(pump, asyncio.get_running_loop().time, uniform)
        self._count = 0
        self._gone = asyncio.Event()  # no stream is open
        self._gone.set()
        #: Streams that were let in, and those that were refused, by reason.
        self.accepted = 0
        self.refused: Counter[str] = Counter()
        self.is_draining = False

    def __len__(self) -> int:
        return self._count

    @property
    def limit(self) -> int:
        """Return how many streams may be open."""
        return self._bounds.subscribers

    def of_source(self, name: str) -> int:
        """Count the open streams of all routes that a source feeds."""
        return self._by_source[name]

    async def open(
        self, request: web.BaseRequest, endpoint: Endpoint, captures: Mapping[str, str], headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        """Answer a request for a stream; `headers` are those of CORS."""
        retry = self._retry(endpoint.retry)
        peer = self.peer(request) if self._bounds.per_peer is not None else ""
        reason = self._refusal(peer)
        if reason is None and not all(asking.has_room(captures) for asking in endpoint.supply.asks):
            reason = "addresses"
        if reason is not None:
            return self._refuse(request, reason, retry, headers)
        try:
            want = wanted(request.headers, request.query, self._now())
        except ValueError as error:
            return reply.text(400, str(error), headers)
        supply = endpoint.supply
        if self._is_over(supply, captures, want):
            return reply.empty(204, headers)
        channel = self._bus.channel(supply.route, captures)
        if channel is None:
            return self._refuse(request, "channels", retry, headers)
        connection = take_over(request, framing(request), self._pump)
        if connection is None:
            self._bus.release(supply.route, channel)
            return TakenOver()
        subscription = supply.route.subscribe(channel, self._bus.epoch)
        subscriber = Subscriber(subscription, connection, endpoint, retry=retry, left=self._leave)
        subscriber.peer = peer
        subscriber.due = self.ages.draw()
        self._entered(subscriber)
        self._start(subscriber, want, head(request, headers))
        return TakenOver()

    def turn_away(self, request: web.BaseRequest, endpoint: Endpoint, headers: CIMultiDict[str]) -> web.Response:
        """Tell who asks for a stream of a route that was removed to come back: it may have been removed by a slip."""
        return self._refuse(request, "removed", self._retry(endpoint.retry), headers)

    def rebound(self, bounds: Bounds) -> None:
        """Keep to other bounds from now on; nobody who is here is sent away."""
        self._bounds = bounds
        self._beginning = Beginning(self._bus, bounds.replay)

    def tell(self, source: str, frame: bytes) -> None:
        """Tell the streams that a task feeds that a source went down or came back; the others read it."""
        self._notices.tell(self._tasks, source, frame)

    async def drain(self, seconds: float) -> Drained:
        """Tell all streams to come back elsewhere, spread over the time, and wait until they have gone."""
        self.is_draining = True
        return await drain(self._pump, self._gone, seconds)

    # -- the way in

    def _refusal(self, peer: str) -> str | None:
        bounds, second = self._bounds, int(self._now())
        opened = self._opened[1] if self._opened[0] == second else 0
        if self.is_draining:
            return "drain"
        if self._count >= bounds.subscribers:
            return "subscribers"
        if bounds.connects is not None and opened >= bounds.connects:
            return "connects"
        if bounds.per_peer is not None and self._peers[peer] >= bounds.per_peer:
            return "per_peer"
        self._opened = (second, opened + 1)
        return None

    def _refuse(self, request: web.BaseRequest, reason: str, retry: int, headers: CIMultiDict[str]) -> web.Response:
        self.refused[reason] += 1
        log.info("stream refused", reason=reason)
        body = wire.later(retry, brought(request.headers, request.query))
        answer = web.Response(body=body, headers={"Content-Type": EVENT_STREAM, **HEADERS, **headers})
        answer.force_close()
        return answer

    def _retry(self, retry: Retry) -> int:
        """Return milliseconds."""
        base = retry.delay * 1_000
        drawn = base if retry.exact else self._uniform(base, base * (1 + JITTER))
        return min(max(round(drawn), wire.MIN_RETRY), wire.MAX_RETRY)

    def _is_over(self, supply: Supply, captures: Mapping[str, str], want: Want) -> bool:
        """Tell whether the subscriber has seen the last event that there will ever be."""
        found = EventId.parse(want.last_event_id or "")
        if found is None:
            return False
        if supply.run is not None:
            return found.epoch == RUN and supply.run.is_finished(str(found.seq))
        route = supply.route
        if route.running or found.mark or found.epoch != self._bus.epoch:
            return False
        # The channel may have been forgotten with its last stream, if nothing ever came.
        channel = route.channels.get(route.place(captures))
        newest = channel.newest_event if channel is not None else None
        return found.seq >= (newest.seq if newest is not None else route.lost_through)

    def _entered(self, subscriber: Subscriber) -> None:
        self._count += 1
        self.accepted += 1
        self._gone.clear()
        self._peers[subscriber.peer] += 1
        supply = subscriber.endpoint.supply
        self._by_source.update(supply.route.feeds.keys())
        for asking in supply.asks:
            asking.enter(subscriber.subscription.channel.captures)

    def _left(self, subscriber: Subscriber) -> None:
        supply, channel = subscriber.endpoint.supply, subscriber.subscription.channel
        self._count -= 1
        if not self._count:
            self._gone.set()
        self._peers[subscriber.peer] -= 1
        if not self._peers[subscriber.peer]:
            del self._peers[subscriber.peer]
        for name in supply.route.feeds:
            self._by_source[name] -= 1
            if not self._by_source[name]:
                del self._by_source[name]  # a reload may bring others each time
        for asking in supply.asks:
            asking.leave(channel.captures)
        if (task := self._tasks.pop(subscriber, None)) is not None:
            task.cancel()
        self._notices.forget(subscriber)
        self._bus.release(supply.route, channel)

    # -- the first block, and what follows it

    def _start(self, subscriber: Subscriber, want: Want, begin: bytes) -> None:
        audience = self._pump.admit(subscriber)
        opening = self._beginning.of(subscriber.endpoint.supply, audience, subscriber.subscription, want)
        self._write_first(subscriber.connection, begin, wire.retry(subscriber.retry) + opening.frames, opening.shared)
        subscriber.meter.opened += 1
        subscriber.meter.wrote(opening.frames, subscriber.subscription.delivered)
        subscriber.meter.tell(opening.frames)
        subscriber.meter.bytes += len(opening.shared)
        pieces = opening.pieces
        if pieces is None:
            self._pump.start(subscriber, audience)
            return
        subscriber.is_feeding = True
        task = asyncio.create_task(self._feed(subscriber, audience, pieces), name="feed")
        self._tasks[subscriber] = task
        task.add_done_callback(lambda task: self._fed(subscriber, task))

    def _write_first(self, connection: Connection, begin: bytes, first: bytes, shared: bytes) -> None:
        """Write the head and the first block; what is larger than a batch follows as the peer takes it."""
        if len(first) > BATCH:
            connection.transport.write(begin)
            connection.send(first + shared)
            return
        connection.transport.write(begin + connection.framing.wrap(first))
        if shared:
            connection.send(shared)

    async def _feed(self, subscriber: Subscriber, audience: Audience, pieces: AsyncGenerator[Piece]) -> None:
        """Write what a task gives, at the peer's pace; then let the pump go on, or end the stream."""
        connection, heartbeat, channel = subscriber.connection, audience.heartbeat, audience.channel
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(contextlib.aclosing(pieces))
            pulse = None
            if heartbeat is not None:
                pulse = Pulse(connection, heartbeat.every, lambda: self._pump.heartbeat(channel, heartbeat))
                stack.callback(pulse.close)
            async for piece in pieces:
                if connection.is_closing:
                    return  # its farewell stands last, and may still wait for the peer
                connection.send(piece.frames)
                if pulse is not None:
                    pulse.written()
                events = piece.frames.count(b"\nid: ") + piece.frames.startswith(b"id: ")
                subscriber.subscription.delivered += events
                subscriber.meter.wrote(piece.frames, events)
                subscriber.meter.tell(piece.frames)
                if piece.is_last:
                    self._pump.end(subscriber)
                elif piece.bye:
                    self._pump.bye(subscriber, piece.bye)
                if not await connection.drained():
                    return
                self._notices.settle(subscriber)
        self._notices.settle(subscriber)
        # Not a turn of the loop lies between the last piece and this: what comes meanwhile could be evicted unread.
        subscriber.is_feeding = False
        self._pump.start(subscriber, audience)

    def _fed(self, subscriber: Subscriber, task: asyncio.Task[None]) -> None:
        self._tasks.pop(subscriber, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The client comes back with its last id, and goes on from there.
            log.error("stream broke off", exc_info=error)
            subscriber.connection.abort()


def _remote(request: web.BaseRequest) -> str:
    return request.remote or ""
