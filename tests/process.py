"""A bridge in a process of its own, started as users do."""

import asyncio
import contextlib
import json
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.support import DEADLINE, Client, until

TICKING = """
server: {listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: 2s}
sources: {tick: {kind: timer, every: 10ms, payload: "{n}"}}
routes: {/tick: {from: tick, start: earliest, history: {events: 100000, bytes: 64MiB}}}
"""


class Process:
    """A bridge in a process of its own, and what it logs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log
        self.clients: list[Client] = []

    @property
    def facts(self) -> list[dict[str, Any]]:
        """Return the log's lines so far."""
        lines = self.log.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith(b"{")]

    async def port(self) -> int:
        """Wait until it is ready; return its public port."""
        fact = await self.told("ready")
        return int(fact["listen"][0].rpartition(":")[2])

    async def admin(self) -> str:
        """Wait until it is ready; return the address of its admin port."""
        fact = await self.told("console")
        return str(fact["url"]).rstrip("/")

    async def told(self, event: str) -> dict[str, Any]:
        """Wait until a fact is logged, and return it."""

        def found() -> dict[str, Any] | None:
            assert self.process.poll() is None, self.log.read_text("utf-8")
            return next((fact for fact in self.facts if fact["event"] == event), None)

        fact = await until(found)
        assert fact is not None
        return fact

    async def open(self, path: str, id: str | None = None) -> Client:
        """Open a stream."""
        client = await Client.to(await self.port())
        self.clients.append(client)
        await client.ask(path, headers=f"Last-Event-ID: {id}\r\n" if id else "")
        await client.until(lambda: client.blocks)
        return client

    async def ended(self) -> int:
        """Wait for its end; return the exit code."""
        return await asyncio.wait_for(asyncio.to_thread(self.process.wait), DEADLINE)


@contextlib.asynccontextmanager
async def process(folder: Path, text: str = TICKING, *before: str, descriptors: int = 0) -> AsyncIterator[Process]:
    """Start a bridge as users do; `before` stands before its command line."""
    (folder / "routes.yaml").write_text(text, "utf-8")
    log = folder / "log"

    def limit() -> None:
        if descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    command = [*before, sys.executable, "-m", "bridge", "run", str(folder / "routes.yaml")]
    with log.open("wb") as out:
        started = subprocess.Popen(command, stderr=out, stdout=out, preexec_fn=limit)  # noqa: PLW1509  no threads here
    run = Process(started, log)
    try:
        yield run
    finally:
        for client in run.clients:
            client.close()
        started.kill()
        await asyncio.to_thread(started.wait)
