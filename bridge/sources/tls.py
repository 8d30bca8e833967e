"""Say how a client proves itself and whom it trusts: `tls:` of the sources that connect to a server.

The server's certificate and its name are always checked, and there is no key to switch that off: who cannot have a
certificate signed names his own authority with `ca`.

What the files hold is checked when the configuration is read. They are read again with each connection, since
certificates are renewed in place.
"""

import os
import ssl
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Self, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from bridge.contents import note
from bridge.errors import SourceError
from bridge.secret import Secret

#: A system's whole bundle has some 250 KiB; a file that is larger is some other file.
MAX_PEM: Final = 4 * 1024 * 1024

#: Older versions are broken (RFC 8996).
MIN_VERSION: Final = ssl.TLSVersion.TLSv1_2

#: OpenSSL's own bound on a pass phrase (PEM_BUFSIZE), bytes; CPython refuses a longer one.
MAX_PASSWORD: Final = 1_024


def _from_folder(value: object, info: ValidationInfo) -> object:
    """Let a relative path start at the configuration's folder."""
    if not isinstance(value, str):
        return value
    if not value or "\0" in value:
        raise PydanticCustomError("pem", "expected the path of a PEM file, for example ./ca.pem")
    context = cast("Mapping[str, object]", info.context or {})
    return cast("Path", context.get("folder", Path())) / value


def _refuse(fault: str | None) -> None:
    if fault:
        raise PydanticCustomError("pem", "{fault}", {"fault": fault})


def _check_ca(path: Path, info: ValidationInfo) -> Path:
    note(info.context, path)
    _refuse(_trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), path))
    return path


def _check_cert(path: Path, info: ValidationInfo) -> Path:
    note(info.context, path)
    _refuse(_pem(path, "CERTIFICATE")[1])
    return path


def _check_key(path: Path, info: ValidationInfo) -> Path:
    note(info.context, path)
    _refuse(_pem(path, "PRIVATE KEY")[1])
    return path


#: A file that a nested model names; a relative path starts at the configuration's folder.
PemPath = Annotated[Path, BeforeValidator(_from_folder)]


class Tls(BaseModel):
    """Whom a client trusts, and how it proves itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    ca: Annotated[PemPath, AfterValidator(_check_ca)] | None = Field(
        default=None,
        description="The authorities to trust, as a PEM file, and no others. Without it those of the system.",
        examples=["/etc/ssl/broker-ca.pem"],
    )
    cert: Annotated[PemPath, AfterValidator(_check_cert)] | None = Field(
        default=None,
        description="The client's certificate, as a PEM file, followed in it by those between it and its authority.",
        examples=["./bridge.pem"],
    )
    key: Annotated[PemPath, AfterValidator(_check_key)] | None = Field(
        default=None,
        description="The private key of `cert`, as a PEM file. Without it the key stands in the file of `cert`.",
        examples=["./bridge.key"],
    )
    key_password: Secret | None = Field(
        default=None,
        description="What the private key is encrypted with.",
        examples=[{"file": "/run/secrets/bridge-key"}],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.cert is None and self.key is not None:
            raise PydanticCustomError("pem", "`key` is the key of a certificate: name that with `cert`")
        if self.cert is None and self.key_password is not None:
            raise PydanticCustomError("pem", "`key_password` is that of a certificate's key: name them with `cert`")
        _refuse(self._present(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)))
        return self

    @property
    def files(self) -> tuple[Path, ...]:
        """Return the files that are read for it."""
        return tuple(path for path in (self.ca, self.cert, self.key) if path is not None)

    def context(self) -> ssl.SSLContext:
        """Return what a connection is made with; it reads the files, some milliseconds, so call it in a thread.

        Raises `SourceError`, in words, when a file is not what it was when the configuration was read.
        """
        # Not `create_default_context`: it differs between versions of Python, and writes keys to SSLKEYLOGFILE.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = MIN_VERSION
        # What `ca` holds is trusted as it stands, also where it is an intermediate authority.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        fault = _trust(context, self.ca)
        if fault:
            raise SourceError(f"tls.ca: {fault}")
        fault = self._present(context)
        if fault:
            raise SourceError(f"tls.cert: {fault}")
        return context

    def _present(self, context: ssl.SSLContext) -> str | None:
        """Load certificate and key; return what is wrong with them."""
        if self.cert is None:
            return None
        key = self.key or self.cert
        for path, what in ((self.cert, "CERTIFICATE"), (key, "PRIVATE KEY")):
            if fault := _pem(path, what)[1]:
                return fault
        password = _Password(self.key_password)
        try:
            # The callback is given in any case: without one OpenSSL asks the terminal, and waits.
            context.load_cert_chain(self.cert, key, password)
        except ssl.SSLError as error:
            return _words(error, password)
        except (OSError, ValueError):
            return "the certificate or its key cannot be read: check path and rights"
        return None


class _Password:
    """What OpenSSL asks for the key's password, which remembers that it was asked."""

    def __init__(self, secret: Secret | None) -> None:
        self.is_given = secret is not None
        self.is_asked = False
        self._text = secret.reveal() if secret is not None else ""

    def __call__(self) -> str:
        self.is_asked = True
        # What is too long for OpenSSL is as wrong as any other password.
        return self._text if len(self._text.encode()) <= MAX_PASSWORD else ""


def _words(error: ssl.SSLError, password: _Password) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key does not belong to the certificate: name the two that were issued together"
    if password.is_asked and not password.is_given:
        return "the key is encrypted: give its `key_password`, { file: … } or { env: … }"
    if password.is_asked:
        return "`key_password` does not open the key"
    return "the certificate or its key is damaged: expected PEM files"


def _trust(context: ssl.SSLContext, ca: Path | None) -> str | None:
    """Load the authorities; return what is wrong with them."""
    if ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return None
    text, fault = _pem(ca, "CERTIFICATE")
    if fault is None:
        try:
            context.load_verify_locations(cadata=text)
        except (ssl.SSLError, ValueError):
            return "a certificate in it is damaged: expected a PEM file with certificates of authorities"
    return fault


def _pem(path: Path, what: str) -> tuple[str, str | None]:
    """Return a file's text, and what is wrong with it as one that holds `what`."""
    content = _read(path)
    if content is None:
        return "", "expected a PEM file, and there is none that can be read: check path and rights"
    # PEM is ASCII between its lines; what people write around it may be anything.
    text = content.decode("ascii", "replace").replace("\N{REPLACEMENT CHARACTER}", "?")
    if f"{what}-----" not in text:
        return "", f"expected a PEM file with a line -----BEGIN {what}-----"
    return text, None


def _read(path: Path) -> bytes | None:
    """Return the content; None where there is no regular file of a sensible size that can be read."""
    try:
        # Without blocking: a FIFO left here by mistake must not hold up the start.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            return None
        with open(number, "rb", closefd=False) as file:
            content = file.read(MAX_PEM + 1)
    except OSError:
        return None
    finally:
        os.close(number)
    return content if len(content) <= MAX_PEM else None
