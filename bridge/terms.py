"""What the file says of a route, compiled: its sources, and how their events are framed and kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bridge.bounds import Bounds
from bridge.subscription import Start
from bridge.template import Template

Oversize = Literal["truncate", "skip", "split"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One of a route's sources: its events' name, and the constants that its captures must have."""

    source: str
    event: Template | None = None
    bind: Mapping[str, str] = field(default_factory=dict[str, str])
    #: Captures that are no part of the key: read out of the data, which the deletion of that key does not have.
    unkeyed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the file says of a route, beside its sources."""

    path: str
    names: tuple[str, ...] = ()
    #: A name, or a path such as `data.customer.id`.
    key: str | None = None
    #: None where the file does not say: live, but timers greet a newcomer.
    start: Start | None = None
    bounds: Bounds = field(default_factory=Bounds)
    slow: Literal["gap", "disconnect"] = "gap"
    oversize: Oversize = "truncate"
    is_cloudevents: bool = False
    notifies: bool = False
    #: Ids are the source's own positions, where its messages have one.
    is_positional: bool = False
