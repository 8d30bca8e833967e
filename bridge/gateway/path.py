"""A request's path, decoded once.

Rule 1: the path is cut at its slashes first and decoded then, so an encoded slash never makes a new segment.
Rule 2: a segment that is, or hides, `.` or `..` is refused: no client that follows the URL standard sends one. So is
    one that has parameters behind it (`..;`): some applications cut them off before they resolve it.
Rule 3: what is decoded is UTF-8 without NUL. Nothing is decoded twice: `%252e` is the text `%2e`.
Rule 4: one trailing slash means nothing (but to a folder of pages); case means something.
"""

from typing import Final
from urllib.parse import unquote_to_bytes

from bridge.errors import BridgeError

#: Stands for an encoded slash in a decoded path. NUL, since rule 3 keeps it out of every path, name and file.
SLASH: Final = "\0"

_DOTS: Final = frozenset({".", ".."})


class PathError(BridgeError):
    """The request's path is malformed, in words for its sender."""


class EncodingError(PathError):
    """The path is not UTF-8: nothing of ours is there, but an application may know what it means."""


def target(method: str, raw: str) -> str:
    """Return the path of a request's target: one in absolute form may lack it, and means the root (RFC 9112, 3.2.2)."""
    return raw or ("/" if method != "CONNECT" else "")


def decode(raw: str, errors: str = "strict") -> str:
    """Return the path decoded, encoded slashes as `SLASH`; raises `PathError`.

    `raw` is what stood on the wire; bytes that are not UTF-8 arrive as lone surrogates, and with `surrogateescape` for
    `errors` they stay such.
    """
    if not raw.startswith("/"):
        raise PathError("a path begins with a slash")
    parts = raw.split("/")
    if "%" not in raw and ";" not in raw and raw.isascii() and "\0" not in raw and _DOTS.isdisjoint(parts):
        return raw  # as nearly all are: there is nothing to decode, and nothing to refuse
    return "/".join([_segment(part, errors) for part in parts])


def plain(path: str) -> str:
    """Return a decoded path with its encoded slashes as slashes."""
    return path.replace(SLASH, "/")


def trimmed(path: str) -> str:
    """Return a path without its one trailing slash; the root stays as it is."""
    return path[:-1] if len(path) > 1 and path.endswith("/") else path


def beneath(path: str, prefix: str) -> str | None:
    """Return what follows `prefix` (as "/…", the root at least), or None if the path lies elsewhere."""
    if path == prefix:
        return "/"
    if path.startswith(f"{prefix}/"):
        return path[len(prefix) :]
    return None


def _segment(raw: str, errors: str) -> str:
    encoded = raw.encode("utf-8", "surrogateescape")
    try:
        text = unquote_to_bytes(encoded).decode("utf-8", errors)
    except UnicodeDecodeError:
        raise EncodingError("the path is not UTF-8") from None
    if "\0" in text:
        raise PathError("the path holds a NUL")
    if not _DOTS.isdisjoint(part.partition(";")[0] for part in text.split("/")):
        raise PathError("the path holds a segment of dots")
    return text.replace("/", SLASH)
