"""What `sse-bridge serve` is told on its command line, as sources and routes.

    ./logs/app.log                      one file
    './logs/*.log'                      the files that are there now, where no shell has filled the pattern in
    mqtt://127.0.0.1/sensors/#          the topics of a broker

Each becomes a source and one route; topics with wildcards become two: all on one stream, and one stream a topic.
"""

import glob
import re
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Final, NamedTuple

from bridge.errors import BridgeError

#: More files than this are a folder: name it in a routes.yaml.
MAX_SOURCES: Final = 64

#: Characters of a source's name; of a longer one the end is kept, which tells more.
MAX_NAME: Final = 64

BROKERS: Final = ("mqtt", "mqtts")

#: A host and a port. What else stands before the first slash may be a password, and is not repeated.
_PLACE: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")

#: The names that the wildcards of a topic get.
_LEVEL: Final = "name"
_REST: Final = "rest"


class ArgumentError(BridgeError):
    """An argument cannot be served; the text begins with it and says why."""


class Wanted(NamedTuple):
    """One argument, or one file that a pattern stands for."""

    #: As the user knows it.
    text: str
    #: What it may be called, the shortest first.
    names: tuple[str, ...]
    source: dict[str, object]
    #: Its routes: what follows the source's name in their paths, and their keys.
    routes: dict[str, dict[str, object]]


def wanted(arguments: Sequence[str]) -> dict[str, Wanted]:
    """Return what each argument stands for, by the name of its source; raises `ArgumentError`."""
    found: dict[str, Wanted] = {}
    for text in dict.fromkeys(arguments):
        for each in _topics(text) if "://" in text else _files(text):
            if all(each.source != other.source for other in found.values()):
                found[_name(each.names, found)] = each
    if len(found) > MAX_SOURCES:
        raise ArgumentError(f"more than {MAX_SOURCES} sources: write a routes.yaml with `match` (sse-bridge init)")
    return found


def _name(wishes: Sequence[str], taken: dict[str, Wanted]) -> str:
    plain = [_plain(wish) for wish in wishes]
    # A number at the end must not be what is cut off.
    numbered = (f"{plain[-1][-MAX_NAME + 4 :].lstrip('.-')}-{number}" for number in count(2))
    return next(name for names in (plain, numbered) for name in names if name not in taken)


def _plain(name: str) -> str:
    """Return the name as a source and a path may have it."""
    signs = (sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "-" for sign in name)
    return "".join(signs).strip(".-")[-MAX_NAME:].lstrip(".-") or "stream"


# -- files


def _files(text: str) -> Iterator[Wanted]:
    if glob.has_magic(text) and not Path(text).exists():
        yield from _matching(text)
        return
    if fault := _fault(Path(text)):
        raise ArgumentError(f"{text}: {fault}")
    yield _file(text)


def _matching(pattern: str) -> Iterator[Wanted]:
    """Yield the files that a pattern stands for; folders are none of them."""
    # `Path.glob` takes no pattern that begins at the root.
    paths = (path for path in glob.iglob(pattern, recursive=True) if not Path(path).is_dir())  # noqa: PTH207
    # One more than is allowed, so that it is noticed.
    found = sorted(islice(paths, MAX_SOURCES + 1))
    if not found:
        raise ArgumentError(f"{pattern}: no file matches; name one that will be there later")
    yield from map(_file, found)


def _file(text: str) -> Wanted:
    path = Path(text).absolute()
    parts = path.parts[1:]
    names = tuple("-".join(parts[-depth:]) for depth in range(1, len(parts) + 1))
    source: dict[str, object] = {"kind": "file", "path": str(path), "begin": {"last": 1000}}
    return Wanted(text, names, source, {"": {"start": {"last": 100}}})


def _fault(path: Path) -> str | None:
    try:
        if path.is_dir():
            return f"this is a folder: name its files, for example '{path / '*.log'}'"
        if not path.absolute().parent.is_dir():
            return "there is no such folder: make it first, then the file may follow"
    except (OSError, ValueError):
        return "this path cannot be looked at"
    return None


def is_missing(each: Wanted) -> bool:
    """Tell whether this is a file that is not there yet."""
    return each.source["kind"] == "file" and not Path(str(each.source["path"])).exists()


# -- topics


def _topics(text: str) -> Iterator[Wanted]:
    scheme, _, rest = text.partition("://")
    place, _, topic = rest.partition("/")
    if scheme not in BROKERS:
        raise ArgumentError(f"{scheme}://: serve takes files, mqtt:// and mqtts://")
    if not _PLACE.fullmatch(place):
        secret = "" if "@" not in rest else "; a user and a password stand in a routes.yaml (sse-bridge init)"
        raise ArgumentError(f"{scheme}://: expected a host and a topic, for example mqtt://127.0.0.1/sensors/#{secret}")
    if not topic:
        raise ArgumentError(f"{text}: expected a topic after the host, for example {scheme}://{place}/sensors/#")
    levels = topic.split("/")
    holes = list(_holes(levels))
    template = "/".join(hole or level.replace("{", "{{").replace("}", "}}") for hole, level in holes)
    literals = [level for hole, level in holes if not hole and level]
    names = tuple(dict.fromkeys([*literals[:1], "-".join(literals), "-".join([place, *literals])]))
    source: dict[str, object] = {"kind": "mqtt", "url": f"{scheme}://{place}", "topics": [template]}
    yield Wanted(text, tuple(filter(None, names)), source, _routes([hole for hole, _ in holes if hole]))


def _holes(levels: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each level of a topic with the hole that stands for it, or "" where it is no wildcard."""
    names = (f"{_LEVEL}{number}" if number > 1 else _LEVEL for number in count(1))
    for number, level in enumerate(levels, 1):
        if level == "+":
            yield f"{{{next(names)}}}", level
        else:
            yield f"{{{_REST}*}}" if level == "#" and number == len(levels) else "", level


def _routes(holes: Sequence[str]) -> dict[str, dict[str, object]]:
    start: dict[str, object] = {"start": {"last": 100}}
    if not holes:
        return {"": start}
    # What comes from many topics says from which.
    return {"": {**start, "format": "cloudevents"}, "".join(f"/{hole}" for hole in holes): start}
