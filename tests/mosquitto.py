"""A real Mosquitto on loopback, and what it asks of its clients.

It runs as whoever runs the tests: started as root it would drop to a user of its own, who may not read the test's
files. Its session store is written only when it ends in order, so SIGTERM keeps every session and SIGKILL none.
"""

import base64
import contextlib
import hashlib
import os
import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from tests.certificates import Certificate
from tests.support import until

#: Anyone may come; sessions are kept in the folder; no queue is cut short unless a test is about that.
SETTINGS: Final = """
user root
listener {port} 127.0.0.1
persistence true
persistence_location {folder}/
autosave_interval 0
max_queued_messages {queue}
log_dest file {folder}/log
set_tcp_nodelay true
{more}
"""

ANYONE: Final = "allow_anonymous true"

#: Rounds of Mosquitto's own hash of a password.
ROUNDS: Final = 101


class Broker:
    """A Mosquitto that can be stopped, killed and started again on its port."""

    def __init__(self, folder: Path, port: int, more: str, queue: int) -> None:
        self.port = port
        self.folder = folder
        self._config = folder / "mosquitto.conf"
        self._config.write_text(SETTINGS.format(port=port, folder=folder, more=more, queue=queue))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the address without TLS."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Return what it has logged."""
        log = self.folder / "log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    async def start(self) -> None:
        """Start, or start again; return when it listens."""
        command = ("mosquitto", "-c", str(self._config))
        with (self.folder / "said").open("ab") as said:
            started = self._process = subprocess.Popen(command, stdout=said, stderr=said)
        await until(lambda: self._listens(started))

    def _listens(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, (self.folder / "said").read_text() + self.log
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    async def stop(self) -> None:
        """End in order: sessions and what is queued in them are kept."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End at once: what was not written is gone."""
        await self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it do nothing, with its connections open."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def reload(self) -> None:
        """Let it read its passwords and access list again."""
        assert self._process
        self._process.send_signal(signal.SIGHUP)

    async def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            await until(lambda: self._process is None or self._process.poll() is not None)
            self._process = None

    async def misses(self, client_id: str) -> None:
        """Wait until it has noticed that a client's connection is gone."""
        gone = (f"Client {client_id} closed its connection", f"Socket error on client {client_id}")
        await until(lambda: any(line in self.log for line in gone))

    def greeted(self, client_id: str = "") -> int:
        """Count the connections so far of a client, or of all whose id begins so."""
        return len(re.findall(rf"New client connected from \S+ as {re.escape(client_id)}", self.log))


@contextlib.asynccontextmanager
async def broker(folder: Path, port: int, more: str = ANYONE, *, queue: int = 0) -> AsyncIterator[Broker]:
    """Run a broker; `more` are lines of its configuration, `queue` the messages it keeps for a session (0: any)."""
    folder = folder / f"mosquitto-{port}"
    folder.mkdir(parents=True)
    made = Broker(folder, port, more, queue)
    await made.start()
    try:
        yield made
    finally:
        await made.kill()


@pytest.fixture
async def mosquitto(tmp_path: Path, free_port: int) -> AsyncIterator[Broker]:
    """Run a broker that lets anyone in."""
    async with broker(tmp_path, free_port) as made:
        yield made


def password_file(folder: Path, **users: str) -> str:
    """Write a password file; return the lines that make a broker use it."""
    lines = []
    for user, password in users.items():
        salt = os.urandom(12)
        digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
        lines.append(f"{user}:$7${ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}\n")
    (folder / "passwords").write_text("".join(lines))
    return f"allow_anonymous false\npassword_file {folder}/passwords"


def tls(ca: Path, server: Certificate, *, client: bool = False) -> str:
    """Return the lines that give a listener TLS; `client` demands a client's certificate, whose name is the user."""
    demand = "require_certificate true\nuse_identity_as_username true" if client else ""
    return f"{ANYONE}\ncafile {ca}\ncertfile {server.cert}\nkeyfile {server.key}\n{demand}"
