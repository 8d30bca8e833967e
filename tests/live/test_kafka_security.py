"""A real Kafka broker's doors: each way in, right and wrong, with the words that the admin view shows."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority
from tests.kafka import Broker
from tests.kafka_client import Talk
from tests.kafka_config import PASSWORD, USER
from tests.kafka_source import jwt, secret, yaml
from tests.support import Client, Served, running, until

pytestmark = pytest.mark.live

MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

WRONG = "wrong user name or password"


@asynccontextmanager
async def bridge(address: str, topic: str, **keys: Any) -> AsyncIterator[Served]:
    """Run a bridge with one source."""
    async with running(yaml(address, topic, begin="earliest", **keys)) as served:
        yield served


async def view(served: Served) -> dict[str, Any]:
    """Wait until the source is up or down; return what the admin view tells."""
    await until(lambda: served.bridge.health.sources["k"].state != "starting")
    client = await Client.to(served.bridge.admin.port)
    try:
        await client.ask("/-/sources", headers="Connection: close\r\n")
        [told] = json.loads(await client.rest())
    finally:
        client.close()
    return dict(told)


async def delivers(address: str, talk: Talk, topic: str, **keys: Any) -> None:
    """Show that a record arrives."""
    await talk.create(topic)
    await talk.send(topic, b"hello")
    async with bridge(address, topic, **keys) as served:
        assert (await view(served))["state"] == "up"
        client = await served.open("/k")
        assert (await client.event()).data == "hello"


async def refused(address: str, talk: Talk, topic: str, **keys: Any) -> str:
    """Show that the source is down; return why, which tells no secret."""
    await talk.create(topic)
    async with bridge(address, topic, **keys) as served:
        told = await view(served)
    assert told["state"] == "down"
    assert PASSWORD not in told["error"]
    assert "wrong-horse" not in told["error"]
    return str(told["error"])


@pytest.fixture
def tls(authority: Authority) -> dict[str, str]:
    """Trust the tests' own authority."""
    return {"ca": str(authority.ca)}


@pytest.fixture
def identity(authority: Authority) -> dict[str, str]:
    """Trust the tests' own authority, and show a certificate of it."""
    return {"ca": str(authority.ca), "cert": str(authority.client.cert), "key": str(authority.client.key)}


async def test_plaintext(kafka: Broker, talk: Talk, topic: str) -> None:
    """No word is asked for."""
    await delivers(kafka.address, talk, topic)


async def test_tls_with_a_client_certificate(kafka: Broker, talk: Talk, topic: str, identity: dict[str, str]) -> None:
    """Both sides prove themselves."""
    await delivers(kafka.at("TLS"), talk, topic, tls=identity)


async def test_tls_without_the_client_certificate_that_is_asked_for(kafka, talk, topic, tls):
    """The broker wants one, and the reason says that it is about a certificate of ours."""
    told = await refused(kafka.at("TLS"), talk, topic, tls=tls)
    assert kafka.at("TLS") in told
    assert "certificate" in told


async def test_tls_with_a_certificate_of_another_authority(kafka, talk, topic, tls, tmp_path):
    """The broker does not know who issued ours."""
    stranger = Authority(tmp_path, "stranger").client
    told = await refused(
        kafka.at("TLS"), talk, topic, tls={**tls, "cert": str(stranger.cert), "key": str(stranger.key)}
    )
    assert kafka.at("TLS") in told
    assert "certificate" in told


async def test_tls_of_a_broker_whom_we_do_not_trust(kafka, talk, topic, tmp_path):
    """We do not know who issued the broker's."""
    stranger = Authority(tmp_path, "stranger")
    told = await refused(kafka.at("SECURE"), talk, topic, tls={"ca": str(stranger.ca)})
    assert f"the certificate of {kafka.at('SECURE')} is not trusted" in told


async def test_tls_of_a_broker_under_another_name(kafka, talk, topic, tls):
    """The certificate is good, but for other names."""
    told = await refused(kafka.at("OTHER"), talk, topic, tls=tls)
    assert f"the certificate of {kafka.at('OTHER')} is not trusted" in told
    assert "127.0.0.1" in told.partition("trusted")[2]


async def test_tls_on_a_port_without(kafka, talk, topic, tls):
    """The port speaks Kafka's protocol in the open."""
    assert "TLS" in await refused(kafka.address, talk, topic, tls=tls)


async def test_no_tls_on_a_port_with(kafka, talk, topic):
    """The port waits for a TLS hello: the reason thinks of that."""
    assert "tls" in await refused(kafka.at("SECURE"), talk, topic)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("listener", ["SASL", "SECURE"])
async def test_sasl_with_user_and_password(kafka, talk, topic, tls, tmp_path, mechanism, listener):
    """Each mechanism, in the open and under TLS."""
    sasl = {"mechanism": mechanism, "username": USER, "password": secret(tmp_path, PASSWORD)}
    keys = {"tls": tls} if listener == "SECURE" else {}
    await delivers(kafka.at(listener), talk, topic, sasl=sasl, **keys)


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_sasl_with_a_wrong_password(kafka, talk, topic, tmp_path, mechanism):
    """It does not look like a time-out."""
    sasl = {"mechanism": mechanism, "username": USER, "password": secret(tmp_path, "wrong-horse")}
    told = await refused(kafka.at("SASL"), talk, topic, sasl=sasl)
    assert WRONG in told
    assert kafka.at("SASL") in told


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_sasl_with_an_unknown_user(kafka, talk, topic, tmp_path, mechanism):
    """Which of the two is wrong, no broker tells."""
    sasl = {"mechanism": mechanism, "username": "nobody", "password": secret(tmp_path, PASSWORD)}
    assert WRONG in await refused(kafka.at("SASL"), talk, topic, sasl=sasl)


async def test_sasl_on_a_port_without(kafka, talk, topic, tmp_path):
    """The broker asks for no user there."""
    sasl = {"mechanism": "PLAIN", "username": USER, "password": secret(tmp_path, PASSWORD)}
    assert "sasl" in await refused(kafka.address, talk, topic, sasl=sasl)


async def test_no_sasl_on_a_port_with(kafka, talk, topic):
    """The broker closes the connection without a word: the reason thinks of what is missing."""
    assert "sasl" in await refused(kafka.at("SASL"), talk, topic)


async def test_oauthbearer(kafka: Broker, talk: Talk, topic: str, tmp_path: Path) -> None:
    """The token stands in a file."""
    sasl = {"mechanism": "OAUTHBEARER", "token": secret(tmp_path, jwt())}
    await delivers(kafka.at("SASL"), talk, topic, sasl=sasl)


async def test_oauthbearer_with_a_token_that_has_expired(kafka, talk, topic, tmp_path):
    """The broker refuses it; the token itself is not told."""
    token = jwt(lasts=-60)
    told = await refused(
        kafka.at("SASL"), talk, topic, sasl={"mechanism": "OAUTHBEARER", "token": secret(tmp_path, token)}
    )
    assert "token" in told
    assert token.split(".")[1] not in told


async def test_oauthbearer_without_its_file(kafka, talk, topic, tmp_path):
    """The file is read at each authentication, so that it is missing is told then."""
    sasl = {"mechanism": "OAUTHBEARER", "token": {"file": str(tmp_path / "missing")}}
    assert "token" in await refused(kafka.at("SASL"), talk, topic, sasl=sasl)


async def test_oauthbearer_reads_the_token_anew_at_each_authentication(kafka, talk, topic, tmp_path):
    """An expired token lies there until another one does: then the source is up, without a start."""
    await talk.create(topic)
    await talk.send(topic, b"hello")
    token = secret(tmp_path, jwt(lasts=-60))
    async with bridge(kafka.at("SASL"), topic, sasl={"mechanism": "OAUTHBEARER", "token": token}) as served:
        assert (await view(served))["state"] == "down"
        secret(tmp_path, jwt())
        client = await served.open("/k")
        assert (await client.event()).data == "hello"
        assert (await view(served))["state"] == "up"


async def test_a_topic_that_one_may_not_read(kafka, talk, topic, tmp_path):
    """Who we are is known, and it is not enough."""
    await talk.create(topic)
    await talk.deny(USER, topic)
    sasl = {"mechanism": "PLAIN", "username": USER, "password": secret(tmp_path, PASSWORD)}
    async with bridge(kafka.at("SASL"), topic, sasl=sasl) as served:
        told = await view(served)
    assert told["state"] == "down"
    assert "not authorised" in told["error"]
    assert topic in told["error"]
