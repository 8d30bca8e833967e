"""The demo's other program: it pushes a notice to the admin port every few seconds."""

import asyncio
from http import HTTPStatus
from random import Random
from typing import Final

import aiohttp
import structlog

#: Seconds between two notices.
PAUSE: Final = 5.0

#: A push to the same machine takes milliseconds.
TIMEOUT: Final = aiohttp.ClientTimeout(total=5)

_NOTICES: Final = (
    ("Deploy", "Version 2.4.{n} is rolling out"),
    ("Backup", "The nightly backup is done, {n} MB"),
    ("Sale", "Order {n} is paid"),
    ("Disk", "The log volume is {n} % full"),
)

log = structlog.get_logger()


async def push(url: str, random: Random, *, pause: float = PAUSE) -> None:
    """Push notices as JSON until cancelled; one that does not arrive is not sent again.

    It ends when the bridge drains: no later notice would be taken.
    """
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        while True:
            try:
                async with session.post(url, json=notice(random)) as response:
                    if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
                        return
                    response.raise_for_status()
            except (aiohttp.ClientError, TimeoutError) as error:
                log.warning("notice not pushed", error=str(error))
            await asyncio.sleep(pause)


def notice(random: Random) -> dict[str, str]:
    """Return something worth telling."""
    title, message = random.choice(_NOTICES)
    return {"title": title, "message": message.format(n=random.randint(10, 99))}
