"""paho without a socket: CONNECT, SUBSCRIBE, pings, DISCONNECT, as packets that go in and out through memory.

paho's client is made for a socket that it opens and reads itself. It takes any object that looks like one; ours is a
buffer, so nothing in it can block. One client serves one connection: what has to outlive it is not in it.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from bridge.sources.mqtt.properties import MalformedError

#: What paho raises on bytes that are not what it expects, beside its own `MalformedPacket`, which it catches.
_BROKEN: Final = (ValueError, LookupError, TypeError, AttributeError, RuntimeError, struct.error)


class Pipe:
    """What paho takes for its socket."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._in = bytearray()

    def give(self, data: bytes) -> None:
        """Let paho read these bytes."""
        self._in += data

    def recv(self, buffer_size: int) -> bytes:
        """Return bytes that were given."""
        if not self._in:
            raise BlockingIOError
        data = bytes(self._in[:buffer_size])
        del self._in[:buffer_size]
        return data

    def send(self, buffer: bytes | bytearray) -> int:
        """Pass bytes on; they are always taken whole."""
        self._write(bytes(buffer))
        return len(buffer)

    def close(self) -> None:
        """Do nothing: the link is closed by whoever opened it."""

    def fileno(self) -> int:
        """Return no descriptor."""
        return -1

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001  # as a socket has it
        """Do nothing: it never blocks."""


class _Client(Client):
    """A client whose socket is given."""

    pipe: Pipe

    def _create_socket(self) -> Pipe:  # the one place where paho opens a connection
        return self.pipe


class Greeting:
    """What a CONNECT says."""

    def __init__(
        self, *, client_id: str, is_five: bool, is_clean: bool, keepalive: int, properties: dict[str, int]
    ) -> None:
        self.client_id = client_id
        self.is_five = is_five
        self.is_clean = is_clean
        self.keepalive = keepalive
        self.properties = properties


class Control:
    """The packets of one connection that carry no messages."""

    def __init__(
        self, greeting: Greeting, user: str | None, password: str | None, write: Callable[[bytes], None]
    ) -> None:
        self._greeting = greeting
        self._pipe = Pipe(write)
        five = MQTTProtocolVersion.MQTTv5
        self._client = client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=greeting.client_id,
            clean_session=None if greeting.is_five else greeting.is_clean,
            protocol=five if greeting.is_five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.pipe = self._pipe
        client.username_pw_set(user, password)
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_disconnect = self._disconnected
        #: What the broker offers, by the names of MQTT 5.
        self.offers: dict[str, int] = {}
        #: The broker's answers to subscriptions, by the packet's identifier.
        self.answers: dict[int, list[int]] = {}
        self.is_over = False

    def connect(self) -> None:
        """Send CONNECT."""
        greeting = self._greeting
        if greeting.is_five:
            properties = _properties(PacketTypes.CONNECT, greeting.properties)
            self._client.connect(
                "link", keepalive=greeting.keepalive, clean_start=greeting.is_clean, properties=properties
            )
        else:
            self._client.connect("link", keepalive=greeting.keepalive)
        self._client.loop_write()

    def take(self, raw: bytes) -> None:
        """Take in a packet; raises `MalformedError`."""
        self._pipe.give(raw)
        try:
            self._client.loop_read()
            self._client.loop_write()
        except _BROKEN as error:
            raise MalformedError(f"a packet of the broker is malformed: {type(error).__name__}") from error
        if self.is_over:
            raise MalformedError("a packet of the broker is malformed")

    def subscribe(self, filter: str, qos: int, options: SubscribeOptions | None, id: int) -> int:
        """Send SUBSCRIBE for one filter; return the packet's identifier."""
        if options is None:
            _, mid = self._client.subscribe(filter, qos)
        else:
            properties = _properties(PacketTypes.SUBSCRIBE, {"SubscriptionIdentifier": id}) if id else None
            _, mid = self._client.subscribe(filter, options=options, properties=properties)
        self._client.loop_write()
        return mid or 0

    def tick(self) -> None:
        """Send a ping when it is time, once a second or so; `is_over` tells that one was not answered."""
        self._client.loop_misc()
        self._client.loop_write()

    def disconnect(self, *, forget: bool = False) -> None:
        """Say goodbye; `forget` ends the session too, where one is kept."""
        properties = None
        if forget and self._greeting.is_five:
            properties = _properties(PacketTypes.DISCONNECT, {"SessionExpiryInterval": 0})
        self._client.disconnect(properties=properties)
        self._client.loop_write()

    def _connected(
        self, _c: Client, _u: object, _f: ConnectFlags, _reason: ReasonCode, properties: Properties | None
    ) -> None:
        told = vars(properties) if properties is not None else {}
        self.offers = {name: value for name, value in told.items() if isinstance(value, int)}

    def _subscribed(
        self, _c: Client, _u: object, mid: int, reasons: Sequence[ReasonCode], _p: Properties | None
    ) -> None:
        self.answers[mid] = [reason.value for reason in reasons]

    def _disconnected(
        self, _c: Client, _u: object, _f: DisconnectFlags, _reason: ReasonCode, _p: Properties | None
    ) -> None:
        self.is_over = True


def _properties(kind: int, values: dict[str, int]) -> Properties:
    properties = Properties(kind)  # type: ignore[no-untyped-call]  # paho's properties have no types
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def options(qos: int, *, brings: bool, tells: bool) -> SubscribeOptions:
    """Return the options of a subscription: it brings what is retained; it tells which live message is retained."""
    handling = SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if brings else SubscribeOptions.RETAIN_DO_NOT_SEND
    made: SubscribeOptions = SubscribeOptions(qos, retainAsPublished=tells, retainHandling=handling)
    return made
