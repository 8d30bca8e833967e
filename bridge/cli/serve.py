"""`sse-bridge serve SOURCE...`: files as event streams, without a configuration."""

import json
import tempfile
from pathlib import Path
from typing import Final

from bridge import telemetry
from bridge.app import Bridge
from bridge.cli.run import REFUSED, read, say
from bridge.cli.serving import serve

#: More files than this on a command line are a pattern that the shell has filled in: name the folder in a file.
MAX_SOURCES: Final = 64


#: Characters of a source's name; of a longer one the end is kept, which tells more.
MAX_NAME: Final = 64


def run(sources: list[str], *, listen: str, admin: str, level: str) -> int:
    """Serve each file on a route of its own; return the exit code."""
    telemetry.configure(level=level)
    if len(sources) > MAX_SOURCES:
        say(f"more than {MAX_SOURCES} files: write a routes.yaml with `match` (sse-bridge init)")
        return REFUSED
    if (wrong := next((text for text in sources if "://" in text), None)) is not None:
        say(f"{wrong.partition('://')[0]}:// is not built yet: serve takes files")
        return REFUSED
    with tempfile.TemporaryDirectory(prefix="sse-bridge-") as folder:
        file = Path(folder) / "routes.yaml"
        file.write_text(json.dumps(document(sources, listen, admin)), "utf-8")
        config = read(file)
    return REFUSED if config is None else serve(config, _tell)


def document(sources: list[str], listen: str, admin: str) -> dict[str, object]:
    """Return the configuration that stands for the command line."""
    names = _names([Path(text) for text in sources])
    return {
        "server": {"listen": listen, "admin": admin},
        "sources": {
            name: {"kind": "file", "path": str(path.absolute()), "begin": {"last": 1000}}
            for name, path in names.items()
        },
        "routes": {f"/{name}": {"from": name, "start": {"last": 100}} for name in names},
    }


def _names(paths: list[Path]) -> dict[str, Path]:
    """Name each file after itself, and after its folder too where two have one name."""
    names: dict[str, Path] = {}
    for path in dict.fromkeys(path.absolute() for path in paths):
        parts = path.parts[1:]
        depth = 1
        while (name := _plain("-".join(parts[-depth:]))) in names and depth < len(parts):
            depth += 1
        names[name] = path
    return names


def _plain(name: str) -> str:
    """Return the name as a source and a path may have it."""
    signs = (sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "-" for sign in name)
    return "".join(signs).lstrip(".-")[-MAX_NAME:].lstrip(".-") or "file"


def _tell(bridge: Bridge) -> None:
    place = bridge.public.places[0]
    for endpoint in bridge.endpoints:
        print(f"http://{place}{endpoint.text}", flush=True)  # noqa: T201 -- the command's answer
    print(f"http://{bridge.admin.places[0]}/ shows them", flush=True)  # noqa: T201 -- the command's answer
