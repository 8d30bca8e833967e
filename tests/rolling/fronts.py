"""nginx and HAProxy as our presets set them up, in front of places where bridges may be."""

import contextlib
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from subprocess import run
from typing import Final, NamedTuple

import aiohttp

from tests.e2e.programs import ROOT, executable, running, until

SCRIPT: Final = ROOT / "scripts/proxies"

#: What a test's nginx writes, it writes into a folder of the test's own.
FOLDERS: Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Place(NamedTuple):
    """Where a bridge listens: ports of 127.0.0.1."""

    public: int
    health: int
    admin: int


def preset(proxy: str, places: Iterable[Place], listen: int, origins: Sequence[str] = (), seconds: int = 1) -> str:
    """Render the preset of a proxy on loopback; a stream is told to come back after so many seconds, or one more."""
    told = [f"--bridge=127.0.0.1:{place.public},{place.health}" for place in places]
    told += [f"--origin={origin}" for origin in origins]
    command = [sys.executable, SCRIPT, proxy, *told, f"--listen=127.0.0.1:{listen}", f"--seconds={seconds}"]
    return run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def write(proxy: str, folder: Path, text: str) -> Sequence[str | Path]:
    """Write the file, and return the command that runs it."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{proxy}.conf"
    if proxy == "haproxy":
        file.write_text(text)
        return (executable("haproxy"), "-db", "-f", file)
    own = "".join(f"{name}_temp_path {folder}/{name};" for name in FOLDERS)
    file.write_text(text.replace("http {\n", f"http {{ {own} access_log {folder}/access.log;\n", 1))
    told = f"daemon off; pid {folder}/nginx.pid;"
    return (executable("nginx"), "-p", folder, "-e", folder / "error.log", "-c", file, "-g", told)


@contextlib.asynccontextmanager
async def fronted(proxy: str, folder: Path, text: str, listen: int) -> AsyncIterator[str]:
    """Run the proxy, as the text sets it up; yield its address."""
    url = f"http://127.0.0.1:{listen}"

    async def listens() -> bool:
        try:
            async with aiohttp.request("GET", url, headers={"Accept": "text/event-stream"}):
                return True
        except aiohttp.ClientError:
            assert program.process.returncode is None, program.printed
            return False

    async with running(*write(proxy, folder, text)) as program:
        await until(listens, f"{proxy} listens")
        yield url
