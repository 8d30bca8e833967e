"""What the file says of log, traces and canary."""

from pathlib import Path

import pytest

from bridge.config import observed
from bridge.config.load import load
from bridge.config.model import Config
from bridge.config.observed import Canary, Log, Traces
from bridge.errors import ConfigError
from bridge.secret import Secret


def loaded(path: Path, server: str, **environ: str) -> Config:
    """Load a file of a server alone."""
    file = path / "routes.yaml"
    file.write_text(f"server: {server}\n", "utf-8")
    return load(file, environ)


def refused(path: Path, server: str) -> list[str]:
    """Return what is wrong with it, without its place."""
    with pytest.raises(ConfigError) as error:
        loaded(path, server)
    return [str(problem).split(": ", 1)[1] for problem in error.value.problems]


def test_without_a_word_the_log_is_plain_and_nothing_watches(tmp_path: Path):
    """Neither traces nor a canary cost anything by default."""
    server = loaded(tmp_path, "{}").server
    assert (server.log, server.traces, server.canary) == (Log(level="info", format="auto"), None, None)


def test_none_switches_both_off(tmp_path: Path):
    """As everywhere in the language."""
    server = loaded(tmp_path, "{traces: none, canary: none}").server
    assert (server.traces, server.canary) == (None, None)


@pytest.mark.parametrize(
    ("text", "canary"),
    [
        ("10s", Canary(every="10s", within="5s")),
        ("{every: 1s, within: 250ms}", Canary(every="1s", within="250ms")),
        ("{every: 1m}", Canary(every="1m", within="5s")),
    ],
)
def test_a_canary_is_a_duration_or_a_mapping(tmp_path: Path, text: str, canary: Canary):
    """How often is what one says first."""
    assert loaded(tmp_path, f"{{canary: {text}}}").server.canary == canary


def test_traces_have_an_address_a_part_and_headers(tmp_path: Path):
    """Headers are texts or secrets."""
    given = "{traces: {url: 'https://c/v1/traces', sample: 0.25, headers: {X-Team: a, Authorization: {env: TOKEN}}}}"
    traces = loaded(tmp_path, given, TOKEN="Bearer hunter2").server.traces
    headers = {"X-Team": "a", "Authorization": Secret("Bearer hunter2")}
    assert traces == Traces(url="https://c/v1/traces", sample=0.25, headers=headers)
    assert "hunter2" not in repr(traces)


@pytest.mark.parametrize("sample", ["0", "1", "0.0", "1.0"])
def test_all_and_none_are_parts_too(tmp_path: Path, sample: str):
    """Whole numbers are numbers."""
    traces = loaded(tmp_path, f"{{traces: {{url: 'http://c/', sample: {sample}}}}}").server.traces
    assert traces is not None
    assert traces.sample == float(sample)


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ("{log: {level: loud}}", "expected debug, info, warning or error"),
        ("{log: {format: xml}}", "expected auto, json or pretty"),
        ("{canary: 10}", "a bare number has no unit"),
        ("{canary: 100ms}", "must be at least 1s"),
        ("{canary: {every: 10s, within: 1ms}}", "must be at least 100ms"),
        ("{canary: {within: 1s}}", "every"),
        ("{traces: {url: 'ftp://c/'}}", "expected an address that begins with http:// or https://"),
        ("{traces: {url: 'http://u:hunter2@c/'}}", "a user or a password in an address ends up in logs"),
        ("{traces: {url: 'http://c/?a=hunter2'}}", "a collector's address has no names and no query"),
        ("{traces: {url: 'http://169.254.169.254/'}}", "169.254.169.254"),
        ("{traces: {url: 'http://c/', sample: 1.5}}", "must be at most 1.0"),
        ("{traces: {url: 'http://c/', headers: {Authorization: hunter2}}}", "cannot stand here in plain text"),
        ("{traces: {url: 'http://c/', headers: {Host: x}}}", "Host is of the connection"),
    ],
)
def test_what_is_wrong_is_told_in_words(tmp_path: Path, server: str, told: str):
    """With its place, and without what was given."""
    [problem] = refused(tmp_path, server)
    assert told in problem
    assert "hunter2" not in problem


def test_traces_without_the_extra_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With the words that bring it."""
    monkeypatch.setattr(observed, "EXTRA", ("opentelemetry_that_is_not_there.sdk",))
    [problem] = refused(tmp_path, "{traces: {url: 'http://c/v1/traces'}}")
    assert problem.endswith("traces need the extra: pip install 'sse-bridge[otel]'")
