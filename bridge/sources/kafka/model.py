"""The keys of the `kafka` source."""

import re
from collections.abc import Callable
from typing import Annotated, Final, Literal, Self

import re2  # type: ignore[import-untyped]  # it has no stubs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from bridge.errors import TemplateError
from bridge.sources.base import Outlet, Place, Source
from bridge.sources.kafka.begin import Begin
from bridge.sources.kafka.registry import Registry
from bridge.sources.kafka.sasl import Sasl
from bridge.sources.kafka.topics import Selection, compiled, template
from bridge.sources.tls import Tls
from bridge.units import Duration, Size

#: Addresses to begin with. A cluster tells of its other brokers itself.
MAX_BROKERS: Final = 32
MAX_TOPICS: Final = 1_000
#: Signs of names that brokers keep for each client and show in their metrics.
MAX_NAME: Final = 200
#: A pattern over names of 249 characters needs no more.
MAX_PATTERN: Final = 1_024
#: Less than a fetch of 1 KiB is one per record; more than 1 GiB is no memory that we have.
MIN_FETCH, MAX_FETCH = 1024, 1024 * 1024 * 1024
#: A broker that is asked without waiting is asked all the time. One that waits for long holds up what else is asked.
MIN_WAIT, MAX_WAIT = 0.01, 30.0
#: Below a second a busy broker counts as lost; a minute is the longest that one may take for anything.
MIN_TIMEOUT, MAX_TIMEOUT = 1.0, 300.0
#: Each read-back is a client of its own to the brokers.
MAX_READERS: Final = 64

#: Keys that say nothing of which records are read, nor from where on.
_MANNERS: Final = ("decode", "registry", "begin", "tls", "sasl", "client_id", "fetch", "timeout", "readers")

_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):([1-9][0-9]{0,4})", re.ASCII)
_NAME: Final = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_NAME}}}", re.ASCII)
_MAX_PORT: Final = 65_535


def _check_brokers(brokers: list[str]) -> list[str]:
    if not 1 <= len(brokers) <= MAX_BROKERS:
        raise PydanticCustomError("brokers", "expected at least one broker, and at most 32, for example kafka:9092")
    for broker in brokers:
        match = _HOST.fullmatch(broker)
        if match is None or int(match[1]) > _MAX_PORT:
            raise PydanticCustomError("brokers", "expected host and port, for example kafka:9092 or [::1]:9092")
    return brokers


def _check_topics(topics: list[str]) -> list[str]:
    if not 1 <= len(topics) <= MAX_TOPICS:
        raise PydanticCustomError("topics", "expected at least one topic, for example orders or orders.{region}")
    for text in topics:
        try:
            template(text)
        except TemplateError as error:
            raise PydanticCustomError(
                "template", "{reason} (column {column})", {"reason": str(error), "column": error.column + 1}
            ) from None
    return topics


def _check_pattern(pattern: str) -> str:
    if len(pattern) > MAX_PATTERN:
        raise PydanticCustomError("regex", "expected a regular expression of at most 1024 characters")
    try:
        compiled(pattern)
    except TemplateError as error:
        raise PydanticCustomError("regex", "{reason}", {"reason": str(error)}) from None
    except re2.error as error:
        reason = error.args[0] if error.args else "not understood"
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise PydanticCustomError("regex", "expected a regular expression: {reason}", {"reason": text}) from None
    return pattern


def _check_name(name: str) -> str:
    if _NAME.fullmatch(name):
        return name
    raise PydanticCustomError("name", "expected letters, digits, '.', '_' and '-', for example sse-bridge")


def _bounded(least: float, most: float, words: str) -> Callable[[float], float]:
    def check(value: float) -> float:
        if least <= value <= most:
            return value
        raise PydanticCustomError("bounds", "expected {words}", {"words": words})

    return check


class Fetch(BaseModel):
    """How much is fetched at once."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    max: Annotated[Size, AfterValidator(_bounded(MIN_FETCH, MAX_FETCH, "a size of 1KiB to 1GiB"))] = Field(
        default=16 * 1024 * 1024,
        description="The most that one answer of a broker holds, 1KiB to 1GiB. A larger record still comes, alone.",
        examples=["16MiB"],
    )
    partition: Annotated[Size, AfterValidator(_bounded(MIN_FETCH, MAX_FETCH, "a size of 1KiB to 1GiB"))] = Field(
        default=1024 * 1024,
        description="The most of one partition in it, 1KiB to 1GiB.",
        examples=["1MiB"],
    )
    wait: Annotated[Duration, AfterValidator(_bounded(MIN_WAIT, MAX_WAIT, "a duration of 10ms to 30s"))] = Field(
        default=0.5,
        description="How long a broker may wait for new records before it answers that there are none, 10ms to 30s.",
        examples=["500ms"],
    )


class Kafka(Source):
    """Records of Kafka topics."""

    brokers: Annotated[list[str], AfterValidator(_check_brokers)] = Field(
        description="Host and port of some of the cluster's brokers, at most 32; the others are found through them.",
        examples=[["kafka-0:9092", "kafka-1:9092"]],
    )
    topics: Annotated[list[str], AfterValidator(_check_topics)] | None = Field(
        default=None,
        description=(
            "The topics to read, each by its name, or with names for what is between its dots: `{name}` takes a part, "
            "`{name*}` the rest. Topics and partitions that are added later are read from their beginning. "
            "At most 1,000. Either this or `pattern`."
        ),
        examples=[["orders"], ["orders.{region}"]],
    )
    pattern: Annotated[str, AfterValidator(_check_pattern)] | None = Field(
        default=None,
        description=(
            "The topics to read, as a regular expression (RE2) that their whole name matches; its named groups are "
            "names. Kafka's own topics are left out. At most 1,024 characters."
        ),
        examples=[r"orders\.(?P<region>[a-z]+)"],
    )
    decode: Literal["auto", "json", "text", "bytes", "avro"] = Field(
        default="auto",
        description=(
            "What the values are: `json`, `text`, `bytes` (sent as base64), or `avro` with a `registry` (sent as "
            "JSON). `auto` goes by a record's header `content-type`, else by the bytes. A value that is something else "
            "is skipped, and its routes are told with a gap. A null value is a deletion."
        ),
        examples=["json"],
    )
    registry: Registry | None = Field(
        default=None,
        description="Where the schemas are that values were written with.",
        examples=[{"url": "http://registry:8081"}],
    )
    begin: Begin = Field(
        default="latest",
        description=(
            "Where to begin at the first start: `latest` (only what comes from then on), `earliest`, "
            "`{ since: 10m }` by the records' timestamps, or `{ offsets: { topic: { '0': 123 } } }`."
        ),
        examples=["earliest", {"since": "10m"}, {"offsets": {"orders": {"0": 123}}}],
    )
    group: Annotated[str, AfterValidator(_check_name)] | None = Field(
        default=None,
        description=(
            "A consumer group to join. Its members share the records: each gets a part of them. Without it this "
            "process reads all of them, which several replicas of the bridge need. At most 200 letters, digits, `.`, "
            "`_` and `-`."
        ),
        examples=["sse-bridge"],
    )
    member: Annotated[str, AfterValidator(_check_name)] | None = Field(
        default=None,
        description=(
            "A name that this process alone has in its group, so that it keeps its partitions over a restart. Written "
            "as `group` is."
        ),
        examples=["bridge-0"],
    )
    isolation: Literal["read_uncommitted", "read_committed"] = Field(
        default="read_uncommitted",
        description="`read_committed` leaves out records of transactions that were aborted, and waits for open ones.",
        examples=["read_committed"],
    )
    tls: Tls | None = Field(
        default=None,
        description="How the brokers prove themselves, and we to them. `{}` trusts the authorities of the system.",
        examples=[{"ca": "/etc/ssl/kafka-ca.pem"}],
    )
    sasl: Sasl | None = Field(
        default=None,
        description="Who we are to the brokers.",
        examples=[{"mechanism": "SCRAM-SHA-512", "username": "bridge", "password": {"file": "/run/secrets/kafka"}}],
    )
    client_id: Annotated[str, AfterValidator(_check_name)] = Field(
        default="sse-bridge",
        description="Our name in the brokers' logs, metrics and quotas. Written as `group` is.",
        examples=["sse-bridge"],
    )
    fetch: Fetch = Field(
        default=Fetch(),
        description="How much is fetched at once.",
        examples=[{"max": "16MiB", "wait": "500ms"}],
    )
    timeout: Annotated[Duration, AfterValidator(_bounded(MIN_TIMEOUT, MAX_TIMEOUT, "a duration of 1s to 5m"))] = Field(
        default=15.0,
        description="How long a broker may take to answer, before it counts as lost, 1s to 5m.",
        examples=["15s"],
    )
    readers: int = Field(
        default=4,
        ge=1,
        le=MAX_READERS,
        description="Streams that read the topics back at a time, each with a client of its own. Others wait.",
        examples=[4],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.topics is None) == (self.pattern is None):
            raise PydanticCustomError("kafka", "expected either `topics` or `pattern`, for example topics: [orders]")
        if (self.decode == "avro") != (self.registry is not None):
            raise PydanticCustomError("kafka", "`decode: avro` and `registry` belong together")
        if self.member is not None and self.group is None:
            raise PydanticCustomError("kafka", "`member` is a name within a `group`")
        if self.group is not None and not isinstance(self.begin, str):
            raise PydanticCustomError("kafka", "with `group`, `begin` is `latest` or `earliest`")
        return self

    def follows(self, before: Source) -> bool:
        """Tell whether it reads the same records of the same cluster: then where it stood holds."""
        return not self.differs(before, *_MANNERS)

    @property
    def is_log(self) -> bool:
        """Tell whether messages carry positions: in a group nobody has all of them."""
        return self.group is None

    def names(self) -> frozenset[str]:
        """Return the names that every topic gives."""
        return self.selection.names

    def facts(self) -> frozenset[str]:
        """Return what each message is told with."""
        return frozenset({"topic", "partition", "offset"})

    @property
    def selection(self) -> Selection:
        """Return which topics are read."""
        return Selection.of(tuple(self.topics or ()), self.pattern)

    async def run(self, outlet: Outlet, place: Place) -> None:
        """Emit every record, until cancelled."""
        from bridge.sources.kafka.follow import follow
        from bridge.sources.kafka.plan import Plan

        await follow(Plan.of(self, place.name), outlet, place)
