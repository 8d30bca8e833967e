"""The `text/event-stream` format, without I/O: the only encoder of the program (`sources/sse/decoder` reads it).

Reference: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

Rule 1: a line ends at CRLF, LF or CR and nowhere else. A bare CR in data would otherwise forge a field;
    `str.splitlines`, the opposite trap, knows eight ends more.
Rule 2: what leaves is valid UTF-8 with LF alone, and every frame ends in a blank line.
Rule 3: `id` and `event` are checked where they are made (`is_id`, `is_event`); data may be anything.
"""

import re
from collections.abc import Mapping
from typing import Final

import orjson

#: A comment and a blank line: proxies see traffic, scripts see nothing, the cursor stays.
HEARTBEAT: Final = b":\n\n"

#: Names that would run a page's `onopen` and `onerror`.
RESERVED_EVENTS: Final = frozenset({"open", "error"})

#: The prefix of our own control events.
CONTROL: Final = "bridge."

#: Retry delays that browsers take as they are, in milliseconds: below a second a tab floods its server
#: (2,694 requests in 4 s were seen), above 2^31-1 a signed 32-bit timer overflows.
MIN_RETRY: Final = 1_000
MAX_RETRY: Final = 2_147_483_647

_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_EVENT: Final = re.compile(r"[A-Za-z][A-Za-z0-9._/-]{0,63}", re.ASCII)
_LINE_END: Final = re.compile(r"\r\n|\r|\n")


def is_id(text: str) -> bool:
    """Tell whether the text may stand in an `id` field of ours."""
    return _ID.fullmatch(text) is not None


def is_event(text: str) -> bool:
    """Tell whether the text may name an event of a source."""
    return _EVENT.fullmatch(text) is not None and text not in RESERVED_EVENTS and not text.startswith(CONTROL)


def encode(id: str, event: str, data: str) -> bytes:
    """Encode one event as a frame; `event` may be "" (browsers then dispatch `message`)."""
    # Nearly all data is one line: two scans of it cost less than a split.
    if "\n" in data or "\r" in data:
        data = "\ndata: ".join(_LINE_END.split(data))
    text = f"id: {id}\nevent: {event}\ndata: {data}\n\n" if event else f"id: {id}\ndata: {data}\n\n"
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _mend(text).encode()


def control(name: str, data: Mapping[str, object]) -> bytes:
    """Encode a `bridge.*` event: never an id, since one would move the browser's cursor past events it never saw."""
    return b"event: %b%b\ndata: %b\n\n" % (CONTROL.encode(), name.encode(), orjson.dumps(data))


def cursor(id: str) -> bytes:
    """Encode a block without data: it moves the browser's cursor and dispatches nothing."""
    return f"id: {id}\n\n".encode()


def retry(milliseconds: int) -> bytes:
    """Encode the delay before a reconnect: one line, to stand at the head of any block."""
    return b"retry: %d\n" % milliseconds


def later(milliseconds: int, last_event_id: str = "") -> bytes:
    """Encode all of a stream that only says when to come back; an id of ours that the client brought stays its cursor.

    By the letter of the standard a blank line sets the cursor to the id of *this* stream, empty until there is one, and
    what came meanwhile would be lost without a word. Browsers keep the id before.
    """
    return retry(milliseconds) + (cursor(last_event_id) if is_id(last_event_id) else b"\n")


def comment(text: str) -> bytes:
    """Encode a comment, split at every line end as data is."""
    lines = (f": {line}" for line in _LINE_END.split(clean(text)))
    return ("\n".join(lines) + "\n\n").encode()


def chunk(data: bytes) -> bytes:
    """Frame bytes as one HTTP/1.1 chunk (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK: Final = b"0\r\n\r\n"


def lines(frames: bytes) -> bytes:
    """Return frames of ours as JSON lines: the same events for a client that reads `application/x-ndjson`.

    Each block becomes an object of its fields, `data` as one text; a comment becomes an empty line, which JSON-lines
    readers pass over.
    """
    out: list[bytes] = []
    for block in frames.split(b"\n\n")[:-1]:
        fields: dict[str, str | int] = {}
        data: list[str] = []
        for line in block.split(b"\n"):
            name, _, value = line.decode().partition(": ")
            if name == "data":
                data.append(value)
            elif name in ("id", "event"):
                fields[name] = value
            elif name == "retry":
                fields[name] = int(value)
        if data:
            fields["data"] = "\n".join(data)
        out.append(orjson.dumps(fields) if fields else b"")
    return b"\n".join(out) + b"\n" if out else b""


def id_of(frame: bytes) -> str:
    """Return the id of a source event's frame, which `encode` put first; a gap may stand before it. "" without one."""
    # Within a block no blank line is possible, so this is the beginning of one.
    start = 0 if frame.startswith(b"id: ") else frame.find(b"\n\nid: ") + 2
    if start == 1:
        return ""
    return frame[start + 4 : frame.index(b"\n", start)].decode()


def clean(text: str) -> str:
    """Return the text with lone surrogates (JSON can spell them) replaced, so that it can be encoded."""
    return text if text.isascii() or _encodes(text) else _mend(text)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _mend(text: str) -> str:
    # UTF-16 joins the halves of a pair that stand beside each other and replaces those alone.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


#: The two high bits of a byte within a character (RFC 3629, section 3).
_CONTINUATION: Final = 0x80


def split(data: bytes, limit: int) -> list[str]:
    """Cut UTF-8 into texts of `limit` bytes at most, never within a character."""
    out: list[str] = []
    start = 0
    while start < len(data):
        end = min(start + limit, len(data))
        while end < len(data) and end > start + 1 and data[end] & 0xC0 == _CONTINUATION:
            end -= 1
        out.append(data[start:end].decode(errors="replace"))
        start = end
    return out
