"""Poll one address, again and again: wait, ask, hand over what is new.

Rule 1: there is one loop an address, and it waits for the reply before it thinks of the next poll. So no poll overlaps
    another, and a server that is slow is asked less often.
Rule 2: the time of a poll is bounded as a whole (`timeout`): a server that sends one byte a second has no reason to
    ever end otherwise.
Rule 3: a reply that cannot be used changes nothing but the validators: without them the next one comes whole.
"""

import asyncio
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Final

import structlog
from multidict import CIMultiDictProxy

from bridge.errors import SourceError
from bridge.event import Message
from bridge.sources.base import Outlet
from bridge.sources.http.emission import LIGHT, Emission, News
from bridge.sources.http.memory import Known
from bridge.sources.http.plan import Plan
from bridge.sources.http.polite import BUSY, Chance, Polite, Turnstile, fresh_for
from bridge.sources.http.reply import Reply, ReplyError
from bridge.sources.http.validators import Validators
from bridge.sources.schedule import Cron, following
from bridge.sources.web.body import read
from bridge.sources.web.client import Answer, Client
from bridge.sources.web.patience import retry_after
from bridge.sources.web.trouble import trouble

log = structlog.get_logger()

#: Seconds over which the polls of a cron line are spread: all the world's jobs begin at the full minute.
SPREAD: Final = 1.0

NOT_MODIFIED: Final = 304
#: A part of a page, which nobody asked for.
PARTIAL: Final = 206

#: What a status means for whoever has to repair it.
HINTS: Final = {
    401: ": it wants credentials, or others than ours",
    403: ": our credentials do not suffice, or it lets nobody in",
    404: ": there is nothing under this address",
    407: ": the proxy wants credentials",
    410: ": what was there is gone for good",
}


class PollError(Exception):
    """A poll failed, in words for a person; `asked` is what the server asks us to wait, in seconds."""

    def __init__(self, words: str, asked: float | None = None) -> None:
        super().__init__(words)
        self.asked = asked


class Poller:
    """Polls the addresses of one source, each in a task of its own."""

    def __init__(self, plan: Plan, client: Client, outlet: Outlet, chance: Chance) -> None:
        self._plan = plan
        self._client = client
        self._outlet = outlet
        self._clock, self._uniform = chance
        self._polite = Polite(plan.every, chance.uniform)
        self._turnstile = Turnstile(plan.at_once, plan.every)

    async def follow(self, known: Known) -> AsyncGenerator[None]:
        """Poll one address until closed, and yield after each poll; the first is at once, unless one was just now."""
        cron = Cron(self._plan.cron, self._clock) if self._plan.cron else None
        # Drawn once: a poll that is late by as much each time keeps its distance from the one before.
        spread = self._uniform(0, SPREAD)
        is_due = cron is None or following(self._plan.cron, known.polled_at) <= self._clock.wall()
        while True:
            if cron is not None and not is_due and not known.failures:
                await cron.next()
                await self._clock.sleep(spread)
            await self._clock.sleep(max(0.0, known.due - self._clock.steady()))
            while not known.polled_at and (wait := self._turnstile.wait(self._clock.steady())):
                await self._clock.sleep(wait)
            await self._poll(known)
            yield
            is_due = False

    async def _poll(self, known: Known) -> None:
        started = self._clock.steady()
        # Before the first await: who leaves and comes back meanwhile does not ask twice.
        known.polled_at, known.due = self._clock.wall(), self._polite.slot(started, started)
        try:
            fresh = await self._ask(known)
        except (PollError, SourceError) as error:
            self._failed(known, error)
        else:
            self._works(known, started, fresh)

    async def _ask(self, known: Known) -> float:
        """Ask, and hand over what is new; return for how long that is fresh. Raises what is told of the failure."""
        plan = self._plan
        path, deadline = self._path(known), asyncio.get_running_loop().time() + plan.timeout
        answer = await self._client.open(
            known.captures,
            method=plan.method,
            headers={**plan.headers, **known.validators.headers},
            body=plan.body,
            first_byte=plan.timeout,
        )
        try:
            known.status, known.heard_at = answer.status, self._clock.wall()
            if answer.status == NOT_MODIFIED and known.validators.headers:
                self._again(known, answer)
            else:
                self._check(answer)
                body = await self._read(known, answer, deadline)
                await self._take(known, answer, body, path)
        finally:
            answer.close()
        return _fresh(answer.headers) if plan.obeys else 0.0

    def _again(self, known: Known, answer: Answer) -> None:
        """Take in that nothing has changed."""
        if known.validators.address != answer.url or answer.is_fleeting:
            # It leads elsewhere now, and there the same tag may stand for another page.
            known.validators = Validators()
            raise PollError(f"{self._where} answers 304 from another address than before")
        self._emit(known, known.emission.again(self._clock.wall()))

    def _check(self, answer: Answer) -> None:
        if not 200 <= answer.status < 300 or answer.status == PARTIAL:  # noqa: PLR2004 -- the successful ones
            busy = answer.headers.get("Retry-After", "") if answer.status in BUSY else ""
            raise PollError(f"{self._where} {_told(answer.status)}", retry_after(busy, self._clock.wall()))

    async def _read(self, known: Known, answer: Answer, deadline: float) -> bytes:
        try:
            async with asyncio.timeout_at(deadline):
                body, _ = await read(answer, self._plan.max)
        except TimeoutError as error:
            raise trouble(error, answer.where, stage="body", seconds=self._plan.timeout) from None
        finally:
            known.wire += answer.size
        known.bytes += len(body)
        return body

    async def _take(self, known: Known, answer: Answer, body: bytes, path: str) -> None:
        """Take in a reply as a whole."""
        type, time = answer.headers.get("Content-Type", ""), self._clock.wall()
        reply = Reply(body, type, time, path, known.captures, answer.status)
        try:
            news = await _weighed(known.emission, reply)
        except ReplyError as error:
            known.validators = Validators()
            raise PollError(f"{self._where}: {error}") from None
        self._emit(known, known.emission.settle(news))
        known.size = known.emission.size
        is_stable = self._plan.method == "GET" and not answer.is_fleeting
        known.validators = Validators.of(answer.headers, answer.url) if is_stable else Validators()

    def _emit(self, known: Known, messages: list[Message]) -> None:
        # Nothing awaits between the change of what is known and this: a newcomer is greeted with either both or none.
        known.replies += 1
        if messages:
            self._outlet.emit(messages)
        else:
            known.unchanged += 1

    # -- what is made of it

    def _works(self, known: Known, started: float, fresh: float) -> None:
        now = self._clock.steady()
        known.due = max(self._polite.slot(started, now), self._polite.stale(now, fresh))
        if known.failures:
            known.failures, known.words = 0, ""
            if self._plan.params:
                log.info("polls work again", source=self._plan.name, address=self.address(known))

    def _failed(self, known: Known, error: Exception) -> None:
        asked = error.asked if isinstance(error, PollError) else None
        known.failures += 1
        known.failed += 1
        known.due = self._polite.again(self._clock.steady(), known.failures, asked)
        before, known.words = known.words, str(error)
        # Where there is one address, the state of the source says the same.
        if self._plan.params and known.words != before:
            log.warning("a poll failed", source=self._plan.name, address=self._shown(known), reason=known.words)

    @property
    def _where(self) -> str:
        return self._plan.remote.address.where

    def address(self, known: Known) -> str:
        """Return an address as one may show it, without its query; raises `PollError` for values that make none."""
        return f"{self._plan.remote.address.scheme}://{self._where}{self._path(known)}"

    def _path(self, known: Known) -> str:
        try:
            return self._plan.remote.address.shown(known.captures)
        except ValueError as error:
            raise PollError(f"{self._where} is not asked: {error}") from None

    def _shown(self, known: Known) -> str:
        try:
            return self.address(known)
        except PollError:
            return self._where


async def _weighed(emission: Emission, reply: Reply) -> News:
    """Return what a reply brings; raises `ReplyError`. Nothing is changed yet, so one may leave meanwhile."""
    if len(reply.body) <= LIGHT:
        return emission.weigh(reply)
    return await asyncio.to_thread(emission.weigh, reply)


def _fresh(headers: CIMultiDictProxy[str]) -> float:
    """Return for how long a reply is fresh; a header that stands several times is one list (RFC 9110, 5.3)."""
    cache, age = (", ".join(headers.getall(name, [])) for name in ("Cache-Control", "Age"))
    return fresh_for(cache, age)


def _told(status: int) -> str:
    """Say a status in words."""
    try:
        phrase = f" ({HTTPStatus(status).phrase})"
    except ValueError:
        phrase = ""
    return f"answers {status}{phrase}{HINTS.get(status, '')}"
