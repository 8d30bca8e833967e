"""How the brokers are reached: what aiokafka's clients are made with, and one connection for questions of our own.

The connection is beside those of the consumer. Its errors are seen as they are, while aiokafka logs its own and tries
again; so it tells why nothing comes, and how the topics stand, at each look.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import errors as kafka  # type: ignore[import-untyped]  # it has no types
from aiokafka.conn import AIOKafkaConnection  # type: ignore[import-untyped]  # it has no types

from bridge.sources.kafka.login import Arguments, client_arguments
from bridge.sources.kafka.metadata import Broker, Catalog, catalog, question
from bridge.sources.kafka.sasl import Sasl
from bridge.sources.kafka.trouble import FAILURES, LostError, words
from bridge.sources.tls import Tls

#: Seconds for a connection and for the answer to a question, at most: a broker answers within milliseconds, and one
#: that takes longer is as good as gone. `timeout` may be shorter.
PATIENCE: Final = 5.0

#: Brokers whose advertised addresses are tried at a time. A cluster may have hundreds.
AT_ONCE: Final = 8

#: Reasons that are told together, when every broker has one of its own.
MAX_REASONS: Final = 2


@dataclass(frozen=True, slots=True)
class Options:
    """What the keys say about the way to the brokers."""

    brokers: tuple[str, ...]
    client_id: str
    timeout: float
    tls: Tls | None = None
    sasl: Sasl | None = None

    async def arguments(self) -> Arguments:
        """Return who we are, from files that may have been renewed since; raises `SourceError`."""
        return await asyncio.to_thread(client_arguments, self.tls, self.sasl)


class _Authenticator:
    """Proves who we are with a token, and hears a refusal, which aiokafka takes for consent."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def step(self, answer: bytes | None) -> tuple[bytes, bool] | None:
        """Return what to send next, None at the end; raises `SaslAuthenticationFailed`."""
        if answer:
            # A server that consents says nothing more (RFC 7628, section 3.2.2).
            raise kafka.SaslAuthenticationFailed
        step: tuple[bytes, bool] | None = await self._inner.step(answer)
        return step


class _Connection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka has no types
    def authenticator_oauth(self) -> _Authenticator:
        return _Authenticator(super().authenticator_oauth())


class Link:
    """The connection for questions; closed by `close`."""

    def __init__(self, options: Options, arguments: Arguments) -> None:
        self._options = options
        self._arguments = arguments
        self._connection: Any = None
        #: The broker that answers.
        self.where = ""
        #: One question at a time: the watch asks, and whoever doubts what was fetched.
        self._asking = asyncio.Lock()
        #: What the last answer told, so that a cluster is found again when those of the file are gone.
        self._known: tuple[str, ...] = ()

    async def ask(self, names: Sequence[str] | None) -> Catalog:
        """Return what the cluster knows of these topics, or of all; raises `LostError` in words."""
        async with self._asking:
            return await self._ask(names)

    async def _ask(self, names: Sequence[str] | None) -> Catalog:
        connection = await self._connected()
        try:
            answer = await connection.send(question(connection._versions, names))  # noqa: SLF001  # nothing public has them
            found = catalog(answer)
        except FAILURES as error:
            await self.close()
            raise LostError(words(error, self.where)) from error
        if not found.brokers:
            raise LostError(f"{self.where} knows no brokers yet, or does not let us in")
        self._known = tuple(map(str, found.brokers.values()))
        return found

    async def prove(self, brokers: Iterable[Broker]) -> Mapping[Broker, str]:
        """Try the addresses that brokers advertise; return what is wrong with which."""
        waiting = asyncio.Semaphore(AT_ONCE)

        async def attempt(broker: Broker) -> tuple[Broker, str]:
            async with waiting:
                try:
                    async with self._opened(str(broker)):
                        return broker, ""
                except LostError as error:
                    return broker, f"advertised listener: {error}"

        tried = await asyncio.gather(*(attempt(broker) for broker in set(brokers)))
        return {broker: wrong for broker, wrong in tried if wrong}

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await _shut(connection)

    async def _connected(self) -> Any:  # aiokafka has no types
        if self._connection is not None and self._connection.connected():
            return self._connection
        await self.close()
        reasons: list[str] = []
        for where in dict.fromkeys((*self._options.brokers, *self._known)):
            try:
                self._connection = await self._open(where)
            except LostError as error:
                reasons.append(str(error))
            else:
                self.where = where
                return self._connection
        told = list(dict.fromkeys(reasons))
        more = f"; and {len(told) - MAX_REASONS} more" if len(told) > MAX_REASONS else ""
        raise LostError("; ".join(told[:MAX_REASONS]) + more)

    @contextlib.asynccontextmanager
    async def _opened(self, where: str) -> Any:
        connection = await self._open(where)
        try:
            yield connection
        finally:
            await _shut(connection)

    async def _open(self, where: str) -> Any:
        host, port = split(where)
        patience = min(self._options.timeout, PATIENCE)
        connection = _Connection(
            host,
            port,
            client_id=self._options.client_id,
            request_timeout_ms=round(patience * 1000),
            **self._arguments,
        )
        try:
            async with asyncio.timeout(patience):
                await connection.connect()
        except FAILURES as error:
            raise LostError(words(error, where)) from error
        return connection


async def _shut(connection: Any) -> None:
    closed = connection.close()
    if closed is not None:
        # A peer that is gone answers no end of TLS: the transport ends by itself later.
        await asyncio.wait([closed], timeout=1.0)


def split(address: str) -> tuple[str, int]:
    """Take host and port apart; an IPv6 address stands in brackets."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)
