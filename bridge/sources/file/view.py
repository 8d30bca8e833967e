"""What the event loop knows of the files: what was handed over, and nothing that was not.

The source's thread is ahead of it by a round. Whoever asks the place for entries, a backlog or a checkpoint is told
what stands here, so that a backlog's end and the head of the live events are one instant.
"""

from collections.abc import Mapping, Sequence

from bridge.sources.base import Outlet
from bridge.sources.file.generation import Mark, Step


class View:
    """Touched by the event loop only."""

    def __init__(self) -> None:
        #: By the generations' keys, which grow with their age.
        self.marks: dict[int, Mark] = {}
        #: Grows with every change that a checkpoint should have.
        self.version = 0
        self._current: dict[str, int] = {}
        self._entries: dict[str, Mapping[str, str]] | None = None
        self._paths: dict[frozenset[tuple[str, str]], str] = {}

    def apply(self, step: Step, outlet: Outlet) -> None:
        """Do one step. Never awaits: the events and the marks that follow from them are one."""
        if step.messages:
            outlet.emit(step.messages)
        if step.loss is not None:
            outlet.lose(step.loss)
        for key, mark in step.marks.items():
            self.version += 1
            if mark is None:
                self.marks.pop(key, None)
            else:
                self.marks[key] = mark
        if step.current is not None:
            path, key = step.current
            self._current[path] = key

    def list(self, entries: dict[str, Mapping[str, str]]) -> None:
        """Take in which files there are."""
        # That there was a start is worth writing down: the next one is not the first.
        self.version += self._entries is None
        self._entries = entries
        self._paths = {frozenset(captures.items()): path for path, captures in entries.items()}
        self._current = {path: key for path, key in self._current.items() if path in entries}

    def entries(self) -> Sequence[Mapping[str, str]] | None:
        """Return the captures of all files that there are; None before the first walk."""
        return None if self._entries is None else list(self._entries.values())

    def current(self, captures: Mapping[str, str]) -> tuple[int, Mark] | None:
        """Return the key and the mark of the file with exactly these captures."""
        path = self._paths.get(frozenset(captures.items()))
        key = None if path is None else self._current.get(path)
        mark = None if key is None else self.marks.get(key)
        return None if key is None or mark is None else (key, mark)

    def in_order(self) -> Sequence[Mark]:
        """Return the marks, oldest generation first."""
        return [self.marks[key] for key in sorted(self.marks)]
