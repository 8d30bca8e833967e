"""Files that change beneath a running bridge: in a process of its own, mounted as Kubernetes mounts them."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.watch import fixed
from tests.process import Process
from tests.reloading import Tab
from tests.support import DEADLINE, Client, numbers, until

#: Streams on routes that no change touches.
MANY = 100

SERVED = """
server: { listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: 1s }
sources:
  tick: { kind: timer, every: 10ms, payload: "{n}" }
  word: { kind: timer, every: 10ms, payload: "WORD {n}" }
routes:
  /tick: { from: tick, start: earliest, history: { events: 100000, bytes: 64MiB } }
  /word: { from: word, RETRY }
"""


class Mount:
    """A ConfigMap or a Secret as kubelet keeps it: files are links into `..data`, which is a link to a folder."""

    def __init__(self, folder: Path, **files: str) -> None:
        self.folder = folder
        self._count = 0
        folder.mkdir()
        self.swap(**files)
        for name in files:
            (folder / self._name(name)).symlink_to(f"..data/{self._name(name)}")

    def swap(self, **files: str) -> None:
        """Put new files in place, all at one instant: a new folder, a new link to it, renamed over the old one."""
        self._count += 1
        fresh = self.folder / f"..2026_11_21_20_00_{self._count:02}.123456789"
        fresh.mkdir()
        for name, text in files.items():
            (fresh / self._name(name)).write_text(text)
        before = (self.folder / "..data").resolve() if self._count > 1 else None
        (self.folder / "..data_tmp").symlink_to(fresh.name)
        (self.folder / "..data_tmp").rename(self.folder / "..data")
        if before is not None:
            shutil.rmtree(before)

    def _name(self, name: str) -> str:
        return name.replace("_yaml", ".yaml")


def started(file: Path, log: Path, *before: str) -> Process:
    """Start a bridge on a file as users do."""
    with log.open("wb") as out:
        command = [*before, sys.executable, "-m", "bridge", "run", str(file)]
        return Process(subprocess.Popen(command, stdout=out, stderr=out), log)


async def ended(run: Process) -> None:
    """End it, and see that it ends well."""
    run.process.send_signal(signal.SIGTERM)
    try:
        assert await run.ended() == 0
    finally:
        run.process.kill()
        for client in run.clients:
            client.close()


def times(run: Process, event: str) -> Callable[[], int]:
    """Return what counts how often a fact was logged."""
    return lambda: sum(fact["event"] == event for fact in run.facts)


@pytest.mark.parametrize("given", ["folder", "file"])
async def test_x13_a_configmap_is_swapped_under_a_hundred_streams(given: str, tmp_path: Path) -> None:
    """Of those on the untouched route none notices; who is on the changed one comes back and has missed nothing."""
    mount = Mount(tmp_path / "mount", routes_yaml=SERVED.replace("RETRY", "retry: 1s"))
    run = started(mount.folder / ("routes.yaml" if given == "file" else ""), tmp_path / "log")
    port = await run.port()
    try:
        many = [await run.open("/tick") for _ in range(MANY)]
        async with Tab(lambda: port, "/word") as tab:
            await until(lambda: tab.data)
            for swaps in range(1, 3):
                mount.swap(routes_yaml=SERVED.replace("RETRY", f"retry: {swaps + 1}s"))
                await until(lambda swaps=swaps: times(run, "configuration applied")() == swaps)  # type: ignore[misc]
                await until(lambda swaps=swaps: len(tab.byes) == swaps)  # type: ignore[misc]
            seen = len(tab.data)
            await until(lambda: len(tab.data) > seen + 20)
            words = numbers(text.removeprefix("WORD ") for text in tab.data)
            assert words == list(range(words[0], words[0] + len(words)))
            assert (tab.byes, tab.gaps) == (["changed"] * 2, [])
        now = await run.open("/tick?last=1")
        last = numbers([(await now.event()).data or ""])
        for client in many:
            await client.until(lambda client=client: numbers(client.data[-1:]) > last)  # type: ignore[misc]
            assert numbers(client.data) == list(range(len(client.data)))
            assert not client.controls
    finally:
        await ended(run)


async def test_x14_a_secret_is_rotated_as_kubernetes_rotates_it(tmp_path: Path) -> None:
    """The old token is refused, the new one taken; the configuration's own files have not changed at all."""
    secret = Mount(tmp_path / "secret", token="old")
    file = tmp_path / "routes.yaml"
    file.write_text(f"""
server: {{ listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: 0s }}
sources: {{ p: {{ kind: push, token: {{ file: {secret.folder}/token }} }} }}
routes: {{ /p: {{ from: p }} }}
""")
    run = started(file, tmp_path / "log")
    try:
        admin = await run.admin()
        client = await run.open("/p")
        assert [await push(admin, token) for token in ("old", "new")] == [202, 401]
        secret.swap(token="new")
        await run.told("configuration applied")
        assert [await push(admin, token) for token in ("old", "new")] == [401, 202]
        await client.until(lambda: len(client.data) == 2)
        assert not client.controls
    finally:
        await ended(run)


async def push(admin: str, token: str) -> int:
    """Push an event; return the status."""
    client = await Client.to(int(admin.rpartition(":")[2]))
    try:
        headers = f"Authorization: Bearer {token}\r\nConnection: close\r\nContent-Length: 0\r\n"
        await client.ask("/-/push/p", method="POST", headers=headers)
        await client.rest()
        return client.status
    finally:
        client.close()


async def test_x11_sighup_reads_a_bad_file_and_then_a_good_one(tmp_path: Path) -> None:
    """It stays in memory what it was, says so at its place, and goes on as soon as the file is mended."""
    file = tmp_path / "routes.yaml"
    text = SERVED.replace("RETRY", "retry: 1s").replace("drain: 1s", "drain: 0s, reload: { watch: false, ready: true }")
    file.write_text(text)
    run = started(file, tmp_path / "log")
    try:
        client = await run.open("/tick")
        file.write_text(text.replace("from: word", "from: wrod"))
        run.process.send_signal(signal.SIGHUP)
        fact = await run.told("configuration refused")
        assert fact["problem"].startswith("routes.yaml:8:18: ")
        admin = await run.admin()
        assert await asyncio.to_thread(ready, admin) == 503
        file.write_text(text.replace("retry: 1s", "retry: 2s"))
        run.process.send_signal(signal.SIGHUP)
        await run.told("configuration applied")
        assert await asyncio.to_thread(ready, admin) == 200
        now = await run.open("/tick?last=1")
        last = numbers([(await now.event()).data or ""])
        await client.until(lambda: numbers(client.data[-1:]) > last)
        assert numbers(client.data) == list(range(len(client.data)))
        assert not client.controls
    finally:
        await ended(run)


def ready(admin: str) -> int:
    """Ask whether it is ready."""
    try:
        with urllib.request.urlopen(f"{admin}/-/ready", timeout=DEADLINE) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_a_file_that_is_mounted_by_itself_is_known(tmp_path: Path) -> None:
    """A line of mountinfo for it is what a `subPath`, or `docker run -v file:file`, leaves; its spaces are escaped."""
    alone, beside = tmp_path / "a file.yaml", tmp_path / "b.yaml"
    mounts = tmp_path / "mountinfo"
    place = str(alone).replace(" ", "\\040")
    mounts.write_text(
        f"618 600 0:71 /x {tmp_path} rw - tmpfs tmpfs rw\n619 600 0:72 /y {place} ro,relatime - ext4 /dev/sda1 rw\n"
    )
    assert fixed([alone, beside], mounts) == [alone]
    assert fixed([alone, beside], tmp_path / "nowhere") == []


@pytest.mark.parametrize("watch", ["", ", reload: none"])
async def test_a_subpath_is_warned_about_at_the_start(watch: str, tmp_path: Path) -> None:
    """In a mount namespace of its own, with the file bound to its place."""
    held, file = tmp_path / "held.yaml", tmp_path / "routes.yaml"
    held.write_text(SERVED.replace("RETRY", "retry: 1s").replace("drain: 1s", f"drain: 0s{watch}"))
    file.write_text("")
    bind = f'mount --bind {held} {file} && exec "$@"'
    namespace = ["unshare", "--mount", "sh", "-c", bind, "sh"]
    able = subprocess.run([*namespace, "true"], check=False, capture_output=True)
    if able.returncode:
        pytest.skip(f"no namespace of its own can be made here: {able.stderr.decode()}")
    run = started(file, tmp_path / "log", *namespace)
    try:
        await run.port()
        told = [fact for fact in run.facts if fact["event"] == "a change of these files will not be seen"]
        assert len(told) == (not watch)
        assert all(fact["files"] == [str(file)] and "subPath" in fact["reason"] for fact in told)
    finally:
        await ended(run)


async def test_a_bridge_without_a_file_says_so_at_a_sighup(tmp_path: Path) -> None:
    """`serve` has nothing to read again, and goes on."""
    log = tmp_path / "log"
    (tmp_path / "app.log").write_text("")
    command = [sys.executable, "-m", "bridge", "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    with log.open("wb") as out:
        run = Process(subprocess.Popen([*command, str(tmp_path / "app.log")], stdout=out, stderr=out), log)
    try:
        await until(lambda: b"shows them" in log.read_bytes())
        run.process.send_signal(signal.SIGHUP)
        fact = await run.told("nothing to read again")
        assert json.dumps(fact["reason"]).count("not started from a file")
    finally:
        await ended(run)
