"""What cannot be read, and why: each fact told to the log once, and to the outlet as one sentence."""

import errno
from collections.abc import Collection, Mapping
from typing import Final

import structlog

log = structlog.get_logger()

#: The errors that say that the file system is gone for now, and not that this file may not be read.
_BROKEN: Final = frozenset({
    errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EMFILE, errno.ENFILE,
})  # fmt: skip


class Complaints:
    """The troubles of one source."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._refused: Mapping[str, str] = {}
        self._failed: dict[str, OSError] = {}

    def refuse(self, refused: Mapping[str, str], files: Collection[str]) -> None:
        """Take in what a walk did not follow, and which files there are."""
        for path, reason in refused.items():
            if self._refused.get(path) != reason:
                self._log("file not followed", path, reason)
        self._refused = dict(refused)
        self._failed = {path: error for path, error in self._failed.items() if path in files}

    def fail(self, path: str, error: OSError) -> None:
        """Take in that a file cannot be read."""
        before = self._failed.get(path)
        if before is None or before.errno != error.errno:
            self._log("file cannot be read", path, _words(error))
        self._failed[path] = error

    def clear(self, path: str) -> None:
        """Take in that a file can be read."""
        if self._failed and self._failed.pop(path, None) is not None:
            log.info("file can be read again", source=self._source, file=path)

    def unfit(self, path: str, what: str) -> None:
        """Take in that a file holds no lines."""
        self._log("file not followed", path, f"it is not text but {what}")

    def summary(self, files: int, root: str) -> str:
        """Return why the source as a whole cannot read, in words; "" if it can.

        One file without permission among many is the log's matter; a broken file system is everybody's.
        """
        if root:
            return root
        broken = {path: error for path, error in self._failed.items() if error.errno in _BROKEN}
        failed = broken or (self._failed if len(self._failed) >= files else {})
        if not failed:
            return ""
        path, error = next(iter(failed.items()))
        others = f", and {len(failed) - 1} other files" if len(failed) > 1 else ""
        return f"{path} cannot be read: {_words(error)}{others}"

    def _log(self, event: str, path: str, reason: str) -> None:
        # A name may hold anything but a slash; a log line may not.
        name = path.encode("ascii", "backslashreplace").decode()
        name = "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)
        log.warning(event, source=self._source, file=name, reason=reason)


def _words(error: OSError) -> str:
    return error.strerror or type(error).__name__
