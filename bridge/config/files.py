"""Read the file, or the folder of files, as one document."""

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bridge.config.near import hint
from bridge.config.node import Mark, Node
from bridge.config.parse import MAX_BYTES, decode, parse
from bridge.config.problems import Problems
from bridge.errors import ConfigError, Problem

#: What a folder may hold; a folder with more is some other folder.
MAX_FILES: Final = 256

SUFFIXES: Final = frozenset({".yaml", ".yml"})

#: Sections whose entries have names, which are unique over all files.
NAMED: Final = ("profiles", "sources", "routes")
#: Sections that are given key by key; each key once.
KEYED: Final = ("server", "limits", "defaults")

_EMPTY: Final = "the folder holds no file whose name ends in .yaml or .yml"
_MISTAKEN: Final = (
    "this is a folder, and holds no .yaml file: Docker makes an empty one where the file to be mounted does not exist"
)

SECTIONS: Final = ("version", "server", "limits", "defaults", "profiles", "auth", "sources", "routes")


def read(path: Path, environ: Mapping[str, str], problems: Problems) -> Node | None:
    """Return the document; None, with the problems noted, where not even its form is right.

    What is wrong with single values is noted too, and does not hide what is wrong with the rest.
    """
    documents: list[Node] = []
    is_whole = True
    for file in _files(path, problems):
        try:
            root = parse(decode(_content(file), file.name), file.name, environ, problems)
        except ConfigError as error:
            problems.extend(error.problems)
            is_whole = False
            continue
        if root.is_mapping:
            documents.append(root)
        else:
            is_whole = False
            problems.add(root, "expected a mapping with `sources` and `routes`; `sse-bridge init` writes an example")
    if not documents or not is_whole:
        return None
    return documents[0] if len(documents) == 1 else _joined(documents, problems)


def folder_of(path: Path) -> Path:
    """Return where relative paths start."""
    return (path if _is_folder(path) else path.parent).absolute()


def files_of(path: Path) -> list[Path]:
    """Return the files that a configuration is made of now; the folder where it cannot be made of what it holds."""
    return _files(path, Problems()) or [path]


def _is_folder(path: Path) -> bool:
    """Tell whether it is one; of what may not be looked at the reading tells."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _files(path: Path, problems: Problems) -> list[Path]:
    if not _is_folder(path):
        return [path]
    try:
        # A mounted ConfigMap holds `..data` and the like: names that begin with a dot are not ours.
        found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and not file.name.startswith("."))
    except OSError as error:
        found = []
        problems.at(Mark(path.name, 1, 1), f"the folder cannot be read: {_why(path, error)}")
    if len(found) > MAX_FILES:
        problems.at(Mark(path.name, 1, 1), f"the folder holds more than {MAX_FILES} files: is it the right one?")
        return []
    if not found and not problems:
        problems.at(Mark(path.name, 1, 1), _MISTAKEN if path.suffix in SUFFIXES else _EMPTY)
    return found


def _content(path: Path) -> bytes:
    """Return a file's bytes, at most one more than is allowed."""
    try:
        # Without blocking: a FIFO must not hold up the start.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        what = _why(path, error) if isinstance(error, OSError) else "its name holds a NUL"
        raise _refuse(path, f"the file cannot be read: {what}") from None
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise _refuse(path, "this is not a regular file")
        with open(number, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _refuse(path, f"the file cannot be read: {error.strerror}") from None
    finally:
        os.close(number)


def _why(path: Path, error: OSError) -> str:
    """Say why something cannot be read, and what to do about it."""
    match error.errno:
        case errno.ENOENT:
            return f"{error.strerror}: {path.absolute()}; `sse-bridge init` writes one to start from"
        case errno.EACCES:
            return f"{error.strerror}: user {os.getuid()} needs the right to {path.absolute()} and the folders above it"
        case _:
            return str(error.strerror)


def _joined(documents: list[Node], problems: Problems) -> Node:
    """Return one document of all; their order is without meaning, so nothing may stand twice."""
    pairs: dict[str, Node] = {}
    for document in documents:
        for key, node in document.mapping.items():
            first = pairs.get(key)
            if first is None:
                pairs[key] = node
            elif key in NAMED + KEYED and first.is_mapping and node.is_mapping:
                pairs[key] = _union(first, node, problems)
            elif key != "version" or first.value != node.value:
                problems.at_key(node, f"given already in {_place(first)}: one file says it for all")
    return documents[0].with_mapping(pairs)


def _union(first: Node, second: Node, problems: Problems) -> Node:
    pairs = dict(first.mapping)
    for name, node in second.mapping.items():
        if name in pairs:
            problems.at_key(node, f"given already in {_place(pairs[name])}: names are unique over all files")
        pairs.setdefault(name, node)
    return first.with_mapping(pairs)


def _place(node: Node) -> str:
    return f"{node.key.file}:{node.key.line}"


def _refuse(path: Path, text: str) -> ConfigError:
    return ConfigError([Problem(path.name, 1, 1, text)])


def unknown_section(name: str) -> str:
    """Say what to do about a key of the document that is not one."""
    return f"unknown key{hint(name, SECTIONS)}; known are {', '.join(SECTIONS)}"
