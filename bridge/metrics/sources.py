"""The metrics of a source."""

from collections.abc import Mapping
from typing import Final, NamedTuple, get_args

from bridge.event import Reason
from bridge.intake import Intake
from bridge.metrics.metric import Labels, Metric, Section
from bridge.supervisor import State, Status

STATES: Final[tuple[str, ...]] = get_args(State)

#: Losses that no source tells: they are a subscriber's own.
OWN: Final = frozenset({"epoch", "slow"})
LOSSES: Final = tuple(reason for reason in get_args(Reason) if reason not in OWN)


class SourceView(NamedTuple):
    """A source at a scrape."""

    intake: Intake
    status: Status
    restarts: int
    downs: int
    #: Open streams of the routes that it feeds.
    subscribers: int


def _state(view: SourceView) -> Mapping[str, int]:
    return {state: int(view.status.state == state) for state in STATES}


def _losses(counted: Mapping[str, int]) -> Mapping[str, int]:
    return {**dict.fromkeys(LOSSES, 0), **counted}


SOURCES: Final[Section[SourceView]] = Section(
    "Sources",
    "source",
    (
        Metric(
            "source",
            "info",
            "1, with the source's kind.",
            "Joins sources with their kind in a query.",
            lambda view: Labels({"kind": view.intake.spec.kind}),
        ),
        Metric(
            "source_state",
            "gauge",
            "1 for the state that the source is in, 0 for the others.",
            "`starting`: not heard of yet; `up`: it reads; `down`: it cannot, and tries by itself (the log and the "
            "console say why); `ended`: nothing more will come. Of polled pages and upstream streams single addresses "
            "may be down while the source is up.",
            _state,
            "state",
        ),
        Metric(
            "source_state_since_timestamp_seconds",
            "gauge",
            "Unix time at which the source came into its state.",
            "`time() - …` is how long it has been down, or up.",
            lambda view: view.status.since,
        ),
        Metric(
            "source_downs",
            "counter",
            "Times that the source went down.",
            "A source that comes and goes: a broker that refuses us after a while, two replicas with one client id.",
            lambda view: view.downs,
        ),
        Metric(
            "source_restarts",
            "counter",
            "Times that the source was started anew after it had failed.",
            "Connections that break are mended within the source and not counted here. A rate that does not end is a "
            "source that cannot run as it is configured, or a bug: the log has the reason.",
            lambda view: view.restarts,
        ),
        Metric(
            "source_messages",
            "counter",
            "Messages taken in.",
            "What comes in, before routes choose from it.",
            lambda view: view.intake.inlet.messages,
        ),
        Metric(
            "source_received_bytes",
            "counter",
            "Bytes of the payloads taken in.",
            "After decoding: what compression or Avro saves on the wire is not seen here.",
            lambda view: view.intake.inlet.bytes,
        ),
        Metric(
            "source_losses",
            "counter",
            "Times that the source lost something, by reason.",
            "Each is told to subscribers as `bridge.gap`. `source_rotated`, `source_reset`: a file or topic was cut or "
            "made anew; `broker_session_lost`, `broker_overflow`: an MQTT broker forgot us or dropped messages; "
            "`evicted`: a topic's retention overtook us; `oversize`, `undecodable`: messages that cannot be passed on.",
            lambda view: _losses(view.intake.inlet.losses),
            "reason",
        ),
        Metric(
            "source_lost_messages",
            "counter",
            "Messages in those losses, as far as their number is known.",
            "A lower bound: many losses do not tell how much was in them.",
            lambda view: _losses(view.intake.inlet.missed),
            "reason",
        ),
        Metric(
            "source_late_seconds",
            "gauge",
            "Seconds from the newest message's own time to its arrival here.",
            "How far the source is behind the world. Absent before the first message.",
            lambda view: view.intake.inlet.late if view.intake.inlet.heard_at else None,
        ),
        Metric(
            "source_last_message_timestamp_seconds",
            "gauge",
            "Unix time at which the newest message came.",
            "`time() - …` is how long the source has been silent. Absent before the first message.",
            lambda view: view.intake.inlet.heard_at or None,
        ),
        Metric(
            "source_behind_messages",
            "gauge",
            "Messages that the source knows to be there and has not read: a Kafka consumer's lag, over all partitions.",
            "Growing: more is produced than is read, or the consumer stands. Absent for sources that cannot know.",
            lambda view: view.intake.place.behind(),
        ),
        Metric(
            "source_subscribers",
            "gauge",
            "Open streams of the routes that the source feeds.",
            "Polled pages and upstream streams rest while it is 0.",
            lambda view: view.subscribers,
        ),
    ),
)
