"""From a file, or a folder of files, to the configuration."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bridge.config.check_routes import check_routes
from bridge.config.check_server import check_server
from bridge.config.check_sources import check_sources
from bridge.config.draft import Draft, draft
from bridge.config.files import files_of, folder_of, read
from bridge.config.model import Config
from bridge.config.node import Node
from bridge.config.problems import Problems
from bridge.config.validate import Surroundings
from bridge.contents import digest
from bridge.errors import ConfigError


class Loaded(NamedTuple):
    """The configuration, and what it was made of."""

    config: Config
    draft: Draft


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Return what the file says; raises `ConfigError` with all that is wrong with it."""
    return load_draft(path, environ).config


def load_draft(path: Path, environ: Mapping[str, str] = os.environ, contents: dict[Path, str] | None = None) -> Loaded:
    """Return what the file says, and where it says it; raises `ConfigError`.

    In `contents` it notes what each file holds that it reads, also where it is refused for that.
    """
    problems = Problems()
    noted = {} if contents is None else contents
    # Before it is read: what is written meanwhile must count as a change.
    noted.update({file: digest(file) for file in files_of(path)})
    root = read(path, environ, problems)
    return checked(root, Surroundings(folder=folder_of(path), environ=environ, contents=noted), problems)


def checked(root: Node | None, around: Surroundings, problems: Problems) -> Loaded:
    """Return what a document says, given what was wrong with its form; raises `ConfigError`."""
    notes = Problems()
    found = draft(root, around, problems) if root is not None else None
    if found is not None:
        check_sources(found, problems, notes)
        check_routes(found, problems, notes)
        check_server(found, problems, notes)
    if problems or found is None:
        raise ConfigError(problems.ordered())
    config = Config(
        folder=around.folder,
        server=found.server,
        limits=found.limits,
        sources={name: source.spec for name, source in found.sources.items() if source.spec is not None},
        routes={path: route.spec for path, route in found.routes.items()},
        auth=found.auth,
        contents=around.contents,
        notes=notes.ordered(),
    )
    return Loaded(config, found)
