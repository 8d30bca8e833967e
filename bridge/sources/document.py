"""What a pushed body holds: one text, one JSON document, or JSON lines. No I/O, no state.

Rule 1: the Content-Type decides: `text/*` is a text in its charset, `application/json` and `*/*+json` are JSON,
    `application/x-ndjson` is a batch of JSON lines. What is none of these, and no CloudEvent, is refused.
Rule 2: without a Content-Type, or with the one that curl gives by itself (`application/x-www-form-urlencoded`), a body
    that is a JSON object or array is JSON, any other is a text.
Rule 3: an empty body is an event with empty data. In a batch a null is a tombstone.
Rule 4: what is passed on is what came, checked: numbers, escapes and the order of keys stay as their sender wrote them.
Rule 5: a reason names the place of a fault, never what stands there.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import orjson

from bridge.errors import PushError
from bridge.event import EMPTY
from bridge.sources import strict

#: Events in one request. They are published in one turn of the loop, which serves nobody meanwhile.
MAX_BATCH: Final = 10_000

#: Signs of an idempotency key or an event's key. A UUID has 36, a path some more.
MAX_WORD: Final = 256

LINES: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})

#: No type at all, and what curl calls a body that it knows nothing about.
UNTOLD: Final = frozenset({"", "application/x-www-form-urlencoded"})

#: Charsets of texts, and their decoders. JSON is UTF-8 alone (RFC 8259, section 8.1).
CHARSETS: Final = {
    "utf-8": "utf-8-sig",
    "utf8": "utf-8-sig",
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "latin1": "latin-1",
    "windows-1252": "cp1252",
    "utf-16": "utf-16",
}

_ACCEPTED: Final = "text/*, application/json, application/x-ndjson and CloudEvents are"

_CHARSET: Final = re.compile(r';\s*charset\s*=\s*"?([^\s;"]+)', re.ASCII | re.IGNORECASE)

# Control characters, the two separators that JavaScript takes for line ends, and the lone surrogates that stand for
# bytes that were no UTF-8.
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# What may stand around a JSON document (RFC 8259, section 2); str.strip() knows more.
_SPACE: Final = " \t\r"


class MediaType(NamedTuple):
    """A Content-Type, in lower case; "" for what is missing."""

    name: str
    charset: str

    @classmethod
    def parse(cls, text: str) -> "MediaType":
        """Read the value of a Content-Type; parameters other than the charset count for nothing."""
        found = _CHARSET.search(text)
        return cls(text.partition(";")[0].strip().lower(), found[1].lower() if found else "")

    @property
    def is_json(self) -> bool:
        """Tell whether it is JSON by its name or its suffix (RFC 6839)."""
        return self.name == "application/json" or self.name.endswith("+json")


class Item(NamedTuple):
    """One event of a request."""

    text: str
    content_type: str
    is_tombstone: bool = False
    #: What a CloudEvent says of itself; empty for all others.
    type: str = ""
    subject: str = ""
    key: str | None = None
    time: float | None = None
    headers: Mapping[str, str] = EMPTY
    #: The source and id of a CloudEvent, which name it once and for all.
    identity: tuple[str, ...] = ()


def document(media: MediaType, body: bytes) -> Item:
    """Return the one event of a body, or raise `PushError`."""
    if media.name in UNTOLD:
        return _guessed(decode(body))
    if media.is_json:
        if media.charset not in {"", "utf-8", "utf8"}:
            raise PushError(415, "JSON is UTF-8: leave the charset out")
        text = decode(body)
        if text:
            parse(text)
        return Item(text, media.name)
    if not media.name.startswith("text/"):
        raise PushError(415, f"an event cannot have this Content-Type: {_ACCEPTED} taken")
    codec = CHARSETS.get(media.charset or "utf-8")
    if codec is None:
        raise PushError(415, f"the charset is none of {', '.join(CHARSETS)}")
    return Item(decode(body, codec), media.name)


def lines(body: bytes) -> list[Item]:
    """Return the events of a body of JSON lines, or raise `PushError`; empty lines count for nothing."""
    items: list[Item] = []
    # LF alone: the other line ends that Python knows may stand within a JSON text.
    for number, line in enumerate(decode(body).split("\n"), 1):
        text = line.strip(_SPACE)
        if not text:
            continue
        if len(items) == MAX_BATCH:
            raise PushError(413, f"a batch has at most {MAX_BATCH} events")
        is_tombstone = parse(line, number) is None
        items.append(Item("" if is_tombstone else text, "application/json", is_tombstone))
    return items


def decode(body: bytes, codec: str = "utf-8-sig") -> str:
    """Decode strictly, without a byte order mark; raises `PushError` with the place."""
    try:
        return body.decode(codec)
    except UnicodeDecodeError as error:
        name = codec.removesuffix("-sig").upper()
        raise PushError(400, f"the body is not {name}: byte {error.start}") from None


def parse(text: str, line: int | None = None) -> object:
    """Parse JSON strictly; raises `PushError` with line and column. `line` is that of one of several."""
    try:
        return strict.parse(text, line)
    except strict.NotJsonError as error:
        raise PushError(400, f"the body is not JSON: {error}") from None


def word(text: str, what: str, limit: int = MAX_WORD) -> str:
    """Return a text that can do no harm in a log, a header or an id; else raise `PushError`."""
    if len(text) > limit:
        raise PushError(422, f"{what} has more than {limit} signs")
    if _FORBIDDEN.search(text):
        raise PushError(422, f"{what} holds a line end, another control character, or bytes that are not UTF-8")
    return text


def _guessed(text: str) -> Item:
    if text.lstrip(_SPACE + "\n").startswith(("{", "[")):
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError:
            return Item(text, "text/plain")
        return Item(text, "application/json")
    return Item(text, "text/plain")
