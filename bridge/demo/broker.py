"""The demo's MQTT broker: amqtt, within this process, on loopback.

It comes with the package's extra `demo` and speaks MQTT 3.1.1 alone. Its only pinned requirement, `websockets`, is no
requirement of ours, so it needs neither an environment nor a process of its own.

Rule 1: the socket listens before anything else starts, so its port can stand in the configuration, and who connects
    early waits in the kernel's queue instead of being refused.
Rule 2: amqtt is handed connections and listens nowhere itself: of its own accord it would take any port on any address.
Rule 3: nothing of it outlives `running`: no task, no connection, no file.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Final

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter  # type: ignore[import-untyped]  # it has no py.typed
from amqtt.broker import Broker  # type: ignore[import-untyped]
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType  # type: ignore[import-untyped]

HOST: Final = "127.0.0.1"

#: Connections that wait until the broker runs: the bridge and the devices, and some that curious people make.
BACKLOG: Final = 16

#: Seconds for the broker to say goodbye, which takes milliseconds. Whoever pressed Ctrl-C does not wait for more.
GRACE: Final = 1.0

#: What it needs of all its plugins. The others log each packet, and publish statistics under `$SYS`.
_PLUGINS: Final = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}

_LISTENER: Final = "demo"


def listen() -> socket.socket:
    """Return a socket that listens on a free port of this machine."""
    return socket.create_server((HOST, 0), backlog=BACKLOG)


@contextlib.asynccontextmanager
async def running(listening: socket.socket) -> AsyncIterator[None]:
    """Run a broker behind the socket, which is closed in the end."""
    _silence()
    listeners = {name: ListenerConfig(type=ListenerType.EXTERNAL) for name in ("default", _LISTENER)}
    broker = Broker(BrokerConfig(listeners=listeners, plugins=_PLUGINS))
    clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_serve(broker, reader, writer), name="demo broker's connection")
        clients[task] = writer
        task.add_done_callback(clients.pop)

    await broker.start()
    server = await asyncio.start_server(connected, sock=listening)
    try:
        yield
    finally:
        server.close()
        await _end(broker, clients)


async def _serve(broker: Broker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await broker.external_connected(StreamReaderAdapter(reader), StreamWriterAdapter(writer), _LISTENER)
    except OSError:
        # The client went in the middle of something, which is its right.
        pass
    finally:
        writer.close()


async def _end(broker: Broker, clients: Mapping[asyncio.Task[None], asyncio.StreamWriter]) -> None:
    """End the connections first, then the broker: its own way waits for ever now and then.

    It cancels the task that reads and waits for that task's end, but Python 3.11 forgets a cancellation that meets the
    next packet. At the end of the input each of them ends by itself.
    """
    for writer in clients.values():
        writer.transport.abort()
    if clients:
        await asyncio.wait(clients, timeout=GRACE)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE):
            await broker.shutdown()


def _silence() -> None:
    """Keep the broker's own log off the terminal: what is wrong with it, the source that reads from it says."""
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
