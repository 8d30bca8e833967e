"""How a route treats its subscribers: what `defaults` may say for all."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_serializer
from pydantic_core import PydanticCustomError

from bridge.config.base import Model, as_tuple
from bridge.config.types import Choice, Off, Origin, Short
from bridge.units import Duration, Size, duration_text, seconds

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB

#: The least that a browser is told to wait. `retry: 0` made one tab send 2,694 requests in 4 s.
MIN_RETRY: Final = 1.0
#: The most, in seconds: browsers read `retry` as a signed 32-bit number of milliseconds.
MAX_RETRY: Final = 2_147_483.647
#: A heartbeat more often than the clock's grain is no heartbeat.
MIN_HEARTBEAT: Final = 0.01
#: Beyond it every proxy has long cut the stream.
MAX_HEARTBEAT: Final = 86_400.0


class Heartbeat(Model):
    """What is sent on a stream that has nothing to send."""

    every: Annotated[Duration, Field(ge=MIN_HEARTBEAT, le=MAX_HEARTBEAT)] = Field(
        15.0, description="How long a stream may be silent.", examples=["15s"]
    )
    visible: bool = Field(
        default=False,
        description="Send a `bridge.heartbeat` event, which a page can see, instead of a comment.",
        examples=[True],
    )

    @model_serializer(when_used="json")
    def _shown(self) -> object:
        text = duration_text(self.every)
        return {"every": text, "visible": True} if self.visible else text


class Retry(Model):
    """How long a browser waits before it connects again; `exact` switches the jitter off."""

    delay: Annotated[Duration, Field(ge=MIN_RETRY, le=MAX_RETRY)] = Field(3.0, description="The time.", examples=["3s"])
    exact: bool = Field(default=False, description="Send just that time, instead of one drawn from [N, 1.25 N].")

    @model_serializer(when_used="json")
    def _shown(self) -> object:
        text = duration_text(self.delay)
        return {"exact": text} if self.exact else text


def _retry(value: object) -> object:
    match value:
        case Retry():
            return value
        case Mapping() if set(value) == {"exact"}:
            return {"delay": value["exact"], "exact": True}
        case Mapping():
            raise PydanticCustomError("retry", "expected a duration such as 3s, or { exact: 5s }")
        case "none":
            raise PydanticCustomError("retry", "a browser always comes back, so `retry` cannot be switched off")
        case int() | str() if value in {0, "0"} or (isinstance(value, str) and seconds(value) == 0):
            raise PydanticCustomError("retry", "0 makes a browser come back in a loop: give 1s or more")
        case _:
            return {"delay": value, "exact": False}


class History(Model):
    """What one channel keeps; the first bound reached drops the oldest."""

    events: Annotated[int, Field(ge=1)] = Field(1000, description="The most events.", examples=[1000])
    bytes: Annotated[Size, Field(ge=_KIB)] = Field(
        _MIB, description="The most bytes; the newest event is kept even if it is larger.", examples=["1MiB"]
    )
    age: Annotated[Duration, Field(gt=0)] = Field(3600.0, description="The oldest age.", examples=["1h"])
    keys: Annotated[int, Field(ge=1)] = Field(
        10_000, description="The most keys of a route with `key`.", examples=[10_000]
    )


class Cors(Model):
    """Which pages of other origins may read."""

    origins: Annotated[tuple[Origin, ...], BeforeValidator(as_tuple), Field(min_length=1)] = Field(
        description='The origins, exactly as browsers send them, or `"*"` for all, pages opened from a file included.',
        examples=[["https://app.example.com"], ["*"]],
    )


class Last(Model):
    """So many of the newest events."""

    n: Annotated[int, Field(ge=1)] = Field(alias="last", description="How many of the newest events.", examples=[100])


def _form(value: object) -> str | None:
    if isinstance(value, Mapping | Last):
        return "mapping"
    return "word" if isinstance(value, str) else None


Start = Annotated[
    Annotated[Literal["live", "earliest", "snapshot"], Tag("word")] | Annotated[Last, Tag("mapping")],
    Discriminator(_form, "start", "expected live, earliest, snapshot or `{ last: N }`"),
]


class Policy(Model):
    """How a route treats its subscribers: what `defaults` may hold, and each route may replace key by key."""

    start: Start | None = Field(
        None,
        description="Where a new subscriber starts: `live`, `earliest`, `{ last: N }`, or `snapshot` (the latest event "
        "of each key). Unset: `live`, or the last one where the source is a timer.",
        examples=["live", "earliest", {"last": 100}, "snapshot"],
    )
    heartbeat: Annotated[Heartbeat | None, Short("every", Duration), Off()] = Field(
        Heartbeat(),
        description=(
            "What is sent on a silent stream, and how often, 10ms to 1d. `none` sends nothing: proxies will cut it."
        ),
        examples=["15s", {"every": "15s", "visible": True}],
    )
    retry: Annotated[
        Retry,
        BeforeValidator(_retry),
        Choice("exact", Duration),
    ] = Field(
        Retry(),
        description="How long a browser waits before it connects again, 1s at least; drawn for each from [N, 1.25 N], "
        "so that they do not all return together. `{ exact: 5s }` sends just that.",
        examples=["3s", {"exact": "5s"}],
    )
    history: History = Field(History(), description="What one channel keeps, for replay and for `start`.")
    slow: Literal["gap", "disconnect"] = Field(
        "gap",
        description="What becomes of a subscriber so slow that history has dropped what it did not read yet: it is "
        "told with `bridge.gap` and goes on, or it is closed and comes back.",
        examples=["gap", "disconnect"],
    )
    oversize: Literal["truncate", "skip", "split"] = Field(
        "truncate",
        description="What becomes of an event over `limits.event`: cut, left out and told with `bridge.gap`, or sent "
        "in parts.",
        examples=["truncate", "skip", "split"],
    )
    notify: Annotated[Literal["source"] | None, Off()] = Field(
        None,
        description="`source` sends `bridge.source` events when a source goes down or comes back. Where subscribers "
        "choose the address (`params`), a page hears how its own is, and of no other.",
        examples=["source"],
    )
    cors: Annotated[Cors | None, Off()] = Field(None, description="Which pages of other origins may read.")
    format: Literal["raw", "cloudevents"] = Field(
        "raw",
        description="Send the data as it is, or the whole event as CloudEvents JSON.",
        examples=["raw", "cloudevents"],
    )
