"""Hear from the system which files were written to, so that nothing waits for the next walk.

Only hints: inotify sees nothing on NFS and other network file systems, loses events when its queue is full, and has
limits. Whatever it does not tell, the walks find. watchfiles' recursive mode is not used: it follows links out of the
root and puts a watch on every folder there. The folders walked are watched one by one instead, and set anew when they
change. A watch takes some 2 ms of CPU a second when idle and tells of a write after some 20 ms.
"""

import asyncio
import threading
from collections.abc import Mapping
from typing import Final

import structlog
from watchfiles import Change, watch
from watchfiles._rust_notify import WatchfilesRustInternalError

log = structlog.get_logger()

#: Milliseconds without another change, and in all, after which changes are told.
STEP: Final = 20
DEBOUNCE: Final = 40
#: Milliseconds until a watch without a change says that it is set.
SET: Final = 200
#: Folders that are watched. With more, walks must do: every one counts against a limit of the whole machine.
MAX_FOLDERS: Final = 2_000
#: Seconds until a watch that could not be set is tried again.
RETRY: Final = 60.0


class Watch:
    """Hints of one source. The watching itself is done by a thread of its own: setting a watch may block."""

    def __init__(self, source: str, root: str) -> None:
        self._source = source
        self._root = root
        self._folders: Mapping[str, int] = {}
        self._failed_at: float | None = None
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._heard = asyncio.Event()
        self._written: set[str] = set()
        self._is_moved = False

    def follow(self, folders: Mapping[str, int]) -> None:
        """Watch these folders from now on. A folder that was made anew has another inode, so it is set anew."""
        is_due = self._failed_at is not None and self._loop.time() - self._failed_at > RETRY
        if (folders == self._folders and not is_due) or not folders:
            return
        self.close()
        self._folders, self._failed_at = dict(folders), None
        if len(folders) > MAX_FOLDERS:
            log.info("too many folders to watch; walking instead", source=self._source, folders=len(folders))
            return
        paths = [f"{self._root}/{folder}" if folder else self._root for folder in folders]
        self._stop = threading.Event()
        thread = threading.Thread(target=self._run, args=(paths, self._stop), name=f"watch {self._source}", daemon=True)
        thread.start()

    async def wait(self, seconds: float) -> None:
        """Return when something was heard, or after some seconds."""
        if seconds > 0 and not self._heard.is_set():
            alarm = self._loop.call_later(seconds, self._heard.set)
            try:
                await self._heard.wait()
            finally:
                alarm.cancel()

    def take(self) -> tuple[frozenset[str], bool]:
        """Return the paths that were written to since the last call, and whether a file came, went or was renamed."""
        self._heard.clear()
        written, self._written = frozenset(self._written), set()
        is_moved, self._is_moved = self._is_moved, False
        return written, is_moved

    def close(self) -> None:
        """Stop watching. The thread ends by itself within a step."""
        self._stop.set()

    def _run(self, paths: list[str], stop: threading.Event) -> None:
        is_set = False
        try:
            for changes in watch(
                *paths,
                watch_filter=None,
                recursive=False,
                force_polling=False,
                ignore_permission_denied=True,
                raise_interrupt=False,
                step=STEP,
                debounce=DEBOUNCE,
                rust_timeout=SET,
                yield_on_timeout=True,
                stop_event=stop,
            ):
                if changes or not is_set:
                    self._tell(changes, is_new=not is_set)
                is_set = True
        except (OSError, WatchfilesRustInternalError) as error:
            # The limit of instances or watches, most of the time.
            self._call(self._fail, str(error))

    def _tell(self, changes: set[tuple[Change, str]], *, is_new: bool) -> None:
        written = {path[len(self._root) + 1 :] for change, path in changes if change is Change.modified}
        # What came while the watch was being set was seen by none: a new one asks for a walk.
        self._call(self._hear, written, is_new or len(written) < len(changes))

    def _call(self, function: object, *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)  # type: ignore[arg-type]
        except RuntimeError:
            self._stop.set()  # the loop is closed

    def _hear(self, written: set[str], is_moved: bool) -> None:  # noqa: FBT001  # called by position
        self._written |= written
        self._is_moved |= is_moved
        self._heard.set()

    def _fail(self, reason: str) -> None:
        self._failed_at = self._loop.time()
        log.warning("the system tells of no changes; walking instead", source=self._source, reason=reason)
