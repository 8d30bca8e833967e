"""What the bytes of a broker's message are: text, JSON, or neither.

`decode` says what a source's payloads are. `auto` goes by the content type where the producer gave one, else by the
bytes: what is UTF-8 is text. Bytes that are no text travel as base64 (RFC 4648, section 4), since an event stream is
UTF-8 throughout.
"""

import base64
from typing import Final, Literal

import msgspec
import orjson

Decode = Literal["auto", "json", "text", "bytes"]

BINARY: Final = "application/octet-stream"
JSON: Final = "application/json"

#: Content types beside `text/…`, `…+json` and `…+xml` whose bytes are text.
_TEXTS: Final = frozenset(
    {
        "application/json",
        "application/xml",
        "application/x-ndjson",
        "application/yaml",
        "application/javascript",
        "application/x-www-form-urlencoded",
    }
)


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """A payload as `Message` takes it."""

    payload: bytes | str
    content_type: str
    is_base64: bool = False


def decoded(payload: bytes, content_type: str, decode: Decode) -> Decoded | None:
    """Return what the bytes are; None when they are not what `decode` says (only `json` can fail so)."""
    if decode == "json":
        return Decoded(payload, content_type or JSON) if _is_json(payload) else None
    if decode == "text":
        return Decoded(payload, content_type)
    if decode == "bytes" or _is_binary(payload, content_type):
        return Decoded(base64.b64encode(payload).decode(), content_type or BINARY, is_base64=True)
    return Decoded(payload, content_type)


def _is_binary(payload: bytes, content_type: str) -> bool:
    if content_type and not _says_text(content_type):
        return True
    try:
        payload.decode()
    except UnicodeDecodeError:
        return True
    return False


def _says_text(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind in _TEXTS or kind.endswith(("+json", "+xml"))


def _is_json(payload: bytes) -> bool:
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return False
    return True
