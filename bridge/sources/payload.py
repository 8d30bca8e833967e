"""What a timer says: a text or a mapping with holes.

Rule 1: the holes are `{time}`, `{n}`, `{ms}` and `{subscribers}`; `{{` and `}}` stand for braces.
Rule 2: a mapping is sent as JSON, its keys in their order and as they stand. A value that is exactly one hole keeps
    its type, so `"{n}"` is a number; any other text stays a text.
Rule 3: `{time}` is a number of seconds where `time: unix` is asked for, else a text.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Final

import orjson
from pydantic_core import PydanticCustomError

#: What may stand between braces.
HOLES: Final = ("time", "n", "ms", "subscribers")

#: Named forms of `{time}`; any other is a pattern of strftime.
FORMS: Final = ("iso", "unix", "clock12")

#: A payload is written by hand. These bounds are far above that, and far below an event's limit.
MAX_TEXT: Final = 64 * 1024
MAX_DEPTH: Final = 16
MAX_VALUES: Final = 1_000

#: A strftime pattern longer than this is no form of a time.
MAX_PATTERN: Final = 128

#: What JSON can carry as an integer.
_MAX_INT: Final = 2**63

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_WHOLE: Final = re.compile(r"\{([a-z]+)\}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

# The directives that Python promises, and glibc's `%-d` for a number without its zero.
_PATTERN: Final = re.compile(r"(?:%-?[aAbBcdfGHIjmMpSuUVwWxXyYzZ%]|[^%\x00-\x1f\x7f])+")

_KNOWN: Final = ", ".join(f"{{{name}}}" for name in HOLES)


def check_payload(value: object) -> str | dict[str, object]:
    """Return the payload as it is, or raise what is wrong with it and where."""
    if not isinstance(value, str | dict):
        raise _wrong("expected a text or a mapping")
    for count, (path, item, depth) in enumerate(_walk(value, "", 0)):
        if count > MAX_VALUES or depth > MAX_DEPTH:
            raise _wrong(f"a payload has at most {MAX_VALUES} values and {MAX_DEPTH} levels")
        if wrong := _fault(item):
            raise _wrong(f"at {path}: {wrong}" if path else wrong)
    return value


def check_form(form: str) -> str:
    """Return the form of a time as it is, or raise what is wrong with it."""
    if form in FORMS:
        return form
    if "%" in form and len(form) <= MAX_PATTERN and _PATTERN.fullmatch(form):
        return form
    near = get_close_matches(form, FORMS, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise _wrong(f"expected iso, unix, clock12 or a pattern such as '%H:%M'{hint}")


def values(form: str, n: int, wall: float, subscribers: int) -> dict[str, str | int | float]:
    """Return what the holes stand for at one moment."""
    return {"time": moment(form, wall), "n": n, "ms": round(wall * 1000), "subscribers": subscribers}


def moment(form: str, wall: float) -> str | float:
    """Write unix seconds in the form asked for; all but `iso` and `unix` are local time."""
    if form == "unix":
        return round(wall, 3)
    if form == "iso":
        # As JavaScript's toISOString writes it: RFC 3339 in UTC, with milliseconds.
        return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    local = datetime.fromtimestamp(wall, UTC).astimezone()
    if form == "clock12":
        # By hand: neither %-I nor %p is the same everywhere.
        return f"{local.hour % 12 or 12}:{local:%M:%S} {'AM' if local.hour < 12 else 'PM'}"  # noqa: PLR2004 -- noon
    return local.strftime(form)


def render(payload: str | dict[str, object], known: Mapping[str, str | int | float]) -> str:
    """Return the payload with its holes filled; a mapping as JSON."""
    if isinstance(payload, str):
        return _fill(payload, known)
    return orjson.dumps(_filled(payload, known)).decode()


def _filled(value: object, known: Mapping[str, str | int | float]) -> object:
    if isinstance(value, dict):
        return {key: _filled(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, known) for item in value]
    if not isinstance(value, str):
        return value
    whole = _WHOLE.fullmatch(value)
    return known[whole[1]] if whole else _fill(value, known)


def _fill(text: str, known: Mapping[str, str | int | float]) -> str:
    return _TOKEN.sub(lambda token: token[0][0] if token[1] is None else str(known[token[1]]), text)


def _walk(value: object, path: str, depth: int) -> Iterator[tuple[str, object, int]]:
    yield path, value, depth
    if depth > MAX_DEPTH:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(item, f"{path}.{key}" if path else f"{key}", depth + 1)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _walk(item, f"{path}[{at}]", depth + 1)


def _fault(value: object) -> str | None:
    """Return what is wrong with one value of a payload, looking at nothing inside it."""
    if isinstance(value, str):
        return _text_fault(value)
    if isinstance(value, dict):
        return _mapping_fault(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "JSON has no such number"
    if isinstance(value, int) and not -_MAX_INT <= value < _MAX_INT:
        return "a number beyond 64 bits"
    return None if value is None or isinstance(value, int | float | list) else "expected a value that JSON has"


def _mapping_fault(value: Mapping[object, object]) -> str | None:
    if not all(isinstance(key, str) for key in value):
        return "a key must be a text: put it in quotes"
    # YAML reads {n} without quotes as a mapping of the key n to nothing.
    if len(value) == 1 and (key := next(iter(value))) in HOLES and value[key] is None:
        return f'write the hole in quotes: "{{{key}}}"'
    return None


def _text_fault(text: str) -> str | None:
    if len(text) > MAX_TEXT:
        return f"a text of more than {MAX_TEXT} signs"
    for token in _TOKEN.finditer(text):
        if len(token[0]) == 1:
            return f"a lone {token[0]} in column {token.start() + 1}: write {token[0] * 2} for the sign itself"
        if token[1] is not None and token[1] not in HOLES:
            return _unknown(token[1])
    return None


def _unknown(name: str) -> str:
    # What is no name is not repeated: it may be a whole JSON document, with all that stands in it.
    if not _NAME.fullmatch(name):
        return f"a hole holds one of {_KNOWN}; write {{{{ and }}}} for braces, or the payload as a mapping"
    near = get_close_matches(name, HOLES, 1)
    hint = f"; did you mean {{{near[0]}}}?" if near else ""
    return f"the hole {{{name}}} is not known; known are {_KNOWN}{hint}"


def _wrong(text: str) -> PydanticCustomError:
    return PydanticCustomError("payload", text)
