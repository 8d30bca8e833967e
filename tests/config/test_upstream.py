"""The applications behind us, from the file to what the gateway knows."""

from pathlib import Path

import pytest

from bridge.config.check_upstreams import check_upstreams
from bridge.config.load import load, load_draft
from bridge.config.model import Config
from bridge.config.problems import Problems
from bridge.errors import ConfigError

SOURCES = "sources: { c: { kind: timer, every: 1s } }\nroutes: { /clock: { from: c }, '/api/{name}': { gone: true } }\n"


def loaded(tmp_path: Path, line: str) -> Config:
    """Load a file whose server has this line as its mapping."""
    file = tmp_path / "routes.yaml"
    file.write_text(f"server: {line}\n", "utf-8")
    return load(file, {"APP_URL": "http://app:8000"})


def test_an_address_alone_is_enough(tmp_path: Path) -> None:
    """All else has a value that serves."""
    upstream = loaded(tmp_path, "{ upstream: 'http://127.0.0.1:3000' }").server.upstream
    assert upstream is not None
    target = upstream.target()
    assert (target.host, target.port, target.tls, target.socket, target.prefix) == ("127.0.0.1", 3000, None, None, "")
    assert (target.connect, target.timeout, target.heartbeat, target.keeps_host) == (5.0, 60.0, None, True)
    assert target.refusal is not None
    assert target.refusal("127.0.0.1") is None
    assert "link-local" in (target.refusal("169.254.1.1") or "")


@pytest.mark.parametrize(
    ("url", "host", "port", "authority"),
    [
        ("http://app", "app", 80, "app"),
        ("http://app:80/", "app", 80, "app"),
        ("https://app", "app", 443, "app"),
        ("https://app:8443", "app", 8443, "app:8443"),
        ("http://[::1]:3000", "::1", 3000, "[::1]:3000"),
        ("http://10.0.0.1:3000", "10.0.0.1", 3000, "10.0.0.1:3000"),
        ("${APP_URL}", "app", 8000, "app:8000"),
    ],
)
def test_addresses_are_read(tmp_path: Path, url: str, host: str, port: int, authority: str) -> None:
    """And written as a Host header has them."""
    upstream = loaded(tmp_path, f"{{ upstream: '{url}' }}").server.upstream
    assert upstream is not None
    target = upstream.target()
    assert (target.host, target.port, target.authority) == (host, port, authority)
    assert (target.tls is not None) == url.startswith("https")


def test_a_socket_may_stand_beside_the_file(tmp_path: Path) -> None:
    """A relative path starts at the file's folder."""
    config = loaded(tmp_path, "{ upstream: 'unix:run/app.sock', upstreams: { /a: 'unix:/run/b.sock' } }")
    assert config.server.upstream is not None
    assert config.server.upstream.target().socket == tmp_path / "run" / "app.sock"
    assert config.server.upstreams["/a"].target().socket == Path("/run/b.sock")


def test_prefixes_have_their_own_keys(tmp_path: Path) -> None:
    """And all of the others."""
    config = loaded(tmp_path, "{ upstreams: { /a/: { url: 'http://app', strip_prefix: true, host: target } } }")
    upstream = config.server.upstreams["/a/"]
    target = upstream.target("/a/", strips=upstream.strip_prefix)
    assert (target.prefix, target.strips, target.keeps_host, target.name) == (
        "/a",
        True,
        False,
        "the application at /a",
    )


def test_what_is_allowed_by_name_may_be_link_local(tmp_path: Path) -> None:
    """The operator says so."""
    config = loaded(tmp_path, "{ upstream: { url: 'http://app', allow: [169.254.10.1] } }")
    assert config.server.upstream is not None
    refusal = config.server.upstream.target().refusal
    assert refusal is not None
    assert refusal("169.254.10.1") is None
    assert refusal("169.254.169.254") is not None


@pytest.mark.parametrize(
    ("listen", "url", "is_ours"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080", True),
        ("127.0.0.1:8080", "http://localhost:8080", True),
        ("localhost:8080", "http://127.0.0.1:8080", True),
        ("0.0.0.0:8080", "http://127.0.0.1:8080", True),
        (":8080", "http://[::1]:8080", True),
        ("10.0.0.1:8080", "http://10.0.0.1:8080", True),
        ("10.0.0.1:8080", "http://127.0.0.1:8080", False),
        ("127.0.0.1:8080", "http://127.0.0.2:8080", False),
        ("127.0.0.1:8080", "http://app:8080", False),
        ("127.0.0.1:8080", "http://127.0.0.1:8081", False),
        ("127.0.0.1:0", "http://127.0.0.1:80", False),
        ("127.0.0.1:80", "unix:/run/app.sock", False),
    ],
)
def test_an_address_of_ours_is_seen(tmp_path: Path, listen: str, url: str, *, is_ours: bool) -> None:
    """As far as that can be told without asking anyone."""
    file = tmp_path / "routes.yaml"
    upstreams = f"upstream: '{url}', upstreams: {{ /a: '{url}' }}"
    text = f"auth: anonymous\nserver: {{ listen: '{listen}', admin: '127.0.0.1:1', {upstreams} }}\n"
    file.write_text(text + SOURCES, "utf-8")
    try:
        load(file, {})
        found = 0
    except ConfigError as error:
        found = sum("leads back to the bridge itself" in problem.text for problem in error.problems)
    assert found == (2 if is_ours else 0)


def test_a_route_at_the_very_path_of_an_application_is_noted(tmp_path: Path) -> None:
    """It is right, and may not be what was meant."""
    file = tmp_path / "routes.yaml"
    file.write_text(f"server: {{ upstreams: {{ /clock: 'http://app' }} }}\n{SOURCES}", "utf-8")
    draft, problems, notes = load_draft(file, {}).draft, Problems(), Problems()
    check_upstreams(draft, draft.root.at("server") or draft.root, problems, notes)
    assert not problems
    assert [note.text for note in notes.ordered()] == [
        "server.upstreams./clock: a route has this very path: the application gets what the route does not answer"
    ]
