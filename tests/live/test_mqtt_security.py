"""A real Mosquitto's doors: each way in, right and wrong, with the words that the admin view shows."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority
from tests.devices import Sent, send
from tests.listening import hasty
from tests.mosquitto import Broker, broker, password_file, tls
from tests.network import websocket
from tests.support import Client, Served, running, until

pytestmark = pytest.mark.live

SECRET = "s3cret-of-the-broker"


@asynccontextmanager
async def bridge(url: str, **keys: Any) -> AsyncIterator[Served]:
    """Run a bridge with one source."""
    spec = {"kind": "mqtt", "url": url, "topics": ["plants/{plant}"], **keys}
    text = f"sources: {json.dumps({'m': spec})}\nroutes: {{'/m/{{plant}}': {{from: m}}}}\n"
    with hasty():
        async with running(text) as served:
            yield served


async def view(served: Served) -> dict[str, Any]:
    """Return what the admin view tells of the source."""
    client = await Client.to(served.bridge.admin.port)
    try:
        await client.ask("/-/sources", headers="Connection: close\r\n")
        [told] = json.loads(await client.rest())
    finally:
        client.close()
    return dict(told)


async def settled(served: Served) -> dict[str, Any]:
    """Wait until the source is up or down; return what the admin view tells."""
    await until(lambda: served.bridge.health.sources["m"].state != "starting")
    return await view(served)


async def delivers(served: Served, mosquitto: Broker, **login: str) -> None:
    """Show that a device's word arrives."""
    assert (await settled(served))["state"] == "up"
    client = await served.open("/m/oslo")
    await send(mosquitto.port, Sent("plants/oslo", "21.5"), **login)
    assert (await client.event()).data == "21.5"


@pytest.fixture
def password(tmp_path: Path) -> dict[str, str]:
    """Keep the password in a file."""
    (tmp_path / "password").write_text(SECRET + "\n")
    return {"file": str(tmp_path / "password")}


both = pytest.mark.parametrize("version", [5, "3.1.1"])


@both
async def test_right_password_lets_in(tmp_path, free_port, password, version):
    """User and password, the latter from a file."""
    async with (
        broker(tmp_path, free_port, password_file(tmp_path, bridge=SECRET)) as mosquitto,
        bridge(mosquitto.url, username="bridge", password=password, version=version) as served,
    ):
        await delivers(served, mosquitto, username="bridge", password=SECRET)


@both
@pytest.mark.parametrize("username", ["bridge", "nobody", None])
async def test_wrong_password_or_none_is_told_as_what_it_is(tmp_path, free_port, password, version, username):
    """No time-out, no closed connection; and the password stands nowhere."""
    keys = {"username": username, "password": password} if username else {}
    async with (
        broker(tmp_path, free_port, password_file(tmp_path, bridge="another")) as mosquitto,
        bridge(mosquitto.url, version=version, **keys) as served,
    ):
        told = await settled(served)
        assert told["state"] == "down"
        assert "password" in told["error"] or "authorized" in told["error"]
        assert SECRET not in json.dumps(told)


@both
async def test_password_that_is_put_right_at_the_broker_lets_in_by_itself(tmp_path, free_port, password, version):
    """The bridge is not restarted for it."""
    async with (
        broker(tmp_path, free_port, password_file(tmp_path, bridge="another")) as mosquitto,
        bridge(mosquitto.url, version=version, username="bridge", password=password) as served,
    ):
        assert (await settled(served))["state"] == "down"
        password_file(tmp_path, bridge=SECRET)
        mosquitto.reload()
        await until(lambda: served.bridge.health.sources["m"].state == "up")
        await delivers(served, mosquitto, username="bridge", password=SECRET)


def local(port: int, scheme: str = "mqtts") -> str:
    """Return an address with a name that stands in the certificates."""
    return f"{scheme}://localhost:{port}"


@both
async def test_tls_with_the_right_authority(tmp_path, free_port, authority, version):
    """The certificate is that of an own CA."""
    async with (
        broker(tmp_path, free_port, tls(authority.ca, authority.server)),
        bridge(local(free_port), tls={"ca": str(authority.ca)}, version=version) as served,
    ):
        assert (await settled(served))["state"] == "up"


async def test_tls_with_the_bundle_of_the_system_refuses_an_own_authority(tmp_path, free_port, authority):
    """Without `ca` the broker's CA is not known."""
    async with broker(tmp_path, free_port, tls(authority.ca, authority.server)), bridge(local(free_port)) as served:
        told = await settled(served)
        assert (told["state"], "certificate" in told["error"]) == ("down", True), told


async def _refused(tmp_path: Path, port: int, lines: str, url: str, *words: str, **keys: Any) -> None:
    async with broker(tmp_path, port, lines), bridge(url, **keys) as served:
        told = await settled(served)
        assert told["state"] == "down"
        for word in words:
            assert word in told["error"].lower(), told


async def test_m23_expired_certificate(tmp_path, free_port, authority):
    """It says expired."""
    lines = tls(authority.ca, authority.expired)
    await _refused(
        tmp_path, free_port, lines, f"mqtts://127.0.0.1:{free_port}", "expired", tls={"ca": str(authority.ca)}
    )


async def test_m23_certificate_of_another_host(tmp_path, free_port, authority):
    """It says that it is somebody else's."""
    lines = tls(authority.ca, authority.issue("elsewhere", "elsewhere.example.org"))
    await _refused(tmp_path, free_port, lines, local(free_port), "another host", tls={"ca": str(authority.ca)})


async def test_m23_certificate_of_another_authority(tmp_path, free_port, authority):
    """It says that nobody it trusts has signed it."""
    other = Authority(tmp_path, "other")
    lines = tls(other.ca, other.server)
    await _refused(tmp_path, free_port, lines, local(free_port), "certificate", tls={"ca": str(authority.ca)})


async def test_m23_authority_rotates(tmp_path, free_port, authority):
    """The broker has a certificate of a new CA: down, until the file of the CA is the new one; nobody restarts."""
    other, ca = Authority(tmp_path, "other"), tmp_path / "trusted.pem"
    ca.write_bytes(authority.ca.read_bytes())
    async with bridge(local(free_port), tls={"ca": str(ca)}) as served:
        async with broker(tmp_path / "one", free_port, tls(authority.ca, authority.server)):
            await until(lambda: served.bridge.health.sources["m"].state == "up")
        async with broker(tmp_path / "two", free_port, tls(other.ca, other.server)):
            await until(lambda: "certificate" in (served.bridge.health.sources["m"].error or ""))
            ca.write_bytes(other.ca.read_bytes())
            await until(lambda: served.bridge.health.sources["m"].state == "up")


async def test_client_certificate_lets_in(tmp_path, free_port, authority):
    """A certificate in place of a password."""
    keys = {"ca": str(authority.ca), "cert": str(authority.client.cert), "key": str(authority.client.key)}
    async with (
        broker(tmp_path, free_port, tls(authority.ca, authority.server, client=True)) as mosquitto,
        bridge(local(free_port), tls=keys) as served,
    ):
        assert (await settled(served))["state"] == "up"
        assert "bridge.example.org" in mosquitto.log


async def test_client_certificate_that_misses(tmp_path, free_port, authority):
    """The broker demands one, and the source has none."""
    lines = tls(authority.ca, authority.server, client=True)
    await _refused(tmp_path, free_port, lines, local(free_port), "certificate", tls={"ca": str(authority.ca)})


async def test_client_certificate_of_another_authority(tmp_path, free_port, authority):
    """The broker trusts others."""
    other = Authority(tmp_path, "other")
    keys = {"ca": str(authority.ca), "cert": str(other.client.cert), "key": str(other.client.key)}
    lines = tls(authority.ca, authority.server, client=True)
    await _refused(tmp_path, free_port, lines, local(free_port), "certificate", tls=keys)


async def test_tls_to_a_plain_port(tmp_path, free_port, authority):
    """The words name TLS."""
    lines = "allow_anonymous true"
    await _refused(tmp_path, free_port, lines, local(free_port), "tls", tls={"ca": str(authority.ca)})


async def test_plain_to_a_tls_port(tmp_path, free_port, authority):
    """The broker hangs up: the words say so, and no password was needed to learn it."""
    await _refused(tmp_path, free_port, tls(authority.ca, authority.server), local(free_port, "mqtt"), "closed")


@both
async def test_websocket(tmp_path, free_port, version):
    """`ws://`, with packets cut anywhere by WebSocket's messages."""
    async with (
        broker(tmp_path, free_port) as mosquitto,
        websocket(free_port) as port,
        bridge(f"ws://127.0.0.1:{port}/mqtt", version=version) as served,
    ):
        await delivers(served, mosquitto)


async def test_websocket_over_tls(tmp_path, free_port, authority):
    """`wss://`, with the same `tls`."""
    async with (
        broker(tmp_path, free_port) as mosquitto,
        websocket(free_port, authority.server) as port,
        bridge(f"wss://localhost:{port}/mqtt", tls={"ca": str(authority.ca)}) as served,
    ):
        await delivers(served, mosquitto)


async def test_websocket_where_there_is_none(tmp_path, free_port):
    """A wrong path is told with the status of the answer."""
    async with (
        broker(tmp_path, free_port),
        websocket(free_port) as port,
        bridge(f"ws://127.0.0.1:{port}/wrong") as served,
    ):
        told = await settled(served)
        assert told["state"] == "down"
        assert "404" in told["error"]


async def test_topic_that_the_access_list_denies_is_silent(tmp_path, free_port, password):
    """Mosquitto 2.0 grants the subscription and delivers nothing: there is nothing that we could tell."""
    (tmp_path / "acl").write_text("user bridge\ntopic read open/#\nuser device\ntopic write #\n")
    lines = password_file(tmp_path, bridge=SECRET, device="d") + f"\nacl_file {tmp_path}/acl"
    async with (
        broker(tmp_path, free_port, lines) as mosquitto,
        bridge(mosquitto.url, username="bridge", password=password, topics=["{place}/{plant}"]) as served,
    ):
        assert (await settled(served))["state"] == "up"
        client = await served.open("/m/oslo")
        login = {"username": "device", "password": "d"}
        await send(mosquitto.port, Sent("closed/oslo", "1"), Sent("open/oslo", "2"), **login)
        assert (await client.event()).data == "2"
