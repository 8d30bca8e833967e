"""How the process lets itself be watched: its log, its traces, and the canary that goes its whole way."""

from importlib.util import find_spec
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from bridge.config.base import Model
from bridge.sources.web import headers, policy
from bridge.sources.web.address import Address
from bridge.sources.web.login import Value, faulty
from bridge.units import Duration

#: Headers that one writes by hand.
MAX_HEADERS: Final = 16

#: Seconds between two canaries: each is a connection, so more often is a load; more seldom tells nothing in time.
LEAST_EVERY, MOST_EVERY = 1.0, 3_600.0

#: Seconds that a canary may take. Beneath a tenth a busy machine is a fault.
LEAST_WITHIN: Final = 0.1

#: What the extra `otel` brings.
EXTRA: Final = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter")


def _collector(text: str) -> Address:
    address = Address.parse(text)
    if address.names or address.query or "?" in text:
        raise ValueError("a collector's address has no names and no query: a token stands in `headers`")
    return address


def _is_installed() -> bool:
    try:
        return all(find_spec(module) is not None for module in EXTRA)
    except ModuleNotFoundError:  # a package above it is missing
        return False


class Log(Model):
    """What the process writes of itself on standard error: one line a fact."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info",
        description="The least that is written. `--log-level` beats it, and `PUT /-/log` on the admin port beats both "
        "for a while.",
        examples=["warning"],
    )
    format: Literal["auto", "json", "pretty"] = Field(
        "auto",
        description="`json` for machines, `pretty` for people, `auto` by whether a terminal reads it. `--log-format` "
        "beats it.",
        examples=["json"],
    )


class Traces(Model):
    """Traces by OpenTelemetry: from a message's own `traceparent` to the write to its subscribers."""

    url: Annotated[str, AfterValidator(faulty("traces", _collector))] = Field(
        description="Where a collector takes OTLP over HTTP, path included. Variables such as HTTPS_PROXY are not "
        "looked at.",
        examples=["http://collector:4318/v1/traces"],
    )
    sample: Annotated[float, Field(ge=0, le=1, strict=False)] = Field(
        1.0,
        description="The part of the messages without a `traceparent` that begin a trace of their own, 0 to 1. One "
        "that brings a `traceparent` is traced if that says so, and else not.",
        examples=[0.01],
    )
    headers: Annotated[dict[str, Value], Field(max_length=MAX_HEADERS)] = Field(
        {},
        description="Headers of what is sent to the collector: texts, or secrets.",
        examples=[{"Authorization": {"file": "/run/secrets/collector"}}],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, value in self.headers.items():
            text = value if isinstance(value, str) else value.reveal()
            if fault := headers.fault(name, text, is_secret=not isinstance(value, str)):
                raise PydanticCustomError("traces", "{told}", {"told": fault})
        if fault := policy.literal_fault(Address.parse(self.url).host, frozenset()):
            raise PydanticCustomError("traces", "{told}", {"told": fault})
        if not _is_installed():
            raise PydanticCustomError("traces", "traces need the extra: pip install 'sse-bridge[otel]'")
        return self


class Canary(Model):
    """An event of our own that goes the whole way, through source, bus, route and socket, again and again."""

    every: Annotated[Duration, Field(ge=LEAST_EVERY, le=MOST_EVERY)] = Field(
        description="How often one goes.", examples=["10s"]
    )
    within: Annotated[Duration, Field(ge=LEAST_WITHIN, le=MOST_EVERY)] = Field(
        5.0,
        description="How long it may take. Three in a row that are later, or lost, and `/-/ready` says no; one that "
        "comes through, and it says yes again.",
        examples=["5s"],
    )
