"""One address: a connection after another, what is said of them, and how long to wait between two."""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Final

import structlog

from bridge.event import Loss
from bridge.sources.backoff import STABLE_AFTER, Backoff
from bridge.sources.base import Outlet
from bridge.sources.sse.emission import Emission
from bridge.sources.sse.memory import Cursor
from bridge.sources.sse.plan import Plan
from bridge.sources.sse.refusal import told
from bridge.sources.sse.session import End, Session
from bridge.sources.sse.standing import Standing
from bridge.sources.web.client import Client

log = structlog.get_logger()

#: Seconds after an end in order, where the upstream gives no `retry`: as browsers wait, for which it was written.
RETRY: Final = 3.0

#: A wait that is asked for is drawn out by up to so much, so that those who were sent away do not return in step.
JITTER: Final = 1.25

#: Seconds within which a stream ends "at once". One that was open for longer may have been meant, quiet as it was: what
#: came after its end is missing.
AT_ONCE: Final = 1.0

#: Streams in a row that end at once and in order, without an event, before that is told as a fault: one may be the way
#: to say "come back later", as this bridge does itself.
EMPTY_ENDS: Final = 3


class Upstream:
    """One address; `Watch` of its connections."""

    def __init__(
        self, plan: Plan, outlet: Outlet, cursor: Cursor, captures: Mapping[str, str], standing: Standing
    ) -> None:
        address = plan.remote.address
        self._plan = plan
        self._outlet = outlet
        self._cursor = cursor
        self._captures = captures
        self._standing = standing
        #: The address for a person: without its query, which may hold a secret. Raises `ValueError` in words.
        self._subject = f"{address.scheme}://{address.where}{address.shown(captures)}"
        self._backoff = Backoff(random.uniform)
        self._emission = self._new()
        self._settling: asyncio.TimerHandle | None = None
        # What is told of it.
        self._state = "connecting"
        self._since = time.time()
        self._words = ""
        self._told: str | None = None
        self._event_at: float | None = None
        self._events = self._bytes = self._opens = self._empty = 0

    async def run(self, client: Client) -> None:
        """Connect again and again, until the upstream says that nothing will come any more."""
        self._standing.enter(self)
        try:
            while True:
                wait = await self._connect(client)
                if wait is None:
                    return
                await asyncio.sleep(wait)
        finally:
            self._standing.leave(self)
            self._tell(None)

    def opened(self) -> None:
        """Tell that the stream is open, and first of all what was missed."""
        cursor = self._cursor
        if cursor.is_due and not cursor.id:
            self._emission.lose(Loss(reason="source_reset"))
        # From here on, until it ends as if it had never been.
        cursor.is_due = True
        self._opens += 1
        self._enter("open", "")
        log.info("stream is open", source=self._plan.name, url=self._subject, resumed=bool(cursor.id))
        if self._empty:
            self._settling = asyncio.get_running_loop().call_later(STABLE_AFTER, self._up)
        else:
            self._up()

    def heard(self, size: int) -> None:
        """Count what has come."""
        self._bytes += size
        if self._emission.events:
            self._event_at = time.time()
            if self._settling is not None:
                self._up()

    def detail(self) -> dict[str, object]:
        """Return what the admin port shows."""
        return {
            "captures": dict(self._captures),
            "url": self._subject,
            "state": self._state,
            "since_at": self._since,
            "error": self._words or None,
            "last_event_at": self._event_at,
            "last_id": told(self._cursor.id) or None,
            "events": self._events + self._emission.events,
            "bytes": self._bytes,
            "reconnects": max(self._opens - 1, 0),
        }

    async def _connect(self, client: Client) -> float | None:
        """Run one connection; return the seconds until the next one, or None where there is none."""
        self._events += self._emission.events
        emission = self._emission = self._new()
        session = Session(self._plan, client, emission, self._cursor, self)
        try:
            end = await session.run(self._captures)
        finally:
            self._unsettle()
        if end.is_gone:
            self._enter("ended", end.words)
            log.info("stream has ended", source=self._plan.name, url=self._subject, reason=end.words)
            if self._captures:
                self._outlet.address(self._captures, end.words, is_over=True)
            return None
        now = asyncio.get_running_loop().time()
        lasted = now - session.open_at if session.open_at is not None else 0.0
        is_empty = end.is_clean and not emission.events and lasted < AT_ONCE
        if is_empty:
            # Who is told to come back at once has missed nothing that was promised; anyone else may have.
            self._cursor.is_due = False
        self._ended(end, is_empty=is_empty and not emission.is_planned)
        return self._wait(end, STABLE_AFTER if end.is_clean and not is_empty else lasted)

    def _ended(self, end: End, *, is_empty: bool) -> None:
        """Tell that there is no connection; an end in order is no fault, unless it is all that ever comes."""
        self._enter("waiting", end.words)
        self._empty = self._empty + 1 if is_empty else 0
        if not end.is_clean:
            self._down(end.words)
        elif self._empty >= EMPTY_ENDS:
            self._down(f"{end.words} at once, without an event, several times in a row")

    def _wait(self, end: End, lasted: float) -> float:
        """Return the seconds until the next connection."""
        retry = RETRY if end.is_clean else 0.0
        asked = max(retry if self._cursor.retry is None else self._cursor.retry, end.wait)
        return max(self._backoff.next(lasted), random.uniform(asked, JITTER * asked))

    def _up(self) -> None:
        self._unsettle()
        self._standing.up(self)
        self._tell(None)

    def _down(self, words: str) -> None:
        if self._captures and words != self._told:
            # Where there is one address, the state of the source says the same.
            log.warning("a stream failed", source=self._plan.name, url=self._subject, reason=words)
        self._standing.down(self, words)
        self._tell(words)

    def _tell(self, words: str | None) -> None:
        """Tell who listens to this address, where there are several."""
        self._told = words
        if self._captures:
            self._outlet.address(self._captures, words)

    def _unsettle(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None

    def _enter(self, state: str, words: str) -> None:
        if state != self._state:
            self._state, self._since = state, time.time()
        self._words = words

    def _new(self) -> Emission:
        path = self._plan.remote.address.shown(self._captures)
        return Emission(self._outlet, self._cursor, path, self._captures)
