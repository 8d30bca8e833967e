"""A broker that does what a test tells it to, and nothing by itself but answer pings.

It says what no well-behaved broker says: refusals, silence, packets that are none.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest

from tests.listening import Heard
from tests.network import reset
from tests.packets import (
    CONNACK,
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PINGRESP,
    PUBREL,
    SUBACK,
    SUBSCRIBE,
    V5,
    Connect,
    Packet,
    Subscribe,
    packet,
    publish,
    read_connect,
    read_subscribe,
    varint,
)
from tests.support import DEADLINE, until


class Peer:
    """One connection of a client; whatever it sends is kept until a test asks for it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._packets: asyncio.Queue[Packet | None] = asyncio.Queue()
        #: Answers no ping when it is set.
        self.is_deaf = False
        self.pings = 0
        #: What it has subscribed to. All is granted as asked, but for filters that have a reason code here.
        self.asked: list[Subscribe] = []
        self.refusals: dict[str, int] = {}
        #: Answers no subscription when it is set.
        self.is_mute = False
        self.connect = Connect(0, "", is_clean=True, keepalive=0, username=None, password=None, properties={})

    async def read(self) -> None:
        """Read until the client leaves."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await self._one()
        self._packets.put_nowait(None)

    async def _one(self) -> None:
        first = (await self._reader.readexactly(1))[0]
        size = shift = 0
        while True:
            byte = (await self._reader.readexactly(1))[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        found = Packet(first >> 4, first & 0x0F, await self._reader.readexactly(size))
        if found.kind == SUBSCRIBE:
            self._grant(read_subscribe(found.body, self.connect.version))
        elif found.kind == PINGREQ:
            self.pings += 1
            if not self.is_deaf:
                self.send(packet(PINGRESP))
        else:
            self._packets.put_nowait(found)

    async def receive(self, kind: int) -> Packet:
        """Return the next packet, which must be of this kind."""
        found = await asyncio.wait_for(self._packets.get(), DEADLINE)
        assert found is not None, "the client left"
        assert found.kind == kind, found
        return found

    async def rest(self) -> list[Packet]:
        """Wait until the client leaves; return what it had sent since the last one asked for."""
        found = []
        async with asyncio.timeout(DEADLINE):
            while (each := await self._packets.get()) is not None:
                found.append(each)
        return found

    def send(self, raw: bytes) -> None:
        """Write bytes as they are."""
        self._writer.write(raw)

    @property
    def is_v5(self) -> bool:
        """Tell whether the client speaks MQTT 5."""
        return self.connect.version == V5

    def connack(self, code: int = 0, *, session: bool = False, properties: bytes = b"") -> None:
        """Answer CONNECT."""
        more = varint(len(properties)) + properties if self.is_v5 else b""
        self.send(packet(CONNACK, bytes([session, code]) + more))

    def _grant(self, asked: Subscribe) -> None:
        self.asked.append(asked)
        if self.is_mute:
            return
        codes = bytes(self.refusals.get(filter, options & 3) for filter, options in asked.filters.items())
        more = b"\0" if self.is_v5 else b""
        self.send(packet(SUBACK, struct.pack("!H", asked.id) + more + codes))

    def publish(self, topic: str | bytes, payload: bytes = b"", **how: Any) -> None:
        """Send a message; see the function of that name."""
        self.send(publish(topic, payload, **({} if self.is_v5 else {"properties": None}), **how))

    def pubrel(self, id: int) -> None:
        """Release a message of QoS 2."""
        self.send(packet(PUBREL, struct.pack("!H", id), 2))

    def disconnect(self, code: int, properties: bytes = b"") -> None:
        """Say why the connection ends (MQTT 5), and end it."""
        self.send(packet(DISCONNECT, bytes([code]) + varint(len(properties)) + properties))
        self.close()

    async def welcome(self, *, session: bool = False, properties: bytes = b"") -> None:
        """Accept the client; without a session, wait until it has subscribed."""
        self.connack(session=session, properties=properties)
        if not session:
            await until(lambda: self.asked)

    @property
    def filters(self) -> dict[str, Subscribe]:
        """Return the newest subscription of each filter."""
        return {filter: asked for asked in self.asked for filter in asked.filters}

    def reset(self) -> None:
        """Leave with a RST."""
        reset(self._writer)

    def close(self) -> None:
        """Leave, once what was sent has gone."""
        self._writer.close()


class Fake:
    """Listens, and hands each connection to the test."""

    def __init__(self) -> None:
        self.port = 0
        #: Connections so far.
        self.count = 0
        self._peers: asyncio.Queue[Peer] = asyncio.Queue()
        self._open: list[Peer] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[Self]:
        """Listen on loopback."""
        fake = cls()
        server = await asyncio.start_server(fake._accept, host, port)
        fake.port = server.sockets[0].getsockname()[1]
        try:
            yield fake
        finally:
            server.close()
            for peer in fake._open:
                peer.reset()
            await asyncio.gather(*fake._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count += 1
        peer = Peer(reader, writer)
        self._open.append(peer)
        self._peers.put_nowait(peer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await peer.read()
        finally:
            self._tasks.discard(task)
            writer.close()

    @property
    def url(self) -> str:
        """Return the address."""
        return f"mqtt://127.0.0.1:{self.port}"

    async def peer(self) -> Peer:
        """Wait for the next connection and its CONNECT."""
        peer = await asyncio.wait_for(self._peers.get(), DEADLINE)
        peer.connect = read_connect((await peer.receive(CONNECT)).body)
        return peer

    async def welcomed(self, *, session: bool = False, properties: bytes = b"") -> Peer:
        """Wait for the next connection, and accept it."""
        peer = await self.peer()
        await peer.welcome(session=session, properties=properties)
        return peer


@pytest.fixture
async def fake() -> AsyncIterator[Fake]:
    """Listen."""
    async with Fake.open() as made:
        yield made


async def good(peer: Peer, heard: Heard, payload: bytes = b"good") -> None:
    """Show that the source reads on: a message that is sent now arrives."""
    peer.publish("t", payload, qos=1, id=1_000)
    await heard.until(lambda: payload in heard.texts)
