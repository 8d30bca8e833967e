"""The metrics of a route."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Self

from bridge.channel import Channel
from bridge.meter import ORIGINS, SKIPPED
from bridge.metrics.metric import Metric, Section
from bridge.route import Route

#: Why the bridge ends streams on purpose. Counted from zero, so that the first one is seen as an increase.
BYES: Final = ("slow", "replay_bound", "drain", "age", "changed", "removed")

#: Gaps that any route may tell; those of a source's losses appear with the first one.
GAPS: Final = ("slow", "evicted", "epoch", "oversize")


class Held(NamedTuple):
    """What a route's channels hold."""

    channels: int
    events: int = 0
    bytes: int = 0

    def plus(self, channels: Sequence[Channel]) -> Self:
        """Add what some of them hold."""
        events = sum([channel.next - channel.first for channel in channels])
        return self._replace(events=self.events + events, bytes=self.bytes + sum([each.bytes for each in channels]))


class Readers:
    """The open streams of a route: how they are, and what waits for their peers."""

    __slots__ = ("lagging", "live", "replaying", "waiting")

    def __init__(self) -> None:
        self.live = self.lagging = self.replaying = 0
        self.waiting = 0


class RouteView(NamedTuple):
    """A route at a scrape."""

    route: Route
    held: Held
    readers: Readers


def _counts(known: Sequence[str], counted: Counter[str]) -> Mapping[str, int]:
    return {**dict.fromkeys(known, 0), **counted}


def _skipped(view: RouteView) -> Mapping[str, int]:
    return {word: view.route.skipped[reason] for reason, word in SKIPPED.items()}


def _replays(view: RouteView) -> Mapping[str, int]:
    return {origin: view.route.meter.replays[origin] for origin in ORIGINS}


def _subscribers(view: RouteView) -> Mapping[str, int]:
    readers = view.readers
    return {"live": readers.live, "lagging": readers.lagging, "replaying": readers.replaying}


ROUTES: Final[Section[RouteView]] = Section(
    "Routes",
    "route",
    (
        Metric(
            "route_subscribers",
            "gauge",
            "Open streams: live at the head, lagging behind it, or replaying what a task reads for them.",
            "Lagging ones have a peer that takes less than comes: a slow network, a stalled tab. A moment is normal, a "
            "growing share is not. Sum over `state` for all.",
            _subscribers,
            "state",
        ),
        Metric(
            "route_streams",
            "counter",
            "Streams that were opened.",
            "Its rate is that of connects: one far above the number of new users is a reconnect loop, in a client or a "
            "proxy in front that cuts streams.",
            lambda view: view.route.meter.opened,
        ),
        Metric(
            "route_events",
            "counter",
            "Events that entered the route's channels, notices of ours among them.",
            "What comes in. Where it stands still while the source's messages grow, they have no place on this route: "
            "see `route_skipped_events_total` and `bind`.",
            lambda view: view.route.meter.accepted,
        ),
        Metric(
            "route_deliveries",
            "counter",
            "Events written, once for each subscriber.",
            "What goes out. It is counted when the bytes are handed to the connection, not when the peer has them.",
            lambda view: view.route.meter.events,
        ),
        Metric(
            "route_written_bytes",
            "counter",
            "Bytes of frames written, once for each subscriber; heads and chunk framing not among them.",
            "The route's share of the outgoing traffic.",
            lambda view: view.route.meter.bytes,
        ),
        Metric(
            "route_latency_seconds",
            "histogram",
            "From an event's own time to its write, weighted by subscribers; live deliveries alone.",
            "How late subscribers hear. The event's time is the source's (a record's timestamp, a producer's `time`), "
            "so a clock that is wrong shows here. Replays are not in it: their age is the client's absence. See "
            "`docs/why/metrics.md` for what a batch counts as.",
            lambda view: view.route.meter.latency,
        ),
        Metric(
            "route_gaps",
            "counter",
            "bridge.gap events written, once for each subscriber, by reason.",
            "What was lost, as subscribers were told. `slow`: they took less than came; `evicted`: history is too "
            "short for how long they were away; `epoch`: they came from another run of the process or another replica; "
            "`oversize`: events above `limits.event` (one that is truncated counts once, not for each subscriber); "
            "the others are losses of the source.",
            lambda view: _counts(GAPS, view.route.meter.gaps),
            "reason",
        ),
        Metric(
            "route_byes",
            "counter",
            "Streams that the bridge ended on purpose, by reason.",
            "`slow`: the route disconnects who falls behind; `replay_bound`: a resume met `limits.replay` and comes "
            "back for the rest; `drain` and `age`: the client was asked to come back, perhaps elsewhere; `changed`, "
            "`removed`: a reload did that to the route.",
            lambda view: _counts(BYES, view.route.meter.byes),
            "reason",
        ),
        Metric(
            "route_skipped_events",
            "counter",
            "Events of the route's sources that had no place on it, by reason.",
            "`no_capture`: a name of the path is missing in the event; `no_key`: the route's `key` is; `no_event`: a "
            "name in `event` is; `bad_event`: `event` makes a name that events may not have. The log names them too.",
            _skipped,
            "reason",
        ),
        Metric(
            "route_replays",
            "counter",
            "Streams that were given something before the live events, by where it came from.",
            "`memory`: the channel's history; `table`: the latest per key; `source`: read back from the file or topic, "
            "which costs the source; `greeting`: present values; `run`: a visitor's own run of a timer.",
            _replays,
            "origin",
        ),
        Metric(
            "route_channels",
            "gauge",
            "Channels that exist now.",
            "One for each set of captures that had an event or has a listener. All together are bounded by "
            "`limits.channels`.",
            lambda view: view.held.channels,
        ),
        Metric(
            "route_history_events",
            "gauge",
            "Records that the channels' histories hold; those that are in tables alone not among them.",
            "How far back a resume from memory reaches, in events.",
            lambda view: view.held.events,
        ),
        Metric(
            "route_history_bytes",
            "gauge",
            "Bytes that the channels' histories and tables hold.",
            "The route's share of `memory_used_bytes`.",
            lambda view: view.held.bytes,
        ),
        Metric(
            "route_waiting_bytes",
            "gauge",
            "Bytes that wait in the process for peers to take them.",
            "Memory that slow peers cost beside history; the kernel's own buffers are not in it.",
            lambda view: view.readers.waiting,
        ),
        Metric(
            "route_source",
            "info",
            "1 for each source that feeds the route.",
            "Joins routes with their sources in a query.",
            lambda view: dict.fromkeys(view.route.feeds, 1),
            "source",
        ),
    ),
)
