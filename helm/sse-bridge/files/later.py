"""Tell event streams to come back later, on behalf of pods that cannot.

A proxy asks here when no pod of the bridge answers. To a browser any status but 200 ends an EventSource for good, so a
request for a stream gets 200 and `retry`; anything else gets the error that it would have got. Arguments: the port, the
seconds to wait, and the origins whose pages may read the answer. Python alone is needed, no bridge.
"""

import random
import signal
import socket
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

ERRORS: Final = {"502": "Bad Gateway", "503": "Service Unavailable", "504": "Gateway Timeout"}

#: Seconds that a connection may be silent: proxies keep theirs for a minute.
IDLE: Final = 75

#: Connections that may wait to be taken: all pages of all pods come at once.
BACKLOG: Final = 4096


class Later(BaseHTTPRequestHandler):
    """Answers any request."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE
    wait = 5
    origins: frozenset[str] = frozenset()

    def answer(self) -> None:
        """Answer, with or without a body that comes: nothing of it is read."""
        wants_stream = self.command in {"GET", "HEAD"} and "text/event-stream" in self.headers.get("Accept", "")
        status = 200 if wants_stream else self._error()
        # Whoever is sent away together does not return together.
        wait = round((self.wait + random.random()) * 1000)
        body = f"retry: {wait}\n" if wants_stream else f"{status} {ERRORS[str(status)]}\n"
        self.send_response(status)
        self.send_header("Content-Type", "text/event-stream" if wants_stream else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store, no-transform")
        self._allow()
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Answer every method alike: `do_GET`, `do_POST` and so on are looked for here."""
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def _error(self) -> int:
        """Return what went wrong: ingress-nginx says it in a header, Traefik in the path."""
        said = self.headers.get("X-Code") or self.path.strip("/")
        return int(said) if said in ERRORS else 503

    def _allow(self) -> None:
        """Let pages of listed origins read it: an answer without leave is one more error to them."""
        origin = self.headers.get("Origin")
        if "*" in self.origins:
            self.send_header("Access-Control-Allow-Origin", "*")
            return
        self.send_header("Vary", "Origin")
        if origin in self.origins:
            self.send_header("Access-Control-Allow-Origin", origin)
            self.send_header("Access-Control-Allow-Credentials", "true")

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: it comes by the thousand."""


class Server(ThreadingHTTPServer):
    """Listens on all addresses, IPv4 and IPv6."""

    request_queue_size = BACKLOG
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def server_bind(self) -> None:
        """Take both families on one socket."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of peers that go away."""


def end(*_: object) -> None:
    """End at SIGTERM, which does nothing by itself to the first process of a container."""
    sys.exit(0)


def main() -> None:
    """Serve until told to end."""
    port, wait, *origins = sys.argv[1:]
    Later.wait = int(wait)
    Later.origins = frozenset(origins)
    signal.signal(signal.SIGTERM, end)
    Server(("", int(port)), Later).serve_forever()


if __name__ == "__main__":
    main()
