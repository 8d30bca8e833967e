"""The keys of the `http` source."""

from collections.abc import Callable
from typing import Annotated, Final, Literal, Self

import orjson
from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from bridge.sources.base import Outlet, Place, Source
from bridge.sources.http.pointer import Pointer
from bridge.sources.http.reply import Rules
from bridge.sources.schedule import check_cron
from bridge.sources.web.keys import Web
from bridge.units import Duration, Size

#: Seconds. A page that changes faster is a stream, and no server likes to be asked ten times a second; an interval
#: above a year is a mistake.
MIN_EVERY, MAX_EVERY = 0.1, 366 * 86_400.0

#: Seconds: a reply within a tenth of one is a matter of luck, and one that takes ten minutes has hung.
MIN_TIMEOUT, MAX_TIMEOUT = 0.1, 600.0

#: A reply is held in memory as a whole, and so is the one before it.
MAX_REPLY: Final = 16 * 1024 * 1024

#: Seconds: to poll for longer what nobody listens to is to poll always.
MAX_LINGER: Final = 86_400.0

#: Bytes of a body, which is written by hand.
MAX_BODY: Final = 64 * 1024

#: Keys that say how a page is asked for, and nothing of which one or what is made of it.
_MANNERS: Final = ("every", "cron", "timeout", "max", "linger", "cache", "tls", "proxy", "allow")

#: Characters of a pointer or a path into a reply, and levels of it.
MAX_PATH: Final = 1_024


def _bounded(least: float, most: float, words: str) -> Callable[[float], float]:
    def check(value: float) -> float:
        if least <= value <= most:
            return value
        raise PydanticCustomError("bounds", "expected {words}", {"words": words})

    return check


def _cron(line: str) -> str:
    if wrong := check_cron(line):
        raise PydanticCustomError("cron", "{wrong}", {"wrong": wrong})
    return line


def _max(size: int) -> int:
    if 1 <= size <= MAX_REPLY:
        return size
    raise PydanticCustomError("max", "expected a size of 1B to 16MiB")


def _body(value: object) -> object:
    """Check a body; what it holds is not repeated, it may be anything."""
    if not isinstance(value, str | dict):
        raise PydanticCustomError("body", "expected a text, or a mapping that is sent as JSON")
    try:
        size = len(value.encode() if isinstance(value, str) else orjson.dumps(value))
    except (TypeError, ValueError):  # orjson's and Unicode's
        raise PydanticCustomError("body", "expected a mapping of what JSON has, its keys in quotes") from None
    if size > MAX_BODY:
        raise PydanticCustomError("body", "expected a body of at most 64KiB")
    return value


def _pointer(text: str) -> str:
    try:
        Pointer.parse(text)
    except ValueError as error:
        raise PydanticCustomError("pointer", "{told}", {"told": str(error)}) from None
    if len(text) > MAX_PATH:
        raise PydanticCustomError("pointer", f"expected a JSON Pointer of at most {MAX_PATH} characters")
    return text


def _path(text: str) -> str:
    if len(text) <= MAX_PATH and all(text.split(".")) and text.isprintable():
        return text
    raise PydanticCustomError("path", "expected the name of a field, for example id or meta.id")


class Http(Web):
    """Pages and APIs that are asked again and again, while somebody listens."""

    every: (
        Annotated[Duration, AfterValidator(_bounded(MIN_EVERY, MAX_EVERY, "an interval of 100ms to 366d"))] | None
    ) = Field(
        default=None,
        description=(
            "The time between two polls of an address, 100ms to 366d, a tenth of it more or less. The first one "
            "is made as soon as somebody listens, and with nobody there are none. One who leaves and comes back "
            "does not hurry the next. Either this or `cron`."
        ),
        examples=["10s", "1m"],
    )
    cron: Annotated[str, AfterValidator(_cron)] | None = Field(
        default=None,
        description=(
            "When to poll while somebody listens, as a cron line in the local time zone: minute, hour, day, month, "
            "weekday (six fields begin with the second). Polls are made within a second of it, what is not known yet "
            "at once, and what failed soon again. Either this or `every`."
        ),
        examples=["*/15 * * * *"],
    )
    method: Literal["GET", "POST"] = Field(
        default="GET",
        description="How to ask. `POST` is for APIs that want a query in the body; it must change nothing there.",
        examples=["POST"],
    )
    body: (
        Annotated[str | dict[str, object], PlainValidator(_body), WithJsonSchema({"type": ["string", "object"]})] | None
    ) = Field(
        default=None,
        description=(
            "What a `POST` sends: a text, or a mapping that is sent as JSON, 64 KiB at most. `headers` may say what it "
            "is with a `Content-Type`."
        ),
        examples=[{"query": "{ orders { id status } }"}],
    )
    timeout: Annotated[Duration, AfterValidator(_bounded(MIN_TIMEOUT, MAX_TIMEOUT, "a duration of 100ms to 10m"))] = (
        Field(
            default=10.0,
            description="How long a poll may take in all, from its name's look-up to the last byte, 100ms to 10m.",
            examples=["5s"],
        )
    )
    max: Annotated[Size, AfterValidator(_max)] = Field(
        default=1024 * 1024,
        description="The largest reply, decoded, 16MiB at most. A larger one is a failure.",
        examples=["4MiB"],
    )
    emit: Literal["always", "changes", "items"] | None = Field(
        default=None,
        description=(
            "What becomes an event: `always` each reply, `changes` each that says something else than the one before "
            "(the order of a JSON object's keys and white space do not count), `items` each item of a list that is "
            "new, has changed or is gone: events named `added`, `changed` and `removed`. On a route with a `key` "
            "(`key: key` is the item's own) the last is a `delete`. Without it `items` for `format: feed`, else "
            "`changes`."
        ),
        examples=["items"],
    )
    format: Literal["auto", "json", "ndjson", "text", "csv", "xml", "feed"] = Field(
        default="auto",
        description=(
            "What replies are. `auto` goes by their content type; HTML, and a reply without a body, are a failure "
            "unless it is `text`. `ndjson`, `csv` (its first line names the columns), `xml` and `feed` (RSS or Atom: "
            "each entry an event, by its id) become JSON. Under `emit: always` and `changes` a reply of `ndjson` or "
            "`csv` is one array. In `xml` an element that occurs once is an object, and only one that repeats is a "
            "list: a page writes `[].concat(rows ?? [])`, or `emit: items` with `items` at that element takes one for "
            "a list of one."
        ),
        examples=["json"],
    )
    items: Annotated[str, AfterValidator(_pointer)] = Field(
        default="",
        description="Where the list is in a reply, for `emit: items`: a JSON Pointer (RFC 6901); `''` is the whole.",
        examples=["/data/rows"],
    )
    key: Annotated[str, AfterValidator(_path)] | None = Field(
        default=None,
        description=(
            "The field that tells an item from the others, for `emit: items`: a name, or a path with dots. Without it "
            "an item is known by what it says (in an object of objects by its name, in a feed by its id), and one that "
            "changes is gone and new."
        ),
        examples=["id"],
    )
    delta: Literal["json-patch", "merge-patch"] | None = Field(
        default=None,
        description=(
            "Send changes of a JSON reply instead of the whole: `json-patch` (RFC 6902) or `merge-patch` (RFC 7396), "
            "as events named `patch`. Whoever comes, or has missed something, gets the whole as a `snapshot` first, "
            "which is one event: `max` is no more than `limits.event`. A new `snapshot` comes in place of a patch at "
            "any time, where it is smaller or a patch cannot say what has changed: a page takes it for the whole."
        ),
        examples=["merge-patch"],
    )
    linger: Annotated[Duration, AfterValidator(_bounded(0, MAX_LINGER, "a duration of 0s to 1d"))] = Field(
        default=30.0,
        description="How long to poll on after the last listener has left, 0s to 1d, for a page that is loaded anew.",
        examples=["5m"],
    )
    cache: Literal["obey", "ignore"] = Field(
        default="obey",
        description=(
            "Whether a reply's `Cache-Control: max-age` puts off the next poll, by an hour at most. `Retry-After` is "
            "kept to in any case."
        ),
        examples=["ignore"],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.every is None) == (self.cron is None):
            raise PydanticCustomError("http", "a polled address has either `every` (such as 10s) or `cron`")
        if self.body is not None and self.method != "POST":
            raise PydanticCustomError("http", "a `body` goes with `method: POST`")
        self._check_items()
        if self.delta is not None and self.replies.mode != "changes":
            raise PydanticCustomError("http", "`delta` is of a whole reply: it goes with `emit: changes`")
        if self.delta is not None and self.format not in {"auto", "json"}:
            raise PydanticCustomError("http", "`delta` is for JSON: leave out `format`, or say json")
        return self

    def follows(self, before: Source) -> bool:
        """Tell whether it asks for the same pages, and makes the same of them: then what is known of them holds."""
        return not self.differs(before, *_MANNERS)

    def _check_items(self) -> None:
        if self.replies.mode != "items" and (self.items or self.key is not None):
            raise PydanticCustomError("http", "`items` and `key` go with `emit: items`")
        if self.emit == "items" and self.format == "text":
            raise PydanticCustomError("http", "a text has no items: `format` says json, ndjson, csv, xml or feed")
        if self.items and self.format == "feed":
            raise PydanticCustomError("http", "the list of a feed is found without `items`")

    @property
    def replies(self) -> Rules:
        """Return what is made of replies."""
        return Rules(emit=self.emit, format=self.format, items=self.items, key=self.key, delta=self.delta)

    @property
    def is_asked(self) -> bool:
        """Tell that it polls what is listened to, and nothing else."""
        return True

    @property
    def is_delta(self) -> bool:
        """Tell whether its messages are changes of one document."""
        return self.delta is not None

    @property
    def longest(self) -> int:
        """Return how many bytes a reply has at most."""
        return self.max

    def facts(self) -> frozenset[str]:
        """Return what each message is told with."""
        return frozenset({"status", "change"} if self.replies.mode == "items" or self.delta else {"status"})

    async def run(self, outlet: Outlet, place: Place) -> None:
        """Poll while somebody listens, until cancelled."""
        from bridge.sources.http.follow import follow
        from bridge.sources.http.plan import Plan

        await follow(Plan.of(self, place.name), outlet, place)
