"""All that is wrong, gathered: a user mends a file in one go, not in twenty."""

from collections.abc import Sequence
from typing import Final

from bridge.config.node import Mark, Node
from bridge.errors import Problem

#: Who reads more? A file of 20,000 unknown keys is not a configuration.
MAX_PROBLEMS: Final = 200


class Problems:
    """What was found so far, each at its place, once."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, node: Node, text: str, *keys: str) -> None:
        """Note what is wrong with a value, or with the value that some keys beneath it lead to, if it is there."""
        place = node
        for key in keys:
            place = place.mapping.get(key, place)
        if place.is_faulty:
            # Its fault is told already; whatever the text in its place lacks, nobody wrote.
            return
        # A block begins on the next line: its key is what one looks for.
        mark = place.key if place.style == "block" else place.mark
        self.at(mark, f"{place.path}: {text}" if place.path else text)

    def at_key(self, node: Node, text: str) -> None:
        """Note what is wrong with a key."""
        self.at(node.key, f"{node.path}: {text}" if node.path else text)

    def at(self, mark: Mark, text: str) -> None:
        """Note what is wrong at a place."""
        # One line each, whatever stands in a name or in what a library says.
        shown = text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
        self._found[Problem(*mark, shown)] = None

    def extend(self, problems: Sequence[Problem]) -> None:
        """Take over what somebody else found."""
        self._found.update(dict.fromkeys(problems))

    def ordered(self) -> list[Problem]:
        """Return what was found in the order of the files and lines, bounded."""
        found = sorted(self._found)
        if len(found) <= MAX_PROBLEMS:
            return found
        last = found[MAX_PROBLEMS - 1]
        more = f"and {len(found) - MAX_PROBLEMS + 1} more problems: mend these first"
        return [*found[: MAX_PROBLEMS - 1], last._replace(text=more)]
