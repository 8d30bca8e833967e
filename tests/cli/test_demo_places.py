"""Where the demo listens."""

import importlib
import socket

import pytest

# The package has a command of this name too.
demo = importlib.import_module("bridge.cli.demo")


@pytest.fixture
def taken(monkeypatch):
    """Take both usual ports."""
    with socket.create_server(("127.0.0.1", 0)) as listen, socket.create_server(("127.0.0.1", 0)) as admin:
        ports = {"LISTEN": listen.getsockname()[1], "ADMIN": admin.getsockname()[1]}
        monkeypatch.setattr(demo, "PORTS", ports)
        yield ports


def test_usual_ports_are_taken_where_they_are_free(taken, monkeypatch, free_ports):
    """The addresses in the README hold on a machine where nothing else listens."""
    free = {name: free_ports() for name in taken}
    monkeypatch.setattr(demo, "PORTS", free)
    assert demo.places({}) == {name: f"127.0.0.1:{port}" for name, port in free.items()}


@pytest.mark.usefixtures("taken")
def test_busy_port_gives_way_to_any_other():
    """`make demo` works beside a program that has the port, and prints where it listens instead."""
    assert demo.places({}) == {"LISTEN": "127.0.0.1:0", "ADMIN": "127.0.0.1:0"}


@pytest.mark.usefixtures("taken")
def test_environment_has_the_last_word():
    """Who names an address gets that one or an error, never another."""
    given = {"LISTEN": "127.0.0.1:81", "ADMIN": "127.0.0.1:82"}
    assert demo.places(given) == given
