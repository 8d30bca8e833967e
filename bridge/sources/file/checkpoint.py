"""Write down where each generation stands, so that a restart goes on there.

One file for the source, replaced as a whole: a temporary one is written and synced, then renamed over it, so a crash
leaves the old one or the new one. A hash at its head tells a damaged one.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bridge.sources.file.generation import Mark

NAME: Final = "files.json"
#: Seconds between two writes while events flow: at most this much is given again after a crash.
EVERY: Final = 0.5
#: A checkpoint of 20,000 files with three old generations each has some 30 MB. More is not ours.
MAX_SIZE: Final = 256 * 1024 * 1024


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the file."""

    version: int = 1
    #: The folder that the marks are about. Those of another one mean nothing.
    root: str
    #: When it was written, unix nanoseconds: what is newer was not seen.
    time_ns: int
    #: Oldest generation first.
    marks: list[Mark]


class Loaded(NamedTuple):
    """What a start finds."""

    #: None when this is the first start, as far as can be known.
    marks: list[Mark] | None
    time_ns: int = 0
    #: There was a checkpoint, and it cannot be read.
    is_damaged: bool = False


def load(folder: Path | None, root: str) -> Loaded:
    """Read the checkpoint from its folder."""
    if folder is None:
        return Loaded(None)
    try:
        with (folder / NAME).open("rb") as file:
            found, _, body = file.read(MAX_SIZE).partition(b"\n")
        if found != _hash(body):
            return Loaded(None, is_damaged=True)
        checkpoint = msgspec.json.decode(body, type=Checkpoint)
    except FileNotFoundError:
        return Loaded(None)
    except (OSError, msgspec.DecodeError):
        return Loaded(None, is_damaged=True)
    return Loaded(checkpoint.marks, checkpoint.time_ns) if checkpoint.root == root else Loaded(None)


def save(folder: Path, root: str, marks: Sequence[Mark], time_ns: int) -> None:
    """Replace the checkpoint; raises `OSError`."""
    body = msgspec.json.encode(Checkpoint(root=root, marks=list(marks), time_ns=time_ns))
    temporary = folder / f"{NAME}.new"
    with temporary.open("wb") as file:
        file.write(_hash(body) + b"\n" + body)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / NAME)
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(at)
    finally:
        os.close(at)


def _hash(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).hexdigest().encode()
