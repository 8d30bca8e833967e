"""What the code says in its log: every `log.<level>("…")` there is, by walking the code itself."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

METHODS = {"debug": 0, "info": 0, "warning": 0, "error": 0, "exception": 0, "critical": 0, "log": 1}

#: Where the event is no text but an argument: what is handed in there. A new place of this kind fails the test.
HANDED = {
    ("bridge/sources/file/complaints.py", "event"): ["file not followed", "file cannot be read"],
    ("bridge/gateway/server.py", "why"): ["listener.full", "listener.starved"],
    ("bridge/reload.py", "words"): ["configuration applied", "configuration is what it was"],
}


class Call(NamedTuple):
    """One call that logs."""

    file: str
    line: int
    level: str
    event: str
    keys: frozenset[str]


@cache
def calls() -> tuple[Call, ...]:
    """Return every call that logs."""
    return tuple(call for path in sorted((ROOT / "bridge").rglob("*.py")) for call in _of(path))


def said() -> list[str]:
    """Return each event once."""
    return sorted({call.event for call in calls()})


def _of(path: Path) -> Iterator[Call]:
    file = str(path.relative_to(ROOT))
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if _is_log(node):
            assert isinstance(node, ast.Call)
            assert isinstance(node.func, ast.Attribute)
            level = {"exception": "error", "critical": "error"}.get(node.func.attr, node.func.attr)
            keys = frozenset(keyword.arg for keyword in node.keywords if keyword.arg is not None)
            for event in _events(node.args[METHODS[node.func.attr]], file):
                yield Call(file, node.lineno, level, event, keys)


def _is_log(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in METHODS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "log"
    )


def _events(node: ast.expr, file: str) -> list[str]:
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.IfExp):
        return [*_events(node.body, file), *_events(node.orelse, file)]
    assert isinstance(node, ast.Name), f"{file}:{node.lineno}: what is said must stand there as a text"
    return HANDED[file, node.id]
