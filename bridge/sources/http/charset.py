"""In which characters a reply is written: a byte order mark says it best, then the Content-Type, then UTF-8.

The names are those of the Encoding Standard (WHATWG) that servers really send, and no other codec of Python is within
a server's reach: `zip`, `idna` and the like are codecs too.
"""

import codecs
import re
from typing import Final

from bridge.sources.document import MediaType
from bridge.sources.http.reply import ReplyError

_SINGLE: Final = {f"windows-{number}": f"cp{number}" for number in range(1250, 1259)}
_ISO: Final = {f"iso-8859-{part}": f"iso8859-{part}" for part in (*range(2, 12), *range(13, 17))}

CODECS: Final = {
    **_SINGLE,
    **_ISO,
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "iso8859-1": "latin-1",
    "latin1": "latin-1",
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "shift_jis": "cp932",
    "euc-jp": "euc-jp",
    "iso-2022-jp": "iso2022-jp",
    "euc-kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "big5": "big5hkscs",
    # Without a mark it is little-endian, as nearly everybody writes it (Encoding Standard, section 4.2).
    "utf-16": "utf-16-le",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

#: What an XML document says of itself, in the first bytes of any encoding that contains ASCII.
_DECLARED: Final = re.compile(rb"<\?xml[^>]{0,100}?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_DECLARATION: Final = 200


def text(body: bytes, media: MediaType) -> str:
    """Decode a text; what is no character of its charset becomes U+FFFD."""
    codec, start = _marked(body)
    return body[start:].decode(codec or _codec(media.charset) or "utf-8", "replace")


def document(body: bytes, media: MediaType) -> str:
    """Decode JSON: UTF-8 (RFC 8259, section 8.1), or what it is if it is none; raises `ReplyError`.

    A charset counts for nothing in JSON, and many a server sends a wrong one. So it is asked only where the bytes are
    no UTF-8: some servers mean it.
    """
    codec, start = _marked(body)
    if codec is None and media.charset:
        try:
            return body.decode()
        except UnicodeDecodeError:
            codec = _codec(media.charset)
    return _decode(body[start:], codec or "utf-8", start)


def markup(body: bytes, media: MediaType) -> str:
    """Decode XML (RFC 7303, section 3): mark, Content-Type, declaration, UTF-8; raises `ReplyError`."""
    codec, start = _marked(body)
    found = _DECLARED.match(body[:_DECLARATION].lstrip())
    declared = found[1].decode().lower() if found else ""
    # Who could read the word `utf-16` byte by byte has no UTF-16 before them.
    codec = codec or _codec(media.charset) or _codec("" if declared.startswith("utf-16") else declared)
    return _decode(body[start:], codec or "utf-8", start)


def _marked(body: bytes) -> tuple[str | None, int]:
    return next(((codec, len(mark)) for mark, codec in _MARKS if body.startswith(mark)), (None, 0))


def _codec(charset: str) -> str | None:
    if not charset:
        return None
    codec = CODECS.get(charset)
    if codec is None:
        raise ReplyError("the reply is in a charset that is not known here")
    return codec


def _decode(body: bytes, codec: str, start: int) -> str:
    try:
        return body.decode(codec)
    except UnicodeDecodeError as error:
        raise ReplyError(f"the reply is not {codec.upper()}: byte {start + error.start}") from None
