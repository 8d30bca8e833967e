"""Durations, sizes and secrets: values that carry their unit in the YAML and their type in Python.

`15s`, `1h30m` and `250ms` become seconds (float); `4MiB` and `64KiB` become bytes (int). A bare number is
refused: a reader could not know whether `30` meant seconds or milliseconds.
"""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_BYTES: Final = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "kB": 1000, "MB": 1000**2, "GB": 1000**3}

# Written out with bounded digits: a configuration is untrusted input, and a 5,000-digit number is a trap.
_PART = r"\d{1,12}(?:\.\d{1,6})?(?:ms|s|m|h|d)"
_DURATION: Final = re.compile(rf"(?:{_PART})+", re.ASCII)
_PARTS: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_SIZE: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(B|KiB|MiB|GiB|kB|MB|GB)", re.ASCII)


def seconds(text: str) -> float | None:
    """Read a duration such as `1h30m`, in seconds; None if it is not one."""
    if not _DURATION.fullmatch(text):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _PARTS.findall(text))


def size(text: str) -> int | None:
    """Read a size such as `4MiB`, in bytes; None if it is not one."""
    match = _SIZE.fullmatch(text)
    return int(float(match[1]) * _BYTES[match[2]]) if match else None


def duration_text(value: float) -> str:
    """Write seconds as one would in YAML: `15s`, `1h30m`, `250ms`."""
    left, parts = round(value * 1000), list[str]()
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, round(_SECONDS[unit] * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def size_text(value: int) -> str:
    """Write bytes as one would in YAML, in the largest unit that divides them: `4MiB`, `1500B`."""
    unit = next((name for name in ("GiB", "MiB", "KiB") if value and value % _BYTES[name] == 0), "B")
    return f"{value // _BYTES[unit]}{unit}"


def _duration(value: object) -> object:
    if isinstance(value, str) and (found := seconds(value)) is not None:
        return found
    raise PydanticCustomError("duration", "expected a duration with a unit, for example 15s or 1h30m")


def _size(value: object) -> object:
    if isinstance(value, str) and (found := size(value)) is not None:
        return found
    raise PydanticCustomError("size", "expected a size with a unit, for example 4MiB or 64KiB")


#: Seconds, written with a unit.
Duration = Annotated[
    float,
    BeforeValidator(_duration),
    PlainSerializer(duration_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": rf"^({_PART})+$", "examples": ["15s", "1h30m"]}),
]
#: Bytes, written with a unit.
Size = Annotated[
    int,
    BeforeValidator(_size),
    PlainSerializer(size_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": rf"^{_SIZE.pattern}$", "examples": ["4MiB", "64KiB"]}),
]
