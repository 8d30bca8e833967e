"""A bus with routes on it, for tests that publish and look at what the channels keep."""

from typing import Any

from bridge.bus import Bounds, Bus
from bridge.channel import Channel
from bridge.event import EMPTY, Event
from bridge.route import Feed, Route, Terms
from tests import reference


def event(text: str = "x", **more: Any) -> Event:
    """Make an event as a normaliser would."""
    fields: dict[str, Any] = {
        "source": "s",
        "subject": "",
        "type": "",
        "time": 0.0,
        "content_type": "",
        "text": text,
        "data": text,
        "key": None,
        "captures": EMPTY,
        "headers": EMPTY,
        "facts": EMPTY,
        "is_tombstone": False,
    }
    return Event(**{**fields, **more})


class Now:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.time


def bus(**bounds: int) -> Bus:
    """Make a bus of the epoch `e`."""
    return Bus("e", Bounds(**bounds), Now())


def attached(to: Bus, terms: Terms, *feeds: Feed) -> Route:
    """Make a route on the bus; its source is `s` unless feeds are given."""
    route = Route(terms, feeds or [Feed(source="s")], budget=to.budget, limit=to.bounds.event)
    to.attach(route)
    return route


def history(route: Route, **captures: str) -> list[tuple[str, str, str]]:
    """Return (event, data, id) of all that a channel of the route keeps."""
    log = route.channels.get(route.place(captures))
    return reference.parse(frames(log)).events if log is not None else []


def frames(log: Channel) -> bytes:
    """Return all frames that a channel keeps, joined."""
    return b"".join(each.frame for each in log.read(log.first, 1 << 40))


def ids(route: Route, **captures: str) -> list[str]:
    """Return the ids of the source events that a channel of the route keeps."""
    return [id for event, _, id in history(route, **captures) if not event.startswith("bridge.")]
