"""Sources against the disk."""

import os
from pathlib import Path

import pytest

from bridge.config.check_sources import file_fault, root_fault
from bridge.config.load import load


def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreadable root would only look like quiet logs. (Root reads everything, so the answer is feigned.)"""
    monkeypatch.setattr(os, "access", lambda *_: False)
    fault = root_fault(tmp_path)
    assert fault is not None
    assert "cannot be read" in fault


def test_a_link_above_the_root_is_allowed(tmp_path: Path) -> None:
    """On many systems /var or /tmp is a link: only the root itself must be none."""
    (tmp_path / "real" / "logs").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert root_fault(tmp_path / "link" / "logs") is None
    assert root_fault(tmp_path / "link") is not None


def test_one_file_need_not_be_there_yet(tmp_path: Path) -> None:
    """Its folder must."""
    assert file_fault(tmp_path / "app.log") is None
    assert file_fault(tmp_path / "missing" / "app.log") is not None
    assert file_fault(tmp_path) is not None


@pytest.mark.parametrize("path", ["/a\0b", "/" + "a" * 5000])
def test_a_path_that_no_system_has_is_a_fault(path: str) -> None:
    """Whatever the system says of it, it is an answer and no exception."""
    assert root_fault(Path(path)) is not None


def notes(folder: Path, source: str) -> list[str]:
    """Return what is noted of a source, from its own keys on."""
    file = folder / "routes.yaml"
    file.write_text(f"sources: {{ s: {source} }}\nroutes: {{ /: {{ from: s }} }}\n", "utf-8")
    return [note.text.removeprefix("sources.s.") for note in load(file, {"SECRET": "HUNTER2"}).notes]


CLEAR = "travels in clear text, for all on its way to read: "
USER = "username: u, password: { env: SECRET }"
TOPICS = "topics: [t], begin: earliest"
PLAIN = f"{TOPICS}, sasl: {{ mechanism: PLAIN, {USER} }}"
POLL = "kind: http, every: 1s, url:"
AVRO = f"brokers: ['k:1'], {TOPICS}, decode: avro"


@pytest.mark.parametrize(
    ("source", "note"),
    [
        (f"kind: mqtt, url: 'mqtt://broker', topics: [t], {USER}", "password: CLEAR let `url` begin with mqtts://"),
        (f"kind: mqtt, url: 'ws://10.0.0.1/m', topics: [t], {USER}", "password: CLEAR let `url` begin with wss://"),
        ("kind: mqtt, url: 'mqtt://broker', topics: [t], username: u", "username: CLEAR let `url` begin with mqtts://"),
        (
            f"kind: kafka, brokers: ['127.0.0.1:1', 'k:1'], {PLAIN}",
            "sasl.password: CLEAR give the source `tls`, or take SCRAM-SHA-512",
        ),
        (
            f"kind: kafka, brokers: ['k:1'], {TOPICS}, sasl: {{ mechanism: OAUTHBEARER, token: {{ file: ./t }} }}",
            "sasl.token: CLEAR give the source `tls`",
        ),
        (
            f"kind: kafka, {AVRO}, registry: {{ url: 'http://registry', {USER} }}",
            "registry.password: CLEAR let `registry.url` begin with https://",
        ),
        (
            f"kind: kafka, {AVRO}, registry: {{ url: 'HTTP://registry', token: {{ env: SECRET }} }}",
            "registry.token: CLEAR let `registry.url` begin with https://",
        ),
        (f"{POLL} 'http://api', bearer: {{ env: SECRET }}", "bearer: CLEAR let `url` begin with https://"),
        (f"{POLL} 'HTTP://10.0.0.1/', basic: {{ {USER} }}", "basic: CLEAR let `url` begin with https://"),
        (
            f"{POLL} 'http://api', headers: {{ X-Key: {{ env: SECRET }}, X-B: b }}",
            "headers.X-Key: CLEAR let `url` begin with https://",
        ),
        (
            "kind: sse, url: 'http://api', query: { key: { env: SECRET } }",
            "query.key: CLEAR let `url` begin with https://",
        ),
    ],
)
def test_a_secret_that_travels_in_clear_text_is_noted_at_its_key(source: str, note: str, tmp_path: Path) -> None:
    """One sentence, with what to do, and nothing of the secret."""
    assert notes(tmp_path, f"{{ {source} }}") == [note.replace("CLEAR ", CLEAR)]


@pytest.mark.parametrize(
    "source",
    [
        f"kind: mqtt, url: 'mqtts://broker', topics: [t], {USER}",
        f"kind: mqtt, url: 'wss://broker', topics: [t], {USER}",
        f"kind: mqtt, url: 'mqtt://LocalHost', topics: [t], {USER}",
        f"kind: mqtt, url: 'ws://[::1]:9001', topics: [t], {USER}",
        "kind: mqtt, url: 'mqtt://broker', topics: [t]",
        f"kind: kafka, brokers: ['k:1'], {PLAIN}, tls: {{}}",
        f"kind: kafka, brokers: ['127.0.0.1:1', '[::1]:2', 'k.localhost:3'], {PLAIN}",
        f"kind: kafka, brokers: ['k:1'], {TOPICS}, sasl: {{ mechanism: SCRAM-SHA-256, {USER} }}",
        f"kind: kafka, {AVRO}, registry: {{ url: 'https://registry', {USER} }}",
        f"kind: kafka, {AVRO}, registry: {{ url: 'http://127.0.0.1:8081', {USER} }}",
        f"kind: kafka, {AVRO}, registry: {{ url: 'http://registry' }}",
        "kind: push, token: { env: SECRET }",
        f"{POLL} 'https://api', bearer: {{ env: SECRET }}",
        f"{POLL} 'http://127.0.0.1:3000', bearer: {{ env: SECRET }}",
        f"{POLL} 'http://api', headers: {{ X-B: b }}",
    ],
)
def test_a_secret_that_nobody_can_read_on_its_way_needs_no_note(source: str, tmp_path: Path) -> None:
    """TLS, a way that shows no secret, a broker on this machine, nothing to hide."""
    assert notes(tmp_path, f"{{ {source} }}") == []
