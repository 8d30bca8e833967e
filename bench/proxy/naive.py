"""The proxy that everyone writes first: aiohttp's client behind aiohttp's server.

`python naive.py PORT APPLICATION` passes on what it is asked. It runs on uvloop, as sse-bridge does, so that what is
compared is the way between server and client.
"""

import asyncio
import sys

import uvloop
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web

#: What belongs to one connection alone.
HOP_BY_HOP = {"connection", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}


async def main(port: int, application: str) -> None:
    """Serve until killed."""
    async with ClientSession(
        f"http://{application}", connector=TCPConnector(limit=0), cookie_jar=DummyCookieJar(), auto_decompress=False
    ) as session:

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            fields = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
            body = request.content if request.body_exists else None
            async with session.request(
                request.method, request.rel_url, headers=fields, data=body, allow_redirects=False
            ) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
                response = web.StreamResponse(status=answer.status, headers=kept)
                await response.prepare(request)
                async for data in answer.content.iter_any():
                    await response.write(data)
                await response.write_eof()
                return response

        runner = web.ServerRunner(web.Server(handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2]))
