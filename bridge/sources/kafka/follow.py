"""The shell: connect, read, and connect again for as long as the source runs."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

from bridge.errors import SourceError
from bridge.sources.base import Outlet, Place
from bridge.sources.kafka.consumer import behind, opened
from bridge.sources.kafka.group import GroupSession
from bridge.sources.kafka.journal import SOURCE, install
from bridge.sources.kafka.link import Link
from bridge.sources.kafka.log import KafkaLog
from bridge.sources.kafka.plan import Plan
from bridge.sources.kafka.session import Session
from bridge.sources.kafka.stand import Stand
from bridge.sources.kafka.survey import Surveyor
from bridge.sources.kafka.trouble import ConflictError, LostError

#: Seconds before the next attempt to connect, and the longest wait: a broker restarts within seconds, and to try costs
#: it little.
FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 5.0

#: Seconds before a name is claimed again that another process has.
CONFLICT: Final = 60.0

#: What `Place.kept` holds of us.
STAND: Final = "kafka"


async def follow(plan: Plan, outlet: Outlet, place: Place) -> None:
    """Read until cancelled: all partitions, or in a group those that it gives us."""
    install()
    SOURCE.set(plan.name)
    stand = place.kept.setdefault(STAND, Stand(is_positional=plan.reading.group is None))
    if not isinstance(stand, Stand):
        raise TypeError("what is kept of this source is another's")
    log = KafkaLog(plan, stand) if plan.reading.group is None else None
    if stand.is_begun:
        place.log = log
    delay = FIRST_DELAY
    while True:
        was_up = False
        try:
            async with _connected(plan, stand) as (link, consumer):
                session = (Session if log is not None else GroupSession)(plan, outlet, stand, link, consumer)
                try:
                    await session.begin()
                    place.log = log
                    place.behind = partial(behind, consumer)
                    await session.run()
                finally:
                    place.behind = _unknown
                    was_up = session.was_up
        except ConflictError as error:
            outlet.down(str(error))
            await asyncio.sleep(CONFLICT / 2 + random.uniform(0, CONFLICT / 2))
        except SourceError as error:
            outlet.down(str(error))
        delay = FIRST_DELAY if was_up else delay
        # Half fixed, half drawn: replicas do not return in step.
        await asyncio.sleep(delay / 2 + random.uniform(0, delay / 2))
        delay = min(delay * 2, LONGEST_DELAY)


def _unknown() -> None:
    """Stand in for a consumer while there is none."""


@contextlib.asynccontextmanager
async def _connected(plan: Plan, stand: Stand) -> AsyncIterator[tuple[Link, Any]]:
    """Connect, once it is clear that there is something to connect to; raises `SourceError` in words."""
    arguments = await plan.options.arguments()
    link = Link(plan.options, arguments)
    try:
        survey = await Surveyor(plan.name, plan.selection, link).look(stand.topics)
        leaders = survey.leaders
        wrong = await link.prove(leaders)
        if wrong and len(wrong) == len(leaders):
            raise LostError(next(iter(wrong.values())))
        async with opened(plan.options, arguments, plan.reading) as consumer:
            yield link, consumer
    finally:
        await link.close()
