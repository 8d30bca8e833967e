"""The demo's devices: machines of two plants that tell their temperature over MQTT.

    plants/oslo/oven/temperature    {"device": "oven", "celsius": 181.4}, retained

Each value is retained, so whoever subscribes later has it at once. One device goes away now and then: it clears what is
retained of it, which is an event named `delete` on a route with a `key`.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random
from typing import Final

from paho.mqtt.client import Client, ConnectFlags, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

#: Seconds from one message to the next, on average.
PAUSE: Final = 0.7

#: How likely the visitor comes or goes, each time that it is its turn.
COMES_AND_GOES: Final = 0.3

#: Messages that wait for a connection; older values are worth nothing.
MAX_QUEUED: Final = 100

VISITOR: Final = "forklift"


@dataclass(slots=True)
class Device:
    """A machine, and how warm it is."""

    plant: str
    name: str
    celsius: float
    is_here: bool = True

    @property
    def topic(self) -> str:
        """Return where its value is published."""
        return f"plants/{self.plant}/{self.name}/temperature"

    def tell(self, random: Random) -> bytes:
        """Return its next value; nothing, which clears what is retained, when it goes away."""
        if self.name == VISITOR and random.random() < COMES_AND_GOES:
            self.is_here = not self.is_here
        self.celsius += random.uniform(-0.8, 0.8)
        if not self.is_here:
            return b""
        return json.dumps({"device": self.name, "celsius": round(self.celsius, 1)}).encode()


def devices() -> list[Device]:
    """Return all machines."""
    return [
        Device("oslo", "oven", 181.0),
        Device("oslo", "press", 64.0),
        Device("oslo", "cooler", 4.5),
        Device("oslo", VISITOR, 31.0),
        Device("lyon", "boiler", 92.0),
        Device("lyon", "pump", 47.0),
        Device("lyon", "cooler", 3.0),
    ]


async def publish(host: str, port: int, random: Random, *, pause: float = PAUSE) -> None:
    """Publish values until cancelled: of every device at once, then of one after another by chance."""
    machines = devices()
    async with _connected(host, port) as client:
        for device in machines:
            _tell(client, device, random)
        while True:
            await asyncio.sleep(random.uniform(0.5, 1.5) * pause)
            _tell(client, random.choice(machines), random)


def _tell(client: Client, device: Device, random: Random) -> None:
    client.publish(device.topic, device.tell(random), qos=1, retain=True)


@contextlib.asynccontextmanager
async def _connected(host: str, port: int) -> AsyncIterator[Client]:
    """Yield a client once it is connected; it comes back by itself.

    paho runs it in a thread of its own, as in a program of its own: nothing here is the bridge's.
    """
    loop, up = asyncio.get_running_loop(), asyncio.Event()

    def connected(_client: Client, _data: object, _flags: ConnectFlags, _why: ReasonCode, _: Properties | None) -> None:
        loop.call_soon_threadsafe(up.set)

    client = Client(CallbackAPIVersion.VERSION2, "demo-devices", protocol=MQTTv311)
    client.max_queued_messages_set(MAX_QUEUED)
    client.on_connect = connected
    client.connect_async(host, port)
    client.loop_start()
    try:
        await up.wait()
        yield client
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)
