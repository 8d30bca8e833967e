"""Follow the stream of `messages.yaml` from a program, with the standard library alone.

    python3 messages.py [URL] [--from ADDRESS] [--count N]

Sends a header of its own (`X-Forwarded-For`), which an EventSource in a browser cannot. Prints each event, comes
back by itself when the connection is lost, and names the last id it saw, so that nothing in between is missed.

The rules are those of https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

# ruff: noqa: INP001, T201 - a program of its own, which prints

import argparse
import codecs
import http.client
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

URL = "http://127.0.0.1:8080/events?stream=messages"
#: A line ends in CRLF, LF or CR, and nowhere else: str.splitlines() would also cut at six other characters.
LINE_END = re.compile("\r\n|\n|\r")
#: The bridge says something each 15 s, be it only a comment: three times that without a byte, and the line is dead.
SILENCE = 45.0
#: A browser's own delay before it asks again, until the server names another.
RETRY = 3.0
#: One line longer than this is nothing that a bridge sends.
LINE_CHARACTERS = 4 * 1024 * 1024


@dataclass(frozen=True)
class Event:
    """One event, as the page's `onmessage` would see it."""

    name: str
    data: str
    id: str


@dataclass
class Reader:
    """Turn the bytes of one connection into events, and keep what a reconnect needs."""

    id: str = ""
    retry: float = RETRY
    _text: str = ""
    _pending_id: str = ""
    _name: str = ""
    _data: list[str] = field(default_factory=list)
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
    )

    def connect(self) -> None:
        """Forget the half-read rest of a connection that was lost; the id and the delay stay."""
        self._decoder.reset()
        self._text, self._name, self._data, self._pending_id = "", "", [], self.id

    def resume(self) -> dict[str, str]:
        """Return the header that asks for what came after the last event; UTF-8 on the wire, as a browser sends it."""
        return {"Last-Event-ID": self.id.encode().decode("latin-1")} if self.id else {}

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Take the next bytes and yield the events that they complete."""
        self._text += self._decoder.decode(chunk)
        start = 0
        for end in LINE_END.finditer(self._text):
            if end[0] == "\r" and end.end() == len(self._text):
                break  # its LF may be the next byte
            if event := self._line(self._text[start : end.start()]):
                yield event
            start = end.end()
        self._text = self._text[start:]
        if len(self._text) > LINE_CHARACTERS:
            raise ConnectionError("a line without an end")

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(value)
            case "event":
                self._name = value
            case "id" if "\0" not in value:
                self._pending_id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry = int(value) / 1000
        return None  # a comment's name is empty, and an unknown field is ignored

    def _dispatch(self) -> Event | None:
        self.id = self._pending_id
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        return Event(name, "\n".join(data), self.id) if data else None


def connect(url: str, headers: dict[str, str]) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """Ask once; the caller closes the connection."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=SILENCE)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", target, headers={"Accept": "text/event-stream", "Cache-Control": "no-store"} | headers)
    return connection, connection.getresponse()


def follow(url: str, headers: dict[str, str]) -> Iterator[Event]:
    """Yield events for ever, over as many connections as it takes; return when the server says never to come back."""
    reader = Reader()
    while True:
        try:
            connection, response = connect(url, headers | reader.resume())
            reader.connect()
            try:
                if response.status == http.HTTPStatus.NO_CONTENT:
                    return
                if response.status == http.HTTPStatus.OK:
                    while chunk := response.read1(65536):
                        yield from reader.feed(chunk)
                print(f"the stream ended ({response.status})", file=sys.stderr)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            print(f"the connection is lost: {error}", file=sys.stderr)
        time.sleep(reader.retry)


def main() -> None:
    """Print the events of one stream, a line each."""
    parser = argparse.ArgumentParser(description="Follow an event stream.")
    parser.add_argument("url", nargs="?", default=URL)
    parser.add_argument("--from", dest="address", default="203.0.113.7", help="the address to send as X-Forwarded-For")
    parser.add_argument("--count", type=int, help="leave after so many events")
    options = parser.parse_args()
    for number, event in enumerate(follow(options.url, {"X-Forwarded-For": options.address}), start=1):
        print(f"{event.id or '-'}\t{event.name}\t{event.data}", flush=True)
        if number == options.count:
            break


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
