"""The configuration as one immutable value: the models whose fields are the YAML keys.

What a field's annotation says is the check, what its description says is the manual: the errors, the JSON Schema and
`docs/reference.md` all come from here. The keys of a source stand with their kind, in `bridge/sources/`.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bridge.config.base import Model
from bridge.config.policy import Cors, Heartbeat, History, Last, Policy, Retry, Start
from bridge.config.server import Limits, Replay, Server
from bridge.config.types import Address, Items, Off, Short
from bridge.errors import Problem
from bridge.sources.base import Source

__all__ = [
    "Address",
    "Config",
    "Cors",
    "Feed",
    "Heartbeat",
    "History",
    "Last",
    "Limits",
    "Listing",
    "Policy",
    "Replay",
    "Retry",
    "RouteKeys",
    "RouteSpec",
    "Server",
    "SourceKeys",
    "SourceSpec",
    "Start",
]


class Listing(Model):
    """A JSON list of a route's channels, so that a page can offer them."""

    path: str = Field(
        description="Where the list is served. What no address can name, as a slash within a `{name}`, is not in it.",
        examples=["/api/files"],
    )
    as_: str | None = Field(
        None,
        alias="as",
        description="The key of the list in the answer. Without it: `channels`.",
        examples=["files"],
    )
    name: str | None = Field(
        None,
        description="How one entry is written, with the names of the route's path as holes. Without it: an object.",
        examples=["{file}.log"],
    )


class Feed(Model):
    """One of several sources of a route."""

    source: str = Field(description="The name of a source.", examples=["clock"])
    event: str | None = Field(
        None,
        description="The name of this source's events on the route; it beats the route's `event`.",
        examples=["tick"],
    )


def _feeds(value: object) -> object:
    given = value if isinstance(value, list | tuple) else (value,)
    return tuple({"source": item} if isinstance(item, str) else item for item in given)


class RouteKeys(Policy):
    """A path that browsers open, and what they get there."""

    feeds: Annotated[
        tuple[Feed, ...],
        BeforeValidator(_feeds),
        Items(),
    ] = Field(
        (),
        alias="from",
        description="The source: its name, or a list of names, or of `{ source, event }` to name each one's events.",
        examples=["logs", [{"source": "clock", "event": "tick"}]],
    )
    bind: dict[str, str] = Field(
        {},
        description="Fix names of the source: only what has these values comes through.",
        examples=[{"service": "api"}],
    )
    event: str | None = Field(
        None,
        description="The events' name: a text with names of the source as holes. Without it: what the producer named "
        "them, else unnamed.",
        examples=["welcome", "order.{device}"],
    )
    key: str | None = Field(
        None,
        description="Keep the latest event of each key: a name of the source, `key` (the record's own), or a plain "
        "path into the record.",
        examples=["device", "data.customer.id", "headers.region"],
    )
    list: Annotated[Listing | None, Short("path", str), Off()] = Field(
        None,
        description="Serve the values of this route's names as JSON, so that a page can offer them to pick.",
        examples=["/api/files", {"path": "/api/files", "as": "files", "name": "{file}.log"}],
    )
    ids: Literal["position", "sequence"] | None = Field(
        None,
        description="What an event's id is: a `position` in the log that the source reads, from which any replica "
        "can resume, before and after a restart; or a `sequence` of this process. Unset: `position` where the "
        "route has one source and that is a log (`kafka` without a `group`), else `sequence`.",
        examples=["position", "sequence"],
    )
    shared: bool = Field(
        default=False,
        description="Answer only who asks for a stream (`Accept: text/event-stream` or `application/x-ndjson`); what "
        "else is asked of this path goes to the application (`server.upstream`).",
        examples=[True],
    )
    gone: bool = Field(
        default=False,
        description="Answer 204, which tells a browser never to come back. It stands alone.",
        examples=[True],
    )
    auth: Literal["anonymous"] | None = Field(
        None,
        description="`anonymous` lets everyone in, where the listener is wider than this machine.",
        examples=["anonymous"],
    )


class RouteSpec(RouteKeys):
    """A route with the path that it stands under in the file."""

    path: str


class SourceKeys(Model):
    """The keys that every kind of source has."""

    bind: dict[str, str] = Field(
        {}, description="Fix names of the source, for all its routes.", examples=[{"service": "api"}]
    )
    capture: dict[str, str] = Field(
        {},
        description="More names, taken from the record by a plain path.",
        examples=[{"customer": "data.customer.id", "region": "headers.region"}],
    )
    required: bool = Field(
        default=False,
        description="Hold `/-/ready` back until this source is up, and while it is down. Without it a source that is "
        "down costs its own routes and nothing else.",
        examples=[True],
    )


class SourceSpec(BaseModel):
    """A source as the file has it: what its kind says, and what every kind has."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    source: Source
    kind: str
    bind: dict[str, str] = {}
    capture: dict[str, str] = {}
    required: bool = False


class Config(BaseModel):
    """Everything that the file, or the folder of files, says."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    #: Where relative paths start.
    folder: Path
    server: Server = Server()
    limits: Limits = Field(default_factory=Limits)
    sources: dict[str, SourceSpec] = {}
    #: By path, as the file has it.
    routes: dict[str, RouteSpec] = {}
    auth: Literal["anonymous"] | None = None
    #: What the files held that it was made of, as digests: its own, and those of secrets and certificates.
    contents: dict[Path, str] = {}
    #: What is allowed, and yet worth a look.
    notes: list[Problem] = []
