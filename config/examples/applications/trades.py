"""An application with bare event streams, to try `relay.yaml` with: the standard library alone.

    python3 trades.py [--port 3000]

`/api/trades` and `/api/quotes/ABC` send events as they happen. They have no ids, so nothing can be asked for again; no
heartbeats, so a proxy cuts them; and each page that listens is one more thread here. `/api/symbols` is plain JSON.
"""

# ruff: noqa: INP001, T201 - a program of its own, which prints

import argparse
import contextlib
import json
import random
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SYMBOLS = ("ABC", "XYZ")


class Application(BaseHTTPRequestHandler):
    """Answers three paths."""

    def do_GET(self) -> None:
        """Answer; a stream goes on until its reader leaves."""
        path = self.path.partition("?")[0]
        if path == "/api/symbols":
            self._answer(200, json.dumps(SYMBOLS))
        elif path == "/api/trades":
            self._stream(SYMBOLS)
        elif path.removeprefix("/api/quotes/") in SYMBOLS:
            self._stream([path.rpartition("/")[2]])
        else:
            self._answer(404, json.dumps({"error": "there is nothing here"}))

    def log_message(self, format: str, *args: object) -> None:
        """Print who asks for what: each line is a connection."""
        print(f"{self.client_address[1]}: {format % args}")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def _stream(self, symbols: list[str] | tuple[str, ...]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(ConnectionError):  # the reader has gone
            while True:
                trade = {"symbol": random.choice(symbols), "price": round(random.uniform(90, 110), 2)}
                self.wfile.write(f"data: {json.dumps(trade)}\n\n".encode())
                time.sleep(random.uniform(0.2, 2.0))


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=3000)
    port = parser.parse_args().port
    print(f"http://127.0.0.1:{port}/api/trades")
    server = ThreadingHTTPServer(("127.0.0.1", port), Application)
    server.daemon_threads = True
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
