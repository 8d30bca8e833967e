import asyncio
from tests.support import *
async def test_smoke():
    async with running() as served:
        c = await served.open()
        served.publish("one", "two")
        await c.event(); print(c.raw.decode())
        c.close()
        await served.empty()
