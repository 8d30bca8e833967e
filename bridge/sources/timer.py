"""The `timer` source: a message at an interval or by a cron line.

One run for the process, or one for each visitor. A run for a visitor is where `count` makes a stream that ends: its
first event comes at once, its marks are its numbers, so that any process goes on after any of them.
"""

import asyncio
import itertools
import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from bridge.event import Message
from bridge.sources.base import Outlet, Place, Source, Visited
from bridge.sources.payload import check_form, check_payload, render, values
from bridge.sources.schedule import SYSTEM, Clock, Cron, Interval, Pace, check_cron
from bridge.units import Duration

#: A tick costs each subscriber some microseconds, and no eye sees a hundred a second.
MIN_EVERY: Final = 0.01

#: An interval above a year is a mistake, and loops count their timers in milliseconds.
MAX_EVERY: Final = 366 * 86_400.0

#: A run that goes on for longer is one without an end.
MAX_COUNT: Final = 1_000_000_000

# As `str` writes an int, and bounded: a mark comes from a browser.
_MARK: Final = re.compile(r"0|[1-9][0-9]{0,11}", re.ASCII)


def _check_every(every: float) -> float:
    if MIN_EVERY <= every <= MAX_EVERY:
        return every
    raise PydanticCustomError("every", "expected an interval of 10ms to 366d")


def _check_cron(line: str) -> str:
    if wrong := check_cron(line):
        raise PydanticCustomError("cron", wrong)
    return line


class Timer(Source):
    """A message at a fixed interval, or at the times of a cron line."""

    every: Annotated[Duration, AfterValidator(_check_every)] | None = Field(
        default=None,
        description="The time between two messages, 10ms to 366d. The first comes at once. Either this or `cron`.",
        examples=["5s", "100ms"],
    )
    cron: Annotated[str, AfterValidator(_check_cron)] | None = Field(
        default=None,
        description=(
            "When to send, as a cron line in the local time zone: minute, hour, day, month, weekday "
            "(six fields begin with the second). Either this or `every`."
        ),
        examples=["*/15 * * * *", "0 8 * * MON-FRI"],
    )
    payload: Annotated[
        str | dict[str, object], PlainValidator(check_payload), WithJsonSchema({"type": ["string", "object"]})
    ] = Field(
        default="{time}",
        description=(
            "What each message says: a text, or a mapping that is sent as JSON. Holes: `{time}`, `{n}` (counts "
            "from 0), `{ms}` (unix milliseconds), `{subscribers}` (open streams of this timer's routes). A value "
            "of a mapping that is exactly one hole keeps its type."
        ),
        examples=["Message {n}", {"online": "{subscribers}"}],
    )
    time: Annotated[str, AfterValidator(check_form)] = Field(
        default="iso",
        description=(
            "The form of `{time}`: `iso` (2026-11-21T10:00:00.000Z), `unix` (seconds with their fraction), `clock12` "
            "(6:33:12 PM, local time), or a pattern of strftime in local time."
        ),
        examples=["clock12", "%H:%M"],
    )
    count: Annotated[int, Field(ge=1, le=MAX_COUNT)] | None = Field(
        default=None,
        description="How many messages a run has; then its streams end. Without it a run goes on for ever.",
        examples=[10],
    )
    per: Literal["visitor", "process"] | None = Field(
        default=None,
        description=(
            "Whose run it is: `visitor` gives each subscriber one of their own, `process` is one for all. "
            "By default `visitor` where `count` is given, else `process`."
        ),
        examples=["process"],
    )

    @model_validator(mode="after")
    def _one_schedule(self) -> Self:
        if (self.every is None) == (self.cron is None):
            raise PydanticCustomError("timer", "a timer has either `every` (such as 5s) or `cron`")
        return self

    def follows(self, before: Source) -> bool:
        """Tell that nothing is lost between two runs: a tick is of its moment."""
        return isinstance(before, Timer)

    @property
    def is_private(self) -> bool:
        """Tell whether each visitor has a run of their own."""
        return self.per == "visitor" or (self.per is None and self.count is not None)

    async def run(self, outlet: Outlet, place: Place, clock: Clock = SYSTEM) -> None:
        """Tick for all, or wait where each visitor has a run of their own."""
        outlet.up()
        if self.is_private:
            await asyncio.Event().wait()
        last = 0

        def present(_: Mapping[str, str]) -> list[Message]:
            return [self._message(last, outlet, clock)]

        place.present = present
        pace = self._pace(clock)
        for n in self._numbers(0):
            # An interval begins with a tick; a cron line says itself when its first one is.
            if n or self.cron is not None:
                await pace.next()
            last = n
            outlet.emit([self._message(n, outlet, clock)])

    def visit(self, mark: str, outlet: Outlet, clock: Clock = SYSTEM) -> AsyncGenerator[Visited]:
        """Yield a visitor's events after `mark`: the first at once, one after a mark when it is due."""
        if mark and not self._is_mark(mark):
            raise ValueError("not a mark of this timer's runs")
        return self._visit(int(mark) + 1 if mark else 0, outlet, clock)

    def is_finished(self, mark: str) -> bool:
        """Tell whether `mark` is the number of a run's last event, or one beyond it."""
        return self.count is not None and _MARK.fullmatch(mark) is not None and int(mark) >= self.count - 1

    async def _visit(self, first: int, outlet: Outlet, clock: Clock) -> AsyncGenerator[Visited]:
        pace = self._pace(clock)
        for n in self._numbers(first):
            if n:
                await pace.next()
            yield Visited(str(n), self._message(n, outlet, clock), is_last=n + 1 == self.count)

    def _is_mark(self, mark: str) -> bool:
        return _MARK.fullmatch(mark) is not None and (self.count is None or int(mark) < self.count)

    def _numbers(self, first: int) -> Iterable[int]:
        return itertools.count(first) if self.count is None else range(first, self.count)

    def _pace(self, clock: Clock) -> Pace:
        if self.every is not None:
            return Interval(self.every, clock)
        return Cron(self.cron or "", clock)

    def _message(self, n: int, outlet: Outlet, clock: Clock) -> Message:
        now = clock.wall()
        return Message(
            payload=render(self.payload, values(self.time, n, now, outlet.subscribers())),
            time=now,
            content_type="" if isinstance(self.payload, str) else "application/json",
        )
