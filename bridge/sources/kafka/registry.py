"""Where the schemas of records are: `registry:` of the `kafka` source, for `decode: avro`."""

import base64
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from bridge.secret import Secret
from bridge.sources.tls import Tls
from bridge.units import Duration

MIN_TIMEOUT, MAX_TIMEOUT = 0.1, 60.0

_ADDRESS: Final = "expected the registry's address, for example http://registry:8081"


def _check_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise PydanticCustomError("url", _ADDRESS) from None
    if not is_address or not text.isascii() or not text.isprintable() or " " in text:
        raise PydanticCustomError("url", _ADDRESS)
    if "@" in parts.netloc:
        raise PydanticCustomError(
            "url", "an address cannot hold a password: give `username` and `password`, or `token`"
        )
    if "?" in text or "#" in text:
        raise PydanticCustomError("url", "the registry's address has no `?` and no `#`")
    return text.rstrip("/")


def _check_timeout(value: float) -> float:
    if MIN_TIMEOUT <= value <= MAX_TIMEOUT:
        return value
    raise PydanticCustomError("timeout", "expected a duration of 100ms to 1m")


class Registry(BaseModel):
    """Where the schemas of records are: a registry with Confluent's interface."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    url: Annotated[str, AfterValidator(_check_url)] = Field(
        description="The registry's address, with the path before `/schemas` and `/subjects` if it has one.",
        examples=["http://registry:8081"],
    )
    username: str | None = Field(
        default=None,
        min_length=1,
        description="The user, with a password.",
        examples=["bridge"],
    )
    password: Secret | None = Field(
        default=None,
        description="The user's password.",
        examples=[{"file": "/run/secrets/registry"}],
    )
    token: Secret | None = Field(
        default=None,
        description="A bearer token, in place of user and password.",
        examples=[{"env": "REGISTRY_TOKEN"}],
    )
    tls: Tls | None = Field(
        default=None,
        description="Whom to trust on https, and how to prove oneself; without it the system's authorities count.",
        examples=[{"ca": "/etc/ssl/registry-ca.pem"}],
    )
    timeout: Annotated[Duration, AfterValidator(_check_timeout)] = Field(
        default=10.0,
        description="How long a whole answer may take, 100ms to 1m.",
        examples=["10s"],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise PydanticCustomError("registry", "`username` and `password` belong together")
        if self.username is not None and self.token is not None:
            raise PydanticCustomError("registry", "expected either `username` and `password`, or a `token`")
        if self.username is not None and ":" in self.username:
            raise PydanticCustomError("registry", "a `username` cannot hold a colon (RFC 7617)")
        if self.token is not None and not (self.token.reveal().isascii() and self.token.reveal().isprintable()):
            raise PydanticCustomError("registry", "the `token` is not one line of ASCII")
        if self.tls is not None and not self.url.startswith("https:"):
            raise PydanticCustomError("registry", "`tls` is for an address that begins with https://")
        return self

    def authorization(self) -> dict[str, str]:
        """Return the header that says who we are."""
        if self.token is not None:
            return {"Authorization": f"Bearer {self.token.reveal().strip()}"}
        if self.username is not None and self.password is not None:
            pair = f"{self.username}:{self.password.reveal()}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return {}
