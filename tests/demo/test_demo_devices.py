"""The demo's broker and its devices, seen by an MQTT client."""

import asyncio
import contextlib
import importlib
import json
import logging
from collections.abc import AsyncIterator
from random import Random

import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from bridge.demo import broker, devices, shop
from bridge.errors import ConfigError

# The package has a command of this name too.
demo = importlib.import_module("bridge.cli.demo")

TOPIC = "plants/+/+/temperature"


@contextlib.asynccontextmanager
async def subscriber(port: int, heard: list[MQTTMessage]) -> AsyncIterator[None]:
    """Subscribe to all devices, and collect what comes."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv311)
    client.on_connect = lambda client, *_: client.subscribe(TOPIC, 1)
    client.on_message = lambda _client, _data, message: heard.append(message)
    client.connect_async("127.0.0.1", port)
    client.loop_start()
    try:
        yield
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)


async def until(condition) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_who_subscribes_later_has_every_device_at_once():
    """Values are JSON and retained; early clients wait for the broker instead of being refused."""
    names = {device.topic for device in devices.devices() if device.name != devices.VISITOR}
    with broker.listen() as listening:
        port = listening.getsockname()[1]
        early, late = [], []
        async with subscriber(port, early), broker.running(listening):
            publishing = asyncio.create_task(devices.publish("127.0.0.1", port, Random(1), pause=0.01))
            await until(lambda: names <= {message.topic for message in early})
            async with subscriber(port, late):
                await until(lambda: names <= {message.topic for message in late if message.retain})
            publishing.cancel()
            await asyncio.wait([publishing])
    for message in early:
        if message.payload:
            value = json.loads(message.payload)
            assert value["device"] == message.topic.split("/")[2]
            assert isinstance(value["celsius"], float)


async def test_a_device_that_goes_clears_what_is_retained_of_it():
    """A forklift comes and goes: gone, it has no value."""
    heard = []
    with broker.listen() as listening:
        port = listening.getsockname()[1]
        async with broker.running(listening), subscriber(port, heard):
            publishing = asyncio.create_task(devices.publish("127.0.0.1", port, Random(1), pause=0.001))
            await until(lambda: any(not message.payload for message in heard))
            publishing.cancel()
            await asyncio.wait([publishing])
    assert {message.topic for message in heard if not message.payload} == {"plants/oslo/forklift/temperature"}


async def test_the_broker_ends_at_once_and_leaves_nothing(caplog, capfd):
    """With clients connected it ends within its grace: no task, no open port, and not a word."""
    caplog.set_level(logging.INFO)
    before = asyncio.all_tasks()
    loop = asyncio.get_running_loop()
    with broker.listen() as listening:
        port = listening.getsockname()[1]
        heard = []
        async with contextlib.AsyncExitStack() as clients:
            async with broker.running(listening):
                publishing = asyncio.create_task(devices.publish("127.0.0.1", port, Random(1), pause=0.01))
                await clients.enter_async_context(subscriber(port, heard))
                await clients.enter_async_context(_plain(port))
                await until(lambda: heard)
                publishing.cancel()
                await asyncio.wait([publishing])
                started = loop.time()
            assert loop.time() - started < 2 * broker.GRACE
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
    await until(lambda: asyncio.all_tasks() <= before)
    assert not [record for record in caplog.records if record.name.split(".")[0] in {"amqtt", "transitions"}]
    assert capfd.readouterr().err == ""


@contextlib.asynccontextmanager
async def _plain(port: int) -> AsyncIterator[None]:
    """Connect and say nothing."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    yield
    writer.close()


def test_without_the_extra_the_rest_is_shown(tmp_path, monkeypatch, capsys):
    """One line says how to get the devices; their source and routes are left out, and the others stay."""
    monkeypatch.setattr(demo, "has_broker", lambda: False)
    seen = []
    monkeypatch.setattr(demo, "serve", lambda config, *_, **__: seen.append(config) or 0)
    monkeypatch.setattr(demo, "set_up_log", lambda *_: True)
    assert demo.run(level="warning") == 0
    [config] = seen
    assert capsys.readouterr().err == f"{demo.HOW}\n"
    assert set(config.sources) == {"logs", "orders", "sales", "clock", "notices"}
    assert not [path for path in config.routes if path.startswith("/plants")]
    with broker.listen() as listening, shop.listen() as behind:
        whole = demo.configured(tmp_path, listening, behind, {})
        assert whole.sources["devices"].source.url.endswith(f":{listening.getsockname()[1]}")
        with pytest.raises(ConfigError):
            demo.configured(tmp_path / "missing", None, behind, {})
    assert list(whole.routes) == [*config.routes, "/plants/{plant}"] or set(whole.routes) > set(config.routes)
