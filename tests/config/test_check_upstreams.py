"""Applications behind the bridge, against the rest of the file."""

from pathlib import Path

import pytest

from bridge.config.load import load

ROUTES = "sources: { clock: { kind: timer, every: 1s } }\nroutes: { /clock: { from: clock, shared: true } }\n"


def notes(folder: Path, text: str) -> list[str]:
    """Return what is noted of a right file."""
    path = folder / "routes.yaml"
    path.write_text(text + ROUTES, "utf-8")
    return [note.text for note in load(path, {}).notes]


def test_a_path_that_is_shared_with_nobody_is_noted(tmp_path: Path):
    """Who asks for no stream there would find nobody."""
    told = "routes./clock.shared: there is no application to share this path with: name it as `server.upstream`"
    assert notes(tmp_path, "") == [told]


@pytest.mark.parametrize("key", ["upstream: http://127.0.0.1:3000", "upstreams: { /api: 'unix:/run/app.sock' }"])
def test_a_path_that_is_shared_with_an_application_is_not(tmp_path: Path, key: str):
    """One application is enough."""
    assert notes(tmp_path, f"server: {{ {key} }}\n") == []
