"""Which files there are, what their names tell, and where to begin in them."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from bridge.sources.file import begin, discover
from bridge.sources.file.begin import Begin, Beginner
from bridge.sources.file.beneath import Root
from bridge.sources.file.discover import Walker
from bridge.sources.file.names import is_clean, number, originals
from bridge.sources.file.position import Position
from bridge.template import Template
from tests.tailing import Scene


def walk(root: Path, match: str) -> dict[str, dict[str, str]]:
    """Return the files found and their captures."""
    listing = Walker(Root(root), Template.parse(match)).walk()
    return {path: dict(found.captures) for path, found in sorted(listing.files.items())}


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("app.log", {"app.log": {}}),
        ("{file}.log", {"app.log": {"file": "app"}}),
        ("{s}/{file}.log", {"api/app.log": {"s": "api", "file": "app"}}),
        ("api/{file}.log", {"api/app.log": {"file": "app"}}),
        (
            "{path*}.log",
            {
                "api/app.log": {"path": "api/app"},
                "api/v1/deep.log": {"path": "api/v1/deep"},
                "app.log": {"path": "app"},
            },
        ),
        ("api/{path*}", {"api/app.log": {"path": "app.log"}, "api/v1/deep.log": {"path": "v1/deep.log"}}),
    ],
)
def test_files_are_found_where_the_template_says(tmp_path: Path, match: str, expected: dict[str, object]) -> None:
    """One file, a folder's files, a tree; with what their paths capture. Packed files are left out."""
    for path in ("app.log", "app.log.1", "app.log.gz", "api/app.log", "api/v1/deep.log", "api/v1/deep.log.gz"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert walk(tmp_path, match) == expected


def test_only_the_folders_that_matter_are_walked(tmp_path: Path) -> None:
    """A template without `{name*}` goes no deeper than its slashes, and no wider than its beginning."""
    for path in ("a/b/c", "x/y/z"):
        (tmp_path / path).mkdir(parents=True)
    assert set(Walker(Root(tmp_path), Template.parse("{f}.log")).walk().folders) == {""}
    assert set(Walker(Root(tmp_path), Template.parse("{s}/{f}.log")).walk().folders) == {"", "a", "x"}
    assert set(Walker(Root(tmp_path), Template.parse("a/{s}/{f}.log")).walk().folders) == {"a", "a/b"}
    assert set(Walker(Root(tmp_path), Template.parse("a/{p*}")).walk().folders) == {"a", "a/b", "a/b/c"}


def test_walks_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More files than the bound are refused in words, and so is a tree without end."""
    monkeypatch.setattr(discover, "MAX_FILES", 3)
    for n in range(5):
        (tmp_path / f"{n}.log").touch()
    listing = Walker(Root(tmp_path), Template.parse("{f}.log")).walk()
    assert len(listing.files) == 3
    assert set(listing.refused.values()) == {"more than 3 files match"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app.log.1", {"app.log"}),
        ("app.log-20261231", {"app.log"}),
        ("app.log.2026-12-31_23", {"app.log", "app.log.2026-12"}),
        ("app-20261231.log", {"app.log"}),
        ("app-2026-12-31T23-59-59.123.log", {"app.log"}),
        ("app.1.log", {"app.log"}),
        ("app.log.old", {"app.log"}),
        ("app.log.1.gz", set()),
        ("app.log", set()),
        ("app-errors.log", set()),
        (".1", set()),
    ],
)
def test_names_of_rotated_files(name: str, expected: set[str]) -> None:
    """What logrotate and the usual libraries call them, and nothing else."""
    assert expected <= originals(name)
    assert bool(expected) == bool(originals(name))


@given(st.text(max_size=40))
def test_any_name_can_be_asked(name: str) -> None:
    """No name breaks the question, or is its own original."""
    assert name not in originals(name)
    is_clean(name)


def test_number_of_a_rotated_file() -> None:
    """Only the plain form has one."""
    assert [number(name, "app.log") for name in ("app.log.3", "app.log-3", "app.log", "x.log.3")] == [3, 0, 0, 0]


@pytest.mark.parametrize(
    ("where", "content", "expected"),
    [
        ("beginning", b"1\n2\n", Position(0, 1)),
        ("end", b"", Position(0, 1)),
        ("end", b"1\n2\n", Position(4, 3)),
        ("end", b"1\n2\npar", Position(4, 3)),
        ("end", b"par", Position(0, 1)),
        (1, b"1\n2\n", Position(2, 2)),
        (2, b"1\n2\n", Position(0, 1)),
        (9, b"1\n2\n", Position(0, 1)),
        (1, b"1\n2\npar", Position(2, 2)),
        (1, b"1\n\n", Position(2, 2)),
        (3, b"\n" * 200_000, Position(199_997, 199_998)),
        ("end", b"x" * 200_000, Position(200_000, 0, is_skipping=True)),
    ],
)
def test_where_to_begin(tmp_path: Path, where: Begin, content: bytes, expected: Position) -> None:
    """At the beginning, before the last lines, or at the end, where a line that has no end yet is still to come."""
    path = tmp_path / "app.log"
    path.write_bytes(content)
    with path.open("rb") as file:
        assert Beginner(where, 100_000).position(file.fileno(), len(content)) == expected


def test_lines_are_counted_while_that_is_cheap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound a number is not known, and 0."""
    monkeypatch.setattr(begin, "MAX_COUNTED", 10)
    scene = Scene(tmp_path, begin="end")
    for name, lines in (("a.log", 3), ("b.log", 30)):
        (tmp_path / name).write_bytes(b"1\n" * lines)
    scene.tick()
    for name in ("a.log", "b.log"):
        with (tmp_path / name).open("ab") as file:
            file.write(b"new\nmore\n")
    scene.tick()
    assert {(m.facts["file"], m.facts["line"]) for m in scene.messages} == {
        ("a.log", 4), ("a.log", 5), ("b.log", 0)
    }  # fmt: skip
    scene.crash()


def test_begin_holds_for_the_first_start_only(tmp_path: Path) -> None:
    """Files that come later, and those rotated in, are read whole."""
    log = tmp_path / "app.log"
    log.write_bytes(b"old\n" * 5)
    scene = Scene(tmp_path, begin=2)
    scene.tick()
    assert scene.texts == [b"old"] * 2
    (tmp_path / "later.log").write_bytes(b"later\n")
    log.rename(tmp_path / "app.log.1")
    log.write_bytes(b"new\n")
    scene.tick()
    scene.stop()
    (tmp_path / "while-down.log").write_bytes(b"down\n")
    scene.tick()
    assert sorted(map(str, scene.texts[2:])) == ["b'down'", "b'later'", "b'new'"]
    scene.crash()


def test_old_line_without_end_is_not_given_until_it_grows(tmp_path: Path) -> None:
    """At `end` it was there before us; once it goes on, it comes whole."""
    log = tmp_path / "app.log"
    log.write_bytes(b"1\nunfinished")
    scene = Scene(tmp_path, begin="end")
    for _ in range(5):
        scene.tick()
    assert scene.texts == []
    with log.open("ab") as file:
        file.write(b" business\n")
    scene.tick()
    assert scene.texts == [b"unfinished business"]
    scene.crash()


def test_renamed_file_gives_the_events_of_its_new_path_when_it_is_quiet(tmp_path: Path) -> None:
    """At first its last lines are still those of the path it had."""
    old, new = tmp_path / "a.log", tmp_path / "b.log"
    old.write_bytes(b"1\n")
    scene = Scene(tmp_path)
    scene.tick()
    old.rename(new)
    for line in (b"2\n", b"3\n"):
        with new.open("ab") as file:
            file.write(line)
        scene.tick(2.0)
        scene.tick(6.0)
        scene.tick(1.0)
    assert [(m.captures["file"], m.payload) for m in scene.messages] == [("a", b"1"), ("a", b"2"), ("b", b"3")]
    assert scene.losses == []
    scene.crash()
