"""Traces by OpenTelemetry: from a message's own `traceparent` through to the write to its subscribers.

    receive ─▶ publish (one a route) ─▶ write (one a channel that somebody listens to)

Rule 1: a message that brings a `traceparent` is traced if that says so; one that brings none begins a trace by chance
    (`sample`). What is not sampled costs a look at its headers.
Rule 2: spans are made when they are over, with the times that were noted, so nothing is open. What waits for its write
    is a table of bounded size and age; the queue to the collector is bounded, too. What does not fit is counted.
Rule 3: nothing of an event's data, and no value of a route's names, is in a span.

Imported only where the file asks for traces: the extra `otel` may not be there. `docs/why/traces.md` has the reasons.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Final, NamedTuple

from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import Span, SpanKind, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from bridge.channel import Channel
from bridge.event import Event, Record
from bridge.traces.attributes import of_event, of_route, parent, service
from bridge.traces.collector import Collector

#: Traces that begin, or go on, in one second. Three spans take some 90 us, so these cost a twentieth of a core, and the
#: thread that sends them about as much again.
MAX_TRACES: Final = 500

#: Records that wait for their first write, and the seconds that they do: whoever is at the head of a channel is written
#: to within a turn of the loop, and those who lag are no part of a trace.
MAX_WAITING: Final = 4_096
LONGEST_WAIT: Final = 10.0

#: Signs of one attribute: a topic's name may be long.
MAX_ATTRIBUTE: Final = 256

#: Seconds that a stop waits for the collector to take what there is.
FLUSH: Final = 3.0


class Routed(NamedTuple):
    """What one route made of the batch that is being published."""

    path: str
    found: Mapping[Channel, Sequence[Record]]
    until: int


class Waiting(NamedTuple):
    """A record that was put in a channel, and not written yet."""

    seq: int
    context: Context
    path: str
    since: float


class Traces:
    """Makes the spans; a `Tracer`."""

    def __init__(
        self,
        collector: Collector,
        sample: float,
        kind: Callable[[str], str | None],
        *,
        uniform: Callable[[float, float], float],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """`kind` tells the kind of a source; what has none, as our own canary, is not traced."""
        #: Messages that were not traced since too many were in that second; records whose write nobody saw.
        self.skipped = 0
        self.unwritten = 0
        self.collector = collector
        self._sample = sample
        self._kind = kind
        self._uniform = uniform
        self._steady = steady
        self._propagator = TraceContextTextMapPropagator()
        ours = version("sse-bridge")
        # Whether a message without a parent is sampled is drawn before anything is made of it.
        self._provider = TracerProvider(
            sampler=ParentBased(root=ALWAYS_ON),
            resource=service(ours),
            span_limits=SpanLimits(max_span_attribute_length=MAX_ATTRIBUTE),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(collector.processor)
        self._tracer = self._provider.get_tracer("sse-bridge", ours)
        self._routed: list[Routed] = []
        self._waiting: dict[Channel, deque[Waiting]] = {}
        self._count = 0
        self._second = (0, 0)

    def counts(self) -> dict[str, int]:
        """Count what became of spans, and of what they were to tell."""
        collector = self.collector
        return {
            "sent": collector.sent,
            "failed": collector.failed,
            "dropped": collector.dropped,
            "skipped": self.skipped,
            "unwritten": self.unwritten,
            "waiting": self._count,
        }

    def now(self) -> int:
        """Tell the time."""
        return time.time_ns()

    def routed(self, path: str, found: Mapping[Channel, Sequence[Record]]) -> None:
        """Note what a route has put in its channels."""
        if found:
            self._routed.append(Routed(path, found, self.now()))

    def received(self, source: str, events: Sequence[Event], seqs: Sequence[int], began: int) -> None:
        """Make the spans of a batch: `receive` of each event that is sampled, `publish` of each of its routes."""
        routed, self._routed = self._routed, []
        kind = self._kind(source)
        if kind is None:
            return
        found = zip(events, seqs, map(self._context, events), strict=True)
        chosen = [(event, seq, context) for event, seq, context in found if context is not None]
        if not chosen:
            return
        self._forget()
        ended = self.now()
        wanted = {seq for _, seq, _ in chosen}
        placed = _by_number(routed, wanted)
        for event, seq, context in chosen:
            span = self._start(f"receive {source}", context, SpanKind.CONSUMER, of_event(kind, event), began)
            inner = set_span_in_context(span, context)
            for each, channels in placed.get(seq, ()):
                self._publish(each, channels, seq, inner, began)
            span.end(ended)

    def written(self, channel: Channel, records: Sequence[Record], readers: int, began: int) -> None:
        """Make the `write` spans of those records that a trace leads to."""
        waiting = self._waiting.get(channel)
        if not waiting:
            return
        ended, last = self.now(), records[-1].seq
        frames = {record.seq: len(record.frame) for record in records}
        while waiting and waiting[0].seq <= last:
            each = self._take(channel, waiting)
            size = frames.get(each.seq)
            if size is None or not readers:
                self.unwritten += 1
                continue
            told: dict[str, AttributeValue] = {
                **of_route(each.path, "write"),
                "messaging.message.envelope.size": size,
                "sse_bridge.subscribers": readers,
                "sse_bridge.bytes": size * readers,
            }
            span = self._start(f"write {each.path}", each.context, SpanKind.PRODUCER, told, began)
            span.end(ended)

    async def close(self) -> None:
        """Send what there is, for some seconds at most."""
        over, loop = asyncio.Event(), asyncio.get_running_loop()

        def end() -> None:
            self._provider.shutdown()
            if not loop.is_closed():
                loop.call_soon_threadsafe(over.set)

        # A thread of its own and no executor's: the loop waits for those at its end, however long they take.
        threading.Thread(target=end, name="traces", daemon=True).start()
        try:
            async with asyncio.timeout(FLUSH):
                await over.wait()
        except TimeoutError:
            self.collector.abandon()

    def _publish(self, each: Routed, channels: Sequence[Channel], seq: int, context: Context, began: int) -> None:
        told = of_route(each.path, "publish")
        span = self._start(f"publish {each.path}", context, SpanKind.INTERNAL, told, began)
        span.end(each.until)
        inner = set_span_in_context(span, context)
        for channel in channels:
            # Nobody listens where nobody is to be woken.
            if channel.wake is None:
                continue
            if self._count >= MAX_WAITING:
                self.unwritten += 1
                continue
            self._count += 1
            entry = Waiting(seq, inner, each.path, self._steady())
            self._waiting.setdefault(channel, deque()).append(entry)

    def _start(
        self, name: str, context: Context, kind: SpanKind, told: Mapping[str, AttributeValue], began: int
    ) -> Span:
        return self._tracer.start_span(name, context, kind, told, start_time=began)

    def _context(self, event: Event) -> Context | None:
        """Return where an event's spans belong, None where it is not sampled."""
        given = parent(event.headers) if event.headers else None
        if given is None:
            # As `random() < sample`, so that 0 is never and 1 is always.
            return Context() if self._uniform(0, 1) < self._sample and self._has_room() else None
        is_sampled, carrier = given
        return self._propagator.extract(carrier, Context()) if is_sampled and self._has_room() else None

    def _has_room(self) -> bool:
        second, traces = self._second
        now = int(self._steady())
        traces = traces + 1 if second == now else 1
        self._second = (now, traces)
        if traces > MAX_TRACES:
            self.skipped += 1
        return traces <= MAX_TRACES

    def _take(self, channel: Channel, waiting: deque[Waiting]) -> Waiting:
        each = waiting.popleft()
        self._count -= 1
        if not waiting:
            del self._waiting[channel]
        return each

    def _forget(self) -> None:
        """Let go of what nobody was written: all who listened have left, or lag behind."""
        oldest = self._steady() - LONGEST_WAIT
        for channel, waiting in list(self._waiting.items()):
            while waiting and waiting[0].since < oldest:
                self._take(channel, waiting)
                self.unwritten += 1


def _by_number(routed: Sequence[Routed], wanted: set[int]) -> dict[int, list[tuple[Routed, list[Channel]]]]:
    """Return the routes and channels of each number that is wanted."""
    placed: dict[int, list[tuple[Routed, list[Channel]]]] = {}
    for each in routed:
        channels: dict[int, list[Channel]] = {}
        for channel, records in each.found.items():
            for record in records:
                if record.seq in wanted and not record.is_control:
                    channels.setdefault(record.seq, []).append(channel)
        for seq, found in channels.items():
            placed.setdefault(seq, []).append((each, found))
    return placed


#: Words of the SDK about a collector that is gone: `Collector` tells that once.
logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
