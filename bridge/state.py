"""The folder of `server.state`: one process at a time, a folder a source."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from bridge.errors import BridgeError

LOCK: Final = "lock"

#: Only the bridge reads what it keeps: a checkpoint names the files that an application writes.
MODE: Final = 0o700


class StateError(BridgeError):
    """The folder cannot be used, in words for the user."""


class State:
    """Where sources keep their checkpoints, or nowhere."""

    def __init__(self, root: Path | None) -> None:
        self._root = root

    @classmethod
    @contextmanager
    def open(cls, root: Path | None) -> Iterator[Self]:
        """Make the folder and hold it: two processes on one would each undo the other's checkpoints."""
        if root is None:
            yield cls(None)
            return
        try:
            root.mkdir(mode=MODE, parents=True, exist_ok=True)
            lock = (root / LOCK).open("ab")
        except OSError as error:
            raise StateError(f"server.state: {root} cannot be written: {error.strerror}") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StateError(f"server.state: {root} is in use by another bridge") from error
            yield cls(root)

    def folder(self, source: str) -> Path | None:
        """Return the source's own folder, made; None where nothing is kept."""
        if self._root is None:
            return None
        folder = self._root / "sources" / source
        folder.mkdir(mode=MODE, parents=True, exist_ok=True)
        return folder
