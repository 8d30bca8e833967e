"""Static files: a folder, or one file, at a path.

Rule 1: a file is served from where it really lies, and only if that is beneath the real folder. Links within it are
    followed (a ConfigMap is made of them), those that leave it are not there.
Rule 2: regular files only; no name that begins with a dot; no list of a folder's files.
Rule 3: a folder without its slash is redirected to it, since relative links in its page would miss otherwise. Pages may
    redirect, streams never do.
"""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from bridge.gateway import reply
from bridge.gateway.path import SLASH, beneath

INDEX: Final = "index.html"

#: Every page is asked for again each time (`no-cache`, answered 304 by its ETag), so that an edit shows at once.
HEADERS: Final = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}

METHODS: Final = "GET, HEAD, OPTIONS"

#: One range of bytes, which is all that anyone asks for.
_RANGE: Final = re.compile(r"bytes=(?:\d{1,18}-\d{0,18}|-\d{1,18})", re.ASCII)

_TEXT: Final = {
    ".css": "text/css",
    ".csv": "text/csv",
    ".htm": "text/html",
    ".html": "text/html",
    ".js": "text/javascript",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".txt": "text/plain",
}
#: A table of our own: what `mimetypes` says differs from machine to machine.
_OTHER: Final = {
    ".gif": "image/gif",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".map": "application/json",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}
TYPES: Final = {suffix: f"{type}; charset=utf-8" for suffix, type in _TEXT.items()} | _OTHER


class Page(NamedTuple):
    """A file that may be served."""

    #: Where it really lies.
    file: Path
    #: It is the index of the folder that was asked for.
    is_index: bool


class Pages:
    """Serves `places`, from paths to folders or files; the longest path that fits is asked first."""

    def __init__(self, places: Mapping[str, Path], headers: Mapping[str, str] | None = None) -> None:
        found = ((prefix.rstrip("/"), place) for prefix, place in places.items())
        self._places = sorted(found, key=lambda item: -len(item[0]))
        self._headers = {**HEADERS, **(headers or {})}

    async def answer(self, request: web.BaseRequest, path: str) -> web.StreamResponse | None:
        """Answer for a decoded path; None if no page lies there."""
        for prefix, place in self._places:
            rest = beneath(path, prefix)
            page = None if rest is None else await asyncio.to_thread(find, place, rest)
            if page is not None:
                return self._send(request, page, path)
        return None

    def _send(self, request: web.BaseRequest, page: Page, path: str) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return reply.empty(204, {"Allow": METHODS})
        if request.method not in {"GET", "HEAD"}:
            return reply.refused(METHODS)
        if page.is_index and not path.endswith("/"):
            return _to_folder(request, path)
        type = TYPES.get(page.file.suffix.lower(), "application/octet-stream")
        return _File(page.file, headers={**self._headers, "Content-Type": type})


class _File(web.FileResponse):
    """A file that is sent whole where a Range cannot be understood (RFC 9110, 14.2); aiohttp would answer 416."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the file, or that part of it."""
        if not _RANGE.fullmatch(request.headers.get("Range", "")):
            kept = CIMultiDict(request.headers)
            kept.popall("Range", None)
            request = request.clone(headers=kept)
        return await super().prepare(request)


def find(place: Path, rest: str) -> Page | None:
    """Return the page at `rest` ("/…") of a folder or a single file; None if there is none. Touches the disk."""
    *folders, last = rest.split("/")[1:]
    parts = [*folders, last] if last else folders
    if any(not part or part.startswith(".") or SLASH in part for part in parts):
        return None
    try:
        root = place.resolve(strict=True)
        if root.is_file():
            return None if parts else Page(root, is_index=False)
        real = root.joinpath(*parts).resolve(strict=True)
        if not real.is_dir():
            return Page(real, is_index=False) if last and _is_served(real, root) else None
        index = (real / INDEX).resolve(strict=True)
        return Page(index, is_index=True) if _is_served(index, root) else None
    except (OSError, RuntimeError):
        # Not there, not ours to read, a name too long, or a loop of links (a RuntimeError before Python 3.13).
        return None


def _is_served(real: Path, root: Path) -> bool:
    return real.is_relative_to(root) and real.is_file()


def _to_folder(request: web.BaseRequest, path: str) -> web.Response:
    """Send the browser to the folder's slash, by a relative address: right under any base, never another host."""
    query = request.rel_url.raw_query_string
    here = f"./{quote(path.rpartition('/')[2])}/"
    return reply.empty(307, {"Location": f"{here}?{query}" if query else here})
