"""What a scalar means: YAML 1.2's core types, and environment variables.

Rule 1: only `null`, `true`, `false`, decimal integers and floats are something else than text. `NO`, `on`, `12:30`,
    `017`, `1_000`, `0x1F` and dates are text, as they look.
Rule 2: what is quoted is text.
Rule 3: `${NAME}` and `${NAME:-default}` are filled in before rules 1 and 2, so `${PORT}` without quotes is a number.
    What was filled in is not looked at again. `$${` stands for `${`.
"""

import math
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from bridge.config.node import Scalar, Variable
from bridge.errors import BridgeError

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL: Final = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")

#: Every integer of so many digits is exact in JSON and JavaScript too; `int` of 5,000 digits is a trap.
MAX_DIGITS: Final = 15

_VARIABLE: Final = re.compile(r"\$\$\{|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^}]*)?\})?")


class ScalarError(BridgeError):
    """A scalar cannot be read; the text says why, and never what it holds."""


def resolve(text: str, *, is_plain: bool) -> Scalar:
    """Return what a scalar means; raises `ScalarError` for a number that no one can mean."""
    if not is_plain:
        return text
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        if len(text) > MAX_DIGITS:
            raise ScalarError(f"a number of more than {MAX_DIGITS} digits: put it in quotes if it is a text")
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if not math.isfinite(number):
            raise ScalarError("a number too large: put it in quotes if it is a text")
        return number
    return text


class Filled(NamedTuple):
    """A text with its variables filled in, and which those were."""

    text: str
    variables: tuple[Variable, ...] = ()


def fill(text: str, environ: Mapping[str, str]) -> Filled:
    """Return the text with its environment variables; raises `ScalarError` for one that is not set."""
    if "${" not in text:
        return Filled(text)
    variables: list[Variable] = []

    def value(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        name, default = found["name"], found["default"]
        if name is None:
            raise ScalarError("expected ${NAME} or ${NAME:-default}; write $${ for the signs themselves")
        given = environ.get(name)
        if given is None and default is None:
            raise ScalarError(f"the environment variable {name} is not set: set it, or write ${{{name}:-default}}")
        is_default = not given and default is not None
        variables.append(Variable(name, is_default))
        return str(default).removeprefix(":-") if is_default else str(given)

    return Filled(_VARIABLE.sub(value, text), tuple(variables))
