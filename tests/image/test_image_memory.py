"""128 MiB, and what a busy bridge holds at once: full histories, a thousand subscribers, a hundred of them stalled."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator

import aiohttp

from tests.image.containers import HARDENED, env, mounted
from tests.support import until

MIB = 1024 * 1024
LIMIT = 128 * MIB

SUBSCRIBERS = 1_000
STALLED = 100

#: Histories get a quarter of the limit, unasked.
HISTORIES = LIMIT // 4

FILE = """\
version: 1
auth: anonymous
server: { listen: "${LISTEN}", admin: "${ADMIN}", drain: 1s }
limits: { subscribers: 1000 }
sources: { notices: { kind: push, subject: "{room}" } }
routes:
  /{room}:
    from: notices
    history: { events: 100000, bytes: 64MiB }
"""

#: One request's events: 1 MiB in all. Of what fills the history, two kilobytes each.
LINE = json.dumps({"text": "x" * 2_000}) + "\n"
PUSHED = LINE * (MIB // len(LINE))

#: What everyone gets then: events that fill the buffers of who does not read, several times over.
LARGE = json.dumps({"text": "x" * 16_000})
EVENTS = 20

#: A receiver that takes nothing fills this first; the kernel makes a few kilobytes of it.
SMALLEST = 2_048

#: Seconds for a thousand streams on a busy machine.
PATIENCE = 60

#: The cgroup's own word, of version 2 and of version 1; page cache, which gives way, counts in it.
PEAK = """
import pathlib, re
root = pathlib.Path("/sys/fs/cgroup")
found = [path for path in (root / "memory.peak", root / "memory/memory.max_usage_in_bytes") if path.exists()]
status = pathlib.Path("/proc/1/status").read_text()
print(found[0].read_text().strip() if found else 0, re.search(r"VmHWM:\\s+(\\d+)", status)[1])
"""


class Reader(asyncio.Protocol):
    """Counts the events that come; one that stalls stops reading once its stream is open."""

    def __init__(self, head: bytes, *, stalls: bool) -> None:
        self._head = head
        self._stalls = stalls
        self._seen = b""
        self.events = 0
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        """Count what has come whole."""
        self._seen += data
        if not self.is_open and b"\r\n\r\n" in self._seen:
            assert self._seen.startswith(b"HTTP/1.1 200"), self._seen[:200]
            self.is_open = True
            if self._stalls:
                self.transport.pause_reading()
        # Each event has one line of data; what is not a whole line waits.
        whole, _, self._seen = self._seen.rpartition(b"\n")
        self.events += f"\n{whole.decode()}".count("\ndata: {")
        if self._stalls:
            self._seen = b""


@contextlib.asynccontextmanager
async def subscribed(place: str) -> AsyncIterator[list[Reader]]:
    """Open all streams; those that stall come first."""
    host, _, port = place.rpartition(":")
    head = f"GET /hot HTTP/1.1\r\nHost: {place}\r\nAccept: text/event-stream\r\n\r\n".encode()
    readers: list[Reader] = []
    try:
        for number in range(SUBSCRIBERS):
            reader = Reader(head, stalls=number < STALLED)
            sock = socket.socket()
            if number < STALLED:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALLEST)
            sock.settimeout(0)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(sock, (host, int(port)))
            await loop.create_connection(lambda reader=reader: reader, sock=sock)
            readers.append(reader)
        async with asyncio.timeout(PATIENCE):
            await until(lambda: all(reader.is_open for reader in readers))
        yield readers
    finally:
        for reader in readers:
            reader.transport.abort()


async def test_a_thousand_subscribers_full_histories_and_a_hundred_stalled_fit_in_128_mib(
    podman, tmp_path, free_ports, record_property, capsys
):
    """Nothing is killed for memory; everyone who reads gets every event; the health check fits in beside it."""
    places = {"LISTEN": f"127.0.0.1:{free_ports()}", "ADMIN": f"127.0.0.1:{free_ports()}"}
    file = tmp_path / "routes.yaml"
    file.write_text(FILE)
    tmp_path.chmod(0o755)
    async with (
        podman.running(options=[*HARDENED, "--memory-swap=128m", *env(places), mounted(file)]) as bridge,
        aiohttp.ClientSession(f"http://{places['ADMIN']}") as admin,
    ):
        await bridge.until_healthy()
        idle = int((await bridge.python(PEAK)).split()[1])
        for number in range(HISTORIES // MIB + 8):
            await push(admin, f"room{number % 40}", PUSHED)
        async with admin.get("/-/routes") as answer:
            [route] = await answer.json()
        assert route["history"]["bytes"] > HISTORIES * 0.9
        async with subscribed(places["LISTEN"]) as readers:
            for _ in range(EVENTS):
                await push(admin, "hot", LARGE)
            async with admin.get("/-/routes") as answer:
                [route] = await answer.json()
            stalled, reading = readers[:STALLED], readers[STALLED:]
            assert sum(not reader.transport.is_closing() for reader in stalled) == STALLED
            async with asyncio.timeout(PATIENCE):
                await until(lambda: all(reader.events == EVENTS for reader in reading))
            assert await bridge.healthy()
        total, peak = map(int, (await bridge.python(PEAK)).split())
        state = (await bridge.inspect())["State"]
        assert (state["Running"], state["OOMKilled"]) == (True, False)
        for name, value in {"idle": idle, "peak": peak, "cgroup": total // 1024}.items():
            record_property(f"memory_{name}_kib", value)
        with capsys.disabled():
            sys.stdout.write(f"\nmemory in KiB: {idle} when it is up, {peak} at most; the cgroup: {total // 1024}\n")
        assert peak * 1024 < 0.9 * LIMIT
        await bridge.kill()
        assert await bridge.ended() == 0


async def push(admin: aiohttp.ClientSession, room: str, lines: str) -> None:
    """Push events, one a line."""
    headers = {"Content-Type": "application/x-ndjson"}
    async with admin.post(f"/-/push/notices/{room}", data=lines, headers=headers) as answer:
        assert answer.status < 300, await answer.text()
