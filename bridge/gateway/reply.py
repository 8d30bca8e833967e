"""Short answers: a line of text, a document of JSON, nothing at all."""

from collections.abc import Mapping
from typing import Final

import orjson
from aiohttp import web

#: On every answer that is no stream and no page: an error of a moment must not outlive it in a cache.
COMMON: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def text(status: int, words: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with one line for a person."""
    return web.Response(
        status=status, text=f"{words}\n", content_type="text/plain", charset="utf-8", headers=_merged(headers)
    )


def malformed(words: str) -> web.Response:
    """Answer 400 and close: what follows such a request on its connection is no better."""
    answer = text(400, words)
    answer.force_close()
    return answer


def json(document: object, headers: Mapping[str, str] | None = None, status: int = 200) -> web.Response:
    """Answer with a document."""
    body = orjson.dumps(document)
    return web.Response(status=status, body=body, content_type="application/json", headers=_merged(headers))


def empty(status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with a status and headers alone."""
    return web.Response(status=status, headers=_merged(headers))


def refused(allowed: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer 405 to a method that this address does not know."""
    return text(405, f"this address knows {allowed}", {"Allow": allowed, **(headers or {})})


def _merged(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {**COMMON, **(headers or {})}
