"""pydantic's errors in words for whoever wrote the file: what is wrong, and what to write instead.

Nothing here repeats a value that may be a secret: a message of the `Secret` type is taken as it is, and what a number
or a pair of braces looked like is shown only where a duration, a size or a text was due.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic_core import ErrorDetails

from bridge.config import unbuilt
from bridge.config.near import hint
from bridge.config.node import Node
from bridge.config.scalar import ScalarError, resolve
from bridge.units import duration_text, seconds, size, size_text

_NUMBER: Final = re.compile(r"[-+]?[0-9.]+")


def missing(key: str, examples: Sequence[object] | None) -> str:
    """Say that a key must be there, with an example."""
    return f"is missing: write, for example, `{key}: {as_yaml(examples[0])}`" if examples else "is missing"


def wrong(detail: ErrorDetails, node: Node) -> str:
    """Say what is wrong with a value."""
    key = node.path.rpartition(".")[2].partition("[")[0]
    if later := _later(key, node):
        return later
    if node.value is None:
        return "has no value: give one, or remove the key"
    say = _WORDS.get(detail["type"])
    if say is not None:
        return say(node, detail.get("ctx", {}))
    return detail["msg"].removeprefix("Value error, ").replace("Input should be", "expected", 1)


def _later(key: str, node: Node) -> str | None:
    """Say that a value belongs to the language and is not built yet."""
    given = [node.text] if node.text is not None else list(node.mapping)
    found = next((word for word in given if word in unbuilt.VALUES.get(key, ())), None)
    return f"`{found}` is not built yet" if found else None


def _text(node: Node, _: Mapping[str, Any]) -> str:
    if braces := _braces(node):
        return braces
    if node.is_mapping or isinstance(node.value, tuple):
        return f"expected a text, not {_kind(node)}"
    return f"expected a text, not {_kind(node)}: put it in quotes"


def _braces(node: Node) -> str | None:
    """Say how to write `{device}`, which YAML reads as a mapping of `device` to nothing."""
    if node.style == "flow" and node.mapping and all(item.value is None for item in node.mapping.values()):
        inner = ", ".join(node.mapping)
        return f'a text that begins with "{{" needs quotes: "{{{inner}}}"'
    return None


def _number(node: Node, _: Mapping[str, Any]) -> str:
    if node.text is not None and node.variables and _NUMBER.fullmatch(node.text):
        return "expected a whole number, not a text: on a line of its own, ${NAME} needs no quotes"
    if node.text is not None and node.style == "quoted" and _NUMBER.fullmatch(node.text):
        return "expected a whole number, not a text: remove the quotes"
    return f"expected a whole number, not {'a fraction' if isinstance(node.value, float) else _kind(node)}"


def _bool(node: Node, _: Mapping[str, Any]) -> str:
    return f"expected true or false, not {_kind(node)}"


def _mapping(node: Node, _: Mapping[str, Any]) -> str:
    return f"expected a mapping, not {_kind(node)}"


def _list(node: Node, _: Mapping[str, Any]) -> str:
    return f"expected a list, not {_kind(node)}: for example [ a, b ]"


def _literal(node: Node, ctx: Mapping[str, Any]) -> str:
    words = re.findall(r"'([^']*)'", str(ctx.get("expected", "")))
    shown = ", ".join(words[:-1]) + (" or " if len(words) > 1 else "") + words[-1] if words else "another word"
    return f"expected {shown}{hint(node.text, words) if node.text else ''}"


def _duration(node: Node, _: Mapping[str, Any]) -> str:
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return f"a bare number has no unit: write `{node.value:g}s`"
    return f"expected a duration with a unit, such as 15s or 1h30m{_not(node)}"


def _size(node: Node, _: Mapping[str, Any]) -> str:
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        return f"a bare number has no unit: write `{size_text(node.value)}`"
    return f"expected a size with a unit, such as 4MiB or 64KiB{_not(node)}"


def _bound(words: str, name: str) -> Callable[[Node, Mapping[str, Any]], str]:
    def say(node: Node, ctx: Mapping[str, Any]) -> str:
        text, limit = node.text or "", ctx[name]
        if seconds(text) is not None:
            return f"must be {words} {duration_text(limit)}"
        return f"must be {words} {size_text(int(limit)) if size(text) is not None else f'{limit:,}'}"

    return say


def _short(node: Node, _: Mapping[str, Any]) -> str:
    return f"expected one at least, not {_kind(node)} of none"


def _instance(_: Node, ctx: Mapping[str, Any]) -> str:
    # A path is what one of the models converts by itself.
    return "expected a path, for example ./logs" if ctx.get("class") == "Path" else "expected another kind of value"


def _not(node: Node) -> str:
    return "" if node.text is not None else f", not {_kind(node)}"


def _kind(node: Node) -> str:
    """Name the kind of a value, and never the value."""
    match node.value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case tuple():
            return "a list"
        case None:
            return "nothing"
        case _:
            return "a mapping"


def as_yaml(value: object) -> str:
    """Write a value as YAML's flow style does."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case Mapping():
            pairs = ", ".join(f"{key}: {as_yaml(item)}" for key, item in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case list() | tuple():
            return f"[{', '.join(map(as_yaml, value))}]"
        case str() if _needs_quotes(value):
            return f"'{value}'" if '"' in value or "\\" in value else f'"{value}"'
        case _:
            return str(value)


def _needs_quotes(text: str) -> bool:
    try:
        is_text = isinstance(resolve(text, is_plain=True), str)
    except ScalarError:
        is_text = False
    return not is_text or text[0] in "{[:*&!|>%@`'\"#" or any(part in text for part in (": ", " #", ", "))


_WORDS: Final[Mapping[str, Callable[[Node, Mapping[str, Any]], str]]] = {
    "string_type": _text,
    "int_type": _number,
    "int_parsing": _number,
    "int_from_float": _number,
    "float_type": _number,
    "bool_type": _bool,
    "model_type": _mapping,
    "model_attributes_type": _mapping,
    "dict_type": _mapping,
    "tuple_type": _list,
    "list_type": _list,
    "literal_error": _literal,
    "duration": _duration,
    "size": _size,
    "greater_than_equal": _bound("at least", "ge"),
    "greater_than": _bound("more than", "gt"),
    "less_than_equal": _bound("at most", "le"),
    "less_than": _bound("less than", "lt"),
    "too_short": _short,
    "is_instance_of": _instance,
}
