"""How the brokers are reached."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import ClassVar

import pytest
from aiokafka import errors as kafka

from bridge.sources.kafka import link as module
from bridge.sources.kafka.link import Link, Options, _Authenticator, split
from bridge.sources.kafka.login import client_arguments
from bridge.sources.kafka.metadata import Broker, Catalog
from bridge.sources.kafka.trouble import LostError

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[str]:
    """Listen, and say where."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await serve(reader, writer)

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def made(*brokers: str) -> Link:
    """Make a link."""
    return Link(Options(brokers, "c", 0.2), client_arguments(None, None))


async def refused(*brokers: str) -> str:
    """Return why nobody answers."""
    link = made(*brokers)
    with pytest.raises(LostError) as raised:
        await link.ask(["orders"])
    await link.close()
    return str(raised.value)


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Say nothing."""
    await reader.read()


async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Close at the first byte."""
    await reader.read(1)


async def chatter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as a web server does."""
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()
    await reader.read()


async def test_k29_a_broker_that_says_nothing_does_not_hold_us_up() -> None:
    """It takes the connection, and no more."""
    async with listening(silent) as where:
        assert await refused(where) == f"{where} does not answer"


async def test_a_server_that_is_no_broker() -> None:
    """It hangs up, or says something else."""
    async with listening(hang_up) as where:
        assert "it is no Kafka broker" in await refused(where)
    async with listening(chatter) as where:
        assert where in await refused(where)


async def test_k03_every_broker_is_tried_and_the_reasons_are_told() -> None:
    """Each once, and not too many."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    gone = f"127.0.0.1:{port}"
    reason = f"{gone} refuses connections: nothing listens there (is the broker started, is the port right?)"
    assert await refused(gone, gone) == reason
    async with listening(hang_up) as one, listening(silent) as two:
        told = await refused(gone, one, two)
    assert told.startswith(f"{reason}; {one} closed")
    assert told.endswith("; and 1 more")


async def test_k27_an_advertised_listener_is_told_apart() -> None:
    """The broker that was asked answers; where it sends us nobody does."""
    nowhere = Broker("kafka-0.invalid", 9092)
    wrong = await made("kafka:9092").prove([nowhere, nowhere])
    assert wrong == {nowhere: "advertised listener: the name of kafka-0.invalid:9092 cannot be resolved"}


class Connection:
    """A connection that a test makes."""

    opened = 0
    _versions: ClassVar[dict] = {}

    def connected(self) -> bool:
        """Be."""
        return True

    async def send(self, _: object) -> Catalog:
        """Answer at once."""
        return Catalog("c", {1: Broker("kafka", 1)}, {})

    def close(self) -> None:
        """Close."""


async def test_two_who_ask_share_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch asks, and so does whoever doubts what was fetched; a second connection would never be closed."""

    async def opening(_self: Link, _where: str) -> Connection:
        Connection.opened += 1
        await asyncio.sleep(0)
        return Connection()

    monkeypatch.setattr(Link, "_open", opening)
    monkeypatch.setattr(module, "catalog", lambda answer: answer)
    link = made("kafka:9092")
    await asyncio.gather(link.ask(None), link.ask(None))
    assert Connection.opened == 1
    assert link.where == "kafka:9092"


async def test_a_cluster_without_brokers_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that does not take us for who we are may answer so."""

    async def opening(_self: Link, _where: str) -> Connection:
        return Connection()

    monkeypatch.setattr(Link, "_open", opening)
    monkeypatch.setattr(module, "catalog", lambda _: Catalog("", {}, {}))
    assert "no brokers" in await refused("kafka:9092")


class Token:
    """Sends a token, and takes any answer for consent, as the library does."""

    is_sent = False

    async def step(self, _: bytes | None) -> tuple[bytes, bool] | None:
        """Send it once."""
        if self.is_sent:
            return None
        self.is_sent = True
        return b"token", True


async def test_k25_a_token_that_is_refused_is_heard_of() -> None:
    """A server that consents says nothing more."""
    good = _Authenticator(Token())
    assert await good.step(None) == (b"token", True)
    assert await good.step(b"") is None
    bad = _Authenticator(Token())
    await bad.step(None)
    with pytest.raises(kafka.SaslAuthenticationFailed):
        await bad.step(b'{"status":"invalid_token"}')


def test_addresses_are_taken_apart() -> None:
    """Also of the sixth version."""
    assert split("kafka:9092") == ("kafka", 9092)
    assert split("[::1]:9092") == ("::1", 9092)
