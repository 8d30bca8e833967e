"""Kafka's faults of rights and of what expires: K24 and K25."""

import asyncio

import pytest
from structlog.testing import capture_logs

from bridge.errors import SourceError
from bridge.sources.base import Place
from bridge.sources.kafka.follow import STAND
from tests.kafka_client import Talk
from tests.kafka_config import PASSWORD, USER
from tests.kafka_source import counted, jwt, listening, secret

pytestmark = pytest.mark.live

#: How long the listener BRIEF knows who somebody is, seconds, and some more.
TWICE = 3.5


@pytest.fixture
def sasl(tmp_path):
    """Say who we are, with a password."""
    return {"mechanism": "PLAIN", "username": USER, "password": secret(tmp_path, PASSWORD)}


async def flow(talk: Talk, topic: str, seconds: float) -> int:
    """Produce a record each 50 ms for some time; return how many."""
    loop = asyncio.get_running_loop()
    end, count = loop.time() + seconds, 0
    while loop.time() < end:
        await talk.numbers(topic, [count])
        count += 1
        await asyncio.sleep(0.05)
    return count


async def test_k24_a_right_that_is_taken_away_is_told_and_given_back_it_goes_on(kafka, talk, topic, sasl):
    """The reason names the topic; what was produced meanwhile comes afterwards."""
    await talk.create(topic)
    async with listening(kafka.at("SASL"), topic, sasl=sasl) as heard:
        await talk.numbers(topic, range(3))
        await heard.payloads(3)
        await talk.deny(USER, topic)
        await talk.numbers(topic, range(3, 6))
        reason = await heard.goes_down()
        await talk.allow(USER, topic)
        assert await heard.payloads(6) == counted(range(6))
        await heard.comes_up(2)
    assert topic in reason
    assert "authorised" in reason
    assert not heard.losses


async def test_k24_a_right_to_one_topic_does_not_hold_up_the_other(kafka, talk, topic, sasl):
    """One of two topics may not be read: the other one is, and the log names the first."""
    other = f"{topic}-other"
    await talk.create(topic, other)
    await talk.deny(USER, other)
    await talk.numbers(topic, range(3))
    with capture_logs() as logs:
        async with listening(kafka.at("SASL"), topic, other, sasl=sasl) as heard:
            assert await heard.payloads(3) == counted(range(3))
            await heard.comes_up()
    assert any(other in line.get("reason", "") and "authorised" in line["reason"] for line in logs)


async def test_k24_a_right_that_is_taken_away_does_not_keep_the_others_from_being_read_back(kafka, talk, topic, sasl):
    """What may be read comes first; then the reading is given up."""
    other = f"{topic}-other"
    await talk.create(topic, other)
    place, items = Place(name="k"), []
    async with listening(kafka.at("SASL"), topic, other, sasl=sasl, place=place) as heard:
        await talk.numbers(topic, range(3))
        await talk.numbers(other, range(10, 13))
        await heard.payloads(6)
        await talk.deny(USER, topic)
        await heard.until(lambda: place.kept[STAND].away)

        async def read() -> None:
            async for batch in place.log.back().read(""):
                items.extend(message.payload for _, message in batch)

        with pytest.raises(SourceError, match=f"{topic} cannot be read now"):
            await read()
        await talk.allow(USER, topic)
    assert items == counted(range(10, 13))


async def test_k25_a_certificate_that_has_expired_is_told(kafka, talk, topic, authority):
    """The broker's certificate ran out yesterday."""
    await talk.create(topic)
    async with listening(kafka.at("STALE"), topic, tls={"ca": str(authority.ca)}) as heard:
        reason = await heard.goes_down()
    assert f"the certificate of {kafka.at('STALE')} is not trusted" in reason
    assert "expired" in reason


async def test_k25_a_login_that_expires_is_renewed_without_a_loss(kafka, talk, topic, sasl):
    """The broker drops connections whose login is 1.5 seconds old: the source connects anew, and hears everything."""
    await talk.create(topic)
    async with listening(kafka.at("BRIEF"), topic, sasl=sasl) as heard:
        await heard.comes_up()
        count = await flow(talk, topic, TWICE)
        assert await heard.payloads(count) == counted(range(count))
    assert not heard.losses


async def test_k25_a_token_that_expires_is_read_again_from_its_file(kafka, talk, topic, tmp_path):
    """Another one lies there by then. Without one the source is down, and the reason says that it is the token."""
    await talk.create(topic)
    token = {"mechanism": "OAUTHBEARER", "token": secret(tmp_path, jwt(lasts=60))}
    async with listening(kafka.at("BRIEF"), topic, sasl=token) as heard:
        await talk.numbers(topic, range(3))
        await heard.payloads(3)
        await heard.comes_up()
        secret(tmp_path, jwt(lasts=-60))
        await heard.until(lambda: "token" in heard.states[-1])
        secret(tmp_path, jwt(lasts=60))
        await talk.numbers(topic, range(3, 6))
        assert await heard.payloads(6) == counted(range(6))
    assert not heard.losses
