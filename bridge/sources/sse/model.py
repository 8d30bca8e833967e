"""The keys of the `sse` source."""

from collections.abc import Callable
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from bridge.sources.base import Outlet, Place, Source
from bridge.sources.sse.plan import Plan
from bridge.sources.web.keys import Web
from bridge.units import Duration, Size

#: An address that nobody listens to costs a connection: an hour of it is what `connect: always` is for.
MAX_LINGER: Final = 3_600.0

#: Keys that say how a stream is read, and nothing of which one.
_MANNERS: Final = ("connect", "linger", "silence", "max", "timeout", "at_once", "tls", "proxy", "allow")

#: Below a second a stream between two heartbeats counts as dead; above an hour nobody would notice.
MIN_SILENCE, MAX_SILENCE = 1.0, 3_600.0

#: An event is held in memory as a whole, and with each address.
MIN_EVENT, MAX_EVENT = 1024, 16 * 1024 * 1024

#: Below 100 ms a busy server counts as dead; a person has given up after a minute.
MIN_TIMEOUT, MAX_TIMEOUT = 0.1, 300.0


def _bounded(least: float, most: float, words: str) -> Callable[[float], float]:
    def check(value: float) -> float:
        if least <= value <= most:
            return value
        raise PydanticCustomError("bounds", "expected {words}", {"words": words})

    return check


class Sse(Web):
    """Events of another server's event stream."""

    connect: Literal["always", "listened"] | None = Field(
        default=None,
        description=(
            "When to read: `always`, or only while somebody listens (`listened`). By default `always`; where `url` "
            "has names always `listened`, with a connection for each address that is asked for."
        ),
        examples=["listened"],
    )
    linger: Annotated[Duration, AfterValidator(_bounded(0, MAX_LINGER, "a duration of 0s to 1h"))] = Field(
        default=30.0,
        description="How long an address is read on after the last one who listened has left, 0s to 1h.",
        examples=["30s", "5m"],
    )
    silence: (
        Annotated[Duration, AfterValidator(_bounded(MIN_SILENCE, MAX_SILENCE, "a duration of 1s to 1h"))] | None
    ) = Field(
        default=None,
        description=(
            "How long a stream may be without a byte before it counts as dead and is asked for again, 1s to 1h: for an "
            "upstream that sends heartbeats, some three of them. Without it a stream may be quiet for ever; a host "
            "that is gone is noticed all the same."
        ),
        examples=["45s"],
    )
    max: Annotated[Size, AfterValidator(_bounded(MIN_EVENT, MAX_EVENT, "a size of 1KiB to 16MiB"))] = Field(
        default=1024 * 1024,
        description="The largest event, 1KiB to 16MiB. A larger one is left out, and streams are told with a gap.",
        examples=["256KiB"],
    )
    timeout: Annotated[Duration, AfterValidator(_bounded(MIN_TIMEOUT, MAX_TIMEOUT, "a duration of 100ms to 5m"))] = (
        Field(
            default=10.0,
            description="How long the upstream may take until its answer begins, 100ms to 5m.",
            examples=["10s"],
        )
    )

    @model_validator(mode="after")
    def _check_headers_of_ours(self) -> Self:
        if "last-event-id" in map(str.lower, self.headers):
            raise PydanticCustomError(
                "headers", "Last-Event-ID is written by the bridge: a fixed one would bring the same events again"
            )
        return self

    @model_validator(mode="after")
    def _check_connect(self) -> Self:
        if self.connect == "always" and self.names():
            raise PydanticCustomError(
                "connect", "names in `url` are given by those who listen: leave `connect` out, or take `listened`"
            )
        return self

    def follows(self, before: Source) -> bool:
        """Tell whether it reads the same streams: then their last ids hold."""
        return not self.differs(before, *_MANNERS)

    def facts(self) -> frozenset[str]:
        """Return what each message is told with; the first where the upstream gave one."""
        return frozenset({"id", "event"})

    @property
    def is_asked(self) -> bool:
        """Tell whether it is read only while somebody listens."""
        return self.connect == "listened" or bool(self.names())

    async def run(self, outlet: Outlet, place: Place) -> None:
        """Emit every event, until cancelled, or until the upstream says that nothing will come any more."""
        from bridge.sources.sse.follow import follow

        await follow(self._plan(place.name), outlet, place)

    def _plan(self, name: str) -> Plan:
        return Plan(
            name=name,
            url=self.url,
            remote=self.remote(),
            is_listened=self.is_asked,
            linger=self.linger,
            at_once=self.at_once,
            silence=self.silence,
            max=self.max,
            timeout=self.timeout,
        )
