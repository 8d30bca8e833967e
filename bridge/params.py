"""Say what a subscriber may ask for: `params`, the rules for names that an address gives to a source.

Without a rule a name of a polled address would let every visitor of a page choose what the bridge asks another server
for. No message repeats a value: whoever asked knows it, and nobody else should.
"""

from typing import Annotated, Final, Literal, Protocol, Self, cast

import re2  # type: ignore[import-untyped]  # it has no stubs
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

#: Values that are written out one by one. More than that has a pattern.
MAX_CHOICES: Final = 1_000

#: Characters of a value: a segment of a path, an identifier, never a document.
MAX_VALUE: Final = 256

#: A pattern is written by hand; RE2 bounds the memory of its program itself.
MAX_PATTERN: Final = 1_024

#: Choices that a message names; the rest is counted.
NAMED: Final = 8

#: What a double holds exactly: a larger number would change its digits on the way through a page (RFC 7493, 2.2).
MAX_INTEGER: Final = 2**53 - 1


class Pattern(Protocol):
    """A compiled expression."""

    def fullmatch(self, text: str) -> object:
        """Return a match of the whole text, or None."""


def _pattern(text: str) -> str:
    if len(text) > MAX_PATTERN:
        raise PydanticCustomError("pattern", f"a pattern has at most {MAX_PATTERN} characters")
    try:
        _compiled(text)
    except re2.error as error:
        raise PydanticCustomError(
            "pattern",
            "not a regular expression of RE2: {reason} (it has no look-around and no back-references)",
            {"reason": _reason(error)},
        ) from None
    return text


def _reason(error: Exception) -> str:
    """Return what RE2 says is wrong, without the piece of the pattern that it says it of."""
    told = error.args[0] if error.args else b""
    text = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
    return text.partition(": ")[0] or "it cannot be read"


def _compiled(text: str) -> Pattern:
    options = re2.Options()
    options.log_errors = False
    return cast("Pattern", re2.compile(text, options))


def _choices(values: list[str]) -> list[str]:
    if not values or len(values) > MAX_CHOICES:
        raise PydanticCustomError("choices", f"expected 1 to {MAX_CHOICES} values")
    if not all(0 < len(value) <= MAX_VALUE and value.isprintable() for value in values):
        raise PydanticCustomError("choices", f"a value has 1 to {MAX_VALUE} printable characters")
    if len(set(values)) < len(values):
        raise PydanticCustomError("choices", "a value stands here twice")
    return values


def _texts(value: object) -> object:
    """Take a number that was written without quotes for the text that it is in an address."""
    if not isinstance(value, list):
        return value
    items = cast("list[object]", value)
    return [str(item) if isinstance(item, int) and not isinstance(item, bool) else item for item in items]


class Param(BaseModel):
    """What one name may stand for: one of a list, what fits a pattern, or an integer in a range."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    in_: Annotated[list[str], AfterValidator(_choices), BeforeValidator(_texts)] | None = Field(
        default=None,
        alias="in",
        description=f"The values themselves, {MAX_CHOICES} at most.",
        examples=[["EUR", "USD", "NOK"]],
    )
    pattern: Annotated[str, AfterValidator(_pattern)] | None = Field(
        default=None,
        description=f"A regular expression (RE2) that fits the whole value, which has at most {MAX_VALUE} characters.",
        examples=["[a-z]{2,8}"],
    )
    type: Literal["integer"] | None = Field(
        default=None,
        description="`integer`: decimal digits without leading zeros, with `min` and `max` as bounds.",
        examples=["integer"],
    )
    min: Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)] | None = Field(
        default=None, description="The least integer. Without it any.", examples=[1]
    )
    max: Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)] | None = Field(
        default=None, description="The greatest integer. Without it any.", examples=[9]
    )

    @model_validator(mode="before")
    @classmethod
    def _is_rule(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            raise PydanticCustomError("param", "a list of values is written { in: [EUR, USD] }")
        return value

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = (self.in_, self.pattern, self.type)
        if sum(form is not None for form in forms) != 1:
            raise PydanticCustomError(
                "param", "expected one of { in: [a, b] }, { pattern: '[a-z]+' } and { type: integer, min: 1, max: 9 }"
            )
        if self.type is None and (self.min is not None or self.max is not None):
            raise PydanticCustomError("param", "`min` and `max` go with `type: integer`")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise PydanticCustomError("param", "`min` is greater than `max`")
        return self

    @property
    def choices(self) -> tuple[str, ...] | None:
        """Return all values, where they are written out."""
        return tuple(self.in_) if self.in_ is not None else None

    def fault(self, value: str) -> str | None:
        """Return what is wrong with a value, in words that do not repeat it; None if it may be asked for."""
        if self.in_ is not None:
            more = f" or {len(self.in_) - NAMED} more" if len(self.in_) > NAMED else ""
            return None if value in self.in_ else f"expected one of {', '.join(self.in_[:NAMED])}{more}"
        if not 0 < len(value) <= MAX_VALUE or not value.isprintable():
            return f"expected 1 to {MAX_VALUE} printable characters"
        if self.pattern is not None:
            fits = _compiled(self.pattern).fullmatch(value) is not None
            return None if fits else "it does not have the form that this name has"
        return self._integer_fault(value)

    def _integer_fault(self, value: str) -> str | None:
        digits = value.removeprefix("-")
        # As `str` writes it, so that one number is one address; and short before `int` reads it.
        if not (digits.isascii() and digits.isdecimal()) or len(digits) > len(str(MAX_INTEGER)):
            return "expected an integer"
        number = int(value)
        if str(number) != value:
            return "expected an integer without leading zeros"
        least = -MAX_INTEGER if self.min is None else self.min
        most = MAX_INTEGER if self.max is None else self.max
        if least <= number <= most:
            return None
        if self.min is not None and self.max is not None:
            return f"expected an integer from {self.min} to {self.max}"
        return f"expected an integer of {self.min} or more" if number < least else f"expected an integer up to {most}"
