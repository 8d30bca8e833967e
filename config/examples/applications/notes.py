"""An application as there are many, to try `application.yaml` with: the standard library alone.

    python3 notes.py [--port 3000] [--push http://127.0.0.1:9090/-/push/notes] [--pause 5]

`GET /api/notes` is a list, `POST` adds to it. All it does for its readers' sake is one more POST, to the bridge; how
many they are it never knows. `/api/export` is an event stream of its own, with `--pause` seconds between its events.
"""

# ruff: noqa: INP001, S310, T201 - a program of its own, which prints, and asks whom it is told to

import argparse
import contextlib
import json
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: Seconds that the bridge may take for a push, and bytes that a note may have.
TIMEOUT = 2.0
MAX_NOTE = 10_000

STEPS = 4


class Notes(ThreadingHTTPServer):
    """What is written down, and where that is told."""

    daemon_threads = True

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(("127.0.0.1", options.port), Application)
        self.push: str = options.push
        self.pause: float = options.pause
        self.notes: list[dict[str, object]] = []
        self._adding = threading.Lock()

    def add(self, text: str) -> dict[str, object]:
        """Write a note down, and tell the bridge."""
        with self._adding:
            note: dict[str, object] = {"id": len(self.notes) + 1, "text": text}
            self.notes.append(note)
        told = urllib.request.Request(self.push, json.dumps(note).encode(), {"Content-Type": "application/json"})
        try:
            urllib.request.urlopen(told, timeout=TIMEOUT).close()
        except OSError as error:
            # The note is kept all the same: who asks for the list has it.
            print(f"not pushed: {error}")
        return note


class Application(BaseHTTPRequestHandler):
    """Answers two paths."""

    server: Notes
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Give the list, or the stream."""
        if self.path == "/api/notes":
            self._answer(200, self.server.notes)
        elif self.path == "/api/export":
            self._export()
        else:
            self._answer(404, {"error": "there is nothing here"})

    def do_POST(self) -> None:
        """Take a note."""
        size = int(self.headers.get("Content-Length", 0))
        if self.path != "/api/notes" or not 0 < size <= MAX_NOTE:
            self.close_connection = True
            self._answer(400, {"error": "this is no note"})
            return
        self._answer(201, self.server.add(self.rfile.read(size).decode(errors="replace")))

    def _answer(self, status: int, told: object) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _export(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the reader has gone
            for step in range(STEPS + 1):
                self.wfile.write(f"data: {100 * step // STEPS}\n\n".encode())
                time.sleep(self.server.pause if step < STEPS else 0)


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--push", default="http://127.0.0.1:9090/-/push/notes")
    parser.add_argument("--pause", type=float, default=5.0)
    options = parser.parse_args()
    print(f"http://127.0.0.1:{options.port}/api/notes")
    with contextlib.suppress(KeyboardInterrupt):
        Notes(options).serve_forever()


if __name__ == "__main__":
    main()
