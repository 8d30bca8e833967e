"""Looking at files: only what they hold counts, and it is found whatever way they change."""

import os
from pathlib import Path

import pytest

from bridge import watch
from bridge.contents import NOTHING, digest, note
from bridge.watch import Sight


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return what was read so far."""
    found: list[Path] = []

    def counted(path: Path) -> str:
        found.append(path)
        return digest(path)

    monkeypatch.setattr(watch, "digest", counted)
    return found


def test_a_file_that_has_not_changed_is_read_once(
    tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its `stat` says so, once it is old enough to be believed."""
    monkeypatch.setattr(watch, "RACY", 0)
    sight, file = Sight(), tmp_path / "a"
    file.write_text("a")
    assert sight.look([file]) == sight.look([file]) == {file: digest(file)}
    assert reads == [file]


def test_a_file_that_was_written_just_now_is_read_again(tmp_path: Path, reads: list[Path]) -> None:
    """A second write within the same tick leaves the same time and may leave the same size."""
    sight, file = Sight(), tmp_path / "a"
    file.write_text("a")
    first = sight.look([file])
    times = file.stat()
    file.write_text("b")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert sight.look([file]) != first
    assert len(reads) == 2


@pytest.mark.parametrize("way", ["write", "replace", "link", "parent"])
def test_each_way_of_changing_a_file_is_seen(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place, by another file of its name, by another end of its link, by another end of a link above it."""
    monkeypatch.setattr(watch, "RACY", 0)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "linked").symlink_to("one/file")
    path = {"parent": tmp_path / "data" / "file", "link": tmp_path / "linked"}.get(way, tmp_path / "one" / "file")
    sight = Sight()
    before = sight.look([path])
    match way:
        case "write":
            path.write_text("two")
        case "replace":
            (tmp_path / "two" / "file").replace(path)
        case "link" | "parent":
            link, end = ("linked", "two/file") if way == "link" else ("data", "two")
            (tmp_path / "new").symlink_to(end)
            (tmp_path / "new").replace(tmp_path / link)
    after = sight.look([path])
    assert after != before
    assert after[path] == digest(path) != NOTHING


def test_what_is_no_file_holds_nothing(tmp_path: Path) -> None:
    """A folder, a FIFO that nobody writes, a loop of links, a name that cannot be: none holds up a look."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    paths = [tmp_path, tmp_path / "fifo", tmp_path / "loop", tmp_path / "none", Path("a\0b")]
    assert Sight().look(paths) == dict.fromkeys(paths, NOTHING)


def test_a_file_that_goes_and_comes_is_seen_twice(tmp_path: Path) -> None:
    """What it holds is nothing in between."""
    sight, file = Sight(), tmp_path / "a"
    file.write_text("a")
    first = sight.look([file])
    file.unlink()
    assert sight.look([file]) == {file: NOTHING}
    file.write_text("a")
    assert sight.look([file]) == first


def test_a_note_is_made_where_there_is_a_table(tmp_path: Path) -> None:
    """Who validates without one notes nothing."""
    file = tmp_path / "a"
    file.write_text("a")
    table: dict[Path, str] = {}
    note({"contents": table}, file)
    note({}, tmp_path)
    note(None, tmp_path)
    assert table == {file: digest(file)}
