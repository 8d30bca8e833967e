"""Replies without a network, and clocks that stand still until somebody sleeps: what tests of polling lean on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from multidict import CIMultiDict, CIMultiDictProxy

from bridge.event import Loss, Message
from bridge.sources.http import Http
from bridge.sources.http.plan import Plan
from bridge.sources.http.polite import Chance
from bridge.sources.schedule import Clock
from bridge.sources.web.trouble import WebError

#: Sunday, 2001-09-09T01:46:40Z.
WALL = 1_000_000_000.0


class Hands:
    """The clocks; `slept` are the waits that were asked for."""

    def __init__(self) -> None:
        self.now = 50.0
        self.offset = WALL - self.now
        self.slept: list[float] = []
        #: What each random draw is, as a part of its range.
        self.drawn = 0.5
        self.chance = Chance(Clock(lambda: self.now + self.offset, lambda: self.now, self.sleep), self._uniform)

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass at once."""
        if seconds:
            self.slept.append(round(seconds, 3))
        self.now += seconds
        # A loop that polls without end must not keep everybody else from running.
        await asyncio.sleep(0)

    def _uniform(self, low: float, high: float) -> float:
        return low + self.drawn * (high - low)


class Canned:
    """A reply; `wait` is called before its head is there, and one that `drips` has no end."""

    def __init__(
        self,
        body: str = "x",
        status: int = 200,
        headers: Sequence[tuple[str, str]] = (),
        *,
        url: str = "http://a.test/p",
        wait: Callable[[], Any] | None = None,
        drips: bool = False,
    ) -> None:
        self.status = status
        self.headers = CIMultiDictProxy(CIMultiDict([("Content-Type", "text/plain"), *headers]))
        self.url = url
        self.where = "a.test"
        self.is_fleeting = False
        self.size = 0
        self.is_closed = False
        self._drips = drips
        self.wait = wait
        self._body = body.encode()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body."""
        self.size += len(self._body)
        yield self._body
        if self._drips:
            await asyncio.Event().wait()

    def close(self) -> None:
        """Note that it was closed."""
        self.is_closed = True


class Replies:
    """A client that gives one reply after another, and the last one for ever; `asked` are the requests."""

    def __init__(self, *replies: Canned | WebError) -> None:
        self.replies = list(replies)
        self.asked: list[tuple[Mapping[str, str], str, Mapping[str, str], bytes | None]] = []
        #: How many are being answered, and the most at a time.
        self.open_now = 0
        self.most = 0

    async def open(
        self,
        captures: Mapping[str, str],
        *,
        method: str,
        headers: Mapping[str, str],
        body: bytes | None,
        first_byte: float,
    ) -> Canned:
        """Answer as was planned."""
        self.asked.append((dict(captures), method, dict(headers), body))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, WebError):
            raise reply
        self.open_now += 1
        self.most = max(self.most, self.open_now)
        try:
            if reply.wait is not None and (waited := reply.wait()) is not None:
                await waited
        finally:
            self.open_now -= 1
        return reply


class Heard:
    """An outlet that keeps what it was told, in order."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.told: list[str] = []
        #: What was told of single addresses.
        self.addresses: list[tuple[dict[str, str], str | None]] = []

    def emit(self, messages: Sequence[Message]) -> Sequence[str]:
        """Keep a batch."""
        self.messages += messages
        return [""] * len(messages)

    def lose(self, loss: Loss) -> None:
        """Never called."""
        raise AssertionError(loss)

    def up(self) -> None:
        """Keep it where it is news."""
        self._tell("up")

    def down(self, reason: str) -> None:
        """Keep it where it is news."""
        self._tell(reason)

    def address(self, captures: Mapping[str, str], error: str | None, *, is_over: bool = False) -> None:
        """Keep it where it is news of that address."""
        before = [told for of, told in self.addresses if of == captures]
        if before[-1:] != [error]:
            self.addresses.append((dict(captures), error))

    def subscribers(self) -> int:
        """Nobody is counted."""
        return 0

    def _tell(self, what: str) -> None:
        if self.told[-1:] != [what]:
            self.told.append(what)


def keys(**more: Any) -> Http:
    """Return the keys of a source."""
    given = {"url": "http://a.test/p", **more}
    return Http.model_validate(given if "cron" in given else {"every": "10s", **given})


def plan(**more: Any) -> Plan:
    """Return what a run goes by."""
    return Plan.of(keys(**more), "p")
