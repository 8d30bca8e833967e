"""Real programs as children of a test: the bridge itself, nginx, HAProxy.

Each listens on loopback, keeps its files in a folder of its own, and is told to end and waited for.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import pytest

ROOT: Final = Path(__file__).parents[2]

#: Seconds for a program to start or to end on a busy machine.
PATIENCE: Final = 30.0

#: Seconds between two looks at a condition.
GLANCE: Final = 0.05

#: Seconds after which the proxies cut an idle stream: short, so that a test sees it.
IDLE_LIMIT: Final = 3


async def until(condition: Callable[[], Awaitable[object]], what: str, patience: float = PATIENCE) -> None:
    """Wait until the condition holds; fail with `what` when it does not within the patience."""
    try:
        async with asyncio.timeout(patience):
            while not await condition():
                await asyncio.sleep(GLANCE)
    except TimeoutError:
        pytest.fail(f"not within {patience:g} s: {what}")


@dataclass
class Program:
    """A child process, with what it printed."""

    process: Process
    output: list[str] = field(default_factory=list)

    @property
    def printed(self) -> str:
        """Return all that it printed so far."""
        return "".join(self.output)

    async def end(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, wait for the end, and return the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(with_signal)
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def running(*command: str | Path, env: Mapping[str, str] | None = None) -> AsyncIterator[Program]:
    """Run a program; leave no process behind."""
    environ = os.environ | {"PYTHONUNBUFFERED": "1"} | dict(env or {})
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environ, stdout=PIPE, stderr=STDOUT)
    program = Program(process)
    reader = asyncio.create_task(_read(program), name=f"output of {command[0]}")
    try:
        yield program
    finally:
        if process.returncode is None:
            with contextlib.suppress(TimeoutError):
                await program.end()
        if process.returncode is None:
            process.kill()
            await process.wait()
        await reader


async def _read(program: Program) -> None:
    assert program.process.stdout
    async for line in program.process.stdout:
        program.output.append(line.decode(errors="replace"))


@dataclass
class Bridge:
    """A running bridge: where it listens, and how to push to it."""

    program: Program
    url: str
    admin: str

    async def push(self, source: str, data: object, **query: str) -> str:
        """Push one event as JSON; return its id."""
        async with (
            aiohttp.ClientSession(self.admin) as session,
            session.post(f"/-/push/{source}", json=data, params=query) as response,
        ):
            assert response.status == 202, await response.text()
            return str((await response.json())["id"])

    async def push_text(self, source: str, text: str) -> None:
        """Push one event as plain text."""
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        async with (
            aiohttp.ClientSession(self.admin) as session,
            session.post(f"/-/push/{source}", data=text.encode(), headers=headers) as response,
        ):
            assert response.status == 202, await response.text()

    async def subscribers(self, route: str) -> int:
        """Return how many subscribers the route has now."""
        async with aiohttp.ClientSession(self.admin) as session, session.get("/-/routes") as response:
            routes = await response.json()
        return next(int(each["subscribers"]) for each in routes if each["path"] == route)

    async def awaits(self, route: str, subscribers: int) -> None:
        """Wait until the route has just so many subscribers."""

        async def reached() -> bool:
            return await self.subscribers(route) == subscribers

        await until(reached, f"{subscribers} subscribers of {route}")


@contextlib.asynccontextmanager
async def bridge(routes: Path, listen: int, admin: int, env: Mapping[str, str] | None = None) -> AsyncIterator[Bridge]:
    """Run `python -m bridge run`, ready to serve."""
    ports = {"LISTEN": f"127.0.0.1:{listen}", "ADMIN": f"127.0.0.1:{admin}"}
    command = (sys.executable, "-m", "bridge", "run", routes)
    async with running(*command, env={**ports, **(env or {})}) as program:
        started = Bridge(program, f"http://127.0.0.1:{listen}", f"http://127.0.0.1:{admin}")
        await answers(program, f"{started.admin}/-/ready")
        yield started


async def answers(program: Program, url: str) -> None:
    """Wait until the program answers 200 at this address; fail with what it printed if it ends first."""

    async def ready() -> bool:
        if program.process.returncode is not None:
            pytest.fail(f"ended with {program.process.returncode}:\n{program.printed}")
        try:
            async with aiohttp.request("GET", url) as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    try:
        await until(ready, f"an answer from {url}")
    except pytest.fail.Exception as late:
        pytest.fail(f"{late.msg}\n{program.printed}")


def executable(name: str) -> str:
    """Return the path of a Debian program, or fail with how to get it."""
    found = shutil.which(name)
    if not found:
        pytest.fail(f"{name} is not installed: `make test` installs it")
    return found


NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location /-/nginx {{ return 200; }}
        proxy_read_timeout {idle}s;
        location / {{
            proxy_pass {upstream};
        }}
        {more}
    }}
}}
"""

HAPROXY = """
global
    maxconn 256
defaults
    mode http
    timeout connect 3s
    timeout client {idle}s
    timeout server {idle}s
frontend browsers
    bind 127.0.0.1:{port}
    http-request return status 200 if {{ path /-/haproxy }}
    default_backend bridge
backend bridge
    server bridge {upstream}
"""


@contextlib.asynccontextmanager
async def nginx(folder: Path, port: int, upstream: str, more: str = "") -> AsyncIterator[str]:
    """Run nginx in front of `upstream`, as Debian ships it but for the idle limit; yield its address.

    It buffers, and speaks HTTP/1.0 to the upstream, unless `more` says otherwise.
    """
    folder.mkdir(exist_ok=True)
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, upstream=upstream, idle=IDLE_LIMIT, more=more))
    command = (executable("nginx"), "-p", folder, "-e", folder / "error.log", "-c", config)
    async with running(*command) as program:
        await answers(program, f"http://127.0.0.1:{port}/-/nginx")
        yield f"http://127.0.0.1:{port}"


@contextlib.asynccontextmanager
async def haproxy(folder: Path, port: int, upstream: str) -> AsyncIterator[str]:
    """Run HAProxy in front of `upstream`; yield its address."""
    folder.mkdir(exist_ok=True)
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port, upstream=upstream.removeprefix("http://"), idle=IDLE_LIMIT))
    async with running(executable("haproxy"), "-db", "-f", config) as program:
        await answers(program, f"http://127.0.0.1:{port}/-/haproxy")
        yield f"http://127.0.0.1:{port}"
