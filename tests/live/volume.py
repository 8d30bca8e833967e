"""An application that takes and sends large bodies: `python tests/live/volume.py PORT`.

`PUT /` is answered with how many bytes came and their hash, `GET /{size}` with so many bytes. Each block of a body
begins with its number, so that none can be lost, doubled or change places unseen.
"""

import asyncio
import hashlib
import sys
from collections.abc import Iterator
from random import Random
from typing import Final

import uvloop
from aiohttp import web

#: Bytes of a block, and of its number.
BLOCK: Final = 1024 * 1024
NUMBER: Final = 8

_REST: Final = Random(6).randbytes(BLOCK - NUMBER)


def blocks(size: int) -> Iterator[bytes]:
    """Give a body."""
    for number in range(-(-size // BLOCK)):
        yield (number.to_bytes(NUMBER, "big") + _REST)[: size - number * BLOCK]


def digest(size: int) -> str:
    """Return the hash of a body."""
    hashed = hashlib.sha256()
    for block in blocks(size):
        hashed.update(block)
    return hashed.hexdigest()


async def take(request: web.Request) -> web.Response:
    """Take a body."""
    size, hashed = 0, hashlib.sha256()
    async for data in request.content.iter_any():
        size += len(data)
        hashed.update(data)
    return web.json_response({"size": size, "digest": hashed.hexdigest()})


async def give(request: web.Request) -> web.StreamResponse:
    """Send a body."""
    size = int(request.match_info["size"])
    answer = web.StreamResponse(headers={"Content-Length": str(size)})
    await answer.prepare(request)
    for block in blocks(size):
        await answer.write(block)
    return answer


async def serve(port: int) -> None:
    """Serve until killed."""
    app = web.Application()
    app.add_routes([web.put("/", take), web.get(r"/{size:\d+}", give)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
