"""Open files beneath a root, and nothing else.

Rule 1: a symbolic link may lead anywhere within the root (ConfigMaps are made of them), never out of it.
Rule 2: regular files only. A FIFO is not even opened: that would let its writer go on, and closing would kill it.
Rule 3: no component is looked up twice. The path is resolved, then opened component by component without following
    links, so whoever swaps a folder for a link in between gets an error, not a file from elsewhere.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Should a file turn into a FIFO or a terminal under our hands, the open neither waits nor takes it over.
_FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC


class RefusedError(OSError):
    """A path that is not opened on principle; the text says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EPERM, reason)


class Root:
    """A folder beneath which files are opened. It need not be there all the time."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def real(self) -> str:
        """Return where the root is now, with its own links resolved."""
        return os.path.realpath(self.path)

    def resolve(self, relative: str) -> str:
        """Return the path relative to the real root, free of links; raises `RefusedError` if it leads out."""
        root = self.real()
        found = os.path.realpath(f"{root}/{relative}")
        if not found.startswith(root.rstrip("/") + "/"):
            raise RefusedError("a symbolic link that leads out of the root")
        return os.path.relpath(found, root)

    def open(self, relative: str) -> int:
        """Return a descriptor of a regular file; raises `OSError`."""
        try:
            return self._open(relative)
        except OSError as error:
            # A link where none may be followed, as the one error or the other.
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
        return self._open(self.resolve(relative))

    def status(self, relative: str) -> os.stat_result:
        """Return the status of what stands there, links within the root followed."""
        status = os.lstat(f"{self.path}/{relative}")
        return os.lstat(f"{self.real()}/{self.resolve(relative)}") if stat.S_ISLNK(status.st_mode) else status

    def _open(self, relative: str) -> int:
        *folders, name = relative.split("/")
        if not {"", ".", ".."}.isdisjoint((*folders, name)):
            raise RefusedError("a path that climbs")
        at = os.open(self.real(), _FOLDER)
        try:
            for folder in folders:
                below = os.open(folder, _FOLDER, dir_fd=at)
                os.close(at)
                at = below
            _check(os.stat(name, dir_fd=at, follow_symlinks=False))
            fd = os.open(name, _FILE, dir_fd=at)
        finally:
            os.close(at)
        try:
            _check(os.fstat(fd))
        except OSError:
            os.close(fd)
            raise
        return fd


def close(fd: int) -> None:
    """Close a descriptor; a file system that is gone may complain, and there is nothing left to save."""
    with suppress(OSError):
        os.close(fd)


def _check(status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if not stat.S_ISREG(status.st_mode):
        raise RefusedError(f"not a regular file but a {kind(status.st_mode)}")


def kind(mode: int) -> str:
    """Name what is no regular file."""
    names = {stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket", stat.S_IFDIR: "folder"}
    return names.get(stat.S_IFMT(mode), "device")
