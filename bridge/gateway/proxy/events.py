"""An application's own event stream: passed on byte for byte, with comments of ours between its events when asked.

A comment stands only where a blank line has ended an event, or before the first byte: anywhere else it would split one
in two. What is compressed cannot be looked into, and is left alone; so is a stream whose length was told, for behind a
comment its last bytes would be read as the next answer.
"""

import asyncio
from typing import Final

from aiohttp.http import RawResponseMessage
from aiohttp.streams import StreamReader

from bridge import wire
from bridge.gateway.proxy.downstream import Downstream

#: Types that go on for as long as the application has something to say: silence is no fault of theirs.
STREAMS: Final = frozenset(
    {
        "application/stream+json",
        "application/x-ndjson",
        "multipart/x-mixed-replace",
        "text/event-stream",
    }
)
_EVENTS: Final = "text/event-stream"
_BOM: Final = b"\xef\xbb\xbf"

#: Two line ends, at their longest.
_TAIL: Final = 4


def kind(head: RawResponseMessage) -> str:
    """Return the media type of an answer, without its parameters."""
    return str(head.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def is_stream(head: RawResponseMessage) -> bool:
    """Tell whether an answer may be silent for as long as it likes."""
    return kind(head) in STREAMS


class Events:
    """One event stream on its way through."""

    def __init__(self, head: RawResponseMessage) -> None:
        coding = str(head.headers.get("Content-Encoding", "identity")).strip().lower()
        is_open = "Content-Length" not in head.headers
        #: Whether its events can be told apart, and a comment between them changes nothing that was said of the whole.
        self.is_readable = kind(head) == _EVENTS and coding == "identity" and is_open
        self._tail = b""
        self._mark = b""  # a part of the mark at the beginning, until the rest shows that it is one
        self._has_begun = False
        self._is_ahead = False  # a comment stands before the first byte

    @property
    def is_between(self) -> bool:
        """Tell whether the last event has ended, and the next has not begun."""
        if not self.is_readable:
            return False
        # Of `\r\n` that is cut at its middle the rest, when it comes, is a blank line more: harmless.
        ended = self._tail.replace(b"\r\n", b"\n").replace(b"\r", b"\n").endswith(b"\n\n")
        return ended or not self._has_begun

    def passed(self, data: bytes) -> bytes:
        """Note what the application sends; return it as it goes on."""
        if not self._has_begun and self._is_ahead:
            data = self._unmarked(data)
        if data:
            self._tail = (self._tail + data)[-_TAIL:]
            self._has_begun = True
        return data

    def _unmarked(self, data: bytes) -> bytes:
        """Take the mark away: it is no text only where our comment stands now (WHATWG HTML, 9.2.6)."""
        data, self._mark = self._mark + data, b""
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._mark = data
            return b""
        return data.removeprefix(_BOM)

    async def relay(self, body: StreamReader, down: Downstream, every: float | None) -> None:
        """Pass the stream on until it ends; after `every` seconds of silence with a comment."""
        while True:
            silence = asyncio.timeout(every if self.is_readable else None)
            try:
                async with silence:
                    data = await body.readany()
            except TimeoutError:
                if not silence.expired():
                    raise
                if self.is_between and not down.is_blocked:
                    self._is_ahead = True
                    await down.send(wire.HEARTBEAT)
                continue
            if not data:
                return
            if passed := self.passed(data):
                await down.send(passed)
