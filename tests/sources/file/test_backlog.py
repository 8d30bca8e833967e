"""Reading back: the beginning of a file, joined to its live events without a seam."""

import asyncio
import random
import shutil
from pathlib import Path

import pytest

from bridge.errors import SourceError
from bridge.event import Loss, Message
from bridge.sources.base import Backlog
from bridge.sources.file import File, Last, Lines
from bridge.sources.file.backlog import PIECE
from tests.tailing import Running


async def told(backlog: Backlog | None, mark: str = "") -> list[tuple[str, Message | Loss]]:
    """Read a backlog to its end, with what it says is missing."""
    assert backlog is not None
    return [item async for batch in backlog.read(mark) for item in batch]


async def whole(backlog: Backlog | None, mark: str = "") -> list[tuple[str, Message]]:
    """Read a backlog to its end; nothing of it is missing."""
    found = [(mark, item) for mark, item in await told(backlog, mark) if isinstance(item, Message)]
    assert len(found) == len(await told(backlog, mark))
    return found


def texts(found: list[tuple[str, Message]]) -> list[bytes | str]:
    """Return the payloads."""
    return [message.payload for _, message in found]


def shapes(found: list[tuple[str, Message | Loss]]) -> list[bytes | str | Loss]:
    """Return the payloads, and the losses between them."""
    return [item.payload if isinstance(item, Message) else item for _, item in found]


def append(path: Path, data: bytes) -> None:
    """Append to a file."""
    with path.open("ab") as file:
        file.write(data)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Give a file with three lines."""
    path = tmp_path / "app.log"
    path.write_bytes(b"1\n2\n3\n")
    return path


async def test_backlog_is_what_stands_before_the_live_events(log: Path) -> None:
    """With `begin: end` nothing of it was emitted, and all of it can be read back, with the same facts."""
    async with Running(File(path=log)) as source:
        backlog = source.place.backlog({})
        append(log, b"4\n")
        await source.until(lambda: source.texts == [b"4"])
        found = await whole(backlog)
        assert texts(found) == [b"1", b"2", b"3"]
        assert [message.facts for _, message in found] == [
            {"file": "app.log", "offset": 2 * n, "line": n + 1} for n in range(3)
        ]
        assert texts(await whole(source.place.backlog({}))) == [b"1", b"2", b"3", b"4"]


async def test_backlog_ends_before_a_line_that_is_held(log: Path) -> None:
    """A partial line is neither in the backlog nor lost: it comes live."""
    append(log, b"par")
    async with Running(File(path=log, begin="beginning")) as source:
        await source.until(lambda: len(source.texts) == 3)
        backlog = source.place.backlog({})
        append(log, b"tial\n")
        await source.until(lambda: len(source.texts) == 4)
        assert texts(await whole(backlog)) == [b"1", b"2", b"3"]
        assert source.texts[3] == b"partial"


async def test_reading_goes_on_after_any_mark(log: Path) -> None:
    """A mark is short, of safe characters, and names the place just after its message."""
    append(log, b"\xef\xbb\xbf\n\nlong " + b"x" * 200_000 + b"\r\nlast\n")
    async with Running(File(path=log)) as source:
        found = await whole(source.place.backlog({}))
        assert len(found) == 7
        for n, (mark, _) in enumerate(found):
            assert len(mark) <= 64
            assert mark.replace(".", "").isalnum()
            rest = await whole(source.place.backlog({}), mark)
            assert [(m, message.facts) for m, message in rest] == [(m, message.facts) for m, message in found[n + 1 :]]


async def test_backlog_is_read_in_pieces(log: Path) -> None:
    """A batch holds some 64 KiB, whatever the file's size."""
    append(log, b"".join(b"%d\n" % n for n in range(100_000)))
    async with Running(File(path=log)) as source:
        backlog = source.place.backlog({})
        assert backlog is not None
        sizes = [
            sum(len(m.payload) + 1 for _, m in batch if isinstance(m, Message)) async for batch in backlog.read("")
        ]
        assert sum(sizes) == log.stat().st_size
        assert max(sizes) <= PIECE


async def test_seam_is_exact_under_a_writer(log: Path) -> None:
    """Whenever a backlog is made, it and the live events after it are the file, each line once."""
    async with Running(File(path=log, lines=Lines(max="64B", flush="20ms"))) as source:
        seams = []
        for n in range(300):
            append(log, random.randbytes(random.randrange(60)).hex().encode() + b"\n" * random.randrange(2))
            if n % 10 == 0:
                seams.append((source.place.backlog({}), len(source.heard)))
            await asyncio.sleep(0)
        append(log, b"\nend\n")
        await source.until(lambda: source.texts[-1:] == [b"end"])
        content = log.read_bytes().replace(b"\n", b"")
        for backlog, heard in seams:
            found = texts(await whole(backlog)) + source.texts[heard:]
            assert b"".join(text for text in found if isinstance(text, bytes)) == content


@pytest.mark.parametrize("indent", [False, True])
@pytest.mark.parametrize("size", [100, PIECE + 100, 3 * PIECE])
async def test_line_that_is_skipped_is_told(log: Path, size: int, *, indent: bool) -> None:
    """In its place; and who was cut before the gap, or is cut after it, comes back to a line that was not skipped."""
    append(log, b"x" * size + b"\n4\n" + b"y" * size)
    lines = Lines(max="64B", over="skip", indent=indent, flush="20ms")
    async with Running(File(path=log, begin="beginning", lines=lines)) as source:
        await source.until(lambda: len(source.texts) == 4 and len(source.outlet.losses) == 2)
        backlog = source.place.backlog({})
        found = await told(backlog)
        shape = shapes(found)
        gap = Loss(reason="oversize", missed=1)
        assert shape == [b"1", b"2", b"3", gap, b"4", gap]
        for n, (mark, item) in enumerate(found):
            # Nothing comes twice but the gap itself, for which no id stands.
            assert shapes(await told(backlog, mark)) == shape[n + isinstance(item, Message) :]


async def test_several_lines_a_record_are_joined_alike(log: Path) -> None:
    """What is held live, because more may follow, is not in the backlog."""
    append(log, b"a\n b\nc\n d\n")
    async with Running(File(path=log, begin="beginning", lines=Lines(indent=True, flush="1h"))) as source:
        await source.until(lambda: len(source.texts) == 4)
        backlog = source.place.backlog({})
        append(log, b" e\nf\n")
        await source.until(lambda: len(source.texts) == 5)
        assert texts(await whole(backlog)) + source.texts[4:] == [b"1", b"2", b"3", b"a\n b", b"c\n d\n e"]


async def test_rename_in_the_middle_does_no_harm(log: Path) -> None:
    """The file is held open while it is read."""
    append(log, b"x" * 300_000 + b"\n" + b"y" * 300_000 + b"\nend\n")
    async with Running(File(path=log)) as source:
        backlog = source.place.backlog({})
        assert backlog is not None
        found = []
        async for batch in backlog.read(""):
            found += batch
            if log.exists():
                log.unlink()
                append(log, b"new\n")
                await source.until(lambda: source.texts == [b"new"])
        assert [len(text) for text in texts(found)] == [1, 1, 1, 300_000, 300_000, 3]


async def test_backlog_made_before_a_rename_is_read_after_it(log: Path) -> None:
    """The generation is found by what it is, not by its path."""
    async with Running(File(path=log)) as source:
        backlog = source.place.backlog({})
        log.rename(log.with_name("app.log.1"))
        append(log, b"new\n")
        await source.until(lambda: source.texts == [b"new"])
        assert texts(await whole(backlog)) == [b"1", b"2", b"3"]
        assert texts(await whole(source.place.backlog({}))) == [b"new"]


async def test_truncation_in_the_middle_is_noticed(log: Path) -> None:
    """Lines of another generation are never passed off as those of this one."""
    append(log, b"x" * 100_000 + b"\n" + b"y" * 100_000 + b"\n")
    async with Running(File(path=log)) as source:
        backlog = source.place.backlog({})
        assert backlog is not None
        reading = aiter(backlog.read(""))
        await anext(reading)
        content = log.read_bytes()
        log.write_bytes(content[:50_000] + b"z" * 200_000)
        with pytest.raises(SourceError, match="gone"):
            await anext(reading)


@pytest.mark.parametrize("regrown", [b"", b"1\n2\n3\n4\n5\n"])
async def test_mark_of_a_generation_that_is_gone_is_refused(log: Path, regrown: bytes) -> None:
    """Also where the new one has grown past the mark and begins alike."""
    banner = b"=" * 600 + b"\n"
    log.write_bytes(banner + b"old\n")
    async with Running(File(path=log)) as source:
        mark = (await whole(source.place.backlog({})))[-1][0]
        shutil.copyfile(log, log.with_name("app.log.1"))
        log.write_bytes(banner + regrown)
        await source.until(lambda: len(source.texts) > regrown.count(b"\n"))
        with pytest.raises(SourceError):
            await whole(source.place.backlog({}), mark)


@pytest.mark.parametrize("mark", ["x", "1.2", "1h2h3.4", "0h0h.0.0", "../etc/passwd", "9" * 64])
async def test_what_is_no_mark_is_refused(log: Path, mark: str) -> None:
    """A mark comes from a browser."""
    async with Running(File(path=log)) as source:
        with pytest.raises(SourceError):
            await whole(source.place.backlog({}), mark)


async def test_mark_is_good_after_a_restart(log: Path, tmp_path: Path) -> None:
    """It is made of the file, not of the process."""
    state = tmp_path / "state"
    state.mkdir()
    async with Running(File(path=log), state=state) as source:
        mark = (await whole(source.place.backlog({})))[0][0]
    append(log, b"4\n")
    async with Running(File(path=log), state=state) as source:
        await source.until(lambda: source.texts == [b"4"])
        assert texts(await whole(source.place.backlog({}), mark)) == [b"2", b"3", b"4"]


async def test_only_a_file_that_is_there_has_a_backlog(tmp_path: Path, log: Path) -> None:
    """The captures must be exactly those of one file."""
    async with Running(File(root=tmp_path, match="{file}.log")) as source:
        assert source.place.entries() == [{"file": "app"}]
        assert source.place.backlog({}) is None
        assert source.place.backlog({"file": "none"}) is None
        assert source.place.backlog({"file": "app", "more": "x"}) is None
        assert texts(await whole(source.place.backlog({"file": "app"}))) == [b"1", b"2", b"3"]
        log.unlink()
        await source.until(lambda: source.place.entries() == [])
        assert source.place.backlog({"file": "app"}) is None


async def test_empty_file_has_an_empty_backlog(tmp_path: Path) -> None:
    """It is listed, and there is nothing to read."""
    (tmp_path / "app.log").touch()
    async with Running(File(root=tmp_path, match="{file}.log", begin=Last(last=10))) as source:
        assert source.place.entries() == [{"file": "app"}]
        assert await whole(source.place.backlog({"file": "app"})) == []


def held(path: Path) -> int:
    """Count our descriptors of a file."""
    return sum(fd.is_symlink() and fd.readlink() == path for fd in Path("/proc/self/fd").iterdir())


async def test_a_thousand_readers_hold_one_descriptor(log: Path) -> None:
    """Readers of one file share it, and the last one closes it."""
    append(log, b"x" * 200_000 + b"\n")
    async with Running(File(path=log)) as source:
        readings = []
        for _ in range(1_000):
            backlog = source.place.backlog({})
            assert backlog is not None
            reading = aiter(backlog.read(""))
            await anext(reading)
            readings.append(reading)
        assert held(log) == 2
        for reading in readings:
            await reading.aclose()
        assert held(log) == 1


async def test_backlog_of_a_source_that_ended_is_an_error(log: Path) -> None:
    """A reader is told, and not left waiting."""
    async with Running(File(path=log)) as source:
        backlog = source.place.backlog({})
    with pytest.raises(SourceError, match="ended"):
        await whole(backlog)
