"""What the process as a whole is told: where it listens, and its bounds."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from bridge.config.base import Model, as_tuple
from bridge.config.machine import default_memory
from bridge.config.observed import Canary, Log, Traces
from bridge.config.types import Address, Host, Listen, LocalPath, Network, Off, OneOrMore, Rate, Short
from bridge.config.upstream import PrefixedUpstream, Upstream, Url
from bridge.units import Duration, Size

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB

#: Kubernetes' longest usual grace period; a drain beyond it is a mistake in the unit.
MAX_DRAIN: Final = 3_600.0

#: A slip that nobody has mended within a day is none.
MAX_GRACE: Final = 86_400.0

#: A page that is asked to come back more often than this does little else.
MIN_AGE: Final = 1.0
#: Nobody spreads load over replicas by the month; a mistake in the unit.
MAX_AGE: Final = 30 * 86_400.0


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str | int | Address) else as_tuple(value)


def _base(text: str) -> str:
    if not text.startswith("/") or "//" in text or any(bad in text for bad in "?#%\\{}"):
        raise PydanticCustomError("base", "expected a path that begins with a slash, for example /streams")
    if any(part in {".", ".."} for part in text.split("/")):
        raise PydanticCustomError("base", "a path cannot hold `.` or `..`: write where it leads")
    return text.rstrip("/")


def _show_base(text: str) -> str:
    return text or "/"


class Reload(Model):
    """What happens when the file changes. SIGHUP and `POST /-/reload` read it again in any case."""

    watch: bool = Field(
        default=True,
        description="Read the file again when it changes: it, a folder of files, a mounted ConfigMap, and the files of "
        "secrets and certificates that it names. What they hold counts, not when they were written.",
        examples=[False],
    )
    grace: Annotated[Duration, Field(ge=0, le=MAX_GRACE)] = Field(
        600.0,
        description="How long the address of a route that was removed answers 200 and `retry`, so that a slip can be "
        "mended before browsers are told; then 404. A browser that meets 404 never comes back.",
        examples=["10m", "0s"],
    )
    ready: bool = Field(
        default=False,
        description="Make `/-/ready` say no while the file on disk is refused, and what holds is an older one.",
        examples=[True],
    )


class Server(Model):
    """Where the bridge listens, and what it keeps on disk."""

    listen: Annotated[
        tuple[Listen, ...], BeforeValidator(_one_or_more), Field(min_length=1, max_length=16), OneOrMore()
    ] = Field(
        (Address("127.0.0.1", 8080),),
        description="What browsers reach: an address and a port, or a list of them. "
        "An empty address stands for all of them, IPv4 and IPv6.",
        examples=["127.0.0.1:8080", ":8080"],
    )
    health: Listen | None = Field(
        None,
        description="A listener of its own for `/-/live`, `/-/ready`, `/-/started` and `/-/metrics`, which give out "
        "no event. Without it they are on `admin` alone.",
        examples=[":9091"],
    )
    admin: Listen = Field(
        Address("127.0.0.1", 9090),
        description="The console, inspection, pushes, and health. It asks for no token: it stays inside the pod.",
        examples=["127.0.0.1:9090"],
    )
    state: LocalPath | None = Field(
        None,
        description="The folder for checkpoints, so that a restart goes on where it was. It is made if missing. "
        "Without it nothing is kept on disk.",
        examples=["/var/lib/sse-bridge"],
    )
    pages: dict[str, LocalPath] = Field(
        {},
        description="Static files: a path, and the folder or file that it shows.",
        examples=[{"/viewer": "./pages"}],
    )
    upstream: Annotated[Upstream, Short("url", Url)] | None = Field(
        None,
        description="The application behind the bridge: it gets what no route, list or page answers, other methods "
        "included.",
        examples=["http://127.0.0.1:3000", "unix:/run/app.sock", {"url": "https://app:3000", "heartbeat": "15s"}],
    )
    upstreams: dict[str, Annotated[PrefixedUpstream, Short("url", Url)]] = Field(
        {},
        description="Applications by the path that they answer for, as it comes to the bridge, `base` included; the "
        "longest that fits is asked, and `upstream` for the rest.",
        examples=[{"/api": "http://127.0.0.1:3000", "/shop": {"url": "http://shop:8000", "strip_prefix": True}}],
    )
    base: Annotated[str, AfterValidator(_base), PlainSerializer(_show_base, return_type=str, when_used="json")] = Field(
        "",
        description="The path under which a proxy shows the bridge; every address of the bridge begins with it.",
        examples=["/", "/streams"],
    )
    hops: Annotated[tuple[Network, ...], BeforeValidator(as_tuple)] = Field(
        (),
        description="The proxies in front: only their `X-Forwarded-*` headers count.",
        examples=[["10.0.0.0/8"]],
    )
    hosts: Annotated[tuple[Host, ...], BeforeValidator(as_tuple)] = Field(
        (),
        description="The host names that a request may ask for, against DNS rebinding. Empty: any.",
        examples=[["app.example.com"]],
    )
    drain: Annotated[Duration, Field(ge=0, le=MAX_DRAIN)] = Field(
        10.0,
        description="How long a stop may take, after `prestop`: the streams are told and closed, spread over this "
        "time; requests on their way to an application have it to be answered. What stops the process should wait for "
        "`prestop`, `drain` and 5s before it kills.",
        examples=["10s"],
    )
    prestop: Annotated[Duration, Field(ge=0, le=MAX_DRAIN)] = Field(
        0.0,
        description="How long all goes on as before after SIGTERM or `sse-bridge drain`, new streams included, while "
        "`/-/ready` already says no: load balancers take a few seconds to notice.",
        examples=["5s"],
    )
    age: Annotated[Annotated[Duration, Field(ge=MIN_AGE, le=MAX_AGE)] | None, Off()] = Field(
        None,
        description="The longest life of a stream, drawn for each from 0.9 to 1.1 of it; at its end come `bridge.bye` "
        "with reason `age`, and `retry`. So load spreads over replicas that are new. Streams of an application behind "
        "(`upstream`) are not counted.",
        examples=["1h"],
    )
    reload: Annotated[Reload | None, Off()] = Field(
        Reload(),
        description="What happens when this file changes; `none` watches nothing. What is wrong changes nothing; what "
        "is right is applied as a difference: routes and sources that are the same go on as if nothing had happened. "
        "Only `state` takes a restart.",
        examples=["none", {"grace": "1h", "ready": True}],
    )
    push: Literal["admin", "public"] = Field(
        "admin",
        description="Where `push` sources are reached: on `admin`, or on `listen` too (then each needs a token).",
        examples=["admin", "public"],
    )
    log: Log = Field(Log(), description="What is written of what happens, and how.", examples=[{"level": "warning"}])
    traces: Annotated[Traces | None, Off()] = Field(
        None,
        description="Traces by OpenTelemetry, sent to a collector. They need the extra `otel`.",
        examples=[{"url": "http://collector:4318/v1/traces", "sample": 0.01}],
    )
    canary: Annotated[Annotated[Canary, Short("every", Duration)] | None, Off()] = Field(
        None,
        description="A probe through the whole path, over a connection to our own public port: how often, 1s to 1h, "
        "or a mapping. Its failing makes `/-/ready` say no.",
        examples=["10s", {"every": "10s", "within": "2s"}],
    )


class Replay(Model):
    """How much one resume sends before the client must come back for more."""

    events: Annotated[int, Field(ge=1)] = Field(10_000, description="The most events of one replay.", examples=[10_000])
    bytes: Annotated[Size, Field(ge=_KIB)] = Field(
        16 * _MIB, description="The most bytes of one replay.", examples=["16MiB"]
    )


class Limits(Model):
    """Bounds of the whole process. Past them a connect is refused; nobody is evicted."""

    memory: Annotated[Size, Field(ge=_MIB)] = Field(
        default_factory=default_memory,
        description="All histories together. Unset: a quarter of the container's limit, 256MiB at most.",
        examples=["256MiB"],
    )
    subscribers: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Open streams. Unset: what memory and file descriptors allow.",
        examples=[5000],
    )
    channels: Annotated[int, Field(ge=1)] = Field(
        10_000,
        description="Channels: the values that the names in routes' paths take, all together.",
        examples=[10_000],
    )
    connects: Rate | None = Field(None, description="New streams a second. Unset: any number.", examples=["100/s"])
    per_peer: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Open streams of one address. Unset: any number; behind a proxy all come from one address.",
        examples=[100],
    )
    replay: Replay = Field(Replay(), description="How much one resume sends before the client must come back for more.")
    event: Annotated[Size, Field(ge=_KIB)] = Field(
        _MIB,
        description="The most bytes of one event; `oversize` says what happens to a larger one.",
        examples=["1MiB"],
    )
