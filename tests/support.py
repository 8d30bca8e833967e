"""A client that keeps every byte, a network that can be broken, and a whole bridge in the test's own process.

A `Client` reads from its socket only when a test says so, so a slow reader is a client that nobody reads. What it has
read it takes apart by itself, and strictly: chunks, blocks and fields as the wire contract has them, LF alone, no half
block. What a browser would make of the same bytes, `tests.reference` tells.
"""

import asyncio
import contextlib
import gc
import socket
import struct
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import orjson
import uvloop

from bridge.app import Bridge
from bridge.config.load import load
from bridge.config.model import Config, SourceSpec
from bridge.event import Message
from bridge.gateway.subscriber import Subscriber
from bridge.sources.base import Source

#: No step on loopback takes as long, however busy the machine; seconds.
DEADLINE = 30.0

#: Both loops that the bridge runs on, for the hook `pytest_asyncio_loop_factories`.
LOOPS: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
ONE_LOOP = {"asyncio": asyncio.new_event_loop}

#: Ports of the system's choice; a stop that waits for nobody, unless a test is about that.
SERVER = "server: {listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: 0s}\n"

#: One pushed source, one route.
PLAIN = "sources: {p: {kind: push}}\nroutes: {/p: {from: p}}\n"

T = TypeVar("T")


async def until(told: Callable[[], T]) -> T:
    """Wait until a function returns something true, and return that."""
    async with asyncio.timeout(DEADLINE):
        while not (found := told()):
            await asyncio.sleep(0.002)
    return found


class Block(NamedTuple):
    """What stands between two blank lines."""

    fields: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, raw: bytes) -> "Block":
        """Take a block apart, as strictly as our own encoder writes it."""
        assert b"\r" not in raw
        fields = []
        for line in raw.decode().split("\n"):
            name, _, value = line.partition(":")
            assert name in {"id", "event", "data", "retry", ""}, line
            assert value.startswith(" ") or name == "", line
            fields.append((name, value[1:]))
        return cls(tuple(fields))

    def get(self, name: str) -> str | None:
        """Return a field, its lines joined; None where it is missing."""
        values = [value for field, value in self.fields if field == name]
        return "\n".join(values) if values else None

    @property
    def names(self) -> list[str]:
        """Return the fields' names in their order."""
        return [name for name, _ in self.fields]

    @property
    def id(self) -> str | None:
        """Return the id."""
        return self.get("id")

    @property
    def data(self) -> str | None:
        """Return the data."""
        return self.get("data")

    @property
    def event(self) -> str:
        """Return the event's name; "" where it has none."""
        return self.get("event") or ""

    @property
    def is_control(self) -> bool:
        """Tell whether it is one of ours."""
        return self.event.startswith("bridge.")

    @property
    def told(self) -> Any:
        """Return what a control event says."""
        return orjson.loads(self.data or "null")


class Client:
    """One connection, read only when a test says so."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        #: Every byte that came, and the bytes of the body alone.
        self.raw = bytearray()
        self.body = bytearray()
        self.blocks: list[Block] = []
        #: The blocks that hold events of sources, and what these say.
        self.events: list[Block] = []
        self.data: list[str] = []
        self.status = 0
        #: Names in lower case.
        self.headers: dict[str, str] = {}
        #: The last chunk came; the connection ended; it ended with a reset.
        self.is_whole = False
        self.is_over = False
        self.is_reset = False
        self._rest = bytearray()
        self._open = bytearray()
        self._chunk = -1
        self._given = 0

    @classmethod
    async def to(cls, port: int, *, receive: int | None = None) -> Self:
        """Connect; `receive` is what the kernel may keep of what nobody reads, in bytes."""
        sock = socket.socket()
        sock.settimeout(0)
        if receive is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    @property
    def address(self) -> tuple[str, int]:
        """Return our end of the connection."""
        name: tuple[str, int] = self.sock.getsockname()
        return name

    async def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        async with asyncio.timeout(DEADLINE):
            await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def ask(self, path: str, *, method: str = "GET", version: str = "1.1", headers: str = "") -> None:
        """Send a request; `headers` are lines that end in CRLF."""
        await self.send(f"{method} {path} HTTP/{version}\r\nHost: localhost\r\n{headers}\r\n".encode())

    async def read(self, size: int = 65_536) -> int:
        """Take what has come, `size` bytes at most; return how many there were."""
        async with asyncio.timeout(DEADLINE):
            try:
                data = await asyncio.get_running_loop().sock_recv(self.sock, size)
            except ConnectionError:
                self.is_reset, data = True, b""
        self.is_over = not data
        self.raw += data
        self._rest += data
        self._take()
        return len(data)

    async def until(self, told: Callable[[], T], size: int = 65_536) -> T:
        """Read until a function returns something true, and return that."""
        async with asyncio.timeout(DEADLINE):
            while not (found := told()):
                assert not self.is_over, f"the stream ended: {bytes(self.raw[-2000:])!r}"
                await self.read(size)
        return found

    async def rest(self) -> bytes:
        """Read until the other side closes; return the body."""
        async with asyncio.timeout(DEADLINE):
            while not self.is_over:
                await self.read()
        return bytes(self.body)

    async def event(self) -> Block:
        """Return the next event of a source that was not returned before."""
        self._given += 1
        await self.until(lambda: len(self.events) >= self._given)
        return self.events[self._given - 1]

    async def control(self, name: str) -> Block:
        """Read until one of our own events has come; return it."""
        found: list[Block] = await self.until(lambda: [b for b in self.blocks if b.event == f"bridge.{name}"])
        return found[0]

    @property
    def controls(self) -> list[Block]:
        """Return the blocks of our own events."""
        return [block for block in self.blocks if block.is_control]

    @property
    def gaps(self) -> list[Any]:
        """Return what the gaps say."""
        return [block.told for block in self.blocks if block.event == "bridge.gap"]

    @property
    def last_event_id(self) -> str:
        """Return where a browser's cursor would stand."""
        return next((block.id for block in reversed(self.blocks) if block.id is not None), "")

    @property
    def is_cut(self) -> bool:
        """Tell whether what has come ends within a block."""
        return bool(self._open)

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Leave with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        """Leave."""
        self.sock.close()

    def _take(self) -> None:
        if not self.status:
            head, found, rest = self._rest.partition(b"\r\n\r\n")
            if not found:
                return
            self._head(head.decode("latin-1").split("\r\n"))
            self._rest = rest
        if "chunked" in self.headers.get("transfer-encoding", ""):
            self._take_chunks()
        else:
            self._take_body(self._rest)
            self._rest.clear()

    def _head(self, lines: list[str]) -> None:
        self.status = int(lines[0].split()[1])
        for line in lines[1:]:
            name, _, value = line.partition(":")
            assert name.lower() not in self.headers, f"{name} stands twice"
            self.headers[name.lower()] = value.strip()

    def _take_chunks(self) -> None:
        while True:
            if self._chunk < 0:
                size, found, rest = self._rest.partition(b"\r\n")
                if not found:
                    return
                self._chunk, self._rest = int(size, 16), rest
            if len(self._rest) < self._chunk + 2:
                return
            assert self._rest[self._chunk : self._chunk + 2] == b"\r\n"
            assert not self.is_whole, "bytes after the last chunk"
            self.is_whole = self._chunk == 0
            self._take_body(self._rest[: self._chunk])
            del self._rest[: self._chunk + 2]
            self._chunk = -1

    def _take_body(self, data: bytes | bytearray) -> None:
        self.body += data
        if not self.headers.get("content-type", "").startswith("text/event-stream"):
            return
        self._open += data
        *blocks, self._open = self._open.split(b"\n\n")
        for block in map(Block.parse, map(bytes, blocks)):
            self.blocks.append(block)
            if block.data is not None and not block.is_control:
                self.events.append(block)
                self.data.append(block.data)


class Served:
    """A running bridge, and the clients that a test has opened."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.clients: list[Client] = []
        #: Set, it stops the bridge as SIGTERM does; and whether it has.
        self.stop = asyncio.Event()
        self.stopped = asyncio.Event()

    @property
    def port(self) -> int:
        """Return the public port."""
        return self.bridge.public.port

    @property
    def epoch(self) -> str:
        """Return the epoch of this run."""
        return self.bridge.bus.epoch

    def publish(self, *payloads: str | bytes, source: str = "p", type: str = "", **captures: str) -> list[str]:
        """Let a source hear a batch of messages; return their ids."""
        now = time.time()
        heard = [Message(payload=each, time=now, type=type, captures=captures) for each in payloads]
        return list(self.bridge.intakes[source].inlet.emit(heard))

    async def connect(self, *, receive: int | None = None) -> Client:
        """Connect without a word."""
        client = await Client.to(self.port, receive=receive)
        self.clients.append(client)
        return client

    async def open(
        self,
        path: str = "/p",
        *,
        id: str | None = None,
        version: str = "1.1",
        headers: str = "",
        receive: int | None = None,
    ) -> Client:
        """Ask for a stream, and read its head and its first block."""
        client = await self.connect(receive=receive)
        headers += f"Last-Event-ID: {id}\r\n" if id is not None else ""
        await client.ask(path, version=version, headers=headers)
        await client.until(lambda: client.status and (client.body or client.is_over))
        return client

    def subscriber(self, client: Client) -> Subscriber:
        """Return the bridge's end of a client's stream."""
        for subscriber in self.bridge.pump.subscribers:
            if subscriber.connection.transport.get_extra_info("peername") == client.address:
                return subscriber
        raise LookupError("the client has no stream")

    async def empty(self) -> None:
        """Wait until no stream is open."""
        await until(lambda: len(self.bridge.streams) == 0)


def configured(text: str, sources: Mapping[str, Source] | None = None) -> Config:
    """Load a configuration from its text; `sources` replace those of the same name in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "routes.yaml")
        path.write_text(text if "server:" in text else SERVER + text, "utf-8")
        config = load(path, {})
    fakes = {name: SourceSpec(source=source, kind="fake") for name, source in (sources or {}).items()}
    return config.model_copy(update={"sources": {**config.sources, **fakes}})


@contextlib.asynccontextmanager
async def running(text: str = PLAIN, sources: Mapping[str, Source] | None = None) -> AsyncIterator[Served]:
    """Run a bridge; at the end nothing of it may be left."""
    begun = asyncio.Event()
    others, errors = asyncio.all_tasks(), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    made = Bridge(configured(text, sources))
    served = Served(made)
    task = asyncio.create_task(made.run(served.stop, lambda _: begun.set()), name="bridge")
    task.add_done_callback(lambda _: served.stopped.set())
    waiting = asyncio.create_task(begun.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        waiting.cancel()
        task.result()
    try:
        yield served
    finally:
        served.stop.set()
        async with asyncio.timeout(DEADLINE):
            await task
        for client in served.clients:
            client.close()
    await until(lambda: not asyncio.all_tasks() - others)
    assert nothing_left(made), "streams are gone, and something of them is not"
    assert not errors


def nothing_left(bridge: Bridge) -> bool:
    """Tell whether no stream has left anything behind."""
    pump, streams = bridge.pump, bridge.streams
    listening = [c for route in bridge.bus.routes for c in route.channels.values() if c.wake is not None]
    held = [pump._subscribers, pump._audiences, pump._paused, streams._tasks, streams._peers, listening]
    return not len(streams) and not any(held) and not any(streams._by_source.values())


def living(kind: type[T]) -> list[T]:
    """Return the objects of a type that are still alive."""
    gc.collect()
    return [each for each in gc.get_objects() if type(each) is kind]


class Proxy:
    """The network between a client and a port: it can stall, drip, stop and reset."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.port = 0
        #: Bytes that are passed on to the client at once, and that have been so far.
        self.slice = 65_536
        self.passed = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, target: int) -> AsyncIterator[Self]:
        """Stand before a port."""
        proxy = cls(target)
        listening = socket.create_server(("127.0.0.1", 0))
        listening.settimeout(0)
        proxy.port = listening.getsockname()[1]
        accepting = asyncio.create_task(proxy._accept(listening), name="proxy")
        try:
            yield proxy
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)
            await proxy.reset()
            listening.close()

    def stall(self) -> None:
        """Pass nothing on to clients from here on."""
        self._flows.clear()

    def go_on(self) -> None:
        """Pass on again."""
        self._flows.set()

    async def reset(self) -> None:
        """Cut all connections with a RST on both sides."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        # A socket that a loop still watches must not be closed: the next one would get its number.
        await asyncio.gather(*tasks, return_exceptions=True)
        for sock in (end for pair in self._pairs for end in pair):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        self._pairs.clear()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            below, _ = await loop.sock_accept(listening)
            above = socket.socket()
            for sock in (above, below):
                sock.settimeout(0)
            # A small buffer each, so that what is stalled here stalls the bridge soon.
            above.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            self._pairs.append((above, below))
            await loop.sock_connect(above, ("127.0.0.1", self._target))
            for passing in (self._down(above, below), self._up(below, above)):
                task = asyncio.create_task(passing, name="proxy")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _down(self, above: socket.socket, below: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while True:
                await self._flows.wait()
                data = await loop.sock_recv(above, self.slice)
                if not data:
                    below.shutdown(socket.SHUT_WR)
                    return
                await self._flows.wait()
                await loop.sock_sendall(below, data)
                self.passed += len(data)

    async def _up(self, below: socket.socket, above: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while data := await loop.sock_recv(below, 65_536):
                await loop.sock_sendall(above, data)
            above.shutdown(socket.SHUT_WR)


def numbers(texts: Iterable[str]) -> list[int]:
    """Read events that say nothing but a number."""
    return [int(text) for text in texts]
