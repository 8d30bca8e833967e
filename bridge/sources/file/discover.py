"""Find the files of a source: walk its folders, match names, and refuse what must not be followed."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bridge.sources.file.beneath import RefusedError, Root, kind
from bridge.sources.file.names import is_clean, is_compressed
from bridge.sources.file.position import Identity, Signature
from bridge.template import Template

#: Folders within folders. A deeper tree is a mistake or a trap.
MAX_DEPTH: Final = 32
#: Files of one source. Each costs some 4 KiB of memory and some microseconds a look.
MAX_FILES: Final = 20_000
#: Other names that are remembered, to find what was rotated.
MAX_OTHERS: Final = 100_000


class Found(NamedTuple):
    """A regular file that matches."""

    relative: str
    captures: Mapping[str, str]
    identity: Identity
    signature: Signature
    #: Reached through a symbolic link: it is followed under this name alone, whatever else the file is called.
    is_link: bool


@dataclass(slots=True)
class Listing:
    """What one walk found."""

    files: dict[str, Found] = field(default_factory=dict)
    #: Regular files that do not match: relative paths by inode.
    others: dict[int, list[str]] = field(default_factory=dict)
    #: The folders walked, with their inodes: what to watch.
    folders: dict[str, int] = field(default_factory=dict)
    #: Paths that are not followed, and why.
    refused: dict[str, str] = field(default_factory=dict)
    #: Folders that are there and cannot be listed: nothing is known of what is in them.
    hidden: set[str] = field(default_factory=set)
    #: Why the root itself cannot be listed; "" if it can.
    trouble: str = ""
    #: How many others are remembered.
    count: int = 0

    def is_hidden(self, relative: str) -> bool:
        """Tell whether a path lies in a folder that could not be listed."""
        return any(not folder or relative.startswith(f"{folder}/") for folder in self.hidden)

    def beside(self) -> Iterator[str]:
        """Name every regular file seen."""
        yield from self.files
        for paths in self.others.values():
            yield from paths


class Folder(NamedTuple):
    """A folder yet to be listed."""

    relative: str
    depth: int
    is_link: bool
    above: tuple[Identity, ...]


class Walker:
    """Walks the folders that a template needs."""

    def __init__(self, root: Root, template: Template) -> None:
        self._root = root
        self._template = template
        has_rest = "*}" in template.text
        self._depth = MAX_DEPTH if has_rest else template.text.count("/")
        self._start = template.prefix.rpartition("/")[0]
        # What the template said of each path at the last walk: matching costs more than looking.
        self._known: dict[str, Mapping[str, str] | None] = {}

    def walk(self) -> Listing:
        """List what is there now. Never raises for what is beneath the root."""
        listing = Listing()
        known: dict[str, Mapping[str, str] | None] = {}
        for folder, entries in _folders(self._root, self._start, self._depth, listing):
            for entry in entries:
                self._file(folder, entry, listing, known)
        self._known = known
        return listing

    def _file(
        self, folder: Folder, entry: os.DirEntry[str], listing: Listing, known: dict[str, Mapping[str, str] | None]
    ) -> None:
        relative = f"{folder.relative}/{entry.name}" if folder.relative else entry.name
        captures = self._known[relative] if relative in self._known else self._template.match(relative)
        if captures is None or is_compressed(entry.name):
            self._other(entry, relative, listing)
            return
        if not is_clean(relative):
            listing.refused[relative] = "its name holds control characters or is not UTF-8"
            return
        if len(listing.files) >= MAX_FILES:
            listing.refused[relative] = f"more than {MAX_FILES} files match"
            return
        known[relative] = captures
        try:
            is_link = folder.is_link or entry.is_symlink()
            status = self._root.status(relative) if entry.is_symlink() else entry.stat(follow_symlinks=False)
        except RefusedError as refused:
            listing.refused[relative] = refused.strerror or ""
            return
        except OSError:
            return  # gone between the two looks, or a dangling link
        if not stat.S_ISREG(status.st_mode):
            listing.refused[relative] = f"not a regular file but a {kind(status.st_mode)}"
            return
        identity = Identity(status.st_dev, status.st_ino)
        listing.files[relative] = Found(relative, captures, identity, Signature.of(status), is_link)

    def _other(self, entry: os.DirEntry[str], relative: str, listing: Listing) -> None:
        if listing.count < MAX_OTHERS and entry.is_file(follow_symlinks=False):
            listing.count += 1
            listing.others.setdefault(entry.inode(), []).append(relative)


def search(root: Root) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield the regular files in every folder beneath the root: a rotated file may lie in any of them."""
    listing = Listing()
    for folder, entries in _folders(root, "", MAX_DEPTH, listing):
        for entry in entries if not folder.is_link else ():
            if entry.is_file(follow_symlinks=False):
                yield f"{folder.relative}/{entry.name}" if folder.relative else entry.name, entry


def _folders(root: Root, start: str, depth: int, listing: Listing) -> Iterator[tuple[Folder, list[os.DirEntry[str]]]]:
    """Yield each folder with its entries that are no folders; note the folders and troubles in `listing`."""
    left = [Folder(start, start.count("/") + 1 if start else 0, is_link=False, above=())]
    linked: set[Identity] = set()
    while left:
        folder = left.pop()
        try:
            path = f"{root.path}/{folder.relative}" if folder.relative else root.path
            status = os.stat(path)  # noqa: PTH116  # no Path for each folder of each walk
            with os.scandir(path) as scanned:
                entries = list(scanned)
        except OSError as error:
            _note(folder, start, error, listing)
            continue
        identity = Identity(status.st_dev, status.st_ino)
        if identity in folder.above or (folder.is_link and identity in linked):
            continue  # a loop, or a second link to the same folder
        if folder.is_link:
            linked.add(identity)
        listing.folders[folder.relative] = status.st_ino
        inner = folder._replace(depth=folder.depth + 1, above=(*folder.above, identity))
        files = []
        for entry in entries:
            if not _is_folder(entry):
                files.append(entry)
            elif folder.depth < depth and not entry.name.startswith(".."):
                # `..data` and its like are how ConfigMaps are swapped: their files are seen by their own names.
                left += _below(root, inner, entry, listing)
        yield folder, files


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that loops


def _below(root: Root, folder: Folder, entry: os.DirEntry[str], listing: Listing) -> list[Folder]:
    """Return the folder that an entry is or leads to, unless it leads out of the root."""
    relative = f"{folder.relative}/{entry.name}" if folder.relative else entry.name
    if not entry.is_symlink():
        return [folder._replace(relative=relative)]
    try:
        root.resolve(relative)
    except RefusedError as refused:
        listing.refused[relative] = refused.strerror or ""
        return []
    return [folder._replace(relative=relative, is_link=True)]


def _note(folder: Folder, start: str, error: OSError, listing: Listing) -> None:
    reason = error.strerror or type(error).__name__
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        listing.hidden.add(folder.relative)
    if folder.relative == start:
        listing.trouble = f"its folder cannot be listed: {reason}"
    else:
        listing.refused[folder.relative] = f"this folder cannot be listed: {reason}"
