"""The folder of `server.state`."""

import stat
import subprocess
import sys
import textwrap

import pytest

from bridge.state import LOCK, State, StateError


def test_nothing_is_kept_without_a_folder():
    """And nothing is made."""
    with State.open(None) as state:
        assert state.folder("logs") is None


def test_each_source_has_a_folder_that_only_we_read(tmp_path):
    """Made when asked for, and found again."""
    root = tmp_path / "a" / "b"
    with State.open(root) as state:
        folder = state.folder("logs")
        assert folder == root / "sources" / "logs"
        (folder / "checkpoint").write_text("x")
        assert stat.S_IMODE(root.stat().st_mode) == stat.S_IMODE(folder.stat().st_mode) == 0o700
    with State.open(root) as state:
        assert (state.folder("logs") / "checkpoint").read_text() == "x"


def test_a_second_process_is_refused(tmp_path):
    """Two on one folder would undo each other's checkpoints; when the first has ended, the next may come."""
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from bridge.state import State
        with State.open(Path(sys.argv[1])):
            print("held", flush=True)
            sys.stdin.read()
        """
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(StateError, match="is in use by another bridge"), State.open(tmp_path):
            pass
        other.stdin.close()
        assert other.wait(20) == 0
    with State.open(tmp_path):
        pass


def test_the_lock_goes_with_the_block_even_when_it_fails(tmp_path):
    """A start that failed does not block the next."""
    with pytest.raises(RuntimeError), State.open(tmp_path):
        raise RuntimeError
    with State.open(tmp_path):
        assert (tmp_path / LOCK).exists()


@pytest.mark.parametrize("place", ["file", "file/below", "locked"])
def test_a_folder_that_cannot_be_written_is_named(tmp_path, place):
    """A file stands in its place, or above it, or a folder where the lock would be."""
    (tmp_path / "file").write_text("")
    (tmp_path / "locked" / LOCK).mkdir(parents=True)
    with (
        pytest.raises(StateError, match=f"server.state: {tmp_path / place} cannot be written: "),
        State.open(tmp_path / place),
    ):
        pass
