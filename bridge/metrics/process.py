"""The metrics of the process, and of its listeners."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

from bridge.gateway.server import Listener
from bridge.metrics.live import Live
from bridge.metrics.metric import Labels, Metric, Section

#: Why a stream is refused. Counted from zero, so that the first one is seen as an increase.
REFUSALS: Final = ("subscribers", "connects", "per_peer", "channels", "addresses", "drain", "removed")

#: What becomes of a request to the application.
OUTCOMES: Final = ("answered", "rejected", "failed", "refused")

#: What goes wrong at a listener.
FAULTS: Final = ("malformed", "late", "failed", "full", "starved")

SPANS: Final = ("sent", "failed", "dropped")
RELOADS: Final = ("applied", "unchanged", "refused")
PROBES: Final = ("passed", "missed", "refused")


def _counts(known: tuple[str, ...], counted: Mapping[str, int]) -> Mapping[str, int]:
    return {**dict.fromkeys(known, 0), **counted}


def _proxied(live: Live) -> Mapping[str, int] | None:
    proxy = live.proxy()
    return None if proxy is None else _counts(OUTCOMES, proxy.outcomes)


def _open(live: Live) -> int | None:
    proxy = live.proxy()
    return None if proxy is None else len(proxy)


def _tunnels(live: Live) -> int | None:
    proxy = live.proxy()
    return None if proxy is None else proxy.tunnels


def _probes(live: Live) -> Mapping[str, int] | None:
    counted = live.canary()
    return None if counted is None else _counts(PROBES, counted)


def _spans(live: Live) -> Mapping[str, int] | None:
    counted = live.spans()
    return None if counted is None else {outcome: counted.get(outcome, 0) for outcome in SPANS}


def _build(_: Live) -> Labels:
    return _BUILD


_BUILD: Final = Labels(
    {
        "version": version("sse-bridge"),
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "aiohttp": version("aiohttp"),
    }
)


PROCESS: Final[Section[Live]] = Section(
    "Process",
    "",
    (
        Metric(
            "build",
            "info",
            "1, with the versions of the bridge and of what it runs on.",
            "Which version runs where.",
            _build,
        ),
        Metric(
            "workers",
            "gauge",
            "Processes that serve streams.",
            "Always 1 today; sums over it stay right when there are more.",
            lambda _: 1,
        ),
        Metric(
            "ready",
            "gauge",
            "1 while /-/ready answers 200, else 0.",
            "0 for longer than a start or a drain takes: `/-/ready` says in words what it waits for.",
            lambda live: live.is_ready(),
        ),
        Metric(
            "draining",
            "gauge",
            "1 while streams are told to come back elsewhere, else 0.",
            "A stop under way. New streams are answered with `retry` and closed.",
            lambda live: live.is_draining(),
        ),
        Metric(
            "streams",
            "gauge",
            "Open streams of the process.",
            "Against `streams_limit` it says how full the process is: the metric to scale by.",
            lambda live: len(live.streams),
        ),
        Metric(
            "streams_limit",
            "gauge",
            "Streams that may be open at most.",
            "`limits.subscribers`, or what memory and file descriptors allow where that is not given.",
            lambda live: live.streams.limit,
        ),
        Metric(
            "streams_accepted",
            "counter",
            "Connects that became a stream.",
            "Its rate is that of connects of all routes, of those that are gone by now too; the canary's are among "
            "them.",
            lambda live: live.streams.accepted,
        ),
        Metric(
            "streams_refused",
            "counter",
            "Connects that were told to come back later, by reason.",
            "`subscribers`, `connects`, `per_peer`, `channels`: the limit of that name; `addresses`: a polled page or "
            "an upstream has as many addresses as `at_once` allows; `drain`: a stop; `removed`: a reload took the "
            "route away, and its grace is not over. They are answered with 200 and `retry`: no proxy shows them as "
            "errors.",
            lambda live: _counts(REFUSALS, live.streams.refused),
            "reason",
        ),
        Metric(
            "channels",
            "gauge",
            "Channels of all routes.",
            "At `channels_limit` those that were quiet the longest give way.",
            lambda live: sum(len(route.channels) for route in live.bus.routes),
        ),
        Metric(
            "channels_limit",
            "gauge",
            "Channels that may exist at most.",
            "`limits.channels`.",
            lambda live: live.bus.bounds.channels,
        ),
        Metric(
            "memory_used_bytes",
            "gauge",
            "Bytes that all histories and tables hold.",
            "Near `memory_limit_bytes` the largest history gives way to new events: resumes from memory reach less far "
            "back than `history` says, and gaps (`evicted`) follow.",
            lambda live: live.bus.budget.used,
        ),
        Metric(
            "memory_limit_bytes",
            "gauge",
            "Bytes that all histories and tables may hold.",
            "`limits.memory`.",
            lambda live: live.bus.budget.limit,
        ),
        Metric(
            "proxy_requests_open",
            "gauge",
            "Requests on their way to the application and back.",
            "Long answers, streams and tunnels of the application among them. Absent where no application is behind.",
            _open,
        ),
        Metric(
            "proxy_tunnels",
            "gauge",
            "Connections to the application that are HTTP no more: WebSockets.",
            "They are among `proxy_requests_open`. Absent where no application is behind.",
            _tunnels,
        ),
        Metric(
            "proxy_requests",
            "counter",
            "Requests for the application that have ended, by outcome.",
            "`answered`: whatever its status; `rejected`: the client was at fault; `failed`: the application did not "
            "take the connection, or did not answer; `refused`: as many are on their way as we pass on at a time, or a "
            "stop is under way. Absent where no application is behind.",
            _proxied,
            "outcome",
        ),
        Metric(
            "reloads",
            "counter",
            "Reloads of the configuration, by outcome.",
            "`refused`: the new file is not good, or would take a restart; the old one still holds. The log and "
            "`POST /-/reload` say why.",
            lambda live: _counts(RELOADS, live.reloads()),
            "outcome",
        ),
        Metric(
            "config_refused",
            "gauge",
            "1 while the configuration file, as it is now, is refused, else 0.",
            "What was loaded before holds. A restart would fail.",
            lambda live: live.is_refused(),
        ),
        Metric(
            "config_loaded_timestamp_seconds",
            "gauge",
            "Unix time at which the configuration that holds was last read.",
            "Compare replicas: one that lags behind the others runs an older file.",
            lambda live: live.loaded_at(),
        ),
        Metric(
            "canary_probes",
            "counter",
            "Probes of the canary through the whole path, by outcome.",
            "`missed`: it did not come out in time; three in a row take readiness away. `refused`: there was no room "
            "for its stream, which proves nothing. Absent without `canary`.",
            _probes,
            "outcome",
        ),
        Metric(
            "canary_seconds",
            "gauge",
            "Seconds that the canary's last good probe took from source to socket.",
            "The bridge's own share of latency, without the sources'. Absent without `canary`, and before the first.",
            lambda live: live.canary_seconds(),
        ),
        Metric(
            "trace_spans",
            "counter",
            "Spans of traces, by what became of them.",
            "`failed`: the collector did not take them; `dropped`: they found no room while it was slow or away. "
            "Neither costs a stream anything. Absent without `traces`.",
            _spans,
            "outcome",
        ),
        Metric(
            "log_lines_held",
            "counter",
            "Lines of the log that were not written.",
            "Over ten a second of one cause: something repeats, and the line that follows tells how often "
            "(`held_back`). Or whoever reads the log takes no more of it (`lost`).",
            lambda live: live.held_back(),
        ),
    ),
)

LISTENERS: Final[Section[Listener]] = Section(
    "Listeners",
    "listener",
    (
        Metric(
            "listener_connections",
            "gauge",
            "Open connections, streams and proxied requests among them.",
            "At `listener_connections_limit` no more are accepted: clients wait in the kernel's queue.",
            lambda listener: listener.open,
        ),
        Metric(
            "listener_connections_limit",
            "gauge",
            "Connections that the listener holds at most.",
            "What the process' file descriptors allow (`ulimit -n`), less what else needs them.",
            lambda listener: listener.cap,
        ),
        Metric(
            "listener_faults",
            "counter",
            "What went wrong at the listener, by reason.",
            "`malformed`: a request that is no HTTP, or over its bounds; `late`: a head or an answer that took too "
            "long; `failed`: a fault of ours (500, with a line in the log); `full`, `starved`: times that it paused "
            "because it was at its cap, or the process out of descriptors.",
            lambda listener: _counts(FAULTS, listener.server.counts),
            "reason",
        ),
    ),
)
