"""The log's level at run time: `GET` and `PUT /-/log` on the admin port.

A level that is asked for holds for a while, ten minutes unless `for` says otherwise, so that `debug` does not stay on
by mistake.
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Protocol

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.gateway import reply
from bridge.units import Duration

METHODS: Final = "GET, HEAD, PUT"

#: Bytes of a request, and the seconds within which it arrives: it holds two words.
MAX_BODY: Final = 1_024
DEADLINE: Final = 5.0

#: Seconds: a level by mistake is gone with the day.
MOST: Final = 86_400.0
USUAL: Final = 600.0

EXPECTED: Final = (
    'expected {"level": "debug", "for": "10m"}: debug, info, warning or error, and a duration of 1s to 1d, or nothing'
)


class Levels(Protocol):
    """What is asked and told."""

    def status(self) -> Mapping[str, object]:
        """Return the level in force, until when, and what comes then."""

    def ask(self, level: str, seconds: float) -> None:
        """Set the level for a while."""


class Asked(BaseModel):
    """The body of a PUT."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_by_name=True)

    level: Literal["debug", "info", "warning", "error"] = Field(description="The level.", examples=["debug"])
    seconds: Annotated[Duration, Field(ge=1, le=MOST)] = Field(
        USUAL, alias="for", description="For how long.", examples=["10m"]
    )


class LogLevel:
    """Answers on the admin port."""

    def __init__(self, levels: Levels) -> None:
        self._levels = levels

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        if request.method == "PUT":
            asked = await _asked(request)
            if asked is None:
                return reply.text(422, EXPECTED)
            self._levels.ask(asked.level, asked.seconds)
        elif request.method not in {"GET", "HEAD"}:
            return reply.refused(METHODS)
        return reply.json(self._levels.status())


async def _asked(request: web.BaseRequest) -> Asked | None:
    body = bytearray()
    try:
        async with asyncio.timeout(DEADLINE):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > MAX_BODY:
                    return None
        return Asked.model_validate(orjson.loads(body))
    except (TimeoutError, web.RequestPayloadError, ConnectionError, orjson.JSONDecodeError, ValidationError):
        return None
