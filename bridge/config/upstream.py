"""The application behind us: where it is, and how it is asked.

What is wrong with an address is said without repeating it: it may hold what is none of a log's business.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, Self, cast

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from bridge.config.base import Model, as_tuple
from bridge.config.types import text_schema
from bridge.gateway.proxy.target import Target
from bridge.sources.tls import Tls
from bridge.sources.web import policy
from bridge.sources.web.address import Address, host_fault
from bridge.units import Duration

#: Seconds. Below a hundredth nothing connects; beyond an hour nobody waits for a first byte.
LEAST, MOST = 0.01, 3_600.0

#: Seconds between two comments: less would be a flood, more keeps no proxy from closing.
LEAST_HEARTBEAT, MOST_HEARTBEAT = 0.1, 3_600.0

#: Connections to one application: as many as a machine has ports to it.
MAX_CONNECTIONS: Final = 60_000

#: Exceptions that one writes by hand.
MAX_ALLOW: Final = 100

#: Bytes of a Unix socket's path (unix(7)), less the NUL at its end.
MAX_SOCKET: Final = 107

UNIX: Final = "unix:"

_HEALTH: Final = re.compile(r"/[\x21\x22\x24-\x7e]{0,1023}")
_EXAMPLE: Final = "for example http://127.0.0.1:3000, or unix:/run/app.sock"


def _wrong(told: str) -> PydanticCustomError:
    # As a value and not as the template, in which a brace would stand for something.
    return PydanticCustomError("upstream", "{told}", {"told": told})


class Place(NamedTuple):
    """Where an application listens."""

    host: str
    port: int
    is_tls: bool = False
    socket: Path | None = None


def place(text: str) -> Place:
    """Read an application's address; raises `ValueError` in words."""
    if text.startswith(UNIX):
        return Place("localhost", 80, socket=Path(text.removeprefix(UNIX)))
    if "@" in text.partition("://")[2].partition("/")[0]:
        raise ValueError("an application is reached without a user and a password: take them away")
    if not text.startswith(("http://", "https://")):
        raise ValueError(f"expected the address of an application, {_EXAMPLE}")
    address = Address.parse(text)
    if address.names or address.query or "?" in text or address.path.text not in {"", "/"}:
        raise ValueError(
            "an application's address ends with its port: a request keeps the path that it came with; to cut one off, "
            "name the application under `server.upstreams` with `strip_prefix: true`"
        )
    return Place(address.host, address.port, address.is_tls)


def _url(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str):
        raise _wrong(f"expected the address of an application, {_EXAMPLE}")
    if value.startswith(UNIX):
        return _socket(value.removeprefix(UNIX), info)
    try:
        place(value)
    except ValueError as error:
        raise _wrong(str(error)) from None
    return value


def _socket(text: str, info: ValidationInfo) -> str:
    if not text or "\0" in text:
        raise _wrong("expected the path of a Unix socket, for example unix:/run/app.sock")
    context = cast("Mapping[str, object]", info.context or {})
    path = str(cast("Path", context.get("folder", Path())) / text)
    if len(path.encode("utf-8", "surrogateescape")) > MAX_SOCKET:
        raise _wrong(f"the path of a Unix socket has at most {MAX_SOCKET} bytes")
    return f"{UNIX}{path}"


def _health(text: str) -> str:
    if not _HEALTH.fullmatch(text):
        raise _wrong("expected a path, for example /healthz")
    return text


def _allow(entries: tuple[str, ...]) -> tuple[str, ...]:
    for text in entries:
        if host_fault(text.strip("[]")):
            raise _wrong("expected hosts and addresses, for example 169.254.10.1")
    return entries


#: The address alone, which is how an application is usually written.
Url = Annotated[
    str,
    BeforeValidator(_url),
    text_schema(r"https?://[^/?#@]+/?|unix:.+", "http://127.0.0.1:3000", "unix:/run/app.sock", title="address"),
]


class Upstream(Model):
    """An application behind the bridge: it gets what no route, list or page answers."""

    url: Url = Field(
        description="Where it listens: `http://`, `https://` or `unix:` and the path of a socket. Requests keep the "
        "path and the query that they came with.",
        examples=["http://127.0.0.1:3000", "unix:/run/app.sock"],
    )
    connect: Annotated[Duration, Field(ge=LEAST, le=MOST)] = Field(
        5.0, description="How long a connection to it may take.", examples=["5s"]
    )
    timeout: Annotated[Duration, Field(ge=LEAST, le=MOST)] = Field(
        60.0,
        description="How long its answer may take to begin, once the whole request is there, and how long it may pause "
        "within a body that is no stream.",
        examples=["60s"],
    )
    heartbeat: Annotated[Duration, Field(ge=LEAST_HEARTBEAT, le=MOST_HEARTBEAT)] | None = Field(
        None,
        description="After so much silence in an event stream of its own a comment is sent between two events, so that "
        "no proxy in front closes it. Unset: its streams pass untouched.",
        examples=["15s"],
    )
    host: Literal["keep", "target"] = Field(
        "keep",
        description="The `Host` that it is told: the one that the browser asked for, or that of `url`.",
        examples=["keep", "target"],
    )
    tls: Tls | None = Field(
        None,
        description="Certificates, for https. Without it the system's authorities are trusted.",
        examples=[{"ca": "/etc/ssl/app-ca.pem"}],
    )
    connections: Annotated[int, Field(ge=1, le=MAX_CONNECTIONS)] | None = Field(
        None,
        description="Connections to it at a time, WebSockets and streams included. A request too many waits for as "
        "long as `connect` says, then it is told to come back. Unset: as many as the bridge passes on at all.",
        examples=[200],
    )
    health: Annotated[str, AfterValidator(_health)] | None = Field(
        None,
        description="A path that is asked every 5 s: unless it answers 200 to 399, `/-/ready` says that the bridge is "
        "not ready. An application that waits for the bridge at its start asks for `/-/started`, which does not wait "
        "for it. Unset: readiness does not depend on the application.",
        examples=["/healthz"],
    )
    allow: Annotated[
        tuple[str, ...], BeforeValidator(as_tuple), Field(max_length=MAX_ALLOW), AfterValidator(_allow)
    ] = Field(
        (),
        description="Hosts and addresses that are reached although they are link-local or a cloud's metadata service.",
        examples=[["169.254.10.1"]],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        there = place(self.url)
        if self.tls is not None and not there.is_tls:
            raise _wrong("`tls` goes with an address that begins with https://")
        if there.socket is None and (fault := policy.literal_fault(there.host, self._allowed())):
            raise _wrong(fault)
        return self

    def target(self, prefix: str = "", *, strips: bool = False) -> Target:
        """Return what the gateway needs to know."""
        there = place(self.url)
        return Target(
            prefix=prefix.rstrip("/"),
            strips=strips,
            host=there.host,
            port=there.port,
            socket=there.socket,
            tls=(self.tls or Tls()).context if there.is_tls else None,
            refusal=self._refusal(there),
            keeps_host=self.host == "keep",
            connect=self.connect,
            timeout=self.timeout,
            heartbeat=self.heartbeat,
            connections=self.connections,
            health=self.health,
        )

    def _refusal(self, there: Place) -> Callable[[str], str | None]:
        allowed = self._allowed()
        return lambda address: policy.fault(address, host=there.host, is_written=True, allow=allowed)

    def _allowed(self) -> frozenset[str]:
        return frozenset(map(policy.entry, self.allow))


class PrefixedUpstream(Upstream):
    """An application that answers for the paths beneath one."""

    strip_prefix: bool = Field(
        default=False,
        description="Cut the path that it answers for off before a request goes on; `X-Forwarded-Prefix` tells it.",
        examples=[True],
    )
