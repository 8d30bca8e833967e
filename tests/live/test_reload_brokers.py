"""Secrets and keys of sources that change while real brokers are read."""

import json
from collections.abc import Collection
from pathlib import Path

import pytest

from tests import reloading as again
from tests.devices import Sent, send
from tests.kafka import Broker
from tests.kafka_client import Talk
from tests.listening import hasty
from tests.mosquitto import ANYONE, broker, password_file
from tests.reloading import Tab, reloading
from tests.support import numbers, until

pytestmark = pytest.mark.live

#: Who publishes.
DEVICE = {"username": "device", "password": "of-the-device"}


def text(url: str, route: str = "", **keys: object) -> str:
    """Return a file with one source of a broker."""
    spec = {"kind": "mqtt", "url": url, "topics": ["plants/{plant}"], **keys}
    return f"sources: {json.dumps({'m': spec})}\nroutes: {{/m: {{from: m, {route}}}}}\n"


async def test_x14_a_brokers_password_is_rotated(
    tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams keep their connections, and what was published meanwhile waits in the broker's session."""
    again.hasty(monkeypatch)
    secret, file = tmp_path / "password", tmp_path / "routes.yaml"
    secret.write_text("old")
    settings = password_file(tmp_path, bridge="old", device="of-the-device")
    async with broker(tmp_path, free_port, settings) as mosquitto:
        keys = {"username": "bridge", "password": {"file": str(secret)}}
        with hasty():
            async with reloading(text(mosquitto.url, **keys), file) as served:
                await until(lambda: served.bridge.health.sources["m"].state == "up")
                client = await served.open("/m")
                await send(free_port, *(Sent("plants/oslo", str(n)) for n in range(5)), **DEVICE)
                password_file(tmp_path, bridge="new", device="of-the-device")
                mosquitto.reload()
                await until(lambda: served.bridge.health.sources["m"].state == "down")
                await send(free_port, *(Sent("plants/oslo", str(n)) for n in range(5, 10)), **DEVICE)
                secret.write_text("new\n")
                await until(lambda: served.bridge.reloader.reloads["applied"])
                await until(lambda: served.bridge.health.sources["m"].state == "up")
                await send(free_port, *(Sent("plants/oslo", str(n)) for n in range(10, 15)), **DEVICE)
                await client.until(lambda: len(client.data) == 15)
                assert numbers(client.data) == list(range(15))
                assert not client.controls


async def test_a_rotated_source_that_was_well_misses_nothing(
    tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker takes both passwords for a while, as one rotates them: nobody is down for a moment."""
    again.hasty(monkeypatch)
    secret, file = tmp_path / "password", tmp_path / "routes.yaml"
    secret.write_text("old")
    async with broker(tmp_path, free_port, ANYONE) as mosquitto:
        keys = {"username": "bridge", "password": {"file": str(secret)}}
        async with reloading(text(mosquitto.url, **keys), file) as served:
            await until(lambda: served.bridge.health.sources["m"].state == "up")
            client = await served.open("/m")
            for number in range(3):
                await send(free_port, *(Sent("plants/oslo", str(n)) for n in range(number * 5, number * 5 + 5)))
                secret.write_text(f"rotated {number}")
                await until(lambda number=number: served.bridge.reloader.reloads["applied"] == number + 1)  # type: ignore[misc]
            await client.until(lambda: len(client.data) == 15)
            assert numbers(client.data) == list(range(15))
            assert not client.controls
            assert served.bridge.health.downs["m"] == 0


async def test_a_changed_mqtt_source_goes_on_in_its_session(tmp_path: Path, free_port: int) -> None:
    """One more topic: who listens comes back, and has missed nothing of what was published meanwhile."""
    file = tmp_path / "routes.yaml"
    async with broker(tmp_path, free_port) as mosquitto, reloading(text(mosquitto.url), file) as served:
        await until(lambda: served.bridge.health.sources["m"].state == "up")
        async with Tab(lambda: served.port, "/m") as tab:
            await send(free_port, Sent("plants/oslo", "1"))
            await until(lambda: tab.data == ["1"])
            await served.applied(text(mosquitto.url, topics=["plants/{plant}", "sites/{plant}"]))
            await send(free_port, Sent("plants/oslo", "2"))
            await until(lambda: served.bridge.health.sources["m"].state == "up")
            await until(lambda: tab.data[-1:] == ["2"])
            await send(free_port, Sent("sites/oslo", "3"))
            await until(lambda: tab.data == ["1", "2", "3"])
            assert (tab.byes, tab.gaps) == (["changed"], [])


async def test_what_was_queued_before_a_narrower_topic_came_is_not_missed(
    tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker has it under the wider subscription alone."""
    file = tmp_path / "routes.yaml"
    async with broker(tmp_path, free_port) as mosquitto, reloading(text(mosquitto.url), file) as served:
        await until(lambda: served.bridge.health.sources["m"].state == "up")
        stop = served.bridge.works.runs.stop

        async def stopped(names: Collection[str]) -> None:
            await stop(names)
            await send(free_port, *(Sent("plants/oslo", str(n)) for n in range(1, 20)))

        monkeypatch.setattr(served.bridge.works.runs, "stop", stopped)
        async with Tab(lambda: served.port, "/m") as tab:
            await send(free_port, Sent("plants/oslo", "0"))
            await until(lambda: tab.data == ["0"])
            await served.applied(text(mosquitto.url, topics=["plants/{plant}", "plants/oslo"]))
            await until(lambda: len(tab.data) == 20)
            assert numbers(tab.data) == list(range(20))
            assert not tab.gaps


async def test_a_changed_kafka_source_goes_on_at_its_offsets(
    tmp_path: Path, kafka: Broker, talk: Talk, topic: str
) -> None:
    """Its ids are positions, which hold before and after."""
    file = tmp_path / "routes.yaml"
    spec = {"kind": "kafka", "brokers": [kafka.address], "topics": [topic], "begin": "earliest"}

    def keys(**more: object) -> str:
        return f"sources: {json.dumps({'k': {**spec, **more}})}\nroutes: {{/k: {{from: k}}}}\n"

    await talk.create(topic)
    await talk.send(topic, b"0")
    async with reloading(keys(), file) as served:
        await until(lambda: served.bridge.health.sources["k"].state == "up")
        async with Tab(lambda: served.port, "/k") as tab:
            for number in range(1, 5):
                await talk.send(topic, str(number).encode())
            await until(lambda: len(tab.data) == 4)
            await served.applied(keys(client_id="another", fetch={"wait": "100ms"}))
            for number in range(5, 10):
                await talk.send(topic, str(number).encode())
            await until(lambda: len(tab.data) == 9)
            assert numbers(tab.data) == list(range(1, 10))
            assert (tab.byes, tab.gaps) == (["changed"], [])
