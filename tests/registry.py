"""A schema registry of the tests' own: the two documented GET endpoints, and ways to go wrong."""

import asyncio
import io
import json
import ssl
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import fastavro
from aiohttp import web

Mode = Literal["ok", "missing", "broken", "slow", "redirect", "huge", "foreign", "lost", "compressed", "refused"]

#: Longer than any test waits.
SLOW = 3_600.0


def avro(schema: Any, value: Any) -> bytes:
    """Encode a value in Avro."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def framed(id: int, data: bytes) -> bytes:
    """Put the header of Confluent's wire format before a value."""
    return struct.pack(">BI", 0, id) + data


class StandInRegistry:
    """What the server answers, and what it was asked."""

    def __init__(self) -> None:
        self.mode: Mode = "ok"
        self.url = ""
        #: Paths, in order.
        self.asked: list[str] = []
        self.authorizations: list[str | None] = []
        #: How often an id is not known at first.
        self.lag = 0
        self._by_id: dict[int, dict[str, Any]] = {}
        self._by_subject: dict[tuple[str, int], dict[str, Any]] = {}

    @property
    def count(self) -> int:
        """Return how often it was asked."""
        return len(self.asked)

    def register(
        self,
        schema: Any,
        *,
        text: str | None = None,
        id: int | None = None,
        subject: str | None = None,
        references: Sequence[tuple[str, str, int]] = (),
        kind: str | None = None,
    ) -> int:
        """Take in a schema (or any `text`), with references of (name, subject, version); return its id."""
        id = id or 1 + len(self._by_id)
        answer: dict[str, Any] = {"schema": json.dumps(schema) if text is None else text}
        if references:
            answer["references"] = [{"name": n, "subject": s, "version": v} for n, s, v in references]
        if kind is not None:
            answer["schemaType"] = kind
        self._by_id[id] = answer
        if subject is not None:
            version = 1 + sum(known == subject for known, _ in self._by_subject)
            self._by_subject[subject, version] = {**answer, "subject": subject, "id": id, "version": version}
        return id

    def encode(self, id: int, schema: Any, value: Any) -> bytes:
        """Return a record's payload."""
        return framed(id, avro(schema, value))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer, or go wrong."""
        self.asked.append(request.path)
        self.authorizations.append(request.headers.get("Authorization"))
        if self.mode == "slow":
            await asyncio.sleep(SLOW)
        if self.mode == "huge":
            return await _endless(request)
        # Made anew for each: a response is sent once.
        return self._wrong() or self._found(request)

    def _wrong(self) -> web.Response | None:
        answers: dict[str, web.Response] = {
            "broken": _error(500, 50001, "Error in the backend data store"),
            "missing": _error(404, 40403, "Schema not found"),
            "lost": _error(404, 404, "HTTP 404 Not Found"),
            "refused": _error(401, 401, "Unauthorized"),
            "redirect": web.Response(status=302, headers={"Location": f"{self.url}/schemas/ids/1"}),
            "foreign": web.Response(text="<html>welcome</html>", content_type="text/html"),
            "compressed": web.Response(body=b"\x1f\x8b\x08", headers={"Content-Encoding": "gzip"}),
        }
        return answers.get(self.mode)

    def _found(self, request: web.Request) -> web.StreamResponse:
        if self.lag:
            self.lag -= 1
            return _error(404, 40403, "Schema not found")
        given = request.match_info
        if "id" in given:
            found = self._by_id.get(int(given["id"]))
            return _answer(found) if found is not None else _error(404, 40403, "Schema not found")
        found = self._by_subject.get((given["subject"], int(given["version"])))
        return _answer(found) if found is not None else _error(404, 40401, "Subject not found.")


def _answer(content: dict[str, Any]) -> web.Response:
    return web.json_response(content, content_type="application/vnd.schemaregistry.v1+json")


def _error(status: int, code: int, message: str) -> web.Response:
    content = {"error_code": code, "message": message}
    return web.json_response(content, status=status, content_type="application/vnd.schemaregistry.v1+json")


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b'{"schema": "')
    try:
        while True:
            await response.write(b" " * 65_536)
    except ConnectionError:
        return response


@asynccontextmanager
async def running_registry(context: ssl.SSLContext | None = None) -> AsyncIterator[StandInRegistry]:
    """Serve a registry on loopback."""
    registry = StandInRegistry()
    app = web.Application()
    app.router.add_get(r"/schemas/ids/{id:\d+}", registry.answer)
    app.router.add_get(r"/subjects/{subject}/versions/{version:\d+}", registry.answer)
    # Whoever hangs in `slow` is not waited for.
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        host, port = runner.addresses[0][:2]
        registry.url = f"{'https' if context else 'http'}://{host}:{port}"
        yield registry
    finally:
        await runner.cleanup()
