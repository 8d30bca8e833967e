"""Devices, a real Mosquitto, the bridge, and a page in Chromium."""

import asyncio
import json

import aiohttp

from tests.devices import Device, Sent, send
from tests.e2e.page import Listener, Seen
from tests.e2e.programs import Bridge, until
from tests.mosquitto import Broker, broker

ROUTES = """
sources:
  plant:
    kind: mqtt
    url: {url}
    topics: ["plants/{{plant}}/{{device}}/{{metric}}"]
    client_id: e2e
routes:
  /plants/{{plant}}:
    from: plant
    bind: {{ metric: temperature }}
    event: "{{metric}}"
    key: device
    start: snapshot
    retry: {{ exact: 1s }}
"""

#: Seconds between two words of a device.
PACE = 0.02


def temperature(device: str, celsius: float, plant: str = "oslo") -> Sent:
    """Return what a device says; its last word is retained."""
    return Sent(f"plants/{plant}/{device}/temperature", json.dumps({"celsius": celsius}), retain=True)


async def simulate(device: Device, name: str) -> None:
    """Say a new temperature again and again, as a device does."""
    celsius = 20.0
    while True:
        celsius += 0.5
        await device.send(temperature(name, celsius), Sent(f"plants/oslo/{name}/humidity", "40"))
        await asyncio.sleep(PACE)


async def reconnected(bridge: Bridge, mosquitto: Broker, times: int) -> None:
    """Wait until the source has come back to the broker."""

    async def is_up() -> bool:
        async with aiohttp.ClientSession(bridge.admin) as session, session.get("/-/sources") as response:
            [told] = await response.json()
        return told["state"] == "up" and mosquitto.greeted("e2e") >= times

    await until(is_up, f"the source has connected {times} times")


def celsius(seen: list[Seen]) -> list[float]:
    """Return the temperatures."""
    return [json.loads(event.data)["celsius"] for event in seen if event.name == "temperature"]


async def gone_on(listener: Listener, above: float) -> list[Seen]:
    """Wait until a temperature above this one was heard; return all events."""

    async def reached() -> bool:
        return max(celsius(await listener.events()), default=0.0) > above

    await until(reached, f"more than {above} degrees")
    return await listener.events()


async def test_page_gets_the_last_word_of_each_device_and_then_each_word(run, page, listener, tmp_path, free_port):
    """Names come from the topic; other plants and other metrics are other pages'; a cleared value is a delete."""
    async with broker(tmp_path, free_port) as mosquitto:
        await send(free_port, temperature("p1", 20), temperature("p2", 21), temperature("p9", 5, "bergen"))
        bridge = await run(ROUTES.format(url=mosquitto.url))
        await reconnected(bridge, mosquitto, 1)
        await page.goto(bridge.url)
        await listener.open("/plants/oslo", "temperature", "humidity", "delete")
        assert sorted(celsius(await listener.heard(2))) == [20, 21]
        await send(free_port, Sent("plants/oslo/p1/humidity", "40"), temperature("p9", 6, "bergen"))
        await send(free_port, temperature("p1", 22.5), Sent("plants/oslo/p2/temperature", b"", retain=True))
        seen = await listener.heard(4)
        assert [event.name for event in seen] == ["temperature", "temperature", "temperature", "delete"]
        assert json.loads(seen[2].data) == {"celsius": 22.5}
        assert "p2" in seen[3].data
        # Who comes now gets only what is still there.
        await listener.open("/plants/oslo", "temperature", "humidity", "delete")
        assert celsius(await listener.heard(1)) == [22.5]


async def test_page_lives_through_restarts_of_the_broker(run, page, listener, tmp_path, free_port):
    """SIGKILL: the gap is told, and the words go on. SIGTERM: nothing is lost and no gap is told."""
    async with broker(tmp_path, free_port) as mosquitto, Device(free_port) as device:
        bridge = await run(ROUTES.format(url=mosquitto.url))
        await reconnected(bridge, mosquitto, 1)
        await page.goto(bridge.url)
        await listener.open("/plants/oslo", "temperature")
        await listener.opened()
        speaking = asyncio.create_task(simulate(device, "p1"))
        try:
            await gone_on(listener, 25)
            await mosquitto.kill()
            await mosquitto.start()
            await reconnected(bridge, mosquitto, 2)
            seen = await gone_on(listener, celsius(await listener.events())[-1] + 5)
            # Before the first word that came after it.
            assert [event.name for event in seen].count("bridge.gap") == 1
            told = json.loads(next(event.data for event in seen if event.name == "bridge.gap"))
            assert (told["reason"], told["missed"]) == ("broker_session_lost", None)
            await mosquitto.stop()
            await mosquitto.start()
            await reconnected(bridge, mosquitto, 3)
            after = (await gone_on(listener, celsius(await listener.events())[-1] + 5))[len(seen) :]
            assert {event.name for event in after} == {"temperature"}
            # A word that was given away and not acknowledged comes again; none is missing.
            values = list(dict.fromkeys(celsius(after)))
            assert values == [values[0] + n / 2 for n in range(len(values))]
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
