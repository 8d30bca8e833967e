"""The running source: its thread, its checkpoints, its hints, and how it ends."""

import asyncio
import itertools
import resource
import signal
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.sources.file import File
from bridge.sources.file.checkpoint import NAME, load, save
from bridge.sources.file.follow import FEWEST, MOST, descriptors
from bridge.sources.file.generation import Mark
from bridge.sources.file.position import Digest, Position
from bridge.sources.file.watch import Watch
from tests.tailing import Recorder, Running


def append(path: Path, data: bytes) -> None:
    """Append to a file."""
    with path.open("ab") as file:
        file.write(data)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give a folder for checkpoints."""
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Give the path of the log, in a folder of its own."""
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "app.log"


async def test_append_is_heard_quickly(log: Path) -> None:
    """The system tells of it; nothing waits for the next walk."""
    log.touch()
    async with Running(File.model_validate({"path": str(log), "poll": "1h"})) as source:
        for n in range(3):
            append(log, b"%d\n" % n)
            await source.until(lambda n=n: len(source.texts) == n + 1)  # type: ignore[misc]
        log.rename(log.with_name("app.log.1"))
        append(log, b"new\n")
        await source.until(lambda: source.texts[-1] == b"new")


async def test_files_in_new_folders_are_heard_of(log: Path) -> None:
    """The watch is set anew when folders come and go."""
    root = log.parent
    source_of = {"root": str(root), "match": "{path*}.log", "poll": "1h"}
    async with Running(File.model_validate(source_of)) as source:
        for n in range(3):
            (root / f"d{n}" / "deep").mkdir(parents=True)
            await source.until(lambda n=n: _watches(source, root / f"d{n}"))  # type: ignore[misc]


def _watches(source: Running, folder: Path) -> bool:
    """Write a new file until one is heard of: the watch is set by a thread of its own."""
    path = folder / "deep" / f"{time.monotonic_ns()}.log"
    append(path, b"x\n")
    return any(message.subject.startswith(f"{folder.name}/") for message in source.outlet.messages)


async def test_missing_folder_is_told_of_and_waited_for(tmp_path: Path) -> None:
    """Down in words, then up by itself."""
    root = tmp_path / "later"
    async with Running(File.model_validate({"root": str(root), "match": "{f}.log", "poll": "50ms"})) as source:
        assert source.outlet.states == ["its folder cannot be listed: No such file or directory"]
        assert source.place.entries() == []
        root.mkdir()
        append(root / "a.log", b"1\n")
        await source.until(lambda: source.texts == [b"1"])
        assert source.outlet.states[1:] == ["up"]


async def test_place_is_ready_before_the_first_await(log: Path) -> None:
    """Whoever asks too early is told nothing, and not something wrong."""
    running = Running(File(path=log))
    task = asyncio.ensure_future(running._source.run(running.outlet, running.place))
    await asyncio.sleep(0)
    assert running.place.entries() is None
    assert running.place.backlog({}) is None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_clean_stops_repeat_and_lose_nothing(log: Path, state: Path) -> None:
    """Stopped at any moment of a burst, again and again, every line comes once and in order."""
    outlet, lines = Recorder(), [b"%d" % n for n in range(100_000)]
    log.write_bytes(b"\n".join(lines) + b"\n")
    source = File(path=log, begin="beginning")
    for stop in itertools.count(1):
        async with Running(source, state=state, outlet=outlet) as running:
            await running.until(lambda stop=stop: len(outlet.heard) >= min(stop * 7_000, len(lines)))  # type: ignore[misc]
        if len(outlet.heard) >= len(lines):
            break
    assert outlet.texts == lines


class Broken(Exception):  # noqa: N818  # not an error of ours: it plays one
    """The outlet breaks."""


async def test_what_was_not_handed_over_comes_again(log: Path, state: Path) -> None:
    """When handing over fails, the checkpoint is before it."""

    class Failing(Recorder):
        def emit(self, messages):
            if len(self.heard) >= 1_000:
                raise Broken
            return super().emit(messages)

    failing, outlet = Failing(), Recorder()
    log.write_bytes(b"".join(b"%d\n" % n for n in range(5_000)))
    source = File(path=log, begin="beginning")
    running = Running(source, state=state, outlet=failing)
    with pytest.raises(Broken):
        async with running:
            await running.until(lambda: False)
    async with Running(source, state=state, outlet=outlet) as again:
        await again.until(lambda: len(outlet.heard) >= 5_000 - len(failing.heard))
    assert failing.texts + outlet.texts == [b"%d" % n for n in range(5_000)]


KILLED = textwrap.dedent("""
    import asyncio, sys
    from pathlib import Path
    from bridge.sources.base import Place
    from bridge.sources.file import File

    class Out:
        def emit(self, messages):
            for message in messages:
                sys.stdout.write(message.payload.decode() + "\\n")
            sys.stdout.flush()
            return []
        def lose(self, loss): sys.stdout.write(f"{loss}\\n")
        def up(self): pass
        def down(self, reason): pass

    source = File(path=Path(sys.argv[1]), begin="beginning")
    asyncio.run(source.run(Out(), Place(name="logs", state=Path(sys.argv[2]))))
""")


async def test_after_a_kill_at_most_a_second_is_repeated(log: Path, state: Path, tmp_path: Path) -> None:
    """Killed three times under a writer: nothing is lost, and what comes twice was given in the last second."""
    out = tmp_path / "out"
    rate, written = 1_000, 0
    for _ in range(3):
        with out.open("ab") as sink:
            program = await asyncio.create_subprocess_exec(
                sys.executable, "-c", KILLED, str(log), str(state), stdout=sink
            )
            begin, first = time.monotonic(), written
            while time.monotonic() - begin < 2.0:
                due = first + int((time.monotonic() - begin) * rate)
                append(log, b"".join(b"%d\n" % n for n in range(written, due)))
                written = max(written, due)
                await asyncio.sleep(0.01)
            program.send_signal(signal.SIGKILL)
            await program.wait()
    outlet = Recorder()
    async with Running(File(path=log, begin="beginning"), state=state, outlet=outlet) as last:
        append(log, b"end\n")
        await last.until(lambda: outlet.texts[-1:] == [b"end"])
    given = Counter([*out.read_bytes().split(), *outlet.texts])
    assert all(given[b"%d" % n] for n in range(written))
    assert sum(count - 1 for count in given.values()) <= 3 * rate
    assert outlet.losses == []


MARK = Mark(
    home="a.log", place="a.log.1", device=1, inode=2, position=Position(10, 0, is_cut=True), seen=12,
    digest=Digest(12, "ab", 12, "cd"), floor=3, gap="source_rotated", mtime_ns=4, is_done=True,
)  # fmt: skip


def test_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Every field, and only for the folder that it is about."""
    assert load(None, "/logs").marks is None
    assert load(tmp_path, "/logs") == load(None, "/logs")
    save(tmp_path, "/logs", [MARK], 77)
    assert load(tmp_path, "/logs").marks == [MARK]
    assert load(tmp_path, "/logs").time_ns == 77
    assert load(tmp_path, "/other").marks is None
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize("at", range(0, 400, 37))
def test_any_changed_byte_of_a_checkpoint_is_noticed(tmp_path: Path, at: int) -> None:
    """A torn or flipped byte makes it damaged, never wrong."""
    save(tmp_path, "/logs", [MARK], 77)
    content = bytearray((tmp_path / NAME).read_bytes())
    content[at % len(content)] ^= 1
    (tmp_path / NAME).write_bytes(content)
    assert load(tmp_path, "/logs").is_damaged
    (tmp_path / NAME).write_bytes(content[: at % len(content)])
    assert load(tmp_path, "/logs").is_damaged


def test_descriptors_are_a_share_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """An eighth of what the process may have, at least a few and never thousands."""
    found = []
    for soft in (20, 1_024, 1_048_576, resource.RLIM_INFINITY):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        found.append(descriptors())
    assert found == [FEWEST, 128, MOST, MOST]


async def test_watch_of_too_many_folders_is_left_to_the_walks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each watch counts against a limit of the whole machine."""
    monkeypatch.setattr("bridge.sources.file.watch.MAX_FOLDERS", 2)
    folders: Mapping[str, int] = {"a": 1, "b": 2, "c": 3}
    watch = Watch("logs", "/nowhere")
    watch.follow(folders)
    assert "too many folders to watch" in capsys.readouterr().out
    await watch.wait(0.001)
    assert watch.take() == (frozenset(), False)
    watch.close()
