"""`sse-bridge health`: whom it asks, and what it makes of the answer."""

import asyncio
import importlib
import socket
import subprocess
import sys
import threading

import pytest

from bridge.config.server import Server
from tests.support import running

# The package has a command of this name too.
health = importlib.import_module("bridge.cli.health")


@pytest.fixture
def file(tmp_path):
    """Give a place for a configuration."""
    return tmp_path / "routes.yaml"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("server: { admin: '127.0.0.1:9999' }", ("127.0.0.1", 9999)),
        ("server: { admin: '${ADMIN:-127.0.0.1:9090}' }", ("127.0.0.1", 7777)),
        ("server: { admin: '[::1]:9999' }", ("::1", 9999)),
        ("server: { admin: ':9999' }", ("127.0.0.1", 9999)),
        ("server: { admin: '[::]:9999' }", ("::1", 9999)),
        ("server: { admin: nonsense }", ("127.0.0.1", 9090)),
        ("server: { listen: ':8080' }", ("127.0.0.1", 9090)),
        ("server: 5", ("127.0.0.1", 9090)),
        ("] broken", ("127.0.0.1", 9090)),
        ("", ("127.0.0.1", 9090)),
    ],
)
def test_the_admin_port_is_read_from_the_file(file, text, place):
    """What is wrong with the file does not matter: the bridge may run with an older one."""
    file.write_text(text)
    assert health.admin(file, {"ADMIN": "127.0.0.1:7777"}) == place


def test_the_default_is_that_of_the_language():
    """It stands here a second time, since the models are not loaded."""
    assert str(Server().admin) == health.DEFAULT


def test_without_a_file_it_is_the_demo_that_is_asked(file, capsys):
    """Its own file says where: at the usual port, or where ADMIN says."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = f"127.0.0.1:{taken.getsockname()[1]}"
    assert health.run(file, {"ADMIN": free}) == 1
    assert capsys.readouterr().err == f"{free}: Connection refused\n"


async def test_a_bridge_that_runs_is_healthy(file):
    """Asked as a program, as a container does."""
    async with running() as served:
        file.write_text(f"server: {{ admin: '{served.bridge.admin.places[0]}' }}")
        assert await asyncio.to_thread(health.run, file, {}) == 0


@pytest.mark.parametrize("said", [b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b"hello\r\n", b""])
def test_any_other_answer_is_ill(file, said, capsys):
    """Another program on the port, or one that is on its way out."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            connection, _ = listening.accept()
            connection.recv(1024)
            connection.sendall(said)
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        file.write_text(f"server: {{ admin: '127.0.0.1:{listening.getsockname()[1]}' }}")
        assert health.run(file, {}) == 1
        thread.join()
    assert capsys.readouterr().err


def test_the_command_loads_neither_models_nor_http(tmp_path):
    """It runs within the bridge's own bound of memory, every few seconds."""
    code = (
        "import sys; sys.argv = ['sse-bridge', 'health']\n"
        "from bridge.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print(end.code)\n"
        "print({'pydantic', 'aiohttp', 'http.client'} & set(sys.modules))"
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = f"127.0.0.1:{taken.getsockname()[1]}"
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=tmp_path, env={"ADMIN": free}
    )
    assert done.stdout == "1\nset()\n", done.stderr
