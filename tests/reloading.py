"""A bridge whose file a test writes anew, and tabs that come back as a browser does.

A `Tab` obeys EventSource's closing rules: any answer but 200 ends it for good, an end of the stream brings it back
with its last id. It waits milliseconds where a browser waits for `retry`.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Self

from bridge import reload
from bridge.app import Bridge
from bridge.config.load import load
from bridge.reload import Outcome
from tests.support import DEADLINE, SERVER, Client, Served, nothing_left, until

#: One pushed source, with one route and with two.
PUSHED = "sources: {p: {kind: push}}\n"
ONE = f"{PUSHED}routes: {{/p: {{from: p}}}}\n"
TWO = f"{PUSHED}routes: {{/p: {{from: p}}, /q: {{from: p}}}}\n"

#: Seconds before a tab comes back.
PAUSE = 0.005


class Reloaded(Served):
    """A running bridge, and the file or the folder that it reads."""

    def __init__(self, bridge: Bridge, file: Path) -> None:
        super().__init__(bridge)
        self.file = file

    def write(self, text: str, file: Path | None = None) -> None:
        """Write the file anew, as editors do: beside it, then over it."""
        write(file or self.file, text)

    async def reload(self, text: str | None = None) -> Outcome:
        """Write the file if a text is given, and have it read."""
        if text is not None:
            self.write(text)
        return await self.bridge.reloader.reload()

    async def applied(self, text: str) -> Outcome:
        """Write the file, have it read, and see it applied."""
        outcome = await self.reload(text)
        assert outcome.word == "applied", outcome
        return outcome

    async def asked(self, path: str, **more: str) -> Client:
        """Return the whole answer to a request on the public port."""
        client = await self.connect()
        await client.ask(path, **more)
        await client.until(lambda: client.status)
        return client

    async def operator(self, path: str, method: str = "GET", headers: str = "Connection: close\r\n") -> Client:
        """Return the whole answer of the admin port."""
        client = await Client.to(self.bridge.admin.port)
        self.clients.append(client)
        await client.ask(path, method=method, headers=headers)
        await client.rest()
        return client


def write(file: Path, text: str) -> None:
    """Write a file as editors do: beside it, then over it."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text if "server:" in text else SERVER + text, "utf-8")
    beside.replace(file)


@contextlib.asynccontextmanager
async def reloading(text: str, file: Path, read: Path | None = None) -> AsyncIterator[Reloaded]:
    """Run a bridge on a file with this text; `read` is the path that it is given, where that is another one."""
    write(file, text)
    async with reading(read or file) as served:
        served.file = file
        yield served


@contextlib.asynccontextmanager
async def reading(file: Path) -> AsyncIterator[Reloaded]:
    """Run a bridge on a file or a folder as it is; at the end nothing of it may be left."""
    others, errors = asyncio.all_tasks(), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    begun = asyncio.Event()
    made = Bridge(load(file, os.environ), file)
    served = Reloaded(made, file)
    task = asyncio.create_task(made.run(served.stop, lambda _: begun.set()), name="bridge")
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
    check(made)


def check(bridge: Bridge) -> None:
    """See that the books of the process balance: its bytes, its routes, its sources, what is asked of them."""
    channels = [channel for route in bridge.bus.routes for channel in route.channels.values()]
    assert bridge.bus.budget.used == sum(channel.bytes for channel in channels)
    there = [endpoint.supply.route for endpoint in bridge.endpoints]
    there += [former.endpoint.supply.route for former in bridge.works.formers.attached.values()]
    assert sorted(map(id, bridge.bus.routes)) == sorted(map(id, there))
    assert list(bridge.health.sources) == list(bridge.config.sources) or set(bridge.health.sources) == set(
        bridge.config.sources
    )
    assert set(bridge.bus.down) <= set(bridge.config.sources)


class Tab:
    """A page's EventSource: it comes back until it is told never to."""

    def __init__(self, port: Callable[[], int], path: str) -> None:
        self._port = port
        self._path = path
        self._task: asyncio.Task[None] | None = None
        #: What events of sources have said, in order, and our own by name.
        self.data: list[str] = []
        self.gaps: list[Any] = []
        self.byes: list[str] = []
        #: How often it connected, and the status that ended it.
        self.connects = 0
        self.closed_by = 0
        self.last_id = ""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._read(), name=f"tab of {self._path}")
        await until(lambda: self.last_id or self.closed_by or self.connects > 1)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        while not self.closed_by:
            client = await Client.to(self._port())
            try:
                await self._stream(client)
            finally:
                client.close()
            await asyncio.sleep(PAUSE)

    async def _stream(self, client: Client) -> None:
        self.connects += 1
        await client.ask(self._path, headers=f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else "")
        seen = 0
        while not client.is_over:
            # Nothing may come for a long while, and that is no fault.
            data = await asyncio.get_running_loop().sock_recv(client.sock, 65_536)
            client.is_over = not data
            client.raw += data
            client._rest += data
            client._take()
            if client.status not in {0, 200}:
                self.closed_by = client.status
                return
            for block in client.blocks[seen:]:
                self._note(block)
            seen = len(client.blocks)

    def _note(self, block: Any) -> None:
        self.last_id = block.id if block.id is not None else self.last_id
        if block.event == "bridge.gap":
            self.gaps.append(block.told)
        elif block.event == "bridge.bye":
            self.byes.append(block.told["reason"])
        elif block.data is not None and not block.is_control:
            self.data.append(block.data)


def hasty(monkeypatch: Any) -> None:
    """Look at files often."""
    monkeypatch.setattr(reload, "EVERY", 0.05)
    monkeypatch.setattr(reload, "SETTLE", 0.01)
