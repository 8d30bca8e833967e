"""The Compose file: read as Compose reads it, and its set-up run with programs of this machine."""

import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest
import yaml

from bridge.config.load import load
from bridge.lifecycle import END
from tests.e2e.programs import answers, bridge, executable, running
from tests.mosquitto import broker

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose"

#: From github.com/compose-spec/compose-go (Apache-2.0), which Docker's own `docker compose` is made of; version 2.16.2.
SCHEMA = Path(__file__).with_name("compose-spec.json")


def document() -> Any:
    """Return the Compose file."""
    return yaml.safe_load((COMPOSE / "compose.yaml").read_text())


def test_it_is_what_the_compose_specification_allows():
    """Each key and each value, by the specification's own schema."""
    schema = json.loads(SCHEMA.read_text())
    found = jsonschema.validators.validator_for(schema)(schema).iter_errors(document())
    assert [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found] == []


@pytest.mark.parametrize("name", document()["services"])
def test_each_service_is_bounded_and_has_no_right_too_many(name):
    """Memory, processes, capabilities, privileges; a pinned image; a healthcheck, of its own or the image's."""
    service = document()["services"][name]
    limits = service["deploy"]["resources"]["limits"]
    assert limits["memory"]
    assert limits["pids"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is (name != "kafka")
    assert "build" in service or re.search(r":\d+\.\d+", service["image"])
    assert name == "bridge" or "healthcheck" in service


def test_only_nginx_is_reached_from_outside():
    """The brokers' network has no way out, and nothing but nginx has a port."""
    services = document()["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["nginx"]
    assert document()["networks"]["back"] == {"internal": True}
    assert services["nginx"]["networks"] == ["front"]


def test_every_file_that_is_mounted_is_there():
    """Docker would make an empty folder of one that is not."""
    for service in document()["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in document()["volumes"] or (COMPOSE / source).is_file(), volume
        if "build" in service:
            assert (COMPOSE / service["build"] / "Dockerfile").is_file()


def test_the_file_of_the_bridge_is_right_and_fits_its_container(tmp_path, monkeypatch):
    """It names the services, and its drain ends before Docker kills."""
    for name in ("LISTEN", "ADMIN", "APP", "MQTT", "KAFKA", "HOPS"):
        monkeypatch.delenv(name, raising=False)
    config = load(COMPOSE / "routes.yaml", {"LOGS": str(tmp_path), "STATE": str(tmp_path / "state")})
    assert not config.notes
    services = document()["services"]
    hosts = {config.sources["plant"].source.url, config.server.upstream.url, *config.sources["orders"].source.brokers}
    assert {re.sub(r"^\w+://|:\d+$", "", str(host)) for host in hosts} == {"mosquitto", "app", "kafka"} <= set(services)
    grace = float(services["bridge"]["stop_grace_period"].removesuffix("s"))
    assert grace >= config.server.prestop + config.server.drain + END
    assert services["bridge"]["image"].startswith("ghcr.io/sse-bridge/sse-bridge:")


def nginx_here(folder: Path, port: int, upstream: str) -> Path:
    """Return nginx's file with this machine's paths and addresses for the containers'."""
    text = (COMPOSE / "nginx.conf").read_text()
    for was, now in {
        "/tmp/": f"{folder}/",
        "/dev/stdout": f"{folder}/access.log",
        "/dev/stderr": f"{folder}/error.log",
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "http://bridge:8080": upstream,
    }.items():
        assert was in text
        text = text.replace(was, now)
    made = folder / "nginx.conf"
    made.write_text(text)
    return made


@pytest.mark.live
async def test_the_set_up_works_with_real_programs_in_the_places_of_its_containers(
    tmp_path, free_ports, kafka, talk, topic
):
    """nginx, the application, Mosquitto and Kafka, with the set-up's own files; only addresses and paths are others."""
    app, listen, admin, front, mqtt = (free_ports() for _ in range(5))
    logs = tmp_path / "logs"
    logs.mkdir()
    routes = tmp_path / "routes.yaml"
    routes.write_text((COMPOSE / "routes.yaml").read_text().replace("topics: [ orders ]", f"topics: [ {topic} ]"))
    await talk.create(topic)
    command = (executable("python3"), "-u", COMPOSE / "app" / "app.py", "--port", str(app), "--log", logs / "app.log")
    config = (COMPOSE / "mosquitto.conf").read_text()
    more = "\n".join(line for line in config.splitlines() if line.startswith("allow_"))
    env = {
        "APP": f"http://127.0.0.1:{app}",
        "LOGS": str(logs),
        "STATE": str(tmp_path / "state"),
        "MQTT": f"mqtt://127.0.0.1:{mqtt}",
        "KAFKA": kafka.address,
        "HOPS": "127.0.0.1/32",
    }
    nginx = (executable("nginx"), "-p", tmp_path, "-e", tmp_path / "error.log", "-g", "daemon off;")
    async with (
        running(*command) as application,
        broker(tmp_path, mqtt, more),
        bridge(routes, listen, admin, env) as beside,
        running(*nginx, "-c", nginx_here(tmp_path, front, beside.url)) as proxy,
        aiohttp.ClientSession(f"http://127.0.0.1:{front}") as session,
    ):
        await answers(application, f"http://127.0.0.1:{app}/health")
        await answers(proxy, f"http://127.0.0.1:{front}/nginx-health")
        async with session.get("/") as answer:
            assert "<title>Plant</title>" in await answer.text()
        published = [executable("mosquitto_pub"), "-p", str(mqtt), "-r", "-t", "plants/oslo/oven/temperature"]
        async with running(*published, "-m", '{"device": "oven", "celsius": 21}') as device:
            assert await device.process.wait() == 0
        await talk.producer.send_and_wait(topic, b'{"id": 1, "item": "lamp", "state": "new"}', key=b"1")
        for path, expected in {
            "/logs/app": "GET / HTTP",
            "/plants/oslo": '"celsius": 21',
            "/orders": '"item": "lamp"',
            "/clock": ":",
        }.items():
            await brings(session, path, expected)


async def brings(session: aiohttp.ClientSession, path: str, expected: str) -> None:
    """Open a stream through nginx and wait for an event that holds the text."""
    async with session.get(path, timeout=aiohttp.ClientTimeout(total=30)) as answer:
        assert answer.content_type == "text/event-stream"
        async for line in answer.content:
            if line.startswith(b"data:") and expected in line.decode():
                return
    pytest.fail(f"{path} ends without {expected}")


@pytest.mark.live
async def test_nginx_takes_its_file(tmp_path):
    """As it is, but for the folders."""
    made = nginx_here(tmp_path, 8080, "http://bridge:8080")
    async with running(executable("nginx"), "-t", "-p", tmp_path, "-e", tmp_path / "e", "-c", made) as nginx:
        assert await nginx.process.wait() == 0, nginx.printed


@pytest.mark.live
async def test_a_page_is_told_to_come_back_while_the_bridge_is_away(tmp_path, free_ports):
    """Not 502, which would end an EventSource for good."""
    front, nobody = free_ports(), free_ports()
    made = nginx_here(tmp_path, front, f"http://127.0.0.1:{nobody}")
    command = (executable("nginx"), "-p", tmp_path, "-e", tmp_path / "error.log", "-g", "daemon off;", "-c", made)
    async with running(*command) as proxy, aiohttp.ClientSession(f"http://127.0.0.1:{front}") as session:
        await answers(proxy, f"http://127.0.0.1:{front}/nginx-health")
        async with session.get("/clock", headers={"Accept": "text/event-stream"}) as answer:
            assert (answer.status, answer.content_type) == (200, "text/event-stream")
            assert (await answer.text()).startswith("retry: 5")
        async with session.get("/") as answer:
            assert answer.status == 502
