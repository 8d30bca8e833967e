"""Bridges are replaced behind nginx and HAProxy, and no page is closed for good, nor loses anything without a word.

200 EventSources of the tests' own and a dozen in Chromium listen to a push route, whose ids count the events of one
process, and to a Kafka route, whose ids are places in the topic. `make soak` does it twenty times.
"""

import asyncio
import itertools
import os
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.programs import until
from tests.kafka_client import Talk
from tests.rolling import chromium
from tests.rolling.audience import Audience
from tests.rolling.eventsource import EventSource
from tests.rolling.fleet import SERVING, Fleet, crash_all, crash_one, roll
from tests.rolling.fronts import Place, fronted, preset
from tests.rolling.publisher import NOTICES, PARTITIONS, RECORDS, Publisher
from tests.rolling.visitor import Visitor

pytestmark = pytest.mark.live

#: Updates behind each proxy.
UPDATES: Final = int(os.environ.get("ROLLING_UPDATES", "2"))

#: Seconds that a test may take: an update is done within ten on an idle machine.
TIMEOUT: Final = 120 + 60 * UPDATES

CLIENTS: Final = 200

#: Seconds for all streams to be open again, and for all to have heard the last event, on a busy machine.
PATIENCE: Final = 60.0

#: Faults that are shown; one mistake has hundreds.
MOST_SHOWN: Final = 10

#: A dozen: Chromium opens six connections to a host at most, so half of them are strangers to the host they listen to.
TABS: Final = 12

#: An update of each kind in its turn: in order, all at once without a word, one by one without a word.
KINDS: Final = (roll, crash_all, crash_one)

ROUTES: Final = """\
version: 1
server:
  listen: ${LISTEN}
  health: ${HEALTH}
  admin: ${ADMIN}
  hops: [127.0.0.1]
  prestop: 1s
  drain: 1s
  pages: { /: ./pages }
defaults: { retry: { exact: 1s }, cors: { origins: ["%(origin)s"] } }
sources:
  notices: { kind: push }
  records: { kind: kafka, brokers: ["%(broker)s"], topics: ["%(topic)s"] }
routes:
  /notices: { from: notices }
  /records: { from: records }
"""
BLANK: Final = '<!doctype html><title>blank</title><link rel="icon" href="data:,">'


@pytest.fixture
def places(free_ports: Callable[[], int]) -> list[Place]:
    """Choose ports for all bridges that may run at a time."""
    return [Place(free_ports(), free_ports(), free_ports()) for _ in range(SERVING + 1)]


async def serve(stack: AsyncExitStack, folder: Path, places: list[Place], **told: str) -> Fleet:
    """Run as many bridges as are to serve."""
    routes, pages = folder / "routes.yaml", folder / "pages"
    routes.write_text(ROUTES % told)
    pages.mkdir()
    (pages / "index.html").write_text(BLANK)
    fleet = Fleet(stack, routes, places)
    for _ in range(SERVING):
        await fleet.start()
    return fleet


async def gather(page, here: str, there: str) -> Audience:
    """Open the EventSources in Chromium, and make our own: half of all listen to another origin than theirs."""
    paths = (NOTICES, RECORDS)
    await page.goto(here)
    tabs = [(site, path) for site in (here, there) for path in paths for _ in range(TABS // 4)]
    await chromium.listen(page, [site + path for site, path in tabs])
    kinds = itertools.product(paths, ("", here), (False, True))
    ours = [
        (path, EventSource(there + path, origin=origin, by_the_letter=by_the_letter))
        for (path, origin, by_the_letter), _ in zip(itertools.cycle(kinds), range(CLIENTS), strict=False)
    ]
    return Audience(ours, page, [path for _, path in tabs])


@pytest.mark.timeout(TIMEOUT)
@pytest.mark.parametrize("proxy", ["nginx", "haproxy"])
async def test_updates_close_nobody_and_lose_nothing_unsaid(
    proxy, places, free_port, stack, tmp_path, kafka, topic, page, capsys
):
    """Every EventSource, ours and Chromium's, is open at the end and has heard of all that happened; and a visitor got
    every page while bridges were replaced in order.
    """
    origin = f"http://localhost:{free_port}"
    text = preset(proxy, places, free_port, [origin])
    url = await stack.enter_async_context(fronted(proxy, tmp_path / proxy, text, free_port))
    talk = await stack.enter_async_context(Talk.to(kafka.address))
    await talk.create(topic, partitions=PARTITIONS)
    fleet = await serve(stack, tmp_path, places, origin=origin, broker=kafka.address, topic=topic)
    publisher, audience = Publisher(fleet, talk, topic), await gather(page, origin, url)
    visitor = Visitor(url)
    async with asyncio.TaskGroup() as group:
        clients = [group.create_task(source.run()) for _, source in audience.ours]
        seconds = await replace(group, fleet, publisher, audience, visitor)
        outcomes = await audience.outcomes()
        for client in clients:
            client.cancel()
    assert (await audience.faults(publisher.faults))[:MOST_SHOWN] == []
    assert {answer for during, answer in visitor.answers if during == roll.__name__} == {"200"}
    assert outcomes == {"ours": {"open": CLIENTS}, "chromium": {"open": TABS}}
    with capsys.disabled():
        figures = await audience.figures()
        sys.stdout.write(f"\n{proxy}: {UPDATES} updates of {seconds / UPDATES:.1f} s, {figures}, {visitor.answers}\n")


async def replace(
    group: asyncio.TaskGroup, fleet: Fleet, publisher: Publisher, audience: Audience, visitor: Visitor
) -> float:
    """Replace the bridges again and again while events are published and pages asked for; return the seconds."""
    await until(audience.is_open, "all streams are open")
    stop, begun = asyncio.Event(), time.monotonic()
    publishing, _ = group.create_task(publisher.run(stop)), group.create_task(visitor.run(stop))
    for update in itertools.islice(itertools.cycle(KINDS), UPDATES):
        visitor.during = update.__name__
        await update(fleet)
        await until(audience.is_open, f"all streams are open again after {update.__name__}", PATIENCE)
    stop.set()
    await publishing
    seconds = time.monotonic() - begun
    await until(lambda: audience.all_heard(publisher.is_heard), "all have heard the last event", PATIENCE)
    return seconds
