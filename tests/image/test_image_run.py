"""The image at work under what a strict cluster asks: no rights, a read-only root, a user's file."""

import asyncio
import re
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.image.containers import HARDENED, ROUTES, STATE, UID, env, mounted
from tests.support import until

#: A file as a user mounts it.
FILE = """\
version: 1
auth: anonymous
server: { listen: "${LISTEN}", admin: "${ADMIN}", drain: 2s }
sources: { clock: { kind: timer, every: 100ms } }
routes: { /clock: { from: clock } }
"""

#: What the kernel knows of the first process.
STATUS = """
print(open("/proc/1/status").read())
"""

WRITE = """
import os, sys
for path in sys.argv[1:]:
    try:
        open(os.path.join(path, "probe"), "w").close()
        print(path)
    except OSError:
        pass
"""

#: A bounded number: the limit is 64.
THREADS = """
import threading
done, threads = threading.Event(), []
try:
    for _ in range(200):
        threads.append(threading.Thread(target=done.wait))
        threads[-1].start()
except RuntimeError:
    print("refused")
done.set()
"""

OWNERS = """
import pathlib, sys
print(*{each.stat().st_uid for each in pathlib.Path(sys.argv[1]).rglob("*") if each.is_file()})
"""

#: The healthcheck, and then what it took.
PEAK = """
import contextlib, re, sys
from bridge.cli import main
sys.argv = ["sse-bridge", "health"]
with contextlib.suppress(SystemExit):
    main()
status = open("/proc/self/status").read()
print("pydantic" in sys.modules, re.search(r"VmHWM:\\s+(\\d+)", status)[1])
"""

#: SIGTERM's bit in the kernel's set of signals that are caught (proc_pid_status(5)).
TERM = 1 << (signal.SIGTERM - 1)

SHELLS = ("sh", "bash", "curl")


@pytest.fixture
def places(free_ports):
    """Give the container's listeners ports of this machine's, which it shares."""
    return {"LISTEN": f"127.0.0.1:{free_ports()}", "ADMIN": f"127.0.0.1:{free_ports()}"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write the user's file, as everyone may read it."""
    path = tmp_path / "routes.yaml"
    path.write_text(FILE)
    path.chmod(0o644)
    tmp_path.chmod(0o755)
    return path


async def first_event(url: str) -> bytes:
    """Open a stream and return the first line of data."""
    async with asyncio.timeout(20), aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        while not (line := await answer.content.readline()).startswith(b"data:"):
            assert line
        return line


async def test_a_mounted_file_is_served_with_no_right_and_nothing_to_write(podman, file, places):
    """No capability, no new privileges, seccomp, 64 processes, 128 MiB; it streams, and SIGTERM ends it with 0."""
    async with podman.running(options=[*HARDENED, *env(places), mounted(file)]) as bridge:
        await bridge.until_healthy()
        assert await first_event(f"http://{places['LISTEN']}/clock")
        status = dict(re.findall(r"^(\w+):\s+(.*)$", await bridge.python(STATUS), re.MULTILINE))
        assert status["Uid"].split() == status["Gid"].split() == [str(UID)] * 4
        assert (int(status["CapEff"], 16), int(status["CapBnd"], 16)) == (0, 0)
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        assert status["Name"] == "sse-bridge"
        writable = await bridge.python(WRITE, "/", "/etc/sse-bridge", "/opt/sse-bridge", "/tmp", STATE, "/var/lib")
        assert writable == ""
        assert await bridge.python(THREADS) == "refused\n"
        await bridge.kill()
        assert await bridge.ended() == 0
        assert '"stopped"' in await bridge.logs()


async def test_sigterm_while_it_loads_ends_it_at_once(podman, file, places):
    """A first process has no default actions: without a handler of its own the signal would be lost."""
    async with podman.running(options=[*env(places), mounted(file)]) as bridge:
        status = Path(f"/proc/{(await bridge.inspect())['State']['Pid']}/status")
        # The interpreter itself takes its hundredth of a second to start: nobody can hear anything before.
        await until(lambda: int(re.search(r"SigCgt:\s+(\w+)", status.read_text())[1], 16) & TERM)
        await bridge.kill()
        assert await bridge.ended() == 0


async def test_a_second_sigterm_ends_it_at_once_as_the_first_process(podman, file, places):
    """Neither `prestop` nor the drain is waited for; the exit code is that of who died of the signal."""
    file.write_text(FILE.replace("drain: 2s", "prestop: 1h"))
    async with podman.running(options=[*env(places), mounted(file)]) as bridge:
        await bridge.until_healthy()
        await bridge.kill()
        async with asyncio.timeout(20), aiohttp.ClientSession(f"http://{places['ADMIN']}") as admin:
            ready = True
            while ready:
                async with admin.get("/-/ready") as answer:
                    ready = answer.status == 200
        await bridge.kill()
        assert await bridge.ended() == 143


async def test_it_starts_drains_and_ends_without_a_shell(podman, file, places):
    """With every shell hidden: `sse-bridge drain` as a preStop hook tells the streams, and SIGTERM is what ends it."""
    hidden = [f"--volume=/dev/null:/bin/{name}:ro" for name in SHELLS]
    async with podman.running(options=[*HARDENED, *hidden, *env(places), mounted(file)]) as bridge:
        await bridge.until_healthy()
        assert (await bridge.exec("sh", "-c", "true", check=False)).code != 0
        async with aiohttp.ClientSession() as session, session.get(f"http://{places['LISTEN']}/clock") as stream:
            done = await bridge.exec("sse-bridge", "drain")
            assert "told 1 stream" in done.out
            assert b"bridge.bye" in await stream.content.read()
        assert await bridge.healthy()
        await bridge.kill()
        assert await bridge.ended() == 0


async def test_health_fails_where_nothing_answers(podman):
    """The check is of the bridge beside it, not of the program's being there."""
    done = await podman.once("health", check=False)
    assert done.code == 1
    assert "127.0.0.1:9090" in done.err


async def test_a_volume_for_the_state_belongs_to_its_user(podman, tmp_path, file, places):
    """A fresh named volume takes the image's folder with its owner: checkpoints are written under a read-only root."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "web.log").write_text("hello\n")
    file.write_text(
        FILE.replace("drain: 2s", f"drain: 0s, state: {STATE}")
        .replace("sources: {", 'sources: { log: { kind: file, root: /logs, match: "{file}.log", begin: beginning },')
        .replace("routes: {", 'routes: { "/log/{file}": { from: log, start: { last: 10 } },')
    )
    volume = f"{file.parent.name}-state".replace("_", "-")
    options = [*HARDENED, *env(places), mounted(file), mounted(logs, "/logs"), f"--volume={volume}:{STATE}"]
    try:
        async with podman.running(options=options) as bridge:
            await bridge.until_healthy()
            assert b"hello" in await first_event(f"http://{places['LISTEN']}/log/web")
            await bridge.kill()
            assert await bridge.ended() == 0
        told = await podman.once("-c", OWNERS, STATE, options=["--entrypoint=python", f"--volume={volume}:{STATE}:ro"])
        assert told.out == f"{UID}\n"
    finally:
        await podman("volume", "rm", "--force", volume)


async def test_version_is_told(podman):
    """The command is the entry point."""
    assert re.fullmatch(r"sse-bridge \d+\.\d+\.\d+\n", (await podman.once("--version")).out)


async def test_check_reads_the_mounted_file(podman, file):
    """A file can be tried before it is deployed."""
    options = [mounted(file), *env({"LISTEN": ":8080", "ADMIN": "127.0.0.1:9090"})]
    assert (await podman.once("check", options=options)).code == 0


# -- a mount that went wrong is told, and never answered with a demo


async def refused(podman, *options: str) -> str:
    """Run it as the image's default does, and return what it said in refusing."""
    done = await podman.once(options=[*HARDENED, *options], check=False)
    assert done.code == 2, done
    assert "demo" not in done.out + done.err.lower()
    return done.err


async def test_a_folder_that_was_mounted_for_the_file_is_refused(podman, tmp_path):
    """Docker makes an empty folder where the file to mount does not exist."""
    tmp_path.chmod(0o755)
    assert "this is a folder, and holds no .yaml file" in await refused(podman, mounted(tmp_path))


async def test_a_mounted_folder_without_the_file_is_refused(podman, tmp_path):
    """The folder's mount says that a configuration was meant; an empty one too."""
    tmp_path.chmod(0o755)
    assert "/etc/sse-bridge is empty" in await refused(podman, mounted(tmp_path, "/etc/sse-bridge"))
    (tmp_path / "route.yml").write_text(FILE)
    told = await refused(podman, mounted(tmp_path, "/etc/sse-bridge"))
    assert "/etc/sse-bridge holds route.yml, and no routes.yaml" in told


async def test_a_file_that_its_user_may_not_read_is_refused(podman, file):
    """The message names the file and the cause."""
    file.chmod(0o600)
    told = await refused(podman, mounted(file))
    assert "routes.yaml:1:1: the file cannot be read: Permission denied" in told


async def test_an_empty_file_is_refused(podman, file):
    """So is what a failed template leaves behind."""
    file.write_text("")
    assert "routes.yaml:1:1" in await refused(podman, mounted(file))


async def test_who_names_a_file_gets_that_file_or_an_error(podman):
    """Without the image's default there is no demo: a chart whose ConfigMap is missing does not start one."""
    done = await podman.once("run", ROUTES, check=False)
    assert done.code == 2
    assert "the file cannot be read" in done.err


async def test_the_healthcheck_takes_little_of_the_containers_memory(podman):
    """It runs within the bridge's bound, so it reads the file without the models."""
    loaded, peak = (await podman.python(PEAK)).split()
    assert loaded == "False"
    assert int(peak) < 30_000
