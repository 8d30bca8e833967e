"""What is wrong between us and a server, in one sentence for a person.

A sentence names the host, and never the path, the query, or a secret. What a library says is not passed on: it may
hold an address as it was sent.
"""

import errno
import http.client
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from bridge.errors import SourceError
from bridge.units import duration_text

#: How far a request has come: what a timeout was waiting for.
Stage = Literal["name", "connect", "head", "body"]

#: Causes of causes that are looked at. A chain is three long; a loop in one must not hold us.
MAX_CAUSES: Final = 16

#: What the client's library raises beside cancellation. `ValueError`: what asyncio refuses.
FAILURES: Final = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError, ValueError)


class WebError(SourceError):
    """A request that had no answer, or none that can be used; in words."""


class OversizeError(WebError):
    """A body that is larger than it may be."""


#: By stage, what did not come in time.
_LATE: Final = {
    "name": "the name of {where} was not resolved within {time}",
    "connect": "{where} took no connection within {time}",
    "head": "{where} did not answer within {time}",
    "body": "{where} did not finish its answer within {time}",
}

#: By what X509_verify_cert found (openssl-verification-options(1)).
_CERTIFICATES: Final = {
    9: "the certificate of {where} is not valid yet: is a clock wrong?",
    10: "the certificate of {where} has expired",
    18: "the certificate of {where} is self-signed: name it with `tls.ca` if it is meant",
    19: "nobody that we trust signed the certificate of {where}: name its authority with `tls.ca`",
    20: "nobody that we trust signed the certificate of {where}: name its authority with `tls.ca`",
    21: "nobody that we trust signed the certificate of {where}: name its authority with `tls.ca`",
    23: "the certificate of {where} was revoked",
    26: "the certificate of {where} is not one for servers",
    62: "the certificate of {where} is for another name",
    64: "the certificate of {where} is for another address",
}

#: By a part of OpenSSL's reason, the first that fits.
_HANDSHAKES: Final = (
    ("WRONG_VERSION_NUMBER", "{where} does not speak TLS on this port: is http:// meant?"),
    ("RECORD_LAYER_FAILURE", "{where} does not speak TLS on this port: is http:// meant?"),
    ("HTTP_REQUEST", "{where} does not speak TLS on this port: is http:// meant?"),
    ("UNSUPPORTED_PROTOCOL", "{where} speaks no version of TLS that is still safe: 1.2 is the least"),
    ("PROTOCOL_VERSION", "{where} speaks no version of TLS that is still safe: 1.2 is the least"),
    ("NO_PROTOCOLS", "{where} speaks no version of TLS that is still safe: 1.2 is the least"),
    ("CERTIFICATE_REQUIRED", "{where} asks for a certificate of ours: give `tls.cert`"),
    ("ALERT_CERTIFICATE_EXPIRED", "{where} finds that our certificate has expired"),
    ("ALERT", "{where} does not accept us: our certificate (`tls.cert`), or the way we speak TLS"),
    ("DH_KEY_TOO_SMALL", "{where} offers keys that are too short to be safe"),
    ("KEY_TOO_SMALL", "{where} offers keys that are too short to be safe"),
    ("UNEXPECTED_EOF", "{where} ended the connection before TLS began: is https:// meant on this port?"),
)

#: By the number of the system's error.
_NUMBERS: Final = {
    errno.ECONNREFUSED: "{where} refuses connections: nothing listens there (is it started, is the port right?)",
    errno.ENETUNREACH: "no network leads to {where}",
    errno.EHOSTUNREACH: "{where} cannot be reached: no way leads to its host",
    errno.ETIMEDOUT: "{where} took no connection, or has not been heard of since",
    errno.EMFILE: "too many files are open to connect to {where}: raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open on this machine to connect to {where}",
    errno.EADDRNOTAVAIL: "no local port is left to connect to {where} from",
    errno.EACCES: "the system does not let us connect to {where}: a firewall's rule, or this container's",
    errno.EPERM: "the system does not let us connect to {where}: a firewall's rule, or this container's",
}

_RESET: Final = {
    "name": "{where} reset the connection",
    "connect": "{where} reset the connection",
    "head": "{where} reset the connection without an answer",
    "body": "{where} reset the connection within its answer",
}

_NAMES: Final = {
    socket.EAI_AGAIN: "the name of {where} cannot be resolved now: the name server did not answer",
}

#: A refused TLS record in plain text: type alert or handshake, then a version 3.x.
_TLS_RECORD: Final = re.compile(r"\\x1[56]\\x03|[\x15\x16]\x03")

_TOO_LONG: Final = ("Got more than", "Too many")

#: asyncio and aiohappyeyeballs join what several addresses said into one text.
_NUMBERED: Final = re.compile(r"\[Errno (\d{1,3})\]")


def trouble(error: BaseException, where: str, *, stage: Stage, seconds: float | None = None) -> WebError:
    """Return what an error of a request to `where` means; `seconds` is the time that it had."""
    if isinstance(error, WebError):
        return error
    told = next(filter(None, (_word(each, stage) for each in _causes(error))), _UNKNOWN[stage])
    time = duration_text(seconds) if seconds else "its time"
    return WebError(told.format(where=where, time=time))


_UNKNOWN: Final = {
    "name": "the name of {where} cannot be resolved",
    "connect": "{where} cannot be reached",
    "head": "{where} does not answer as an HTTP server does",
    "body": "the answer of {where} is cut or damaged",
}


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was made of, what is closest to the system first."""
    found: list[BaseException] = []
    left: list[object] = [error]
    while left and len(found) < MAX_CAUSES:
        each = left.pop()
        if isinstance(each, BaseException) and each not in found:
            found.append(each)
            left += (each.__cause__, getattr(each, "os_error", None), getattr(each, "certificate_error", None))
    return reversed(found)


def _word(error: BaseException, stage: Stage) -> str | None:
    """Return what one error means, or None where another of its chain says more."""
    return next((told for kind, say in _KINDS if isinstance(error, kind) and (told := say(error, stage))), None)


def _certificate(error: ssl.SSLCertVerificationError, _: Stage) -> str | None:
    return _CERTIFICATES.get(error.verify_code, "the certificate of {where} is not trusted")


def _handshake(error: ssl.SSLError, stage: Stage) -> str | None:
    reason = (error.reason or "").upper()
    found = next((told for part, told in _HANDSHAKES if part in reason), None)
    return found or ("TLS with {where} fails" if stage != "body" else "the answer of {where} is cut or damaged")


def _name(error: socket.gaierror, _: Stage) -> str | None:
    return _NAMES.get(error.errno or 0, "{where} cannot be resolved: there is no such name")


def _number(error: OSError, stage: Stage) -> str | None:
    if error.errno is not None:
        return _NUMBERS.get(error.errno)
    if stage in {"name", "connect"}:
        numbers = [int(number) for number in _NUMBERED.findall(str(error))]
        return next((_NUMBERS[number] for number in _NUMBERS if number in numbers), None)
    return None


def _message(error: HttpProcessingError, stage: Stage) -> str | None:
    if stage == "body":
        return None
    if _TLS_RECORD.search(error.message):
        return "{where} speaks TLS on this port: is https:// meant?"
    # Of what went wrong the library keeps the text alone.
    if error.message.startswith(_TOO_LONG):
        return "the head of the answer of {where} is too long"
    return "{where} does not answer as an HTTP server does"


def _proxy(error: aiohttp.ClientHttpProxyError, _: Stage) -> str | None:
    if error.status == http.client.PROXY_AUTHENTICATION_REQUIRED:
        return "the proxy does not accept who we are: `proxy.username` and `proxy.password`"
    return f"the proxy lets nobody through to {{where}}: it answers {error.status}"


def _says(told: str) -> Callable[[BaseException, Stage], str]:
    return lambda _error, _stage: told


#: What an error means by its kind; the first that has something to say.
_KINDS: Final[tuple[tuple[type[BaseException], Callable[[Any, Stage], str | None]], ...]] = (
    (ssl.SSLCertVerificationError, _certificate),
    (ssl.SSLEOFError, _says("{where} ended the connection before TLS began")),
    (ssl.SSLError, _handshake),
    (socket.gaierror, _name),
    (aiohttp.ClientHttpProxyError, _proxy),
    (HttpProcessingError, _message),
    (TimeoutError, lambda _, stage: _LATE[stage]),
    (aiohttp.ServerDisconnectedError, _says("{where} closed the connection without an answer")),
    (aiohttp.ClientPayloadError, _says("the answer of {where} ends before its end")),
    (ConnectionResetError, lambda _, stage: _RESET[stage]),
    (BrokenPipeError, lambda _, stage: _RESET[stage]),
    (ConnectionAbortedError, lambda _, stage: _RESET[stage]),
    (OSError, _number),
)
