"""The live objects that a scrape looks at."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bridge.bus import Bus
from bridge.gateway.proxy.proxy import Proxy
from bridge.gateway.pump import Pump
from bridge.gateway.server import Listener
from bridge.gateway.stream import Streams
from bridge.intake import Intake
from bridge.route import Route
from bridge.supervisor import Health


def unknown() -> None:
    """Stand in for what is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The parts of the process. What a reload may replace is asked for anew at each scrape."""

    bus: Bus
    pump: Pump
    streams: Streams
    health: Health
    #: Those of the configuration: neither the canary's, nor those that were removed and still answer for a while.
    routes: Callable[[], Iterable[Route]]
    intakes: Callable[[], Mapping[str, Intake]]
    listeners: Callable[[], Iterable[Listener]]
    #: None where no application is behind.
    proxy: Callable[[], Proxy | None]
    #: Tell whether `/-/ready` says so, and whether streams are told to leave.
    is_ready: Callable[[], bool]
    is_draining: Callable[[], bool]
    #: Reloads by outcome.
    reloads: Callable[[], Mapping[str, int]] = dict
    #: Tell whether the file as it is now was refused.
    is_refused: Callable[[], bool] = bool
    #: When the configuration that holds was loaded, in Unix seconds.
    loaded_at: Callable[[], float | None] = unknown
    #: Probes of the canary by outcome, and the seconds that the last good one took; None where there is no canary.
    canary: Callable[[], Mapping[str, int] | None] = unknown
    canary_seconds: Callable[[], float | None] = unknown
    #: Spans by what became of them; None where nothing is traced.
    spans: Callable[[], Mapping[str, int] | None] = unknown
    #: Lines that the log held back.
    held_back: Callable[[], int] = int
