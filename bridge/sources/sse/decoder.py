"""Read an upstream's event stream: bytes in pieces of any size, events out. Pure, incremental, bounded.

Reference: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

Rule 1: a line ends at CRLF, LF or CR, also where a piece ends between the two of a CRLF; nothing else ends one.
Rule 2: whatever comes, no more than one line and one event of `limit` bytes each are held. What is larger is left out
    up to its blank line and told as `Oversized`; its id counts all the same, else it would be sent again for ever.
Rule 3: what is not ended by a blank line was cut, and is nothing: neither an event nor a place to go on after.

Data stays bytes: it is decoded once, where messages become events. Lines are cut before UTF-8 is decoded, which comes
to the same, since no byte of a longer character is a line end.
"""

import re
from typing import Final, NamedTuple

#: Bytes of an id. It goes back in a header, and servers take some 8 KiB of all headers together.
MAX_ID: Final = 4_096

#: Bytes of an event's name that are kept. What is longer is no name that a page listens to.
MAX_EVENT: Final = 1_024

#: Digits of a `retry` that are read: above any delay that is kept, and thousands would be slow to read.
MAX_DIGITS: Final = 12

#: The longest field that counts, with its colon and its space: `retry: `, `event: `.
_NAME: Final = 7

_BOM: Final = b"\xef\xbb\xbf"
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


class Heard(NamedTuple):
    """An event as it came."""

    #: Its name, "" where it has none.
    event: str
    data: bytes
    #: The last event id after it.
    id: str


class Oversized(NamedTuple):
    """An event that was left out, since it is larger than the limit."""

    id: str


class Decoder:
    """Reads one connection.

    `last_event_id` is the last id, also of blocks without data, and "" where the last one cannot be sent back;
    `retry` the last reconnection time, in milliseconds.
    """

    def __init__(self, *, last_event_id: str = "", limit: int) -> None:
        self.last_event_id = last_event_id
        self.retry: int | None = None
        self._limit = limit
        #: The most of one line: no id and no name is cut by a small limit for data.
        self._line_limit = max(limit, MAX_ID, MAX_EVENT) + _NAME
        self._start: bytes | None = b""  # what may be a byte order mark, until it can be told
        self._partial = bytearray()  # the line that has not ended
        self._is_dropping = False  # the rest of this line is too much
        self._after_cr = False
        self._id = last_event_id
        self._event = ""
        self._data: bytes | bytearray | None = None
        self._is_over = False  # the event of this block is too large

    def feed(self, piece: bytes) -> list[Heard | Oversized]:
        """Take the next bytes; return the events that they complete."""
        found: list[Heard | Oversized] = []
        for line in self._lines(piece):
            if line.startswith(b"data:"):
                # Most lines. One space after the colon belongs to neither name nor value.
                self._add(line[6:] if line.startswith(b" ", 5) else line[5:])
            elif line:
                self._field(line)
            else:
                self._dispatch(found)
        return found

    def _lines(self, piece: bytes) -> list[bytes]:
        """Return the lines that have ended; keep the one that has not."""
        if self._start is not None:
            piece = self._unmarked(piece)
        if not piece:
            return []
        if self._after_cr and piece.startswith(b"\n"):
            # The line ended at the CR already; an LF right after it belongs to the same end.
            piece = piece[1:]
        self._after_cr = piece.endswith(b"\r")
        *lines, rest = _LINE_END.split(piece) if b"\r" in piece else piece.split(b"\n")
        if lines and self._is_dropping:
            del lines[0]
            self._is_dropping = False
        elif lines and self._partial:
            lines[0] = bytes(self._partial) + lines[0]
            self._partial.clear()
        self._hold(rest)
        return lines

    def _unmarked(self, piece: bytes) -> bytes:
        """Return the bytes without the one byte order mark that may stand at the very start."""
        piece = (self._start or b"") + piece
        if len(piece) < len(_BOM) and _BOM.startswith(piece):
            self._start = piece
            return b""
        self._start = None
        return piece.removeprefix(_BOM)

    def _hold(self, rest: bytes) -> None:
        """Keep the beginning of a line; of one that is too long, what its beginning says, and nothing of the rest."""
        if self._is_dropping:
            return
        self._partial += rest
        if len(self._partial) > self._line_limit:
            self._is_dropping = True
            self._field(bytes(self._partial))
            self._partial = bytearray()

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._add(value)
            case b"event":
                self._event = value[:MAX_EVENT].decode(errors="replace")
            case b"id" if b"\0" not in value:
                # One that cannot be sent back is none: what then is missed is told.
                self._id = value.decode(errors="replace") if len(value) <= MAX_ID else ""
            case b"retry" if value.isdigit():
                self.retry = int(value.lstrip(b"0")[:MAX_DIGITS] or b"0")
            case _:
                pass

    def _add(self, value: bytes) -> None:
        """Add a line of data."""
        data = self._data
        if self._is_over or len(value) + (0 if data is None else len(data) + 1) > self._limit:
            self._is_over, self._data = True, None
        elif data is None:
            self._data = value
        else:
            if isinstance(data, bytes):
                data = self._data = bytearray(data)
            data += b"\n"
            data += value

    def _dispatch(self, found: list[Heard | Oversized]) -> None:
        """End a block."""
        self.last_event_id = self._id
        if self._is_over:
            found.append(Oversized(self._id))
        elif self._data is not None:
            found.append(Heard(self._event, bytes(self._data), self._id))
        self._event, self._data, self._is_over = "", None, False
