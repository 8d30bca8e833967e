"""The shapes that values of the language have, beside durations, sizes and secrets.

Each takes the YAML form and gives the Python value, and describes itself for the JSON Schema. A message here says what
was expected and never repeats what was given.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from pydantic import (
    BaseModel,
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

#: The word that switches off what an outer layer switched on.
OFF: Final = "none"

_HOST: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?"
_IPV6: Final = r"\[[0-9A-Fa-f:.]{2,45}\]"
_ADDRESS: Final = re.compile(rf"(?P<host>{_HOST}|{_IPV6}|):(?P<port>[0-9]{{1,5}})")
_HOST_HEADER: Final = re.compile(rf"(?:{_HOST}|{_IPV6})(?::[0-9]{{1,5}})?")
_ORIGIN: Final = re.compile(rf"[a-z][a-z0-9+.-]{{0,31}}://(?:{_HOST}|{_IPV6})(?::[0-9]{{1,5}})?")
_RATE: Final = re.compile(r"([0-9]{1,9})/s")
_MAX_PORT: Final = 65_535


class Address(NamedTuple):
    """Where a listener waits. An empty host stands for all addresses, IPv4 and IPv6."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine (or this pod) can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


def _address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    if isinstance(value, int) and 0 < value <= _MAX_PORT:
        hint = f'write "127.0.0.1:{value}", or ":{value}" for all addresses'
        raise PydanticCustomError("address", f"expected an address and a port: {hint}")
    if isinstance(value, str) and value.startswith(("unix:", "/")):
        raise PydanticCustomError("address", "listening on a Unix socket is not built yet: give an address and a port")
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match["port"]) > _MAX_PORT:
        raise PydanticCustomError(
            "address", 'expected an address and a port, for example "127.0.0.1:8080", or ":8080" for all addresses'
        )
    return Address(match["host"].strip("[]"), int(match["port"]))


def _origin(value: object) -> str:
    if value == "*" or (isinstance(value, str) and _ORIGIN.fullmatch(value)):
        return str(value)
    if value == "null":
        raise PydanticCustomError(
            "origin", 'the origin `null` is every page opened from a file: to let them in, write origins: ["*"]'
        )
    raise PydanticCustomError(
        "origin", 'expected an origin without a path or a slash at its end, for example https://app.example.com, or "*"'
    )


def _host(value: object) -> str:
    if isinstance(value, str) and _HOST_HEADER.fullmatch(value):
        return value.lower()
    raise PydanticCustomError("host", "expected a host name, with a port if it matters, for example app.example.com")


def _network(value: object) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        return ip_network(str(value)) if isinstance(value, str) else ip_network(b"")
    except ValueError:
        hint = "expected an address or a network, for example 10.0.0.0/8 (with no bit set past its prefix)"
        raise PydanticCustomError("network", hint) from None


def _path(value: object) -> object:
    if isinstance(value, Path) or (isinstance(value, str) and value and "\0" not in value):
        return Path(value)
    raise PydanticCustomError("path", "expected a path, for example ./pages")


def _rate(value: object) -> int:
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match and int(match[1]) > 0:
        return int(match[1])
    raise PydanticCustomError("rate", "expected a rate, for example 100/s")


def text_schema(pattern: str, *examples: str, title: str) -> WithJsonSchema:
    """Describe a text that has a pattern; the title is the type's name in the reference."""
    schema = {"type": "string", "title": title, "pattern": f"^(?:{pattern})$", "examples": list(examples)}
    return WithJsonSchema(schema)


_as_text: Final = PlainSerializer(str, return_type=str, when_used="json")

#: `127.0.0.1:8080`, `":8080"`, `"[::1]:8080"`.
Listen = Annotated[
    Address,
    PlainValidator(_address),
    _as_text,
    text_schema(rf"(?:{_HOST}|{_IPV6}|):[0-9]{{1,5}}", "127.0.0.1:8080", ":8080", title="address"),
]
#: An origin as browsers send it, or `*`.
Origin = Annotated[
    str, PlainValidator(_origin), text_schema(rf"\*|{_ORIGIN.pattern}", "https://app.example.com", "*", title="origin")
]
#: What a `Host` header may say.
Host = Annotated[str, PlainValidator(_host), text_schema(_HOST_HEADER.pattern, "app.example.com", title="host")]
#: A file or a folder; a relative one starts at the file's folder.
LocalPath = Annotated[Path, BeforeValidator(_path)]
#: An address, or a network in CIDR notation.
Network = Annotated[
    IPv4Network | IPv6Network,
    PlainValidator(_network),
    _as_text,
    text_schema(r"[0-9A-Fa-f.:]+(?:/[0-9]{1,3})?", "10.0.0.0/8", "127.0.0.1", title="network"),
]


def _show_rate(value: int) -> str:
    return f"{value}/s"


#: So many a second.
Rate = Annotated[
    int,
    BeforeValidator(_rate),
    PlainSerializer(_show_rate, return_type=str, when_used="json"),
    text_schema(r"[0-9]{1,9}/s", "100/s", title="rate"),
]


@dataclass(frozen=True, slots=True)
class Short:
    """Let a mapping be written as the value of its first key: `heartbeat: 15s` for `heartbeat: { every: 15s }`."""

    key: str
    form: Any

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def unfold(value: object) -> object:
            return value if value is None or isinstance(value, Mapping | BaseModel) else {self.key: value}

        return core_schema.no_info_before_validator_function(unfold, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [TypeAdapter(self.form).json_schema(), handler(schema)]}


@dataclass(frozen=True, slots=True)
class Off:
    """Let the word `none` stand for nothing: what `defaults` or a profile switch on, it switches off."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def switch(value: object) -> object:
            return None if value == OFF else value

        return core_schema.no_info_before_validator_function(switch, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        inner = dict(handler(schema))
        forms = [form for form in inner.pop("anyOf", [inner]) if form != {"type": "null"}]
        return {"anyOf": [*forms, {"const": OFF, "description": "Switched off."}]}


@dataclass(frozen=True, slots=True)
class Choice:
    """Describe a value that is either in the plain form, or in the same form under one key: `3s`, `{ exact: 3s }`."""

    key: str
    form: Any

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        form = TypeAdapter(self.form).json_schema()
        named = {
            "type": "object",
            "properties": {self.key: form},
            "required": [self.key],
            "additionalProperties": False,
        }
        return {"anyOf": [form, named]}


@dataclass(frozen=True, slots=True)
class OneOrMore:
    """Describe a list of one item that may be written as the item."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described = handler(schema)
        return {"anyOf": [described["items"], described]}


@dataclass(frozen=True, slots=True)
class Items:
    """Describe a list of mappings that may each be written as one text, as may the whole list."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        text = {"type": "string"}
        item = handler(schema)["items"]
        return {"anyOf": [text, {"type": "array", "items": {"anyOf": [text, item]}, "minItems": 1}]}
