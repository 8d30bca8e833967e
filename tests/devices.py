"""Devices that publish over MQTT."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Final, NamedTuple, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests import packets
from tests.support import DEADLINE

VERSIONS: Final = {"3.1.1": MQTTProtocolVersion.MQTTv311, "5": MQTTProtocolVersion.MQTTv5}


class Sent(NamedTuple):
    """A message that a device sends; user properties, content type and expiry are of MQTT 5."""

    topic: str
    payload: bytes | str = b""
    qos: int = 1
    retain: bool = False
    user: Sequence[tuple[str, str]] = ()
    content_type: str = ""
    expiry: int | None = None

    def properties(self) -> Properties | None:
        """Return what MQTT 5 says beside the payload."""
        found = Properties(PacketTypes.PUBLISH)
        if self.user:
            found.UserProperty = list(self.user)
        if self.content_type:
            found.ContentType = self.content_type
        if self.expiry is not None:
            found.MessageExpiryInterval = self.expiry
        return None if found.isEmpty() else found


class Device:
    """A client that publishes, over one connection at a time; it comes back when the broker does."""

    def __init__(self, port: int, version: str = "5", username: str = "", password: str = "") -> None:
        self._port = port
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=VERSIONS[version])
        if username:
            self._client.username_pw_set(username, password)
        self._client.reconnect_delay_set(0.05, 0.2)
        self._client.on_publish = self._take
        self._connected = threading.Event()
        #: Numbers of what the broker has, and nobody asked about.
        self._taken: set[object] = set()
        self._news = threading.Condition()
        self._client.on_connect = lambda *_: self._connected.set()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._connect)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._leave)

    async def send(self, *messages: Sent) -> None:
        """Publish; return when the broker has them all."""
        await asyncio.to_thread(self._send, messages)

    def _connect(self) -> None:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        assert self._connected.wait(DEADLINE)

    def _send(self, messages: Sequence[Sent]) -> None:
        numbers = {
            self._client.publish(each.topic, each.payload, each.qos, each.retain, each.properties()).mid
            for each in messages
        }
        with self._news:
            assert self._news.wait_for(lambda: numbers <= self._taken, DEADLINE)
            self._taken -= numbers

    def _take(self, *told: object) -> None:
        with self._news:
            self._taken.add(told[2])
            self._news.notify_all()

    def _leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


async def send(port: int, *messages: Sent, version: str = "5", username: str = "", password: str = "") -> None:
    """Publish over a connection of their own."""
    async with Device(port, version, username, password) as device:
        await device.send(*messages)


async def burst(port: int, topic: str, count: int, qos: int = 1) -> None:
    """Publish so many numbered messages as fast as the broker takes them: faster than any library would."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    hello = packets.text("MQTT") + bytes([4, 2, 0, 60]) + packets.text("burst")
    writer.write(packets.packet(packets.CONNECT, hello))
    assert (await reader.readexactly(4))[3] == 0
    drinking = asyncio.create_task(_drink(reader, count * 4 if qos else 0))
    for first in range(0, count, 500):
        batch = range(first, min(first + 500, count))
        writer.writelines(packets.publish(topic, b"%d" % n, qos=qos, id=n % 65_000 + 1, properties=None) for n in batch)
        await writer.drain()
    await drinking
    writer.write(packets.packet(packets.DISCONNECT))
    writer.close()
    await writer.wait_closed()


async def _drink(reader: asyncio.StreamReader, size: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while size > 0:
            size -= len(await reader.read(min(size, 65_536)))


def numbered(topic: str, count: int, first: int = 0) -> list[Sent]:
    """Return messages that say nothing but their number."""
    return [Sent(topic, str(n)) for n in range(first, first + count)]


def texts(count: int, first: int = 0) -> list[bytes]:
    """Return what `numbered` says."""
    return [b"%d" % n for n in range(first, first + count)]
