"""Pushed events: `POST` and `DELETE` to `/-/push/{source}/{subject}`, answered 202 with ids, or a reason.

Whoever pushes is a program that reads a status, no EventSource: here 4xx and 5xx are the right answers to a condition
that passes, 429 to a flood and 503 while draining, both with `Retry-After`.

Rule 1: a request that cannot succeed is refused before its body is read: method, source, token, declared length.
Rule 2: no body is held beyond its source's limit, for longer than a deadline, or beside more than a fixed number of
    others.
Rule 3: 202 is written after the event is in its channels, and nothing is published of a body that did not arrive whole.
Rule 4: the public port knows only sources that ask for a proof, and does not tell which others there are.
"""

import asyncio
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final, Protocol

import orjson
from aiohttp import HttpVersion11, web

from bridge.errors import PushError
from bridge.gateway import reply

METHODS: Final = "POST, DELETE"

#: A body arrives within this, seconds, or its sender is not one that this place is for (one byte a second, say).
DEADLINE: Final = 30.0

#: Bodies on their way in at once. With the default limit of 1 MiB they take 64 MiB at worst.
MAX_BODIES: Final = 64

#: Seconds after which whoever met a flood, or a shutdown, may try again.
RETRY_AFTER: Final = 1


class Door(Protocol):
    """What takes the requests of one source."""

    def follow(self, before: Any) -> None:
        """Go on knowing what was repeated at the door before this one, which was of the same class."""

    @property
    def limit(self) -> int:
        """Return the bytes that a body may have."""

    @property
    def is_guarded(self) -> bool:
        """Tell whether senders must prove themselves."""

    def admit(self, headers: Mapping[str, str], subject: str) -> None:
        """Refuse, before its body is read, a request that cannot succeed; raises `PushError`."""

    def receive(
        self, method: str, headers: Mapping[str, str], query: Mapping[str, str], subject: str, body: bytes
    ) -> str | list[str]:
        """Publish what a request holds; return its event's id, or the ids of its batch. Raises `PushError`.

        Names of headers are in lower case.
        """


class Ingest:
    """Answers pushes on every listener that offers them."""

    def __init__(
        self,
        doors: Mapping[str, Door],
        *,
        is_draining: Callable[[], bool] = lambda: False,
        deadline: float = DEADLINE,
        bodies: int = MAX_BODIES,
    ) -> None:
        #: By source; others where the file was read again.
        self.doors = doors
        self._is_draining = is_draining
        self._deadline = deadline
        self._free = bodies

    async def handle(self, request: web.BaseRequest, path: str, *, public: bool) -> web.StreamResponse:
        """Answer a request to `/-/push/{path}`; the path is decoded once."""
        try:
            return await self._answer(request, path, public=public)
        except PushError as error:
            return _refused(request, error)

    async def _answer(self, request: web.BaseRequest, path: str, *, public: bool) -> web.Response:
        if request.method not in {"POST", "DELETE"}:
            raise PushError(405, f"this address knows {METHODS}")
        if self._is_draining():
            raise PushError(503, "the server is going down: send it again")
        source, _, subject = path.removesuffix("/").partition("/")
        door = self._door(source, public=public)
        headers = {name.lower(): ", ".join(request.headers.getall(name)) for name in request.headers}
        query = _query(request)
        door.admit(headers, subject)
        body = await self._body(request, door.limit)
        # The file may have been read again meanwhile: what holds now decides.
        door = self._door(source, public=public)
        found = door.receive(request.method, headers, query, subject, body)
        return _json(202, {"id": found} if isinstance(found, str) else {"ids": found})

    def _door(self, source: str, *, public: bool) -> Door:
        door = self.doors.get(source)
        if door is not None and (door.is_guarded or not public):
            return door
        if public:
            raise PushError(404, "no source of this name takes pushes here")
        near = get_close_matches(source, self.doors, 1, 0)
        hint = f"; the nearest is {near[0]}" if near else ", and none of another"
        raise PushError(404, f"no push source of this name{hint}")

    async def _body(self, request: web.BaseRequest, limit: int) -> bytes:
        if (request.content_length or 0) > limit:
            raise _too_large(limit)
        if self._free == 0:
            raise PushError(429, "too many bodies are on their way in: send it again")
        self._free -= 1
        try:
            async with asyncio.timeout(self._deadline):
                await _invite(request)
                return await _whole(request, limit)
        except TimeoutError:
            raise PushError(408, f"the body did not arrive within {self._deadline:g} s") from None
        except (web.RequestPayloadError, ConnectionError):
            # A sender that has left reads no answer; it is still the way out that logs nothing.
            raise PushError(400, "the body is cut, or not as its headers say") from None
        finally:
            self._free += 1


async def _invite(request: web.BaseRequest) -> None:
    """Tell a sender that waits for it to go on (RFC 9110, 10.1.1): aiohttp does so in its applications only."""
    expected = request.headers.get("Expect")
    # HTTP/1.0 knows no such thing, and a body that is not to come needs no invitation.
    if expected is None or request.version < HttpVersion11 or not request.body_exists:
        return
    if expected.lower() != "100-continue":
        raise PushError(417, "the only expectation met here is 100-continue")
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0


async def _whole(request: web.BaseRequest, limit: int) -> bytes:
    body = bytearray()
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _query(request: web.BaseRequest) -> dict[str, str]:
    query = dict(request.query)
    if len(query) < len(request.query):
        raise PushError(400, "a name stands twice in the query")
    return query


def _too_large(limit: int) -> PushError:
    return PushError(413, f"the body has more than {limit} bytes")


def _refused(request: web.BaseRequest, error: PushError) -> web.Response:
    headers: dict[str, str] = {}
    match error.status:
        case 401:
            headers["WWW-Authenticate"] = "Bearer"
        case 405:
            headers["Allow"] = METHODS
        case 429 | 503:
            headers["Retry-After"] = str(RETRY_AFTER)
    answer = _json(error.status, {"error": error.reason}, headers)
    # What was not read of a body must not be taken for the next request, nor waited for.
    if not request.content.is_eof():
        answer.force_close()
    return answer


def _json(status: int, document: object, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps(document),
        content_type="application/json",
        headers={**reply.COMMON, **(headers or {})},
    )
