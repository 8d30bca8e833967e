"""One step from the configuration that holds to the next one.

First all is made that takes time or may fail: sockets, the proxy, folders. Until then nothing has changed, and a
failure refuses the whole. Then the runs end that end. The step itself awaits nothing, so what is published comes before
it or after it, and each request is answered by one configuration or the other. At last those who listen to what has
changed are told to come back.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from bridge import assemble, behind
from bridge.config.model import Config
from bridge.config.server import Reload
from bridge.difference import GOES_ON, Difference, difference
from bridge.errors import BridgeError
from bridge.event import Loss
from bridge.former import Former
from bridge.gateway.endpoint import Endpoint
from bridge.gateway.proxy.proxy import Proxy
from bridge.gateway.server import Opened
from bridge.gateway.subscriber import Subscriber
from bridge.intake import Intake
from bridge.listeners import Listeners, abandon
from bridge.route import Route
from bridge.works import Core, Works, doors

#: Streams that are told, and routes that are made, within one turn of the loop: some milliseconds' worth.
TURN: Final = 100

#: Keys of `server` that say where we listen.
LISTENED: Final = frozenset({"listen", "admin", "health"})

#: Keys of `server` that the proxy is made of.
PROXIED: Final = frozenset({"upstream", "upstreams", "hops"})


class ChangeError(BridgeError):
    """The configuration is right, and cannot be applied here and now; in words for the user."""


class Ready(NamedTuple):
    """What was made before the step."""

    intakes: Mapping[str, Intake]
    #: Routes that are another one than before, by path.
    endpoints: Mapping[str, Endpoint]
    opened: Sequence[Opened]
    #: What stands behind from now on; None where it is what it was.
    proxy: Sequence[Proxy | None] | None


class Step(NamedTuple):
    """What is to be done."""

    works: Works
    listeners: Listeners
    after: Config
    found: Difference


async def change(works: Works, listeners: Listeners, after: Config) -> Difference:
    """Let another configuration hold; raises `BridgeError`, and then nothing has changed."""
    former = {path: each.spec for path, each in works.formers.attached.items()}
    ended = {name for name, status in works.core.health.sources.items() if status.state == "ended"}
    # A tenth of a second for a thousand routes.
    found = await asyncio.to_thread(difference, works.config, after, former, ended)
    if found.is_none:
        works.config = after  # its files may say it in other words
        return found
    step = Step(works, listeners, after, found)
    async with AsyncExitStack() as undoing:
        ready = await _prepared(step, undoing)
        await works.runs.stop(found.of("rotated", "changed", "reset", "removed"))
        undoing.pop_all()
    leaving = _take(step, ready)
    await _tell(works.core, listeners if LISTENED & set(found.server) else None, leaving)
    return found


# -- before


async def _prepared(step: Step, undoing: AsyncExitStack) -> Ready:
    """Make what takes time or may fail; `undoing` ends it where the step is not taken."""
    works, after, found = step.works, step.after, step.found
    opened = await step.listeners.open_for(after.server)
    undoing.callback(abandon, opened)
    folders = await asyncio.to_thread(_folders, works, found.of("added", "changed", "reset"))
    proxy = None
    if PROXIED & set(found.server):
        made = behind.made(after.server)
        if made is not None:
            await undoing.enter_async_context(made)
            await behind.asked(made)
        proxy = (made,)
    intakes = {name: _intake(step, name, folders.get(name)) for name in after.sources}
    return Ready(intakes, await _endpoints(step, intakes), opened, proxy)


async def _endpoints(step: Step, intakes: Mapping[str, Intake]) -> dict[str, Endpoint]:
    """Make the routes that are another one than before."""
    made: dict[str, Endpoint] = {}
    for path, spec in step.after.routes.items():
        if step.found.routes[path] not in {"same", "back"}:
            made[path] = assemble.endpoint(spec, step.after, step.works.core.bus, intakes)
            if len(made) % TURN == 0:
                await asyncio.sleep(0)
    return made


def _folders(works: Works, names: Sequence[str]) -> dict[str, Path | None]:
    try:
        return {name: works.runs.folder(name) for name in names}
    except OSError as error:
        raise ChangeError(f"server.state: a source's folder cannot be made: {error.strerror}") from error


def _intake(step: Step, name: str, folder: Path | None) -> Intake:
    works, spec, fate = step.works, step.after.sources[name], step.found.sources[name]
    bus, health, _, streams = works.core
    if fate == "added":
        intake = assemble.intake(name, step.after, bus, health, streams.of_source)
        intake.place.state = folder
        return intake
    before = works.intakes[name]
    if fate in GOES_ON:
        return replace(before, spec=spec)
    place = assemble.place(name, spec.source)
    place.state = folder
    if fate == "changed":
        place.kept = before.place.kept
    return replace(before, spec=spec, place=place)


# -- the step: nothing here awaits


def _take(step: Step, ready: Ready) -> dict[Route, str]:
    """Take the step; return why each route is left that those who listen are to come back to."""
    works, listeners, after, found = step
    _take_sources(step, ready)
    leaving = _take_routes(step, ready)
    works.config = after
    _take_doors(step)
    if ready.proxy is not None:
        [proxy] = ready.proxy
        works.behind.replace(proxy, after.server.drain)
    works.core.bus.rebound(assemble.bounds(after))
    works.core.streams.rebound(assemble.stream_bounds(after))
    works.core.streams.ages.set(after.server.age)
    works.renew()
    listeners.take(ready.opened)
    listeners.public.room = assemble.room(after, listeners.public.room.streams)
    for name in found.of("rotated", "changed", "reset", "added"):
        works.runs.start(works.intakes[name])
    return leaving


def _take_sources(step: Step, ready: Ready) -> None:
    """Let the sources be those of the file; of what has changed, what is known of it counts no more."""
    works, after, found = step.works, step.after, step.found
    bus, health, _, _ = works.core
    for name, fate in found.sources.items():
        if fate == "added":
            health.add(name)
        elif fate not in GOES_ON:
            bus.forget(name)
        if fate == "removed":
            health.remove(name)
            bus.down.pop(name, None)
        elif fate in {"changed", "reset"}:
            health.again(name)
    # Those that are removed now or were so lately hear their sources on, for the case that they are put back.
    removed = [spec for path, spec in works.config.routes.items() if path not in after.routes]
    former = [each.spec for each in works.formers.attached.values()]
    assemble.suit(ready.intakes, [*after.routes.values(), *removed, *former])
    works.intakes = dict(ready.intakes)


def _take_doors(step: Step) -> None:
    """Let those who push in at the doors of now; what was repeated lately stays known."""
    works, found = step.works, step.found
    before = works.ingest.doors
    made = doors(works.intakes)
    for name, door in made.items():
        if name in before and found.sources[name] == "same":
            made[name] = before[name]
        elif name in before:
            door.follow(before[name])
    works.ingest.doors = made


def _take_routes(step: Step, ready: Ready) -> dict[Route, str]:
    """Let the routes be those of the file; return why each is left that is no more."""
    works, after, found = step.works, step.after, step.found
    leaving: dict[Route, str] = {}
    made: dict[str, Endpoint] = {}
    for path in after.routes:
        put_back = works.formers.take(path)
        before = works.routes.get(path)
        if before is None and put_back is not None and put_back.is_attached:
            before = put_back.endpoint
        made[path] = ready.endpoints.get(path) or _same(before)
        if before is not made[path]:
            _attach(step, path, before, made[path])
            if before is not None:
                leaving[before.supply.route] = "changed"
    for path, endpoint in works.routes.items():
        if path not in after.routes:
            leaving[endpoint.supply.route] = "removed"
            _retire(step, path, endpoint)
    works.routes = made
    # Of another bound of events the numbers are spread in another way.
    works.formers.detach(lambda former: "event" in found.limits or _lacks(former, found))
    _tell_lost(step)
    return leaving


def _same(endpoint: Endpoint | None) -> Endpoint:
    if endpoint is None:
        raise LookupError("a route that is the same was there before")
    return endpoint


def _attach(step: Step, path: str, before: Endpoint | None, endpoint: Endpoint) -> None:
    bus, health, _, _ = step.works.core
    route = endpoint.supply.route
    route.running -= {name for name in route.feeds if health.sources[name].state == "ended"}
    is_alike = step.found.routes[path] in {"same", "kept"}
    if before is not None:
        bus.bequeath(before.supply.route, route, is_alike=is_alike)
    else:
        # An id of this process may be of a route that was here before, and of which nothing is known any more.
        route.lost_through = bus.draw()
        bus.attach(route)
    if not is_alike:
        # What is asked for already is not told again as long as it stays as it is.
        endpoint.supply.fill()


def _retire(step: Step, path: str, endpoint: Endpoint) -> None:
    """Let a removed route's address answer for a while; one that said `gone` has told its clients already."""
    works, spec = step.works, step.works.config.routes[path]
    grace = (step.after.server.reload or Reload()).grace
    if spec.gone or not grace:
        works.core.bus.detach(endpoint.supply.route)
        return
    works.formers.enter(path, Former(spec, endpoint, asyncio.get_running_loop().time() + grace))


def _lacks(former: Former, found: Difference) -> bool:
    """Tell whether a removed route has lost something, were it put back: a source of it is gone, or another one."""
    return any(found.sources.get(feed.source) not in GOES_ON for feed in former.spec.feeds)


def _tell_lost(step: Step) -> None:
    """Tell the channels that go on what lies between two runs of which the second knows nothing of the first."""
    for name in step.found.of("reset"):
        fed = [path for path, spec in step.after.routes.items() if any(f.source == name for f in spec.feeds)]
        if any(step.found.routes[path] == "kept" for path in fed):
            step.works.core.bus.lose(name, Loss(reason="source_reset"))


# -- those who listen


async def _tell(core: Core, listeners: Listeners | None, leaving: Mapping[Route, str]) -> None:
    """Tell those to come back who listen to what is no more, or came by an address that is no more.

    `listeners` are given where these have changed.
    """
    told = [(each, leaving.get(each.endpoint.supply.route)) for each in core.pump.subscribers]
    for number, (subscriber, reason) in enumerate(told):
        if reason is None and listeners is not None and not _is_reached(subscriber, listeners):
            reason = "changed"  # noqa: PLW2901
        if reason is not None:
            core.pump.bye(subscriber, reason)
        if number % TURN == TURN - 1:
            await asyncio.sleep(0)


def _is_reached(subscriber: Subscriber, listeners: Listeners) -> bool:
    """Tell whether we still listen where a stream came in; one that is closed already needs no word."""
    came_by: tuple[str, int] | None = subscriber.connection.transport.get_extra_info("sockname")
    return came_by is None or listeners.is_open((came_by[0], came_by[1]))
