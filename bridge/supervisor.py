"""Keep the sources running, and know how each of them is.

A source says itself when it is up or down. When `run` raises, the supervisor starts it again, later and later, for
ever: one broker that is gone costs its own routes and nothing else. When `run` returns, the source has ended.

    starting ── up ──▶ up ── down/failed ──▶ down ── up ──▶ up
    any ── ended ──▶ ended
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

import msgspec
import structlog

from bridge.errors import SourceError
from bridge.sources.base import Outlet, Place, Source

log = structlog.get_logger()

#: Seconds before the first start anew, and the longest wait: a broker is back within seconds or within hours.
FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 30.0

#: A run of this many seconds was a success: the failures before it are forgotten.
STABLE_AFTER: Final = 60.0

State = Literal["starting", "up", "down", "ended"]
Fact = Literal["up", "down", "ended"]

#: What a fact makes of a state. What is not here changes nothing, and is not told again.
TRANSITIONS: Final[Mapping[tuple[State, Fact], State]] = {
    ("starting", "up"): "up",
    ("starting", "down"): "down",
    ("starting", "ended"): "ended",
    ("up", "down"): "down",
    ("up", "ended"): "ended",
    ("down", "up"): "up",
    ("down", "ended"): "ended",
}


class Status(msgspec.Struct, frozen=True):
    """How a source is."""

    state: State = "starting"
    #: Unix seconds.
    since: float = 0.0
    #: Why it is down, in words; None where it is not.
    error: str | None = None


class Health:
    """The table of all sources' states."""

    def __init__(self, clock: Callable[[], float], changed: Callable[[str, Status], None]) -> None:
        self.sources: dict[str, Status] = {}
        #: How often each was started anew, and how often each went down.
        self.restarts: Counter[str] = Counter()
        self.downs: Counter[str] = Counter()
        self._clock = clock
        self._changed = changed

    def add(self, name: str) -> None:
        """Enter a source that is about to start."""
        self.sources[name] = Status(since=self._clock())

    def again(self, name: str) -> None:
        """Note that a source with other keys is about to start in the place of one that runs no more.

        What was down counts as down until it says that it is not: those who listen were told so.
        """
        if self.sources[name].state != "down":
            self.add(name)

    def remove(self, name: str) -> None:
        """Forget a source that is gone."""
        del self.sources[name]
        for counts in (self.restarts, self.downs):
            counts.pop(name, None)

    def hindrance(self, names: Iterable[str]) -> str | None:
        """Say which of these sources are not up, one a line; None where all are. One that has ended is no hindrance."""
        told = [words for name in names if (words := self._words(name)) is not None]
        return "\n".join(told) or None

    def _words(self, name: str) -> str | None:
        status = self.sources.get(name, Status())
        match status.state:
            case "starting":
                return f"source {name} is not up yet"
            case "down":
                return f"source {name} is down: {status.error or 'it does not say why'}"
        return None

    def tell(self, name: str, fact: Fact, error: str | None = None) -> None:
        """Note what happened to a source; a change is logged and announced once."""
        status = self.sources.get(name)
        if status is None:
            return  # it was removed, and does not end
        state = TRANSITIONS.get((status.state, fact))
        is_other = fact == status.state == "down" and error != status.error
        if state is None and not is_other:
            return
        # Down for another reason is down since then all the same: a wrong password behind what was a closed port.
        state, since = (state, self._clock()) if state is not None else ("down", status.since)
        told = self.sources[name] = Status(state, since, error)
        self.downs[name] += state == "down" != status.state
        if state == "down":
            log.warning("source is down", source=name, reason=error)
        else:
            log.info("source is up" if state == "up" else "source has ended", source=name)
        if (status.state, state) != ("starting", "up"):
            self._changed(name, told)


async def supervise(
    source: Source, outlet: Outlet, place: Place, health: Health, uniform: Callable[[float, float], float]
) -> None:
    """Run the source until it ends or the task is cancelled, whatever it raises; `uniform` draws the jitter."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    delay = FIRST_DELAY
    while True:
        started = loop.time()
        try:
            await source.run(outlet, place)
        except SourceError as error:
            reason = str(error)
        except Exception as error:
            # A bug in one source must not take the others down. This is the only place that catches everything.
            log.exception("source crashed", source=place.name)
            reason = f"internal error: {type(error).__name__}"
        else:
            health.tell(place.name, "ended")
            return
        if task is not None and task.cancelling():
            # A task group of the source that fails while it is cancelled tells of the failure alone.
            raise asyncio.CancelledError
        health.tell(place.name, "down", reason)
        if loop.time() - started > STABLE_AFTER:
            delay = FIRST_DELAY
        # Half fixed, half drawn: replicas do not return in step, and none hammers.
        await asyncio.sleep(delay / 2 + uniform(0, delay / 2))
        health.restarts[place.name] += 1
        delay = min(delay * 2, LONGEST_DELAY)
