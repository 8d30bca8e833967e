"""What a reply holds: one JSON document, or one text.

Rule 1: `format` decides. `auto` goes by the Content-Type; where that says nothing, a reply that is JSON is JSON and
    any other a text. Where a text would be of no use (items, deltas), what says it is plain text is read as JSON.
Rule 2: JSON is strict, and what goes out is what came: numbers, escapes and the order of keys stay as their sender
    wrote them. A byte order mark and the white space around it are no part of it.
Rule 3: JSON lines, CSV, XML and feeds become JSON; the first three of them a list.
Rule 4: HTML in the place of data is told as such: it is a login, an error, or a page that asks for patience. It is
    a text only where `format` says so; the same holds for a reply without a body.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import orjson

from bridge.sources import strict
from bridge.sources.decode import JSON
from bridge.sources.document import LINES, MediaType
from bridge.sources.http import charset, feed, markup, tables
from bridge.sources.http.pointer import Pointer
from bridge.sources.http.reply import Format, Reply, ReplyError, Rules

#: Content types, and what a reply of such a type is; beside `+json`, `+xml` and `text/…`.
TYPES: Final[dict[str, Format]] = {
    "application/json": "json",
    "text/json": "json",
    "text/x-json": "json",
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/csv": "csv",
    "application/xml": "xml",
    "text/xml": "xml",
    "application/rss+xml": "feed",
    "application/atom+xml": "feed",
    "application/rdf+xml": "feed",
    **dict.fromkeys(LINES, "ndjson"),
}

#: Content types of HTML.
HTML: Final = frozenset({"text/html", "application/xhtml+xml"})

#: White space as JSON has it (RFC 8259, section 2); str.strip() knows more.
SPACE: Final = " \t\r\n"

#: What a page of HTML begins with, in lower case.
_PAGE: Final = ("<!doctype html", "<html")

#: Bytes in which the beginning of a page is looked for; a licence in a comment may stand before it, and then does.
_HEAD: Final = 512


#: Objects and lists of one reply. Sixteen megabytes of `[],` would be five millions of them: half a gigabyte, and a
#: garbage collector that stops the loop for seconds. Those within texts are counted too, which no real reply notices.
MAX_CONTAINERS: Final = 300_000


class Document(NamedTuple):
    """A reply that has been read."""

    format: Format
    #: What goes out.
    text: str
    content_type: str
    #: Parsed JSON; of a text None.
    value: object = None


def read(reply: Reply, rules: Rules) -> Document:
    """Return what the reply holds; raises `ReplyError`."""
    media = MediaType.parse(reply.content_type)
    format = told(media, needs_json=rules.needs_json) if rules.format == "auto" else rules.format
    if rules.format != "text":
        _refuse(reply.body, media, format, rules)
    return _guessed(reply.body, media) if format is None else _READERS[format](reply.body, media, rules)


def _refuse(body: bytes, media: MediaType, format: Format | None, rules: Rules) -> None:
    """Raise `ReplyError` for what is no data, whatever is read from it: nothing at all, and HTML."""
    # White space is a text, and no lines are a list of none.
    if not (body if format == "text" else body.strip()) and format != "ndjson":
        raise ReplyError("the reply is empty")
    if rules.format == "auto" and media.name in HTML and not rules.needs_json:
        raise ReplyError("the reply is HTML; say `format: text` if that is meant")
    if format is not None and format != "text" and _is_page(body, media, format):
        raise ReplyError(f"the reply is a page of HTML, not {_NAMES[format]}")


def told(media: MediaType, *, needs_json: bool) -> Format | None:
    """Return what the Content-Type says, of HTML too; None where it says nothing of use."""
    if found := TYPES.get(media.name):
        return found
    if media.is_json:
        return "json"
    if media.name in HTML:
        return "json" if needs_json else "text"
    if media.name.endswith("+xml"):
        return "xml"
    if needs_json:
        return "json"
    return "text" if media.name.startswith("text/") else None


def _is_page(body: bytes, media: MediaType, format: Format) -> bool:
    """Tell whether a reply is HTML; a feed may be called so and be none, and XHTML is XML."""
    if format == "xml":
        return media.name == "text/html"
    head = body[:_HEAD].removeprefix(b"\xef\xbb\xbf").lstrip().lower().decode("latin-1")
    return head.startswith(_PAGE) or (format != "feed" and media.name in HTML and head.startswith("<"))


def _guessed(body: bytes, media: MediaType) -> Document:
    """Read what nobody says anything about: JSON, or a text; raises `ReplyError` for what is neither."""
    try:
        return _json(body, media, Rules())
    except ReplyError:
        try:
            text = body.decode("utf-8-sig") if not media.charset else charset.text(body, media)
        except UnicodeDecodeError:
            raise ReplyError("the reply is neither JSON nor text, and its content type does not say what") from None
        return Document("text", text, "text/plain")


def _json(body: bytes, media: MediaType, _: Rules) -> Document:
    text = _counted(charset.document(body, media))
    try:
        value = strict.parse(text)
    except strict.NotJsonError as error:
        raise ReplyError(f"the reply is not JSON: {error}") from None
    return Document("json", text.strip(SPACE), media.name if media.is_json else JSON, value)


def _counted(text: str) -> str:
    if text.count("[") + text.count("{") > MAX_CONTAINERS:
        raise ReplyError(f"the reply has more than {MAX_CONTAINERS} objects and lists")
    return text


def _lines(body: bytes, media: MediaType, rules: Rules) -> Document:
    text = f"[{','.join(tables.lines(_counted(charset.document(body, media)), rules.max_items))}]"
    return Document("ndjson", text, JSON, orjson.loads(text))


def _text(body: bytes, media: MediaType, _: Rules) -> Document:
    # Nobody has looked whether it is the JSON, or the image, that it is said to be.
    is_text = media.name.startswith("text/") and TYPES.get(media.name) != "json"
    return Document("text", charset.text(body, media), media.name if is_text else "text/plain")


def _csv(body: bytes, media: MediaType, rules: Rules) -> Document:
    return _made("csv", tables.rows(charset.text(body, media), rules.max_items))


def _xml(body: bytes, media: MediaType, rules: Rules) -> Document:
    repeated = Pointer.parse(rules.items).parts if rules.mode == "items" else ()
    return _made("xml", markup.value(charset.markup(body, media), repeated))


def _feed(body: bytes, media: MediaType, rules: Rules) -> Document:
    return _made("feed", feed.entries(charset.markup(body, media), rules.max_items))


def _made(format: Format, value: object) -> Document:
    return Document(format, orjson.dumps(value).decode(), JSON, value)


_NAMES: Final = {"json": "JSON", "ndjson": "JSON lines", "csv": "CSV", "xml": "XML", "feed": "a feed", "auto": ""}

_READERS: Final[dict[Format, Callable[[bytes, MediaType, Rules], Document]]] = {
    "json": _json,
    "ndjson": _lines,
    "text": _text,
    "csv": _csv,
    "xml": _xml,
    "feed": _feed,
}
