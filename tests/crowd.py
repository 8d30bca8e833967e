"""Many streams at once, read by a thread of their own, so that a test's loop has time for what it looks at."""

import selectors
import socket
import threading
import time
from typing import Final, Self

from tests.support import Client

#: Seconds after which whatever is still open is given up.
PATIENCE: Final = 90.0

_FAREWELL: Final = b"\nevent: bridge.bye\n"


class Crowd:
    """Clients that ask for a stream each, and read it to its end."""

    def __init__(self, port: int, count: int, path: str) -> None:
        self._port = port
        self._ask = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        self.clients = [Client(socket.socket()) for _ in range(count)]
        #: Streams whose first bytes have come; when the farewells came, in the order of the clock.
        self.opened = 0
        self.left: list[float] = []
        self._reading = threading.Thread(target=self._read, name="crowd", daemon=True)

    def __enter__(self) -> Self:
        self._reading.start()
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.close()
        self._reading.join(PATIENCE)

    @property
    def is_over(self) -> bool:
        """Tell whether all have been read to their end."""
        return not self._reading.is_alive()

    def _read(self) -> None:
        with selectors.DefaultSelector() as ready:
            for client in self.clients:
                client.sock.connect(("127.0.0.1", self._port))
                client.sock.sendall(self._ask)
                client.sock.settimeout(0)
                ready.register(client.sock, selectors.EVENT_READ, client)
            end = time.monotonic() + PATIENCE
            while ready.get_map() and time.monotonic() < end:
                for key, _ in ready.select(1.0):
                    if not self._take(key.data):
                        ready.unregister(key.fileobj)
        for client in self.clients:
            client._rest += client.raw  # taken apart at the end, since it takes its time
            client._take()

    def _take(self, client: Client) -> bool:
        """Take what has come; False at the end."""
        try:
            data = client.sock.recv(65_536)
        except ConnectionError:
            client.is_reset, data = True, b""
        self.opened += bool(data) and not client.raw
        client.is_over = not data
        client.raw += data
        if _FAREWELL in data:
            self.left.append(time.monotonic())
        return bool(data)
