"""Secrets: values that come from a file or the environment, and are never printed.

In YAML a secret is `{ file: /run/secrets/push }` (one newline at the end is stripped) or `{ env: PUSH_TOKEN }`. Plain
text is refused, and no message here repeats a value: whoever pasted a token into the wrong place must not find it in a
log as well. A variable or a file that is missing is named, if what was given looks like a name.
"""

import hmac
import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from bridge.contents import note

#: A PEM bundle has some 10 KiB; a secret file that is larger is some other file, taken by mistake.
MAX_BYTES: Final = 65_536

#: What looks like the name of a variable or of a file, and like no token: those have small letters and digits, or
#: capitals and small letters.
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]{0,63}|[a-z_]{1,64}")
_FILE: Final = re.compile(r"\.{0,2}/[\w./-]{1,255}|[a-z_.-][a-z_./-]{0,63}", re.ASCII)

_HOW: Final = "write { file: /run/secrets/name } or { env: NAME }"


class Secret:
    """A text that shows itself only to whoever asks for it by `reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text; never log it."""
        return self._text

    def matches(self, given: str | bytes) -> bool:
        """Compare in a time that tells nothing of where the two differ."""
        other = given.encode("utf-8", "surrogateescape") if isinstance(given, str) else given
        return hmac.compare_digest(self._text.encode(), other)

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other.reveal())

    def __hash__(self) -> int:
        return hash(Secret)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            _resolve,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: "hidden"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described = {
            "file": "The file that holds it; one newline at its end is stripped.",
            "env": "The environment variable that holds it.",
        }
        forms = [
            {
                "type": "object",
                "properties": {key: {"type": "string", "description": text}},
                "required": [key],
                "additionalProperties": False,
            }
            for key, text in described.items()
        ]
        return {"title": "secret", "anyOf": forms}


def masked(value: object) -> object:
    """Return a value in which all secrets are alike, to compare what is left."""
    if isinstance(value, Secret):
        return Secret
    if isinstance(value, BaseModel):
        return type(value), {name: masked(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {name: masked(each) for name, each in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [masked(each) for each in cast("Sequence[object]", value)]
    return value


def _resolve(value: object, info: ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, Mapping):
        raise PydanticCustomError("secret", f"a secret cannot stand here in plain text: {_HOW}")
    given = cast("Mapping[str, object]", value)
    context = cast("Mapping[str, object]", info.context or {})
    match tuple(given.items()):
        case (("file", str(name)),):
            path = cast("Path", context.get("folder", Path())) / name
            note(context, path)
            return Secret(_read(path, name))
        case (("env", str(name)),):
            return Secret(_variable(name, cast("Mapping[str, str]", context.get("environ", os.environ))))
        case _:
            raise PydanticCustomError("secret", f"a secret has one key, `file` or `env`: {_HOW}")


def _variable(name: str, environ: Mapping[str, str]) -> str:
    if text := environ.get(name):
        return text
    told = f"the environment variable {name}" if _VARIABLE.fullmatch(name) else "the environment variable"
    raise _wrong(f"{told} of this secret is not set, or empty: set it")


def _read(path: Path, given: str) -> str:
    told = f"the file {path}" if _FILE.fullmatch(given) else "the file"
    content = _content(path, f"{told} of this secret")
    if len(content) > MAX_BYTES:
        raise _wrong(f"{told} of this secret is larger than 64 KiB: is it the right one?")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise _wrong(f"{told} of this secret is not UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise _wrong(f"{told} of this secret is empty")
    return text


def _content(path: Path, told: str) -> bytes:
    """Return a file's bytes, at most one more than is allowed."""
    try:
        # Without blocking: a FIFO left here by mistake must not hold up the start.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _wrong(f"{told} cannot be read: {_reason(error)}") from None
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise _wrong(f"{told} is not a regular file")
        with open(number, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _wrong(f"{told} cannot be read: {_reason(error)}") from None
    finally:
        os.close(number)


def _reason(error: OSError | ValueError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else "its name holds a NUL"


def _wrong(text: str) -> PydanticCustomError:
    # As a value and not as the template, in which a brace would stand for something.
    return PydanticCustomError("secret", "{told}", {"told": text})
