"""`sse-bridge check`, `schema` and `init`, as plain functions."""

import json
from pathlib import Path

import pytest

from bridge.cli.check import run as check
from bridge.cli.init import run as init
from bridge.cli.schema import run as schema


def test_a_right_file_is_said_to_be_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` ends with 0 and counts what it found."""
    file = tmp_path / "routes.yaml"
    file.write_text("sources: { a: { kind: timer, every: 1s } }\nroutes: { /a: { from: a } }\n", "utf-8")
    assert check(file) == 0
    assert capsys.readouterr().out == f"{file}: right; 1 source, 1 route\n"


def test_a_wrong_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` ends with 2 and writes one line a problem, to standard error."""
    file = tmp_path / "routes.yaml"
    file.write_text("srever: {}\nroutes: { a: {} }\n", "utf-8")
    assert check(file) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert [line.partition(": ")[0] for line in shown.err.splitlines()] == [
        "routes.yaml:1:1",
        "routes.yaml:2:11",
        "routes.yaml:2:11",
    ]


def test_notes_do_not_refuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is only worth a look is a warning, and the exit code stays 0."""
    file = tmp_path / "routes.yaml"
    file.write_text("sources: { a: { kind: push } }\n", "utf-8")
    assert check(file) == 0
    assert capsys.readouterr().err == "routes.yaml:1:12: sources.a: no route takes this source in (a warning)\n"


def test_resolved_prints_every_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--resolved` shows what is built in too."""
    file = tmp_path / "routes.yaml"
    file.write_text("version: 1\n", "utf-8")
    assert check(file, resolved=True) == 0
    assert "  drain: 10s" in capsys.readouterr().out


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """`schema` prints what an editor reads."""
    assert schema() == 0
    assert json.loads(capsys.readouterr().out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_what_init_writes_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file of a dozen lines is accepted as it stands, without a warning."""
    file = tmp_path / "routes.yaml"
    assert init(file) == 0
    assert len(file.read_text("utf-8").splitlines()) <= 15
    assert check(file) == 0
    assert capsys.readouterr().err == ""


def test_init_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is there stays as it is."""
    file = tmp_path / "routes.yaml"
    file.write_text("mine", "utf-8")
    assert init(file) == 2
    assert file.read_text("utf-8") == "mine"
    assert init(tmp_path / "missing" / "routes.yaml") == 2
    assert str(file) in capsys.readouterr().err
