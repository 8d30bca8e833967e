"""The handler that everyone writes first: a queue, a task and a `StreamResponse` for each client.

`python naive.py PORT RATE FRAME` sends a frame of FRAME bytes RATE times a second to whoever has `/busy` open; `/quiet`
never speaks. It runs on uvloop, as sse-bridge does, so that what is compared is the handler.
"""

import asyncio
import contextlib
import sys

import uvloop
from aiohttp import web

HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}

queues: set[asyncio.Queue[bytes]] = set()


async def stream(request: web.Request) -> web.StreamResponse:
    """Send one client what its queue holds, until it leaves."""
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    if request.path == "/busy":
        queues.add(queue)
    with contextlib.suppress(ConnectionResetError):
        while True:
            await response.write(await queue.get())
    queues.discard(queue)
    return response


async def publish(rate: float, size: int) -> None:
    """Put the same frame into every queue, at a rate that does not drift."""
    clock = asyncio.get_running_loop().time
    start, n = clock(), 0
    while True:
        n += 1
        await asyncio.sleep(start + n / rate - clock())
        head = f"id: 0000000000-{n}\ndata: "
        frame = head.ljust(size - 2, "x").encode() + b"\n\n"
        for queue in queues:
            queue.put_nowait(frame)


async def main(port: int, rate: float, size: int) -> None:
    """Serve until killed."""
    app = web.Application()
    app.add_routes([web.get("/busy", stream), web.get("/quiet", stream)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    await publish(rate, size)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
