"""What aiokafka's clients are told of `tls:` and `sasl:`."""

import asyncio
import re
import ssl
from pathlib import Path
from typing import Final, Literal, NotRequired, TypedDict

from aiokafka.abc import AbstractTokenProvider  # type: ignore[import-untyped]  # it has no types
from aiokafka.errors import AuthenticationFailedError  # type: ignore[import-untyped]
from pydantic import TypeAdapter, ValidationError

from bridge.secret import Secret
from bridge.sources.kafka.sasl import Mechanism, Sasl
from bridge.sources.tls import Tls

#: What a bearer token is made of (RFC 6750, section 2.1). In the SASL message 0x01 ends it (RFC 7628).
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)

_SECRET: Final = TypeAdapter(Secret)


class Arguments(TypedDict):
    """Keyword arguments of aiokafka's clients."""

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
    ssl_context: NotRequired[ssl.SSLContext]
    sasl_mechanism: NotRequired[Mechanism]
    sasl_plain_username: NotRequired[str]
    sasl_plain_password: NotRequired[str]
    sasl_oauth_token_provider: NotRequired["TokenFile"]


def client_arguments(tls: Tls | None, sasl: Sasl | None) -> Arguments:
    """Return what aiokafka's clients are made with. It reads files, so call it in a thread.

    Raises `SourceError` in words.
    """
    arguments = Arguments(security_protocol="PLAINTEXT" if tls is None else "SSL")
    if tls is not None:
        arguments["ssl_context"] = tls.context()
    if sasl is None:
        return arguments
    arguments["security_protocol"] = "SASL_PLAINTEXT" if tls is None else "SASL_SSL"
    arguments["sasl_mechanism"] = sasl.mechanism
    if sasl.username is not None and sasl.password is not None:
        arguments["sasl_plain_username"] = sasl.username
        arguments["sasl_plain_password"] = sasl.password.reveal()
    if sasl.token is not None:
        arguments["sasl_oauth_token_provider"] = TokenFile(sasl.token.file)
    return arguments


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """Reads the token at each authentication: whoever issues it puts a new one there before the old one expires."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """Return the token; raises `AuthenticationFailedError`, which aiokafka takes for a refusal, in words."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> str:
        try:
            text = _SECRET.validate_python({"file": str(self._path)}).reveal().strip()
        except ValidationError as error:
            reason = error.errors(include_input=False)[0]["msg"].replace("of this secret", "of the token")
            raise AuthenticationFailedError(f"sasl.token: {reason}") from None
        if not _TOKEN.fullmatch(text):
            raise AuthenticationFailedError("sasl.token: the file holds no token: expected one line, as it was issued")
        return text
