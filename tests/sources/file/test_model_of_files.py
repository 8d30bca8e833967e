"""A model of what befalls log files, in thousands of random orders, against a ledger of what was written.

Driven round by round, without threads or waiting. The clock that stamps the files is the test's own: every change has
a time of its own, as it would have outside of a test.

The ledger knows each line, the generation it was written to, and whether it still stands in some file. Then:

* a line that stands in a file, or in the copy of one, was given exactly once;
* the lines of a generation were given in their order;
* nothing is missing, and after a crash nothing comes again but what came since the last checkpoint, unless a loss was
  announced. A rename alone announces none.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge.event import Loss, Message
from tests.tailing import Scene

BANNER = "== the same banner in every generation ==\n"


class World(Scene):
    """A scene whose files are stamped by the test."""

    def wall(self) -> float:
        """Return the test's time of day."""
        return self.now


class Files(RuleBasedStateMachine):
    """One log, a writer, and everybody who moves files about."""

    match = "{file}.log"
    #: Rotated generations that are kept. One more deletes the oldest, read or not.
    kept = 6

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="files-"))
        self.world = World(self.folder, self.match)
        self.log = self.folder / "app.log"
        self.count = 0
        self.generation = 0
        self.partial = ""
        self.written: dict[str, int] = {}
        self.order: dict[int, list[str]] = {}
        self.kept_open: int | None = None
        # Lines that may be missing, or come again, since a loss was announced or will be.
        self.excused: set[str] = set()
        self.may_repeat: set[str] = set()
        self.saved_count = 0

    # What may be asked of the world

    def teardown(self) -> None:
        """Let everything come to rest, then compare."""
        self.tick_long()
        self.tick_long()
        self.world.crash()
        if self.kept_open is not None:
            os.close(self.kept_open)
        try:
            self.compare()
        finally:
            shutil.rmtree(self.folder)

    def stamp(self, path: Path | int) -> None:
        """Give a file the next moment as the time of its last change."""
        self.world.now += 0.01
        os.utime(path, (self.world.now, self.world.now))

    def put(self, text: str) -> None:
        """Append text through whatever the writer holds open."""
        if self.kept_open is not None:
            os.write(self.kept_open, text.encode())
            self.stamp(self.kept_open)
            return
        if not self.log.exists():
            self.generation += 1
        with self.log.open("ab") as file:
            file.write(text.encode())
        self.stamp(self.log)

    def new_line(self) -> str:
        """Return a line that was never written before."""
        self.count += 1
        return f"line {self.count:05}"  # none begins as another does

    def note(self, line: str) -> None:
        """Enter a line in the ledger."""
        self.written[line] = self.generation
        self.order.setdefault(self.generation, []).append(line)

    def shift(self) -> None:
        """Make room for a rotated file, as logrotate does."""
        for number in range(self.kept, 0, -1):
            old = self.folder / f"app.log.{number}"
            if old.exists():
                if number == self.kept:
                    old.unlink()
                else:
                    old.rename(self.folder / f"app.log.{number + 1}")

    # What happens

    @initialize(banner=st.booleans())
    def begin(self, *, banner: bool) -> None:
        """Start with or without a banner in each generation."""
        self.banner = banner
        self.world.tick(0.01)

    @rule(count=st.integers(1, 30))
    def write(self, count: int) -> None:
        """Write whole lines, ending a partial one first."""
        text = ""
        if self.partial:
            text, self.partial = "\n", ""
        elif self.banner and self.kept_open is None and (not self.log.exists() or not self.log.stat().st_size):
            text = BANNER
        if self.kept_open is None and not self.log.exists():
            self.generation += 1
            self.log.touch()
        for _ in range(count):
            line = self.new_line()
            self.note(line)
            text += line + "\n"
        self.put(text)

    @precondition(lambda self: not self.partial)
    @rule()
    def write_partly(self) -> None:
        """Write a line without its end."""
        if self.kept_open is None and not self.log.exists():
            self.generation += 1
            self.log.touch()
        line = self.new_line()
        self.note(line)
        self.put(line)
        self.partial = line

    @precondition(lambda self: self.log.exists() and self.kept_open is None)
    @rule(keeps=st.booleans(), returns=st.booleans())
    def rename(self, *, keeps: bool, returns: bool) -> None:
        """Rotate by renaming. The writer may keep the old file open, the path may stay empty for a while."""
        self.shift()
        if keeps:
            self.kept_open = os.open(self.log, os.O_WRONLY | os.O_APPEND)
        self.log.rename(self.folder / "app.log.1")
        if not keeps:
            self.partial = ""
        if returns and not keeps:
            self.generation += 1
            self.log.touch()
            self.stamp(self.log)

    @precondition(lambda self: self.kept_open is not None)
    @rule()
    def reopen(self) -> None:
        """Let the writer open its path anew."""
        os.close(self.kept_open or 0)
        self.kept_open = None
        self.partial = ""

    @precondition(lambda self: self.log.exists() and self.kept_open is None)
    @rule()
    def copytruncate(self) -> None:
        """Rotate by copying and truncating."""
        self.shift()
        shutil.copyfile(self.log, self.folder / "app.log.1")
        self.stamp(self.folder / "app.log.1")
        self.log.write_bytes(b"")
        self.stamp(self.log)
        self.generation += 1
        self.partial = ""

    @precondition(lambda self: self.log.exists() and self.kept_open is None)
    @rule()
    def truncate(self) -> None:
        """Truncate without a copy."""
        self.log.write_bytes(b"")
        self.stamp(self.log)
        self.generation += 1
        self.partial = ""

    @precondition(lambda self: self.log.exists() and self.kept_open is None)
    @rule()
    def delete(self) -> None:
        """Delete the file."""
        self.log.unlink()
        self.partial = ""

    @rule()
    def delete_archives(self) -> None:
        """Delete or compress the older rotated files."""
        for number in range(3, self.kept + 1):
            (self.folder / f"app.log.{number}").unlink(missing_ok=True)

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.6]))
    def tick(self, seconds: float) -> None:
        """Let the source have its rounds."""
        self.world.tick(seconds)

    @rule()
    def look(self) -> None:
        """Let the source look at what it knows, without a walk."""
        if self.world.tailer is not None:
            self.world.tick(0.0, is_walk=False)

    @rule()
    def tick_long(self) -> None:
        """Let the source have a second after each of several walks: whatever is held is given."""
        for _ in range(4):
            self.world.tick(1.1)

    @rule()
    def save(self) -> None:
        """Write the checkpoint."""
        if self.world.tailer is not None:
            self.world.save()
            self.saved_count = len(self.world.heard)

    @rule()
    def restart(self) -> None:
        """End cleanly and start again."""
        if self.world.tailer is not None:
            self.world.restart()
            self.saved_count = len(self.world.heard)

    @rule()
    def stop(self) -> None:
        """End cleanly, and stay down until the next round."""
        if self.world.tailer is not None:
            self.world.stop()
            self.saved_count = len(self.world.heard)

    @precondition(lambda self: self.world.saved.marks is not None)
    @rule()
    def crash(self) -> None:
        """End without a checkpoint: what came since the last one may come again."""
        self.may_repeat |= set(self.lines(self.saved_count))
        self.world.crash()

    # What must hold

    def lines(self, start: int = 0) -> list[str]:
        """Return what was given, as text."""
        return [
            bytes(heard.payload).decode() if isinstance(heard.payload, bytes) else heard.payload
            for heard in self.world.heard[start:]
            if isinstance(heard, Message)
        ]

    @invariant()
    def each_line_comes_once(self) -> None:
        """Nothing comes twice but after a crash, and nothing comes that was never written."""
        seen: set[str] = set()
        for line in self.lines():
            if line + "\n" == BANNER:
                continue
            assert line in self.written, f"never written: {line!r}"
            assert line not in seen or line in self.may_repeat, f"twice: {line!r}"
            seen.add(line)

    def compare(self) -> None:
        """Compare what was given with what stands in the files."""
        given = self.lines()
        first = {line: at for at, line in reversed(list(enumerate(given)))}
        standing = {
            line
            for path in self.folder.iterdir()
            for line in path.read_text().split("\n")
            if line and line + "\n" != BANNER
        }
        missing = sorted(standing - set(given), key=lambda line: int(line[5:]))
        losses = [heard for heard in self.world.heard if isinstance(heard, Loss)]
        assert not missing or losses, f"missing: {missing}"
        assert not missing, f"missing, though announced {losses}: {missing}"
        for lines in self.order.values():
            places = [first[line] for line in lines if line in first]
            assert places == sorted(places), f"out of order: {lines}"


class Tree(Files):
    """The same where the names of rotated files match too."""

    match = "{path*}"


class Renames(Files):
    """Renames alone, which announce nothing."""

    kept = 99
    copytruncate = truncate = delete = delete_archives = None  # type: ignore[assignment]

    def compare(self) -> None:
        """Compare, and allow no loss."""
        super().compare()
        losses = [heard for heard in self.world.heard if isinstance(heard, Loss)]
        assert not losses, f"announced: {losses}"


# A few hundred find most, the thousand of each the rest of what was ever found; the soak profile runs many more.
EXAMPLES = max(1_000, settings.default.max_examples if settings.default is not None else 0)

for machine in (Files, Tree, Renames):
    machine.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None)

TestFiles = pytest.mark.timeout(0)(Files.TestCase)
TestTree = pytest.mark.timeout(0)(Tree.TestCase)
TestRenames = pytest.mark.timeout(0)(Renames.TestCase)
