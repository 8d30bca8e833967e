"""The keys of the `mqtt` source."""

import re
from collections.abc import Callable
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from bridge.secret import Secret
from bridge.sources.base import Outlet, Place, Source
from bridge.sources.decode import Decode
from bridge.sources.mqtt.address import Address
from bridge.sources.mqtt.plan import Plan
from bridge.sources.mqtt.topics import MAX_TOPICS, Topics, check
from bridge.sources.tls import Tls
from bridge.template import Template
from bridge.units import Duration, Size

#: Bytes of a client id, a user name, a group: labels of other systems. Brokers in the cloud stop at 128 or less.
MAX_NAME: Final = 256

#: A queue that waits for longer than a day is a store, and the broker's disk pays for it.
MAX_EXPIRY: Final = 7 * 86_400.0

#: Seconds: more often is noise, and CONNECT has no room for more.
MIN_KEEPALIVE, MAX_KEEPALIVE = 1.0, 65_535.0

#: As CONNECT has room for; each may be as large as `max`, at the broker.
MAX_INFLIGHT: Final = 65_535

#: A message is held in memory as a whole.
MIN_PACKET, MAX_PACKET = 128, 16 * 1024 * 1024

#: The ways in which one writes the newer version.
FIVE: Final = (5, 5.0, "5", "5.0")

#: Keys that say nothing of which client we are to which broker.
_MANNERS: Final = (
    "topics", "username", "password", "tls", "qos", "session", "keepalive", "decode", "inflight", "max",
)  # fmt: skip

_GROUP: Final = re.compile(r"[^/+#\0\s]{1,128}")


def _url(value: str) -> str:
    try:
        Address.parse(value)
    except ValueError as error:
        raise PydanticCustomError("url", "{reason}", {"reason": str(error)}) from None
    return value


def _topic(value: str) -> str:
    if wrong := check(value):
        raise PydanticCustomError("topic", "{reason}", {"reason": wrong})
    return value


def _version(value: object) -> object:
    # YAML reads 5 and 5.0 as numbers, 3.1.1 as text.
    return "5" if type(value) in (int, float, str) and value in FIVE else value


def _label(what: str, example: str) -> Callable[[str], str]:
    def check_label(value: str) -> str:
        if value and value.isprintable() and len(value.encode()) <= MAX_NAME:
            return value
        raise PydanticCustomError("label", f"expected {what} of 1 to {MAX_NAME} signs, for example {example}")

    return check_label


def _group(value: str) -> str:
    if _GROUP.fullmatch(value):
        return value
    raise PydanticCustomError("group", "expected the name of a group, without / + # and spaces, for example bridges")


def _seconds(least: float, most: float, words: str) -> Callable[[float], float]:
    def check_seconds(value: float) -> float:
        if least <= value <= most and value == int(value):
            return value
        raise PydanticCustomError("seconds", "expected {words}", {"words": words})

    return check_seconds


def _max(size: int) -> int:
    if MIN_PACKET <= size <= MAX_PACKET:
        return size
    raise PydanticCustomError("max", "expected a size of 128B to 16MiB")


class Session(BaseModel):
    """What the broker keeps for us while we are away."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    expiry: Annotated[Duration, AfterValidator(_seconds(0, MAX_EXPIRY, "whole seconds, 0s to 7d, for example 1h"))] = (
        Field(
            default=3600.0,
            description=(
                "How long the broker keeps subscriptions and queued messages after the connection ended (MQTT 5): "
                "whole seconds, 7d at most."
            ),
            examples=["1h", "0s"],
        )
    )


class Mqtt(Source):
    """Messages of an MQTT broker: 3.1.1 or 5, over TCP, TLS or WebSockets."""

    url: Annotated[str, AfterValidator(_url)] = Field(
        description=(
            "Where the broker is: `mqtt://`, `mqtts://` (TLS), `ws://` or `wss://` (WebSockets, whose path is `/mqtt` "
            "unless given). Ports are 1883, 8883, 80 and 443 unless given."
        ),
        examples=["mqtt://broker", "mqtts://broker:8883", "wss://broker/mqtt"],
    )
    topics: Annotated[
        list[Annotated[str, AfterValidator(_topic)]],
        Field(min_length=1, max_length=MAX_TOPICS),
    ] = Field(
        description=(
            "The topics to subscribe to, with names for their parts: `{name}` stands for a level (`+`), `{rest*}` for "
            "all that is left (`#`). A name may be a part of a level (`dev-{id}`): the rest of such levels is dropped "
            "here. Where several match, a literal beats a name and a name beats a rest, and a message comes once all "
            "the same. Routes may use the names that all of them have. At most 100."
        ),
        examples=[["plants/{plant}/{device}/temperature"], ["sensors/{rest*}"]],
    )
    version: Annotated[
        Literal["5", "3.1.1"], BeforeValidator(_version), WithJsonSchema({"enum": ["5", "3.1.1", 5]})
    ] = Field(
        default="5",
        description=(
            "The version of MQTT. On 3.1.1 messages have no content type, no expiry and no headers, and any empty "
            "payload counts as a retained message that was cleared."
        ),
        examples=["3.1.1"],
    )
    client_id: Annotated[str, AfterValidator(_label("a client id", "bridge-1"))] | None = Field(
        default=None,
        description=(
            "The name under which the broker knows this source. Two clients under one name throw each other out for "
            "ever, so leave it out where there are replicas: then it is made from the source's name and the host's, "
            "or from what `server.state` keeps. At most 256 bytes."
        ),
        examples=["bridge-1"],
    )
    username: Annotated[str, AfterValidator(_label("a user name", "bridge"))] | None = Field(
        default=None, description="The user to connect as, at most 256 bytes.", examples=["bridge"]
    )
    password: Secret | None = Field(
        default=None, description="The user's password.", examples=[{"file": "/run/secrets/mqtt"}]
    )
    tls: Tls | None = Field(
        default=None,
        description="Certificates, for `mqtts://` and `wss://`. Without it the system's authorities are trusted.",
        examples=[{"ca": "/etc/ssl/broker-ca.pem"}],
    )
    qos: Annotated[int, Field(ge=0, le=2)] = Field(
        default=1,
        description=(
            "The quality of service to ask for. With 1 and 2 a message is acknowledged once it is in its channels. "
            "What is published with 0 is lost while there is no connection, and that is told with a gap."
        ),
        examples=[1],
    )
    session: Session = Field(
        default=Session(),
        description=(
            "What the broker keeps while there is no connection, and for how long: `{ expiry: 1h }`, in whole seconds, "
            "7d at most; `0s` keeps nothing. Where it kept nothing, streams are told with a gap. Only MQTT 5 knows the "
            "time: on 3.1.1 a session is kept for as long as the broker likes where there is a `client_id`, and else "
            "not at all."
        ),
        examples=[{"expiry": "1h"}, {"expiry": "0s"}],
    )
    share: Annotated[str, AfterValidator(_group)] | None = Field(
        default=None,
        description=(
            "The group of a shared subscription: its members divide the messages among them, so each replica's "
            "streams see only a part. Retained messages do not come at all. At most 128 characters, none of them `/`, "
            "`+`, `#` or a space."
        ),
        examples=["bridges"],
    )
    keepalive: Annotated[
        Duration, AfterValidator(_seconds(MIN_KEEPALIVE, MAX_KEEPALIVE, "whole seconds, 1s at least, for example 30s"))
    ] = Field(
        default=30.0,
        description=(
            "How often to ping a silent broker, in whole seconds, 1s to 18h12m15s. A dead connection is noticed within "
            "twice as long."
        ),
        examples=["30s"],
    )
    decode: Decode = Field(
        default="auto",
        description=(
            "What payloads are: `json`, `text`, `bytes` (sent as base64), or `auto`: as the content type says, else "
            "text where the bytes are UTF-8."
        ),
        examples=["json"],
    )
    inflight: Annotated[int, Field(ge=1, le=MAX_INFLIGHT)] = Field(
        default=500,
        description="How many messages the broker may send before the first is acknowledged (MQTT 5, QoS 1 and 2).",
        examples=[500],
    )
    max: Annotated[Size, AfterValidator(_max)] = Field(
        default=1024 * 1024,
        description=(
            "The largest message, its topic and properties included, 128B to 16MiB. A larger one is left out as it "
            "comes, and streams are told with a gap."
        ),
        examples=["256KiB"],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.tls is not None and not Address.parse(self.url).is_tls:
            raise PydanticCustomError("tls", "`tls` goes with an address that begins with mqtts:// or wss://")
        if self.password is not None and self.username is None:
            raise PydanticCustomError("password", "a `password` needs a `username` beside it")
        return self

    def follows(self, before: Source) -> bool:
        """Tell whether it is the same client of the same broker: what its session lacks it tells itself."""
        return not self.differs(before, *_MANNERS)

    def names(self) -> frozenset[str]:
        """Return the names that every topic has."""
        return frozenset.intersection(*(frozenset(Template.parse(text).names) for text in self.topics))

    def facts(self) -> frozenset[str]:
        """Return what each message is told with; the last two where its sender gave them."""
        return frozenset({"topic", "qos", "retained", "dup", "content_type", "expiry"})

    async def run(self, outlet: Outlet, place: Place) -> None:
        """Emit every message, until cancelled."""
        from bridge.sources.mqtt.follow import follow

        await follow(self._plan(place.name), outlet, place)

    def _plan(self, name: str) -> Plan:
        address = Address.parse(self.url)
        return Plan(
            name=name,
            address=address,
            tls=(self.tls or Tls()) if address.is_tls else None,
            is_five=self.version == "5",
            client_id=self.client_id,
            user=self.username,
            password=self.password.reveal() if self.password else None,
            topics=Topics(self.topics, self.share),
            is_shared=self.share is not None,
            qos=self.qos,
            decode=self.decode,
            keepalive=int(self.keepalive),
            expiry=int(self.session.expiry),
            inflight=self.inflight,
            max=self.max,
        )
