"""Where each address stands: kept over connections, over runs, and in a file over restarts.

The file holds hashes of addresses and the last id of each. It is replaced as a whole, so a crash leaves the old one or
the new one, and it is a convenience: one that is damaged costs what a start without it costs.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from bridge.demand import Asked
from bridge.sources.sse.decoder import MAX_ID

#: In the source's own folder beneath `server.state`.
NAME: Final = "last-ids.json"

#: Addresses that are remembered, those that nobody listens to any more included. Past it the oldest one is forgotten.
MAX_KEPT: Final = 1_000

#: A thousand ids of the longest, each with all of its characters escaped as JSON may have them.
MAX_SIZE: Final = MAX_KEPT * (MAX_ID * 6 + 64)

#: What no header holds. Servers refuse a request with one, and our own client does.
_UNFIT: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Cursor(msgspec.Struct):
    """Where one address stands."""

    #: The last event id, "" where the upstream has given none, or none that can be sent back.
    id: str = ""
    #: Seconds: what the upstream wants to be the time before a reconnect.
    retry: float | None = None
    #: Events may have been missed of which nobody was told.
    is_due: bool = False


class _File(msgspec.Struct, frozen=True, kw_only=True):
    version: Literal[1] = 1
    #: Ids by the hash of their address, the one that was heard of last at the end.
    ids: dict[str, str]


class Memory:
    """The cursors of all addresses of one source."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._cursors: dict[str, Cursor] = {}
        #: Some cursor was forgotten, so nobody can tell who comes for the first time.
        self._has_forgotten = False

    def cursor(self, asked: Asked) -> Cursor:
        """Return the cursor of an address, which is the youngest from now on."""
        key = self._key(asked)
        found = self._cursors.pop(key, None)
        if found is None:
            found = Cursor(is_due=self._has_forgotten)
        self._cursors[key] = found
        if len(self._cursors) > MAX_KEPT:
            del self._cursors[next(iter(self._cursors))]
            self._has_forgotten = True
        return found

    def recall(self, ids: Mapping[str, str]) -> None:
        """Take over what a file has; what is known already is younger."""
        self._cursors = {**{key: Cursor(id=id) for key, id in ids.items()}, **self._cursors}

    def ids(self) -> dict[str, str]:
        """Return what a file should have."""
        return {key: cursor.id for key, cursor in self._cursors.items() if cursor.id}

    def _key(self, asked: Asked) -> str:
        # An address may hold a key in its query, and need not be readable here: only to be told from others.
        return hashlib.blake2b(repr((self._url, asked)).encode(), digest_size=16).hexdigest()


def load(folder: Path) -> dict[str, str] | None:
    """Read the file; None where it is damaged, nothing where there is none."""
    try:
        with (folder / NAME).open("rb") as file:
            ids = msgspec.json.decode(file.read(MAX_SIZE + 1), type=_File).ids
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    sound = len(ids) <= MAX_KEPT and all(map(fit, ids.values()))
    return ids if sound else None


def save(folder: Path, ids: Mapping[str, str]) -> None:
    """Replace the file; raises `OSError`."""
    temporary = folder / f"{NAME}.new"
    # Without a sync: after a power cut events come twice, and each second of a busy stream would cost the disk one.
    temporary.write_bytes(msgspec.json.encode(_File(ids=dict(ids))))
    temporary.replace(folder / NAME)


def fit(id: str) -> str:
    """Return an id that can be sent back in a header (RFC 9110, section 5.5), or "" for one that cannot."""
    return "" if _UNFIT.search(id) or len(id.encode()) > MAX_ID else id
