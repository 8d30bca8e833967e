"""A reader that does nothing but count, as a process of its own: what the library alone can do.

    python -m bench.ingest.bare kafka PORT TOPIC COUNT       aiokafka: `getmany` until all have come
    python -m bench.ingest.bare mqtt PORT CLIENT_ID COUNT    paho: its network loop, which acknowledges by itself

Prints the seconds from the first message to the last, and the processor's seconds from the beginning, as JSON.
"""

import json
import sys
import time

import uvloop
from aiokafka import AIOKafkaConsumer
from paho.mqtt.client import Client, MQTTMessage

from bench.ingest.flood import client, join

#: Messages that may be on their way, as the bridge's source has it by default.
INFLIGHT = 500


def kafka(port: int, topic: str, count: int) -> float:
    """Read a topic."""

    async def read() -> float:
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=f"127.0.0.1:{port}", auto_offset_reset="earliest")
        await consumer.start()
        seen, first = 0, 0.0
        while seen < count:
            found = await consumer.getmany(timeout_ms=1000)
            first = first or time.monotonic()
            seen += sum(map(len, found.values()))
        last = time.monotonic()
        await consumer.stop()
        return last - first

    return uvloop.run(read())


def mqtt(port: int, name: str, count: int) -> float:
    """Read a session."""
    seen, times = 0, []

    def take(_client: Client, _userdata: object, _message: MQTTMessage) -> None:
        nonlocal seen
        seen += 1
        if seen in {1, count}:
            times.append(time.monotonic())
        if seen == count:
            reader.disconnect()

    reader = client(name)
    reader.on_message = take
    join(reader, port, is_new=False, inflight=INFLIGHT)
    reader.loop_forever()
    return times[-1] - times[0]


if __name__ == "__main__":
    kind, port, what, count = sys.argv[1:]
    began = time.process_time()
    seconds = (kafka if kind == "kafka" else mqtt)(int(port), what, int(count))
    print(json.dumps({"seconds": seconds, "cpu": time.process_time() - began}))
