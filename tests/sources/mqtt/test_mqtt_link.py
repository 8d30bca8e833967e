"""The way to a broker."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from bridge.sources.mqtt import link
from bridge.sources.mqtt.address import Address
from tests.support import until


class Heard:
    """A peer that keeps all."""

    def __init__(self) -> None:
        self.data = b""
        self.ends: list[BaseException | None] = []

    def received(self, data: bytes) -> None:
        """Keep bytes."""
        self.data += data

    def closed(self, error: BaseException | None) -> None:
        """Keep the end."""
        self.ends.append(error)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes."""
    while data := await reader.read(1000):
        writer.write(data)


async def hold(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Say nothing until the client leaves."""
    await reader.read()


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """Serve on a free port; at the end wait until every connection is over."""
    open_ = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_
        open_ += 1
        try:
            with suppress(ConnectionError):
                await handler(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            open_ -= 1

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    await until(lambda: not open_)
    server.close()
    await server.wait_closed()


async def test_bytes_go_and_come():
    """And the end closes the connection, after what was written."""
    heard = Heard()
    async with (
        serving(echo) as port,
        link.connect(Address.parse(f"mqtt://127.0.0.1:{port}"), None, heard, 1000) as opened,
    ):
        opened.write(b"hello")
        await until(lambda: heard.data == b"hello")
        assert heard.ends == []
    assert heard.ends == [None]


async def test_a_broker_that_has_to_wait_waits():
    """What is paused gives nothing until it is resumed."""
    heard = Heard()
    async with (
        serving(echo) as port,
        link.connect(Address.parse(f"mqtt://127.0.0.1:{port}"), None, heard, 1000) as opened,
    ):
        opened.write(b"1")
        await until(lambda: heard.data)
        opened.pause()
        opened.pause()
        opened.resume()
        opened.write(b"2")
        await until(lambda: heard.data == b"12")


async def test_the_next_address_is_tried():
    """Where a name has several, and one refuses."""
    async with serving(echo) as port:
        address = Address.parse(f"mqtt://broker:{port}")
        stream = await link._first(["127.0.0.2", "127.0.0.1"], address, None, Heard())
        await stream.close()
        with pytest.raises(ConnectionRefusedError):
            await link._first(["127.0.0.2", "127.0.0.3"], address, None, Heard())


async def test_a_port_that_nobody_listens_on_is_an_error():
    """As the system says it."""
    async with serving(echo) as port:
        pass
    with pytest.raises(ConnectionRefusedError):
        async with link.connect(Address.parse(f"mqtt://127.0.0.1:{port}"), None, Heard(), 1000):
            pass


@pytest.mark.parametrize("scheme", ["ws", "wss", "mqtts"])
async def test_an_attempt_that_is_cancelled_leaves_nothing(scheme):
    """In the middle of a handshake that never ends."""
    began = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        began.set()
        await reader.read()

    async def attempt(address: Address) -> None:
        context = ssl.create_default_context() if address.is_tls else None
        async with link.connect(address, context, Heard(), 1000):
            pass

    async with serving(silent) as port:
        task = asyncio.create_task(attempt(Address.parse(f"{scheme}://127.0.0.1:{port}")))
        await began.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_handshake_that_never_ends_is_given_up(monkeypatch):
    """Within the time for it."""
    monkeypatch.setattr(link, "CONNECT", 0.1)
    async with serving(hold) as port:
        for scheme in ("ws", "mqtts"):
            address = Address.parse(f"{scheme}://127.0.0.1:{port}")
            context = ssl.create_default_context() if address.is_tls else None
            with pytest.raises(TimeoutError):
                async with link.connect(address, context, Heard(), 1000):
                    pass
