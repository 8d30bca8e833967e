"""Containers of the image under test, run by podman in the storage that `scripts/image` keeps apart.

They share this machine's network, as `tests/image/containers.conf` says, so a test gives each a port; or they have none
(`--network none`) and are asked from within.
"""

import asyncio
import contextlib
import json
import os
import re
import subprocess
import uuid
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parents[2]
SCRIPT: Final = ROOT / "scripts" / "image"

#: Seconds for one command of podman's on a busy machine; a build from nothing takes a minute and a half.
PATIENCE: Final = 60.0
BUILD: Final = 900.0

#: Where the file is, and where the state.
ROUTES: Final = "/etc/sse-bridge/routes.yaml"
STATE: Final = "/var/lib/sse-bridge"

UID: Final = 10001

#: What a strict cluster asks of a container. Docker's --read-only is meant: podman's own adds folders in memory.
HARDENED: Final = (
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--pids-limit=64",
    "--memory=128m",
)

#: Asks within a container, without a shell: prints the status, and the first kilobyte.
_GET: Final = """
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(sys.argv[1], timeout=5)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.url)
print(answer.read(4096).decode())
"""


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


def environ() -> dict[str, str]:
    """Return the environment in which podman sees the images of `scripts/image`."""
    told = subprocess.run([SCRIPT, "env"], check=True, capture_output=True, text=True, timeout=PATIENCE).stdout
    return os.environ | dict(re.findall(r"(\w+)='([^']*)'", told))


def build() -> str:
    """Build the image and return its tag; fail with all that the build said."""
    done = subprocess.run([SCRIPT], check=False, capture_output=True, text=True, timeout=BUILD)
    if done.returncode:
        pytest.fail(f"{SCRIPT} fails:\n{done.stderr[-4000:]}", pytrace=False)
    return done.stdout.split()[-1]


class Podman:
    """The command, and the image that it runs."""

    def __init__(self, image: str) -> None:
        self.image = image
        self._environ = environ()

    async def __call__(self, *words: str, check: bool = True, within: float = PATIENCE) -> Done:
        """Run a command of podman's."""
        process = await asyncio.create_subprocess_exec("podman", *words, env=self._environ, stdout=PIPE, stderr=PIPE)
        try:
            async with asyncio.timeout(within):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        done = Done(process.returncode or 0, out.decode(), err.decode())
        assert not check or done.code == 0, f"podman {' '.join(words)}: {done.code}\n{done.out}{done.err}"
        return done

    async def once(self, *words: str, options: Sequence[str] = (), check: bool = True) -> Done:
        """Run the image until it ends."""
        return await self("run", "--rm", "--pull=never", "--network=none", *options, self.image, *words, check=check)

    async def python(self, code: str, *words: str) -> str:
        """Run a program in the image's Python; return what it printed."""
        return (await self.once("-c", code, *words, options=("--entrypoint=python",))).out

    @contextlib.asynccontextmanager
    async def running(
        self, *words: str, options: Sequence[str] = (), image: str | None = None
    ) -> AsyncIterator["Container"]:
        """Run the image, or another, in the background; nothing of it is left."""
        name = f"sse-bridge-test-{uuid.uuid4().hex[:12]}"
        # No timer: podman would ask systemd for one. A test runs the check itself.
        await self("run", "--detach", "--pull=never", f"--name={name}", "--health-interval=disable", *options,
                   image or self.image, *words)  # fmt: skip
        try:
            yield Container(self, name)
        finally:
            await self("rm", "--force", "--time=0", "--volumes", name)


class Container:
    """One that runs, or has run."""

    def __init__(self, podman: Podman, name: str) -> None:
        self.name = name
        self._podman = podman

    async def exec(self, *words: str, check: bool = True) -> Done:
        """Run a program within it."""
        return await self._podman("exec", self.name, *words, check=check)

    async def python(self, code: str, *words: str) -> str:
        """Run a program of Python within it; return what it printed."""
        return (await self.exec("python", "-c", code, *words)).out

    async def get(self, url: str) -> tuple[int, str, str]:
        """Ask within it; return the status, the address that it led to, and the first of the body."""
        line, _, body = (await self.python(_GET, url)).partition("\n")
        status, _, at = line.partition(" ")
        return int(status), at, body

    async def logs(self) -> str:
        """Return all that it printed."""
        done = await self._podman("logs", self.name)
        return done.out + done.err

    async def healthy(self) -> bool:
        """Run its HEALTHCHECK."""
        return (await self._podman("healthcheck", "run", self.name, check=False)).code == 0

    async def inspect(self) -> Any:
        """Return what podman knows of it."""
        return json.loads((await self._podman("inspect", self.name)).out)[0]

    async def kill(self, signal: str = "SIGTERM") -> None:
        """Send its first process a signal."""
        await self._podman("kill", f"--signal={signal}", self.name)

    async def ended(self) -> int:
        """Wait for its end and return the exit code."""
        return int((await self._podman("wait", self.name)).out)

    async def is_running(self) -> bool:
        """Tell whether its first process lives."""
        return bool((await self.inspect())["State"]["Running"])

    async def until_healthy(self, patience: float = PATIENCE) -> None:
        """Wait until its HEALTHCHECK passes; fail with what it printed where it ends before, or does not."""
        try:
            async with asyncio.timeout(patience):
                while not await self.healthy():
                    assert await self.is_running(), f"it ended:\n{await self.logs()}"
        except TimeoutError:
            pytest.fail(f"not healthy within {patience:g} s:\n{await self.logs()}")


def mounted(file: Path, at: str = ROUTES) -> str:
    """Return the option that mounts a file or a folder to be read."""
    return f"--volume={file}:{at}:ro"


def env(values: Mapping[str, str]) -> list[str]:
    """Return the options that set variables."""
    return [f"--env={name}={value}" for name, value in values.items()]
