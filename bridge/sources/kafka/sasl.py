"""Say who a client is: `sasl:` of the `kafka` source."""

from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from bridge.secret import Secret
from bridge.sources.tls import PemPath

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

#: Which keys go with which mechanism.
_BEARER: Final = (
    "OAUTHBEARER goes with a `token` alone; a `username` and a `password` go with PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"
)
_PLAIN: Final = "{mechanism} goes with a `username` and a `password`; a `token` goes with OAUTHBEARER"


class Token(BaseModel):
    """Where the token for OAUTHBEARER lies."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    file: PemPath = Field(
        description="The file that holds the token. It is read at each authentication, so that it can be renewed.",
        examples=["/var/run/secrets/kafka/token"],
    )


class Sasl(BaseModel):
    """How a client proves to a Kafka broker who it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    mechanism: Mechanism = Field(
        description="`PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512` with a password, `OAUTHBEARER` with a token.",
        examples=["SCRAM-SHA-512"],
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
        examples=[{"file": "/run/secrets/kafka"}],
    )
    token: Token | None = Field(
        default=None,
        description="The token for `OAUTHBEARER`.",
        examples=[{"file": "/var/run/secrets/kafka/token"}],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        mechanism = {"mechanism": self.mechanism}
        if self.mechanism == "OAUTHBEARER":
            if self.username is not None or self.password is not None:
                raise PydanticCustomError("sasl", _BEARER)
            if self.token is None:
                raise PydanticCustomError("sasl", "OAUTHBEARER needs a `token`: { file: … }")
        else:
            if self.token is not None:
                raise PydanticCustomError("sasl", _PLAIN, mechanism)
            if self.username is None or self.password is None:
                raise PydanticCustomError("sasl", "{mechanism} needs a `username` and a `password`", mechanism)
            # A NUL ends each part of a PLAIN message (RFC 4616), and SCRAM's preparation forbids it.
            if "\0" in self.username + self.password.reveal():
                raise PydanticCustomError("sasl", "neither user nor password can hold a NUL")
        return self
