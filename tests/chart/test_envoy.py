"""Envoy, which Istio's gateways are, told what the EnvoyFilter of the chart tells it."""

import asyncio
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.chart.rendering import one, rendered_set
from tests.support import running

pytestmark = pytest.mark.live

HOST = "events.example.com"
ORIGIN = "https://app.example.com"
STREAM = {"Accept": "text/event-stream", "Host": HOST}

# Envoy listens within a second or two; a busy machine takes longer.
PATIENCE = 30.0

CLOCK = """
server: { listen: "127.0.0.1:0", admin: "127.0.0.1:0" }
sources: { clock: { kind: timer, every: 1s } }
routes: { /clock: { from: clock } }
"""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: str


def manager() -> dict[str, Any]:
    """Return the connection manager as Istio's would be after the patch, with the route of the VirtualService."""
    found = rendered_set("ingress-istio")
    patched = one(found, "EnvoyFilter")["spec"]["configPatches"][0]["patch"]["value"]["typed_config"]
    # Without a `timeout` Istio tells Envoy that there is none.
    timeout = one(found, "VirtualService")["spec"]["http"][0].get("timeout", "0s")
    router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    route = {"match": {"prefix": "/"}, "route": {"cluster": "bridge", "timeout": timeout}}
    return patched | {
        "stat_prefix": "gateway",
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": router}}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    }


def configuration(port: int, bridge: int) -> dict[str, Any]:
    """Return what Envoy is started with: one listener, one cluster."""

    def at(number: int) -> dict[str, Any]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    name = "envoy.filters.network.http_connection_manager"
    listener = {"address": at(port), "filter_chains": [{"filters": [{"name": name, "typed_config": manager()}]}]}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": at(bridge)}}]}]
    cluster = {
        "name": "bridge",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "bridge", "endpoints": endpoints},
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


@contextmanager
def envoy(folder: Path, port: int, bridge: int) -> Iterator[int]:
    """Run it before a bridge; give its port."""
    file = folder / "envoy.yaml"
    file.write_text(yaml.safe_dump(configuration(port, bridge)), "utf-8")
    # A base id of its own: two of them would share memory, and the second would not start.
    command = ["envoy", "--config-path", file, "--log-level", "error", "--concurrency", "1", "--use-dynamic-base-id"]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + PATIENCE
        while not is_open(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def is_open(port: int) -> bool:
    """Tell whether it listens yet."""
    connection = HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.connect()
    except OSError:
        return False
    finally:
        connection.close()
    return True


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[], int]) -> Iterator[int]:
    """Give an Envoy with nobody behind it."""
    with envoy(tmp_path_factory.mktemp("envoy"), free_ports(), free_ports()) as port:
        yield port


def ask(port: int, method: str = "GET", path: str = "/clock", **headers: str) -> Answer:
    """Ask, and read all of the answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    found = Answer(response.status, dict(response.getheaders()), response.read().decode())
    connection.close()
    return found


@pytest.mark.parametrize("host", [HOST, f"{HOST}:443", "a.example.org"])
def test_a_stream_is_told_to_come_back_later(alone: int, host: str) -> None:
    """Within five to six seconds, and the line is whole."""
    answer = ask(alone, **STREAM | {"Host": host})
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
    assert answer.headers["cache-control"] == "no-store, no-transform"
    found = re.fullmatch(r"retry: (5\d\d\d)\n+", answer.body)
    assert found, answer.body


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"Host": HOST, "Accept": "text/html"}),
        ("GET", {"Host": "other.example.net", "Accept": "text/event-stream"}),
        ("GET", {"Host": f"{HOST}.example.net", "Accept": "text/event-stream"}),
        ("POST", {"Host": HOST, "Accept": "text/event-stream"}),
    ],
)
def test_anything_else_keeps_its_error(alone: int, method: str, headers: dict[str, str]) -> None:
    """Pages, other hosts of the same gateway, and what may have been carried out."""
    assert ask(alone, method, **headers).status == 503


def test_pages_of_listed_origins_may_read_it(alone: int) -> None:
    """Others may not."""
    allowed = ask(alone, Origin=ORIGIN, **STREAM)
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert allowed.headers["access-control-allow-credentials"] == "true"
    refused = ask(alone, Origin="https://evil.example.net", **STREAM)
    assert refused.status == 200
    assert "access-control-allow-origin" not in refused.headers


async def test_a_bridge_behind_it_answers_for_itself(tmp_path: Path, free_ports: Callable[[], int]) -> None:
    """Its streams pass unheld, and its errors stay."""
    port = free_ports()
    async with running(CLOCK) as served:
        with envoy(tmp_path, port, served.port):
            assert (await asyncio.to_thread(ask, port, path="/none", **STREAM)).status == 404
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET /clock HTTP/1.1\r\nHost: {HOST}\r\nAccept: text/event-stream\r\n\r\n".encode())
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
            assert b" 200 " in head.splitlines()[0]
            await asyncio.wait_for(reader.readuntil(b"\ndata: "), PATIENCE)
            writer.close()
            await writer.wait_closed()
