"""What holds in the end, and why."""

from pathlib import Path

from bridge.config.load import load_draft
from bridge.config.resolved import resolved

TEXT = """\
server: { listen: "${LISTEN:-127.0.0.1:1}" }
defaults: { heartbeat: 20s, history: { events: 5 } }
profiles: { p: { heartbeat: { visible: true } } }
sources:
  push: { kind: push, token: { env: TOKEN }, subject: "{user}" }
  clock: { kind: timer, every: 1s, payload: { n: "{n}", none: null } }
routes:
  /a/{user}: { from: push, use: p, start: { last: 3 } }
  /b: { from: clock, heartbeat: none }
  /old: { gone: true }
"""


def lines(tmp_path: Path) -> list[str]:
    """Return the lines, with one space before each origin."""
    file = tmp_path / "routes.yaml"
    file.write_text(TEXT, "utf-8")
    found = resolved(load_draft(file, {"TOKEN": "s3cret", "LISTEN": "127.0.0.1:7"}))
    return [" ".join(line.replace("#", "\0#").split("\0")[0].split()) + " " + line.partition("# ")[2] for line in found]


def test_each_value_tells_its_layer(tmp_path: Path) -> None:
    """A value comes from the route, a profile, the defaults, or is built in, and says where it stands."""
    found = lines(tmp_path)
    for expected in (
        "listen: 127.0.0.1:7 routes.yaml:1, from the environment",
        "drain: 10s built in",
        "every: 20s defaults, routes.yaml:2",
        "visible: true profile p, routes.yaml:3",
        "events: 5 defaults, routes.yaml:2",
        "bytes: 1MiB built in",
        "start: { last: 3 } routes.yaml:8",
        "heartbeat: none routes.yaml:9",
        'payload: { n: "{n}", none: null } routes.yaml:6',
        "gone: true routes.yaml:10",
    ):
        assert expected in found


def test_a_default_is_not_said_to_come_from_the_environment(tmp_path: Path) -> None:
    """Of a variable that is unset or empty it is told that its default was taken, in lists and mappings too."""
    text = """\
server: { listen: ["${A:-127.0.0.1:1}", "${B:-127.0.0.1:2}"], admin: "127.0.0.1:${C:-9}", pages: { /a: "${D:-.}" } }
"""
    file = tmp_path / "routes.yaml"
    file.write_text(text, "utf-8")
    found = [line.partition("# ")[2] for line in resolved(load_draft(file, {"A": "127.0.0.1:7", "C": ""}))]
    assert "routes.yaml:1, from the environment, the default of ${B}" in found
    assert "routes.yaml:1, the default of ${C}" in found
    assert "routes.yaml:1, the default of ${D}" in found


def test_a_secret_is_hidden(tmp_path: Path) -> None:
    """Where a secret is found is shown, and never what it is."""
    found = lines(tmp_path)
    assert "token: { env: TOKEN } (hidden) routes.yaml:5" in found
    assert not any("s3cret" in line for line in found)
