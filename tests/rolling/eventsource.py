"""A browser's EventSource without the browser: light enough for hundreds, and as strict about what ends it.

https://html.spec.whatwg.org/multipage/server-sent-events.html

Rule 1: any status but 200, another content type, and an answer that its page may not read close it for good.
Rule 2: an answer that breaks off, ends, or never comes is followed by another try after `retry`, with the last id.
Rule 3: what is no whole block at the end of an answer is dropped; `retry` counts as soon as its line has ended.

`test_eventsource` compares it with Chromium. Redirects, which nobody here sends, are not followed.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

State = Literal["connecting", "open", "closed"]

#: What browsers wait where the stream does not say; seconds.
DEFAULT_RETRY: Final = 3.0

#: Bytes of a head, and those read from a body at once.
HEAD: Final = 65_536
PIECE: Final = 65_536


class Dispatched(NamedTuple):
    """An event as a page's listener gets it."""

    name: str
    data: str


@dataclass
class Memory:
    """What outlives a connection."""

    last_event_id: str = ""
    retry: float = DEFAULT_RETRY
    heard: list[Dispatched] = field(default_factory=list)


class Parser:
    """Takes the bytes of one answer as they come."""

    def __init__(self, memory: Memory, *, by_the_letter: bool = False) -> None:
        """By the letter of the standard the id of a new stream is at first empty; browsers begin with the last one."""
        self._memory = memory
        self._rest = b""
        self._is_first = True
        self._ended_in_cr = False
        self._data: list[str] = []
        self._name = ""
        self._id = "" if by_the_letter else memory.last_event_id

    def feed(self, piece: bytes) -> None:
        """Take bytes, and dispatch what they complete."""
        if self._ended_in_cr and piece.startswith(b"\n"):
            piece = piece[1:]
        self._ended_in_cr = piece.endswith(b"\r")
        *lines, self._rest = (self._rest + piece).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._line(line.decode(errors="replace"))

    def _line(self, line: str) -> None:
        if self._is_first:
            self._is_first = False
            line = line.removeprefix("\ufeff")
        if not line:
            self._dispatch()
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self._memory.retry = int(value) / 1_000

    def _dispatch(self) -> None:
        self._memory.last_event_id = self._id
        if self._data:
            self._memory.heard.append(Dispatched(self._name or "message", "\n".join(self._data)))
        self._data.clear()
        self._name = ""


class EventSource:
    """One of a page of `origin`, if it has one; it goes on until it is closed or cancelled."""

    def __init__(self, url: str, *, origin: str = "", by_the_letter: bool = False) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        self._origin = origin
        self._by_the_letter = by_the_letter
        self.memory = Memory()
        self.state: State = "connecting"
        #: Answers that were streams; those of them that only told it to come back; and what closed it.
        self.opened = 0
        self.sent_away = 0
        self.closed_by = ""

    async def run(self) -> None:
        """Connect, and again, until it is closed."""
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._connect()
            if self.state == "closed":
                return
            self.state = "connecting"
            await asyncio.sleep(self.memory.retry)

    async def _connect(self) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=HEAD)
        try:
            writer.write(self._request())
            status, headers = await _head(reader)
            self.closed_by = self._objection(status, headers)
            if self.closed_by:
                self.state = "closed"
                return
            self.state = "open"
            self.opened += 1
            self.sent_away += "content-length" in headers
            parser = Parser(self.memory, by_the_letter=self._by_the_letter)
            async for piece in _body(reader, headers):
                parser.feed(piece)
        finally:
            writer.transport.abort()

    def _request(self) -> bytes:
        last = self.memory.last_event_id
        lines = [
            f"GET {self._target} HTTP/1.1",
            f"Host: {self._host}:{self._port}",
            "Accept: text/event-stream",
            "Cache-Control: no-cache",
            *([f"Origin: {self._origin}"] if self._origin else ()),
            *([f"Last-Event-ID: {last}"] if last else ()),
        ]
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()

    def _objection(self, status: int, headers: Mapping[str, str]) -> str:
        content_type = headers.get("content-type", "")
        if self._origin and headers.get("access-control-allow-origin") not in {"*", self._origin}:
            return f"{status} without leave"
        if status != 200 or content_type.partition(";")[0].strip().lower() != "text/event-stream":
            return f"{status} {content_type}"
        return ""


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    start, *lines = head.rstrip("\r\n").split("\r\n")
    fields = (line.partition(":") for line in lines)
    return int(start.split()[1]), {name.lower(): value.strip() for name, _, value in fields}


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        return
    left = int(headers.get("content-length", "-1"))
    while left and (piece := await reader.read(PIECE if left < 0 else min(left, PIECE))):
        left -= len(piece) if left > 0 else 0
        yield piece
