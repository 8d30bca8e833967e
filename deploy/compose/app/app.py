"""An application that knows nothing of event streams: it shows a page, answers a request, and writes a log.

python3 app.py [--host 127.0.0.1] [--port 3000] [--log app.log]
"""

# ruff: noqa: INP001, T201 - a program of its own, which prints

import argparse
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGE = Path(__file__).with_name("page.html")

#: Beyond this the log is begun anew; the bridge tells a truncation from a growth.
MOST = 10 * 1024 * 1024


class Application(BaseHTTPRequestHandler):
    """Answers two paths."""

    log: Path

    def do_GET(self) -> None:
        """Answer with the page, or that all is well."""
        if self.path == "/health":
            self._answer(200, "text/plain", b"well\n")
        elif self.path.partition("?")[0] == "/":
            self._answer(200, "text/html; charset=utf-8", PAGE.read_bytes())
        else:
            self._answer(404, "text/plain", b"there is nothing here\n")

    def log_message(self, format: str, *args: object) -> None:
        """Write a line to the log, which pages read through the bridge."""
        is_full = self.log.exists() and self.log.stat().st_size > MOST
        with self.log.open("w" if is_full else "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {format % args}\n")

    def _answer(self, status: int, type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--log", type=Path, default=Path("app.log"))
    options = parser.parse_args()
    Application.log = options.log
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ThreadingHTTPServer((options.host, options.port), Application) as server:
        print(f"http://{options.host}:{server.server_port}/")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            sys.exit(0)


if __name__ == "__main__":
    main()
