"""The faults of files, F01 to F34: rotation in all its forms, and everything else that a folder of logs does.

Most drive the source's rounds by hand, so that "between two looks" is a place in the test and not a race.
"""

import asyncio
import errno
import gzip
import os
import random
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.event import Loss
from bridge.sources.file import File
from bridge.sources.file.beneath import Root
from bridge.sources.file.checkpoint import NAME, Loaded, load, save
from bridge.sources.file.lines import Splitter
from tests.tailing import Recorder, Running, Scene

ROTATED = Loss(reason="source_rotated", captures={"file": "app"})
RESET = Loss(reason="source_reset", captures={"file": "app"})
OVERSIZE = Loss(reason="oversize", missed=1, captures={"file": "app"})
BANNER = b"== the same banner in every generation ==\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a folder for logs."""
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def log(root: Path) -> Path:
    """Give the path of the one log."""
    return root / "app.log"


@pytest.fixture
def scene(root: Path) -> Iterator[Scene]:
    """Give a source over the folder, running."""
    scene = Scene(root)
    scene.tick()
    yield scene
    scene.crash()


def append(path: Path, data: bytes) -> None:
    """Append to a file as programs do."""
    with path.open("ab") as file:
        file.write(data)


def copytruncate(path: Path, number: int = 1) -> Path:
    """Rotate as logrotate's copytruncate does."""
    copy = path.with_name(f"{path.name}.{number}")
    shutil.copyfile(path, copy)
    os.truncate(path, 0)
    return copy


def test_f01_rename_and_the_writer_reopens(scene: Scene, log: Path) -> None:
    """What was not read of the old file comes first, then the new one from its beginning, and no gap."""
    append(log, b"1\n")
    scene.tick()
    append(log, b"2\n")
    log.rename(log.with_name("app.log.1"))
    append(log, b"3\n")
    scene.tick()
    assert scene.heard == scene.messages
    assert scene.texts == [b"1", b"2", b"3"]
    assert [(m.facts["offset"], m.facts["line"]) for m in scene.messages] == [(0, 1), (2, 2), (0, 1)]


@pytest.mark.parametrize("suffix", ["100", "20261121", "2026-11-21", "1795262632", "old"])
def test_f01_renamed_with_a_date_or_a_time(scene: Scene, log: Path, suffix: str) -> None:
    """A number that is a stamp counts no rotations, so none is missing."""
    append(log, b"1\n")
    scene.tick()
    append(log, b"2\n")
    log.rename(log.with_name(f"app.log.{suffix}"))
    append(log, b"3\n")
    scene.tick()
    assert scene.heard == scene.messages
    assert scene.texts == [b"1", b"2", b"3"]


def test_f02_rename_and_the_writer_keeps_the_old_file(scene: Scene, log: Path) -> None:
    """Late lines in the renamed file come, also after the new one has begun, and after a restart."""
    with log.open("ab", buffering=0) as old:
        old.write(b"1\n")
        scene.tick()
        log.rename(log.with_name("app.log.1"))
        old.write(b"2\n")
        scene.tick()
        append(log, b"a\n")
        scene.tick()
        old.write(b"3\n")
        scene.tick(400.0)
        scene.restart()
        old.write(b"4\n")
        scene.tick()
        scene.tick(400.0)
        scene.tick(400.0)
        old.write(b"5\n")
        scene.tick()
    assert scene.texts == [b"1", b"2", b"a", b"3", b"4", b"5"]
    assert scene.losses == []


def test_f03_rename_and_the_path_is_missing_for_a_while(scene: Scene, log: Path) -> None:
    """Nothing is announced while the path is empty, and the new file is read whole."""
    append(log, b"1\n")
    scene.tick()
    append(log, b"2\n")
    log.rename(log.with_name("app.log.1"))
    for _ in range(5):
        scene.tick()
    assert scene.view.entries() == []
    append(log, b"3\n")
    scene.tick()
    assert scene.heard == scene.messages
    assert scene.texts == [b"1", b"2", b"3"]


def test_f04_copytruncate_reads_the_rest_from_the_copy_and_announces(scene: Scene, log: Path) -> None:
    """The gap stands after what the copy still had, and before the first line after it."""
    append(log, b"1\n")
    scene.tick()
    append(log, b"2\n")
    copytruncate(log)
    append(log, b"3\n")
    scene.tick()
    assert [getattr(heard, "payload", heard) for heard in scene.heard] == [b"1", b"2", ROTATED, b"3"]


def test_f04_copytruncate_without_a_copy_is_announced(scene: Scene, log: Path) -> None:
    """What was in nobody's copy is gone, and that is told."""
    append(log, b"1\n")
    scene.tick()
    append(log, b"2\n")
    os.truncate(log, 0)
    scene.tick()
    assert scene.heard[1:] == [ROTATED]


def test_f04_copytruncate_with_nothing_unread_is_announced_too(scene: Scene, log: Path) -> None:
    """Whether something was written between copy and truncation cannot be known."""
    append(log, b"1\n")
    scene.tick()
    copytruncate(log)
    scene.tick()
    assert scene.heard[1:] == [ROTATED]


def test_f04_copytruncate_of_a_file_never_read_gives_the_copy(scene: Scene, log: Path) -> None:
    """A file that came and was truncated between two looks stands in its copy."""
    log.touch()
    scene.tick()
    append(log, b"1\n")
    copytruncate(log)
    append(log, b"2\n")
    scene.tick()
    assert [getattr(heard, "payload", heard) for heard in scene.heard] == [b"1", ROTATED, b"2"]


@pytest.mark.parametrize("match", ["{file}.log", "{path*}"])
def test_f04_copy_that_matches_is_not_read_twice(root: Path, log: Path, match: str) -> None:
    """A copy seen before the truncation is known for what it is, while it grows and when it is whole."""
    scene = Scene(root, match)
    scene.tick()
    append(log, b"1\n2\n3\n")
    scene.tick()
    copy = log.with_name("app.log.1")
    copy.touch()
    scene.tick()
    append(copy, b"1\n2\n")
    scene.tick()
    append(copy, b"3\n")
    scene.tick()
    os.truncate(log, 0)
    append(log, b"4\n")
    scene.tick()
    scene.restart()
    scene.tick()
    assert scene.texts == [b"1", b"2", b"3", b"4"]
    assert len(scene.losses) == 1
    scene.crash()


def test_f05_copytruncate_regrown(scene: Scene, log: Path) -> None:
    """The size is larger than the old offset, and the head is the same: the bytes before the offset tell."""
    append(log, BANNER * 30 + b"1\n")
    scene.tick()
    copytruncate(log)
    append(log, BANNER * 30 + b"2\n" + b"3\n" * 100)
    scene.tick()
    assert scene.texts.count(b"3") == 100
    assert scene.texts.count(b"2") == 1
    assert scene.texts.count(BANNER[:-1]) == 60
    assert scene.losses == [ROTATED]


def test_f05_copytruncate_regrown_while_a_line_is_held(scene: Scene, log: Path) -> None:
    """A held line is part of what must still be there."""
    append(log, BANNER + b"held")
    scene.tick(0.1)
    os.truncate(log, 0)
    append(log, BANNER + b"other and longer\n")
    scene.tick(0.1)
    assert scene.texts == [BANNER[:-1], BANNER[:-1], b"other and longer"]
    assert scene.losses == [ROTATED]


def test_f06_truncated_and_rewritten_to_the_same_size(scene: Scene, log: Path) -> None:
    """The size says nothing, the bytes do."""
    append(log, b"1\n2\n")
    scene.tick()
    log.write_bytes(b"3\n4\n")
    scene.tick()
    assert scene.texts == [b"1", b"2", b"3", b"4"]
    assert scene.losses == [ROTATED]


def test_f06_touched_file_is_not_read_again(scene: Scene, log: Path) -> None:
    """A change of times or permissions changes no byte."""
    append(log, b"1\n2\n")
    scene.tick()
    os.utime(log, (1, 1))
    log.chmod(0o600)
    scene.tick()
    assert scene.texts == [b"1", b"2"]
    assert scene.losses == []


def test_f07_truncated_in_the_middle_of_a_line(scene: Scene, log: Path) -> None:
    """The beginning of the line is gone and announced; no line is made of two halves."""
    append(log, b"1\nthe beginning of")
    scene.tick(0.1)
    os.truncate(log, 0)
    append(log, b"2\n")
    scene.tick(0.1)
    assert scene.texts == [b"1", b"2"]
    assert scene.losses == [ROTATED]


def test_f08_deleted_while_open_and_recreated_later(scene: Scene, log: Path) -> None:
    """The deleted file is read to its end through its descriptor."""
    with log.open("ab", buffering=0) as old:
        old.write(b"1\n")
        scene.tick()
        log.unlink()
        old.write(b"2\n")
        scene.tick()
        append(log, b"3\n")
        scene.tick()
    assert scene.texts == [b"1", b"2", b"3"]
    assert scene.losses == []


def test_f08_deleted_file_gives_its_space_back(scene: Scene, log: Path) -> None:
    """A deleted file is not held open for ever."""
    append(log, b"1\n")
    scene.tick()
    log.unlink()
    scene.tick()
    scene.tick(60.0)
    open_files = [str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
    assert not [path for path in open_files if path.startswith(str(log))]
    assert scene.marks == {}


def test_f09_reused_inode(root: Path, log: Path) -> None:
    """A new file with the inode of a deleted one is read whole, whether or not it is longer than the old one was."""
    scene = Scene(root, descriptors=1)
    other = root / "other.log"
    reused = 0
    for n in range(20):
        append(log, b"old %d\n" % n)
        append(other, b"other %d\n" % n)
        scene.tick()
        inode = log.stat().st_ino
        log.unlink()
        append(log, b"new %d\nand more\n" % n)
        reused += log.stat().st_ino == inode
        scene.tick()
    assert reused, "this file system gave no inode twice"
    for n in range(20):
        assert scene.texts.count(b"new %d" % n) == 1
    scene.crash()


def test_f10_several_generations_between_two_looks(scene: Scene, log: Path) -> None:
    """Files that came and went unseen are found by name and time, and read in their order."""
    append(log, b"1\n")
    scene.tick()
    append(log, b"2\n")
    for n in (3, 4, 5):
        for old in (3, 2, 1):
            path = log.with_name(f"app.log.{old}")
            if path.exists():
                path.rename(log.with_name(f"app.log.{old + 1}"))
        log.rename(log.with_name("app.log.1"))
        append(log, b"%d\n" % n)
        os.utime(log, (time.time() + n, time.time() + n))
    scene.tick()
    assert scene.texts == [b"1", b"2", b"3", b"4", b"5"]
    assert scene.losses == []


def test_f10_generation_that_is_not_found_is_announced(scene: Scene, log: Path) -> None:
    """The old file is `.3` now, but there is no `.1` or `.2` to be read."""
    append(log, b"1\n")
    scene.tick()
    log.rename(log.with_name("app.log.3"))
    with gzip.open(log.with_name("app.log.2.gz"), "wb") as packed:
        packed.write(b"2\n")
    append(log, b"4\n")
    scene.tick()
    assert scene.texts == [b"1", b"4"]
    assert scene.losses == [ROTATED]


def test_f10_old_archives_are_left_alone(root: Path, log: Path) -> None:
    """What was rotated away before we came is nobody's news."""
    archive = log.with_name("app.log.1")
    archive.write_bytes(b"long ago\n")
    os.utime(archive, (1e9, 1e9))
    scene = Scene(root)
    scene.tick()
    append(log, b"1\n")
    scene.tick()
    archive.rename(log.with_name("app.log.2"))
    log.rename(archive)
    append(log, b"2\n")
    scene.tick()
    assert scene.texts == [b"1", b"2"]
    assert scene.losses == []
    scene.crash()


@pytest.mark.parametrize("match", ["{file}.log", "{path*}"])
def test_f11_rotated_file_is_compressed(root: Path, log: Path, match: str) -> None:
    """A packed copy is never read as text, nor announced: it was read before it was packed."""
    scene = Scene(root, match)
    scene.tick()
    append(log, b"1\n")
    scene.tick()
    old = log.with_name("app.log.1")
    log.rename(old)
    append(log, b"2\n")
    scene.tick()
    (root / "app.log.1.gz").write_bytes(gzip.compress(old.read_bytes()))
    old.unlink()
    scene.tick()
    scene.tick(400.0)
    scene.restart()
    scene.tick()
    assert scene.texts == [b"1", b"2"]
    assert scene.losses == []
    scene.crash()


def test_f12_rotated_by_renaming_while_we_were_down(scene: Scene, log: Path) -> None:
    """The checkpoint knows the old file under its new name, whatever that is."""
    append(log, b"1\n")
    scene.tick()
    scene.stop()
    append(log, b"2\n")
    log.rename(log.with_name("kept for the auditor"))
    append(log, b"3\n")
    scene.tick()
    assert scene.texts == [b"1", b"2", b"3"]
    assert scene.losses == []


def test_f12_rotated_into_another_folder_while_we_were_down(scene: Scene, root: Path, log: Path) -> None:
    """The old file is found anywhere beneath the root."""
    append(log, b"1\n")
    scene.tick()
    scene.stop()
    append(log, b"2\n")
    (root / "old" / "2026").mkdir(parents=True)
    log.rename(root / "old" / "2026" / "app.log")
    append(log, b"3\n")
    scene.tick()
    assert scene.texts == [b"1", b"2", b"3"]
    assert scene.losses == []


def test_f12_rotated_by_copytruncate_while_we_were_down(scene: Scene, log: Path) -> None:
    """The rest comes from the copy, and the gap is announced."""
    append(log, b"1\n")
    scene.tick()
    scene.stop()
    append(log, b"2\n")
    copytruncate(log)
    append(log, b"3\n" * 10)
    scene.tick()
    assert scene.texts == [b"1", b"2", *[b"3"] * 10]
    assert scene.losses == [ROTATED]


def test_f12_rotated_several_times_while_we_were_down(scene: Scene, log: Path) -> None:
    """The ones in between are found too."""
    append(log, b"1\n")
    scene.tick()
    scene.stop()
    append(log, b"2\n")
    log.rename(log.with_name("app.log-20260101"))
    append(log, b"3\n")
    os.utime(log, (time.time() + 1, time.time() + 1))
    log.rename(log.with_name("app.log-20260102"))
    append(log, b"4\n")
    scene.tick()
    assert scene.texts == [b"1", b"2", b"3", b"4"]
    assert scene.losses == []


def test_f13_partial_line_is_completed_later(scene: Scene, log: Path) -> None:
    """A line that is written in pieces comes as one."""
    append(log, b"the begin")
    scene.tick(0.1)
    append(log, b"ning and")
    scene.tick(0.9)
    append(log, b" the end\nnext")
    scene.tick(0.9)
    assert scene.texts == [b"the beginning and the end"]


def test_f14_partial_line_and_then_rotated(scene: Scene, log: Path) -> None:
    """The line that is never completed comes after its time, before the lines of the next file."""
    append(log, b"1\nnever compl")
    scene.tick(0.1)
    log.rename(log.with_name("app.log.1"))
    append(log, b"2\n")
    scene.tick(0.1)
    assert scene.texts == [b"1"]
    scene.tick(1.0)
    assert scene.texts == [b"1", b"never compl", b"2"]
    assert scene.losses == []


def test_f15_last_line_never_gets_its_end(scene: Scene, log: Path) -> None:
    """It is given after its time; what follows it later is a record of its own."""
    append(log, b"no end")
    scene.tick(0.5)
    scene.tick(0.9)
    assert scene.texts == []
    scene.tick(0.1)
    assert scene.texts == [b"no end"]
    append(log, b", or is there\n\nnext\n")
    scene.tick()
    assert scene.texts == [b"no end", b", or is there", b"", b"next"]
    append(log, b"again")
    scene.tick(1.1)
    scene.tick(1.1)
    append(log, b"\nlast\n")
    scene.tick()
    assert scene.texts[4:] == [b"again", b"last"]


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 100 * 1024 * 1024])
def test_f16_long_line_is_split(scene: Scene, log: Path, size: int) -> None:
    """A line of any length comes in pieces, in bounded memory."""
    append(log, b"x" * size + b"\nnext\n")
    scene.tick()
    assert sum(len(text) for text in scene.texts[:-1]) == size
    assert max(map(len, scene.texts)) == 1024 * 1024
    assert scene.texts[-1] == b"next"
    assert scene.messages[-1].facts == {"file": "app.log", "offset": size + 1, "line": 2}


def test_f16_long_line_is_skipped_and_announced(root: Path, log: Path) -> None:
    """Thrown away by choice, and told in its place, once."""
    scene = Scene(root, lines=Splitter(1024, skips=True))
    append(log, b"1\n" + b"x" * 10_000_000 + b"\n2\n")
    scene.tick()
    assert [getattr(heard, "payload", heard) for heard in scene.heard] == [b"1", OVERSIZE, b"2"]
    scene.crash()


def test_f17_bytes_that_are_no_utf8_pass(scene: Scene, log: Path) -> None:
    """What the bytes mean is decided later; here none is changed."""
    append(log, b"caf\xe9\n\xff\xfe\xfd\n\xed\xa0\x80\n")
    scene.tick()
    assert scene.texts == [b"caf\xe9", b"\xff\xfe\xfd", b"\xed\xa0\x80"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_f17_utf_16_is_refused_in_words(
    scene: Scene, log: Path, encoding: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of UTF-16 says so in its first bytes. No byte ends a line there, so it is not read."""
    append(log, "\ufeffhello\nworld\n".encode(encoding))
    scene.tick()
    assert scene.texts == []
    assert "UTF-16; write UTF-8" in capsys.readouterr().out


def test_f17_byte_order_mark_of_utf_8_is_dropped(scene: Scene, log: Path) -> None:
    """The mark is no part of the first line."""
    append(log, b"\xef\xbb\xbfhello\nworld\n")
    scene.tick()
    assert scene.texts == [b"hello", b"world"]


def test_f18_multi_byte_character_split_across_writes(scene: Scene, log: Path) -> None:
    """A character that arrives in halves arrives whole."""
    text = "☃ ñ\n".encode()
    for n in range(len(text)):
        append(log, text[n : n + 1])
        scene.tick(0.01)
    assert scene.texts == [text[:-1]]


def test_f19_hole_of_nuls(scene: Scene, log: Path) -> None:
    """A writer that does not append leaves a hole after a truncation: its line comes without it."""
    with log.open("wb", buffering=0) as writer:
        writer.write(b"1\n" * 5_000)
        scene.tick()
        os.truncate(log, 0)
        writer.write(b"2\n3\n")
    scene.tick()
    assert scene.texts[-2:] == [b"2", b"3"]
    assert scene.messages[-2].facts["offset"] == 10_000
    assert scene.losses == [ROTATED]


def test_f19_endless_hole_is_passed_over(scene: Scene, log: Path) -> None:
    """A hole of 64 GiB costs no more than a small one, and counts as no long line."""
    with log.open("wb") as writer:
        writer.seek(64 * 1024**3)
        writer.write(b"far out\n")
    before = time.monotonic()
    scene.tick()
    assert scene.texts == [b"far out"]
    assert scene.losses == []
    assert time.monotonic() - before < 5


def test_f20_line_ends(scene: Scene, log: Path) -> None:
    """LF and CRLF end a line; a bare CR, VT, FF, NEL and LS do not."""
    append(log, b"unix\ndos\r\n 10%\r 20%\r done\nvt\x0bff\x0cnel\xc2\x85ls\xe2\x80\xa8ps\n")
    scene.tick()
    assert scene.texts == [b"unix", b"dos", b" 10%\r 20%\r done", b"vt\x0bff\x0cnel\xc2\x85ls\xe2\x80\xa8ps"]


def test_f20_cr_and_lf_in_two_writes(root: Path, log: Path) -> None:
    """A CRLF whose halves are a flush apart ends one line, not two."""
    scene = Scene(root)
    append(log, b"dos\r")
    scene.tick()
    scene.tick(2.0)
    append(log, b"\nnext\r\n")
    scene.tick()
    assert scene.texts == [b"dos", b"next"]
    scene.crash()


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"text\n" * 100, mtime=0), b"\x7fELF\x02\x01\x01\n", b"PK\x03\x04\n"],
    ids=["gzip", "ELF", "zip"],
)
def test_f21_binary_under_a_name_that_matches(
    scene: Scene, log: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not read, and the log says what it is, once."""
    log.write_bytes(content)
    scene.tick()
    append(log, content)
    scene.tick()
    assert scene.heard == []
    assert capsys.readouterr().out.count("file not followed") == 1


def test_f22_permission_lost_and_restored(scene: Scene, root: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreadable file is told of and tried again; what is open already goes on."""
    closed = root / "closed.log"
    closed.write_bytes(b"secret\n")
    real = Root.open

    def refuse(self: Root, relative: str) -> int:
        if relative == "closed.log":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(self, relative)

    # Root may read everything, so the system's refusal is played.
    monkeypatch.setattr(Root, "open", refuse)
    append(log, b"1\n")
    scene.tick()
    assert scene.texts == [b"1"]
    assert scene.last is not None
    assert scene.last.trouble == ""
    log.unlink()
    scene.tick()
    assert scene.last.trouble == "closed.log cannot be read: Permission denied"
    monkeypatch.undo()
    scene.tick()
    assert scene.texts == [b"1", b"secret"]
    assert scene.last.trouble == ""


@pytest.mark.parametrize("error", [errno.EIO, errno.ESTALE])
def test_f23_broken_file_system(scene: Scene, log: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """The source is down in words, tries by itself, and goes on where it was."""
    append(log, b"1\n")
    scene.tick()
    append(log, b"2\n")

    def fail(*_: object) -> bytes:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "pread", fail)
    scene.tick()
    assert scene.last is not None
    assert scene.last.trouble == f"app.log cannot be read: {os.strerror(error)}"
    monkeypatch.undo()
    scene.tick()
    assert scene.last.trouble == ""
    assert scene.texts == [b"1", b"2"]
    assert scene.losses == []


def test_f23_folder_that_cannot_be_listed_loses_nothing(
    scene: Scene, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that gives an error is not an empty folder."""
    append(log, b"1\n")
    scene.tick()

    def fail(_: object) -> Iterator[object]:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(os, "scandir", fail)
    scene.tick()
    scene.tick()
    assert scene.last is not None
    assert scene.last.trouble == "its folder cannot be listed: Stale file handle"
    monkeypatch.undo()
    append(log, b"2\n")
    scene.tick()
    assert scene.texts == [b"1", b"2"]
    assert scene.heard == scene.messages


async def test_f24_no_word_from_the_system(root: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where inotify is silent, as on NFS, looking every now and then finds everything."""
    monkeypatch.setattr("bridge.sources.file.watch.watch", lambda *_, **__: iter(()))
    async with Running(File(root=root, match="{file}.log", begin="beginning", poll="50ms")) as source:
        append(log, b"1\n")
        await source.until(lambda: source.texts == [b"1"])
        log.rename(log.with_name("app.log.1"))
        append(log, b"2\n")
        await source.until(lambda: source.texts == [b"1", b"2"])


def test_f25_symlink_out_of_the_root_is_refused(
    scene: Scene, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a file nor a folder outside is reached through a link, and the log says so once."""
    secret = tmp_path / "secret.log"
    secret.write_bytes(b"secret\n")
    (root / "link.log").symlink_to(secret)
    (root / "up.log").symlink_to("../secret.log")
    scene.tick()
    scene.tick()
    assert scene.heard == []
    assert scene.view.entries() == []
    assert capsys.readouterr().out.count("a symbolic link that leads out of the root") == 2


def test_f25_folder_linked_from_outside_is_refused(root: Path, tmp_path: Path) -> None:
    """A tree is not left through a linked folder."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.log").write_bytes(b"secret\n")
    (root / "in").symlink_to(outside)
    scene = Scene(root, "{path*}.log")
    scene.tick()
    assert scene.heard == []


def test_f25_link_swapped_after_the_look_is_not_followed(root: Path, log: Path, tmp_path: Path) -> None:
    """Between the walk and the open nobody can put a link in the way."""
    (tmp_path / "secret").write_bytes(b"secret\n")
    (root / "sub").mkdir()
    (root / "sub" / "app.log").symlink_to(tmp_path / "secret")
    log.symlink_to(tmp_path / "secret")
    for path in ("app.log", "sub/app.log", "../secret", "sub/../../secret"):
        with pytest.raises(OSError, match=r"leads out of the root|climbs"):
            Root(root).open(path)


def test_f25_configmap_is_swapped(scene: Scene, root: Path, log: Path) -> None:
    """A link within the root is followed; when it leads elsewhere, that file is a new one."""
    for version in ("..1", "..2"):
        (root / version).mkdir()
        (root / version / "app.log").write_bytes(f"of {version}\n".encode())
    (root / "..data").symlink_to("..1")
    log.symlink_to("..data/app.log")
    scene.tick()
    assert scene.texts == [b"of ..1"]
    (root / "..new").symlink_to("..2")
    (root / "..new").replace(root / "..data")
    scene.tick()
    scene.restart()
    scene.tick()
    assert scene.texts == [b"of ..1", b"of ..2"]
    assert scene.losses == []


def test_f25_links_that_loop_end(root: Path) -> None:
    """A folder within itself is walked once."""
    (root / "a").mkdir()
    (root / "a" / "again").symlink_to(root)
    (root / "self").symlink_to("self")
    (root / "self.log").symlink_to("self.log")
    append(root / "a" / "app.log", b"1\n")
    scene = Scene(root, "{path*}.log")
    scene.tick()
    assert scene.texts == [b"1"]
    scene.crash()


def test_f26_what_is_no_file_is_never_opened(
    scene: Scene, root: Path, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A FIFO, a socket, a folder and a device stand there untouched, and nothing waits for them."""
    os.mkfifo(root / "fifo.log")
    (root / "folder.log").mkdir()
    (root / "link.log").symlink_to("fifo.log")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(root / "socket.log"))
        append(log, b"1\n")
        scene.tick()
    # A writer finds no reader: the FIFO was not even opened.
    with pytest.raises(OSError, match="No such device or address"):
        os.open(root / "fifo.log", os.O_WRONLY | os.O_NONBLOCK)
    with pytest.raises(OSError, match="not a regular file but a FIFO"):
        Root(root).open("fifo.log")
    with pytest.raises(OSError, match="not a regular file but a device"):
        Root(Path("/dev")).open("null")
    assert scene.texts == [b"1"]
    out = capsys.readouterr().out
    assert "not a regular file but a FIFO" in out
    assert "not a regular file but a socket" in out


def test_f27_five_thousand_files_within_few_descriptors(root: Path) -> None:
    """Idle files are closed and known again: by an append, by a rename, by a rewrite."""
    scene = Scene(root, descriptors=32)
    paths = [root / f"{n}.log" for n in range(5_000)]
    for path in paths:
        path.write_bytes(b"1\n")
    before = len(list(Path("/proc/self/fd").iterdir()))
    scene.tick()
    assert len(scene.texts) == 5_000
    for path in paths[::100]:
        append(path, b"2\n")
    paths[7].rename(root / "7.log.1")
    append(root / "7.log.1", b"late\n")
    append(paths[7], b"new\n")
    paths[8].write_bytes(b"rewritten\n")
    scene.tick()
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= 33
    assert sorted(scene.texts[5_000:]) == sorted([b"2"] * 50 + [b"late", b"new", b"rewritten"])
    assert scene.losses == [Loss(reason="source_rotated", captures={"file": "8"})]
    scene.crash()


async def test_f27_limits_of_inotify_are_hit(
    root: Path, log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a watch there is still the walk, and the log says so."""

    def refuse(*_: object, **__: object) -> Iterator[object]:
        raise OSError(errno.ENOSPC, "OS file watch limit reached")

    monkeypatch.setattr("bridge.sources.file.watch.watch", refuse)
    async with Running(File(root=root, match="{file}.log", begin="beginning", poll="50ms")) as source:
        append(log, b"1\n")
        await source.until(lambda: source.texts == [b"1"])
        await source.until(lambda: "OS file watch limit reached" in capsys.readouterr().out)


async def test_f28_overflow_of_the_systems_queue(root: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the system drops what it had to tell, the next walk finds it."""
    told = 0

    def forget(*_: str, **__: object) -> Iterator[set[tuple[object, str]]]:
        nonlocal told
        told += 1
        yield set()  # woken, and told of nothing

    monkeypatch.setattr("bridge.sources.file.watch.watch", forget)
    async with Running(File(root=root, match="{file}.log", begin="beginning", poll="50ms")) as source:
        for n in range(500):
            append(root / f"{n}.log", b"%d\n" % n)
        append(log, b"last\n")
        await source.until(lambda: len(source.texts) == 501)
    assert told


def test_f29_folder_removed_and_recreated(root: Path) -> None:
    """The root and folders beneath it may go and come; what comes is new."""
    scene = Scene(root, "{service}/{file}.log")
    scene.tick()
    folder = root / "api"
    for round_ in (b"1\n", b"2\n"):
        folder.mkdir(parents=True)
        append(folder / "app.log", round_)
        scene.tick()
        shutil.rmtree(root)
        scene.tick()
        assert scene.last is not None
        assert scene.last.trouble == "its folder cannot be listed: No such file or directory"
    assert scene.texts == [b"1", b"2"]
    assert scene.losses == []
    scene.crash()


def test_f29_remount_with_another_device_number(scene: Scene, log: Path) -> None:
    """The same inode with the same bytes is the same file, whatever the device is called."""
    append(log, b"1\n")
    scene.tick()
    scene.save()
    [mark] = scene.saved.marks or []
    scene.crash()
    scene.saved = Loaded([type(mark)(**{**_fields(mark), "device": mark.device + 1})], scene.saved.time_ns)
    append(log, b"2\n")
    scene.tick()
    assert scene.texts == [b"1", b"2"]
    assert scene.losses == []


def _fields(mark: object) -> dict[str, object]:
    return {name: getattr(mark, name) for name in mark.__struct_fields__}  # type: ignore[attr-defined]


def test_f30_names_that_cannot_be_passed_on(scene: Scene, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line feed, an escape or a byte that is no UTF-8 in a name: left out, logged safely; others are not touched."""
    for name in (b"a\nb.log", b"\x1b[31m.log", b"caf\xe9.log"):
        Path(os.fsdecode(bytes(root) + b"/" + name)).write_bytes(b"x\n")
    append(root / "caf\u00e9 \u2603.log", b"1\n")
    scene.tick()
    assert scene.texts == [b"1"]
    assert scene.messages[0].captures == {"file": "caf\u00e9 \u2603"}
    out = capsys.readouterr().out
    assert out.count("not UTF-8") == 3
    assert "\x1b[31m.log" not in out
    assert r"a\nb.log" in out


def test_f31_mtime_goes_backwards(scene: Scene, log: Path) -> None:
    """Times are no order: the bytes are."""
    append(log, b"1\n")
    scene.tick()
    append(log, b"2\n")
    os.utime(log, (1, 1))
    scene.tick()
    log.rename(log.with_name("app.log.1"))
    append(log, b"3\n")
    os.utime(log, (1, 1))
    scene.tick()
    assert scene.texts == [b"1", b"2", b"3"]
    assert scene.losses == []


async def test_f32_burst_rotated_away_before_it_was_read(root: Path, log: Path) -> None:
    """200 MB come whole and in order while the loop goes on serving."""
    line, count = b"x" * 99 + b"\n", 2_000_000
    slowest = 0.0
    heard = Counter()
    async with Running(File(root=root, match="{file}.log"), outlet=heard) as source:
        append(log, b"first\n")
        await source.until(lambda: heard.count == 1)
        with log.open("ab") as file:
            for _ in range(100):
                file.write(line * (count // 100))
        log.rename(log.with_name("app.log.1"))
        append(log, b"last\n")
        before = time.monotonic()
        while heard.count < count + 2:
            await asyncio.sleep(0.001)
            slowest = max(slowest, time.monotonic() - before)
            before = time.monotonic()
    assert heard.last == b"last"
    assert heard.losses == []
    assert slowest < 0.5


class Counter(Recorder):
    """An outlet that only counts: two million messages are too many to keep."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.last: bytes | str = b""

    def emit(self, messages):  # noqa: D102
        self.count += len(messages)
        self.last = messages[-1].payload
        return []


def test_f33_two_writers_interleaving(scene: Scene, log: Path) -> None:
    """Whole lines of two writers come whole, in the file's order."""
    expected = []
    with log.open("ab", buffering=0) as one, log.open("ab", buffering=0) as two:
        for n in range(500):
            text = f"{n} " + "x" * random.randrange(200)
            expected.append(text.encode())
            (one if n % 3 else two).write(expected[-1] + b"\n")
            if n % 7 == 0:
                scene.tick(0.01)
    scene.tick()
    assert scene.texts == expected


def test_f34_checkpoint_is_lost(root: Path, log: Path) -> None:
    """Without a checkpoint it is a first start, and `begin` holds again."""
    append(log, b"1\n")
    scene = Scene(root, begin="end")
    scene.tick()
    append(log, b"2\n")
    scene.tick()
    scene.stop()
    scene.saved = Loaded(None)
    append(log, b"3\n")
    scene.start()
    scene.tick()
    append(log, b"4\n")
    scene.tick()
    assert scene.texts == [b"2", b"4"]
    scene.crash()


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"0" * 32 + b"\n{}", os.urandom(500)], ids=["empty", "torn", "wrong sum", "noise"]
)
async def test_f34_checkpoint_is_corrupt(root: Path, log: Path, tmp_path: Path, damage: bytes) -> None:
    """It is announced, and the source begins anew."""
    append(log, b"1\n")
    (tmp_path / NAME).write_bytes(damage)
    async with Running(File(root=root, match="{file}.log", begin="beginning"), state=tmp_path) as source:
        await source.until(lambda: source.texts == [b"1"])
        assert source.heard[0] == Loss(reason="source_reset")
    assert load(tmp_path, str(root)).marks


def test_f34_checkpoint_is_ahead_of_the_file(scene: Scene, log: Path) -> None:
    """A file shorter than what was read of it is another one: announced, and read whole."""
    append(log, b"1\n2\n3\n")
    scene.tick()
    scene.stop()
    log.write_bytes(b"4\n")
    scene.tick()
    assert scene.texts == [b"1", b"2", b"3", b"4"]
    assert scene.losses == [RESET]


def test_f34_file_of_the_checkpoint_is_nowhere(scene: Scene, log: Path) -> None:
    """What it had after the last look cannot be known."""
    append(log, b"1\n")
    scene.tick()
    scene.stop()
    other = log.with_name("other")
    other.write_bytes(b"takes the inode\n")
    log.unlink()
    log.write_bytes(b"2\n")
    scene.tick()
    assert scene.texts == [b"1", b"2"]
    assert scene.losses in ([RESET], [ROTATED])


def test_f34_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old checkpoint stays whole when a new one cannot be written."""
    save(tmp_path, "/logs", [], 1)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, "/logs", [], 2)
    assert load(tmp_path, "/logs").time_ns == 1
