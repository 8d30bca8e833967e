"""`sse-bridge drain`: whom it asks, how long it waits, and what its exit code says."""

import http.server
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.cli.ask import MAX_ANSWER, AskError, Place, admin_of, ask
from bridge.cli.drain import LONGEST, run

HERE = "127.0.0.1"


@contextmanager
def admin(status: int, body: bytes) -> Iterator[tuple[int, list[str]]]:
    """Answer on a port as the admin port would; tell the port and what was asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(f"{self.command} {self.path} {self.headers['Host']}")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer((HERE, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def routes(folder: Path, text: str) -> Path:
    """Write a configuration."""
    file = folder / "routes.yaml"
    file.write_text(text, "utf-8")
    return file


@pytest.fixture
def silent() -> Iterator[int]:
    """Listen and say nothing; give the port."""
    with socket.create_server((HERE, 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def closed() -> int:
    """Give a port that nothing listens on."""
    with socket.create_server((HERE, 0)) as listening:
        return int(listening.getsockname()[1])


def test_it_asks_the_admin_port_of_the_file(tmp_path, capsys):
    """By a POST, to its address; and says what came of it."""
    with admin(200, b'{"told": 12, "left": 1}') as (port, asked):
        assert run(routes(tmp_path, f"server: {{ admin: '{HERE}:{port}' }}\n")) == 0
    assert asked == [f"POST /-/drain {HERE}:{port}"]
    assert capsys.readouterr().out == "told 12 streams; 1 of them had to be cut\n"


def test_an_admin_port_on_all_addresses_is_asked_on_this_machine(tmp_path):
    """Its own address is not one that one can connect to everywhere."""
    with admin(200, b'{"told": 0, "left": 0}') as (port, asked):
        assert run(routes(tmp_path, f"auth: anonymous\nserver: {{ admin: ':{port}' }}\n")) == 0
    assert asked == [f"POST /-/drain {HERE}:{port}"]


def test_the_option_beats_the_file(tmp_path):
    """Which need not even be there."""
    with admin(200, b'{"told": 0, "left": 0}') as (port, asked):
        assert run(tmp_path / "none.yaml", admin=f"{HERE}:{port}") == 0
        assert run(routes(tmp_path, "server: { admin: '127.0.0.1:1' }\n"), admin=f"{HERE}:{port}") == 0
    assert len(asked) == 2


def test_nobody_to_ask_is_a_failure_in_words(tmp_path, capsys, closed):
    """A hook that asked at a wrong address must not look like one that worked."""
    assert run(routes(tmp_path, f"server: {{ admin: '{HERE}:{closed}' }}\n")) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"nothing listens on {HERE}:{closed}: is there a bridge")
    assert "Traceback" not in said


def test_the_end_of_the_time_is_no_failure(tmp_path, capsys, silent):
    """The drain goes on without us, and SIGTERM waits for it."""
    assert run(routes(tmp_path, f"server: {{ admin: '{HERE}:{silent}' }}\n"), within="100ms") == 0
    assert capsys.readouterr().out == "the time is over, and the drain goes on\n"


def test_without_a_time_it_waits_until_the_drain_is_over(tmp_path, monkeypatch, silent):
    """However long that is by the file: the bridge answers at its end."""
    waited: list[float] = []

    def timed_out(*_: object, within: float) -> None:
        waited.append(within)
        raise TimeoutError

    monkeypatch.setattr("bridge.cli.drain.ask", timed_out)
    assert run(routes(tmp_path, f"server: {{ admin: '{HERE}:{silent}', prestop: 1h, drain: 1h }}\n")) == 0
    assert waited == [LONGEST]
    assert waited[0] > 2 * 3_600


@pytest.mark.parametrize(("status", "body"), [(404, b"no such path"), (403, b"a page of another origin"), (500, b"")])
def test_whoever_else_answers_there_is_a_failure(status, body, tmp_path, capsys):
    """With what they said."""
    with admin(status, body) as (port, _):
        assert run(tmp_path, admin=f"{HERE}:{port}") == 1
    assert capsys.readouterr().err == f"{HERE}:{port}: {status} {body.decode()}".rstrip() + "\n"


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"7", b"\xff", b""])
def test_whoever_says_yes_and_is_no_bridge_is_a_failure(body, tmp_path, capsys):
    """A hook that asks an application at a wrong address says so in words."""
    with admin(200, body) as (port, _):
        assert run(tmp_path, admin=f"{HERE}:{port}") == 1
    assert capsys.readouterr().err == f"{HERE}:{port}: what answers there is no bridge\n"


def test_nothing_that_a_terminal_obeys_is_repeated(tmp_path, capsys):
    """Whoever answers at a wrong address may say anything."""
    with admin(500, b"\x1b[31mred\r\n\x07") as (port, _):
        assert run(tmp_path, admin=f"{HERE}:{port}") == 1
    assert capsys.readouterr().err == f"{HERE}:{port}: 500 [31mred\n"


def test_a_name_that_is_none_is_told_in_words(tmp_path, capsys):
    """Bytes that are no UTF-8 come from a command line like others."""
    assert run(tmp_path, admin="\udcff:9090") == 1
    assert "this is no name of a machine" in capsys.readouterr().err


def test_who_takes_no_connection_was_not_asked(tmp_path, capsys, monkeypatch):
    """Time that is over before that is a failure: no drain goes on."""

    def never(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", never)
    assert run(tmp_path, admin=f"{HERE}:9090", within="100ms") == 1
    assert capsys.readouterr().err.startswith(f"{HERE}:9090 takes no connection")


@pytest.mark.parametrize("admin", ["9090", ":9090", "here:port", "127.0.0.1:0", "127.0.0.1:99999", ""])
def test_an_address_that_is_none_is_refused(admin, tmp_path, capsys):
    """In words, before anybody is asked."""
    assert run(tmp_path, admin=admin) == 2
    assert capsys.readouterr().err.startswith("--admin: expected an address and a port")


def test_it_loads_no_models():
    """It runs within the bridge's own bound of CPU, as it ends: a tenth of a core is usual."""
    code = "import sys, bridge.cli.drain; print(*sorted({'pydantic', 'aiohttp', 'asyncio'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"\n"


@pytest.mark.parametrize("within", ["10", "soon", "0s"])
def test_a_time_that_is_none_is_refused(within, tmp_path, capsys):
    """In words, before anybody is asked."""
    assert run(tmp_path, within=within) == 2
    assert capsys.readouterr().err == "--within: expected a duration such as 20s or 1m\n"


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("server: { admin: '127.0.0.1:9191' }\nsources: { a: { kind: none } }\n", 9191),
        ("server: { admin: '127.0.0.1:9191', lisen: x, drain: 5 }\n", 9191),
        ("server: [\n", 9090),
        ("", 9090),
        ("sources: {}\n", 9090),
    ],
)
def test_a_file_that_is_broken_by_now_still_tells_what_it_can(text, port, tmp_path):
    """The bridge runs with an older one."""
    assert admin_of(routes(tmp_path, text), {}) == Place(HERE, port)


def test_a_variable_of_the_environment_counts(tmp_path):
    """A hook runs in the container, with its environment."""
    file = routes(tmp_path, 'server: { admin: "${ADMIN}", drain: "${DRAIN}" }\n')
    assert admin_of(file, {"ADMIN": "127.0.0.1:7070"}).port == 7070


def test_a_file_that_is_missing_is_told(tmp_path, capsys):
    """Nobody wants another bridge of this machine drained for a slip."""
    assert run(tmp_path / "none.yaml") == 2
    assert capsys.readouterr().err.endswith("none.yaml: there is no such file\n")


def test_a_port_of_the_systems_choice_cannot_be_known(tmp_path, capsys):
    """The option can name it."""
    assert run(routes(tmp_path, "server: { admin: '127.0.0.1:0' }\n")) == 1
    assert "with --admin" in capsys.readouterr().err


def test_what_answers_and_is_no_http_is_told_in_words():
    """A broker, for one."""
    with socket.create_server((HERE, 0)) as listening:
        port = listening.getsockname()[1]

        def speak() -> None:
            met, _ = listening.accept()
            with met:
                met.sendall(b"SSH-2.0-nobody\r\n")

        thread = threading.Thread(target=speak)
        thread.start()
        with pytest.raises(AskError, match=f"{HERE}:{port}: "):
            ask(Place(HERE, port), "POST", "/-/drain", within=10)
        thread.join()


def test_an_endless_answer_is_read_to_a_bound():
    """Whatever answers there."""
    with admin(200, (MAX_ANSWER + 1) * b"x") as (port, _):
        assert len(ask(Place(HERE, port), "POST", "/-/drain", within=10).body) == MAX_ANSWER
