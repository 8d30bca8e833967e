"""JSON as every reader takes it: no NaN, no number beyond a double, no lone surrogate, bounded depth.

Of two members with one name the last one counts, as in a browser's `JSON.parse`. Integers of 64 bits keep their value,
all larger ones and all with a fraction are doubles (RFC 8259, section 6).
"""

from typing import Final, cast

import orjson

# orjson's words for a document of more levels than it reads.
_DEEP: Final = ("depth limit exceeded", "failed to allocate memory")


class NotJsonError(ValueError):
    """A text is no JSON: the place and the reason, never what stands there."""


def parse(text: str, line: int | None = None) -> object:
    """Parse JSON strictly; raises `NotJsonError` with line and column.

    `line` is that of a text which is one line of several.
    """
    try:
        return cast("object", orjson.loads(text))
    except orjson.JSONDecodeError as error:
        words = "nested too deeply" if error.msg in _DEEP else error.msg
        raise NotJsonError(f"line {line or error.lineno}, column {error.colno}: {words}") from None
