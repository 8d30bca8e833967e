"""Parts of the keys that are mappings: a user, a proxy; and texts that may be secrets."""

from collections.abc import Callable, Mapping
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from bridge.secret import Secret
from bridge.sources.web.address import Address
from bridge.sources.web.remote import Via, basic

#: Bytes of a user's name.
MAX_NAME: Final = 256


def faulty(kind: str, check: Callable[[str], object]) -> Callable[[str], str]:
    """Make a validator of what raises `ValueError` in words."""

    def validate(value: str) -> str:
        try:
            check(value)
        except ValueError as error:
            raise wrong(kind, str(error)) from None
        return value

    return validate


def wrong(kind: str, told: str) -> PydanticCustomError:
    """Return an error in words."""
    # As a value and not as the template, in which a brace would stand for something.
    return PydanticCustomError(kind, "{told}", {"told": told})


def _proxy(text: str) -> Address:
    """Read a proxy's address; raises `ValueError` in words."""
    if "@" in text:
        raise ValueError(
            "a user or a password in an address ends up in logs: use `proxy.username` and `proxy.password`"
        )
    address = Address.parse(text)
    if address.is_tls or address.names or address.query or address.path.text != "/":
        raise ValueError("expected a proxy's address, for example http://proxy:3128")
    return address


def _user(value: str) -> str:
    if not value or ":" in value or not value.isprintable() or len(value.encode()) > MAX_NAME:
        raise wrong("username", f"expected a user name of 1 to {MAX_NAME} bytes, without a colon (RFC 7617)")
    return value


def _form(value: object) -> str:
    """Tell a text from a secret, so that one is told of one fault and not of two."""
    return "secret" if isinstance(value, Secret | Mapping) else "text"


#: A text, or a secret.
Value = Annotated[
    Annotated[str, Tag("text")] | Annotated[Secret, Tag("secret")],
    Discriminator(_form),
]


class Basic(BaseModel):
    """A user and a password."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    username: Annotated[str, AfterValidator(_user)] = Field(description="The user.", examples=["bridge"])
    password: Secret = Field(description="The user's password.", examples=[{"file": "/run/secrets/api"}])


class Proxy(BaseModel):
    """A proxy between us and the other side."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    url: Annotated[str, AfterValidator(faulty("proxy", _proxy))] = Field(
        description="Where the proxy is. To reach https addresses it must know CONNECT.",
        examples=["http://proxy:3128"],
    )
    username: Annotated[str, AfterValidator(_user)] | None = Field(
        default=None, description="The user, where the proxy asks for one.", examples=["bridge"]
    )
    password: Secret | None = Field(
        default=None, description="The user's password.", examples=[{"file": "/run/secrets/proxy"}]
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise wrong("proxy", "`username` and `password` go together")
        return self

    def via(self) -> Via:
        """Return it made ready."""
        address = _proxy(self.url)
        if self.username is None or self.password is None:
            return Via(host=address.host, port=address.port)
        return Via(host=address.host, port=address.port, credentials=basic(self.username, self.password))
