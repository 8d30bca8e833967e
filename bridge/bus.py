"""The bus: one sequence that numbers every event of the process, and the routes that want it.

`publish`, `lose` and `subscribe` never await. On one event loop that makes each of them atomic, so nothing slips
between a subscriber's replay and its live stream, and no subscriber can hold up a source.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, overload

from bridge import wire
from bridge.bounds import Budget
from bridge.channel import Channel
from bridge.event import EMPTY, Event, Loss, Record
from bridge.oversize import MAX_ESCAPED, pieces
from bridge.route import Route
from bridge.subscription import Subscription
from bridge.trace import Tracer

#: How much of the budget is freed when it is met, so that the search for the largest history is not made per event.
HEADROOM: Final = 1 / 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the whole process keeps at most."""

    #: Bytes of all histories together.
    memory: int = 256 * 1024 * 1024
    channels: int = 10_000
    #: Bytes of one event.
    event: int = 1024 * 1024


class Ids(Sequence[str]):
    """The ids of a batch. Made when they are asked for: few ask, and to write one takes 0.1 us."""

    def __init__(self, epoch: str, seqs: Sequence[int]) -> None:
        self._epoch = epoch
        self._seqs = seqs

    def __len__(self) -> int:
        return len(self._seqs)

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> "Ids": ...

    def __getitem__(self, at: int | slice) -> "str | Ids":
        if isinstance(at, slice):
            return Ids(self._epoch, self._seqs[at])
        return f"{self._epoch}-{self._seqs[at]}"


class Trouble(NamedTuple):
    """Why an address is down."""

    error: str
    #: What tells so.
    frame: bytes


class Bus:
    """Where sources publish and subscribers find their channels."""

    def __init__(self, epoch: str, bounds: Bounds, clock: Callable[[], float]) -> None:
        #: Names this run of the process, so that a number of another run is recognised.
        self.epoch = epoch
        self.bounds = bounds
        self.budget = Budget(bounds.memory)
        #: The newest sequence number.
        self.seq = 0
        self.routes: list[Route] = []
        #: The frame that tells of each source that is down, by name: a newcomer is told, too.
        self.down: dict[str, bytes] = {}
        #: The same of single addresses, by source and captures.
        self.down_addresses: dict[tuple[str, frozenset[tuple[str, str]]], Trouble] = {}
        #: Who traces, if anybody does.
        self.tracer: Tracer | None = None
        self._clock = clock
        self._wanted: dict[str, list[Route]] = {}

    def attach(self, route: Route) -> None:
        """Hand the route what its sources publish from now on."""
        self.routes.append(route)
        for source in route.feeds:
            self._wanted.setdefault(source, []).append(route)

    def bequeath(self, route: Route, heir: Route, *, is_alike: bool) -> None:
        """Hand what the route was handed to another one of its path, and where their frames are alike its channels."""
        self._forget(route)
        if is_alike:
            heir.adopt(route, self._clock())
        else:
            heir.follow(route, self.draw())
        self.attach(heir)

    def detach(self, route: Route) -> None:
        """Hand the route nothing more, and give back what its channels hold of the budget."""
        self._forget(route)
        for channel in route.channels.values():
            channel.close()

    def forget(self, source: str) -> None:
        """Forget how each address of a source was: it is another one now, or gone."""
        for key in [key for key in self.down_addresses if key[0] == source]:
            del self.down_addresses[key]

    def rebound(self, bounds: Bounds) -> None:
        """Keep to other bounds from now on."""
        self.bounds = bounds
        self.budget.limit = bounds.memory
        self._keep_bounds()

    def _forget(self, route: Route) -> None:
        self.routes.remove(route)
        for source in route.feeds:
            wanting = self._wanted[source]
            wanting.remove(route)
            if not wanting:
                del self._wanted[source]

    def publish(self, source: str, events: Sequence[Event]) -> Sequence[str]:
        """Give the events their numbers and append them to their channels; return their ids."""
        seqs = self._draw(events)
        now, tracer = self._clock(), self.tracer
        began = tracer.now() if tracer is not None else 0
        for route in self._wanted.get(source, ()):
            found = route.accept(source, events, seqs, self.epoch)
            for channel, records in found.items():
                channel.append(records, now)
                route.meter.accepted += len(records)
            if tracer is not None:
                tracer.routed(route.terms.path, found)
        if tracer is not None:
            tracer.received(source, events, seqs, began)
        self._keep_bounds()
        return Ids(self.epoch, seqs)

    def now(self) -> float:
        """Return the time by the bus's clock, in Unix seconds."""
        return self._clock()

    def skipped(self, source: str) -> Counter[str]:
        """Count, by reason, the source's events that had no place on a route that wanted them."""
        return sum((route.skipped for route in self._wanted.get(source, ()) if route.skipped), Counter[str]())

    def skipping(self, source: str) -> Counter[str]:
        """Count those events by the route's path instead."""
        return Counter({route.terms.path: route.skipped.total() for route in self._wanted.get(source, ())})

    def lose(self, source: str, loss: Loss) -> None:
        """Announce a loss on the channels it concerns, in its place in the order."""
        for route in self._wanted.get(source, ()):
            self.seq += 1
            # A channel that does not exist now may once have: who comes back to it has lost this too.
            route.lost_through = self.seq
            for channel in route.touched(source, loss.captures):
                newest = channel.newest
                after = wire.id_of(newest.frame) or None if newest is not None and not newest.is_control else None
                frame = Subscription.gap(loss.reason, loss.missed, after, None)
                told = Record(self.seq, self._clock(), frame, loss.position or None, is_control=True)
                channel.append([told], self._clock())

    def announce(self, source: str, state: str, since: float, error: str | None) -> bytes:
        """Tell the channels of routes with `notify: source` that a source went down or came back; return the frame."""
        # An error may name a file whose name is no UTF-8.
        reason = wire.clean(error) if error is not None else None
        frame = wire.control("source", {"source": source, "state": state, "since": since, "error": reason})
        self.down.pop(source, None)
        if state == "down":
            self.down[source] = frame
        self._notify(source, frame, EMPTY)
        return frame

    def announce_address(
        self, source: str, captures: Mapping[str, str], error: str | None, *, is_over: bool = False
    ) -> None:
        """Tell the channels that one address of a source feeds how that is: why it is down, or None where it works."""
        key = source, frozenset(captures.items())
        before = self.down_addresses.get(key)
        if (before.error if before is not None else None) == error:
            return
        state = "ended" if is_over else "down" if error is not None else "up"
        reason = wire.clean(error) if error is not None else None
        frame = wire.control("source", {"source": source, "state": state, "since": self._clock(), "error": reason})
        self.down_addresses.pop(key, None)
        if error is not None and not is_over:
            self.down_addresses[key] = Trouble(error, frame)
        self._notify(source, frame, captures)

    def _notify(self, source: str, frame: bytes, captures: Mapping[str, str]) -> None:
        """Append a frame to the channels of routes with `notify: source` that these captures concern."""
        for route in self._wanted.get(source, ()):
            if route.terms.notifies:
                self.seq += 1
                # Those that nobody listens to now, too: who resumes must not hear of an old state as the last one.
                for channel in route.touched(source, captures):
                    channel.append([Record(self.seq, self._clock(), frame, is_control=True)], self._clock())

    def refill(self, route: Route, source: str, events: Sequence[Event], only: Channel | None = None) -> None:
        """Append what is there now to the channels of a new route, or to the one that was forgotten meanwhile."""
        for found, records in route.accept(source, events, self._draw(events), self.epoch).items():
            if only is None or found is only:
                found.append(records, self._clock())
        self._keep_bounds()

    def end(self, source: str) -> None:
        """Tell that nothing more will come of the source; a route whose sources have all ended ends its streams."""
        for route in self._wanted.get(source, ()):
            route.running.discard(source)
            if not route.running:
                for channel in route.channels.values():
                    channel.end()

    def draw(self) -> int:
        """Return a fresh sequence number, for an event that goes to one subscriber alone."""
        self.seq += 1
        return self.seq

    def channel(self, route: Route, captures: Mapping[str, str]) -> Channel | None:
        """Return the route's channel of these captures, made when missing; None when there is no room for one."""
        place = route.place(captures)
        if place not in route.channels and self._room() <= 0:
            self._make_room()
            if self._room() <= 0:
                return None
        return route.channel(place)

    def release(self, route: Route, channel: Channel) -> None:
        """Forget a channel that its last subscriber has left and that never had an event."""
        place = route.place(channel.captures)
        if channel.events == 0 and channel.wake is None and route.channels.pop(place, None) is not None:
            channel.close()

    def expire(self) -> None:
        """Evict what is too old in channels that nothing is appended to. Called now and then."""
        now = self._clock()
        for route in self.routes:
            for channel in route.channels.values():
                channel.expire(now)

    def _draw(self, events: Sequence[Event]) -> Sequence[int]:
        """Return a number for each event; behind that of a long one as many are left free as its pieces may need."""
        first = self.seq + 1
        if max([len(event.text) for event in events], default=0) <= self.bounds.event // MAX_ESCAPED:
            self.seq += len(events)
            return range(first, self.seq + 1)
        seqs: list[int] = []
        for event in events:
            seqs.append(self.seq + 1)
            self.seq += pieces(event, self.bounds.event)
        return seqs

    def _keep_bounds(self) -> None:
        budget = self.budget
        if budget.used > budget.limit:
            # The largest history gives way, so a noisy channel does not cost the quiet ones theirs. Looked for once:
            # a bound that a reload has made small may concern thousands of them.
            channels = [channel for route in self.routes for channel in route.channels.values()]
            for largest in sorted(channels, key=_spare, reverse=True):
                before = budget.used
                largest.shrink(max(before - budget.limit, int(budget.limit * HEADROOM)))
                if budget.used <= budget.limit or budget.used == before:
                    break  # or only newest records are left, one a channel
        if self._room() < 0:
            self._make_room()

    def _room(self) -> int:
        return self.bounds.channels - sum(len(route.channels) for route in self.routes)

    def _make_room(self) -> None:
        """Drop the channels that were quiet the longest, some at once so that the search is rare; none in use."""
        idle = [
            (channel.newest.seq if channel.newest is not None else 0, route, place)
            for route in self.routes
            for place, channel in route.channels.items()
            if channel.wake is None
        ]
        idle.sort(key=_first)
        for _, route, place in idle[: max(int(self.bounds.channels * HEADROOM), 1 - self._room())]:
            route.drop(place)


def _spare(channel: Channel) -> int:
    return channel.spare


def _first(item: tuple[int, Route, tuple[str, ...]]) -> int:
    return item[0]
