"""What is wrong between us and a broker, in words for a person.

aiokafka says `Unable to bootstrap` of a wrong password, of a name that nobody resolves, and of a certificate that
nobody trusts. So each connection of our own is tried where its error can be seen, and this says what the error means.
"""

import asyncio
import socket
import ssl
from typing import Final

from aiokafka import errors as kafka  # type: ignore[import-untyped]  # it has no types

from bridge.errors import SourceError

#: What our connections raise. `ValueError` and its like: an answer that is none, of a server that is no broker.
FAILURES: Final = (OSError, kafka.KafkaError, asyncio.TimeoutError, ValueError, AssertionError, NotImplementedError)


#: A broker that is spoken to in a way it does not expect says nothing.
_CLOSED: Final = (
    "{where} closed the connection: it is no Kafka broker, or TLS (`tls`) or `sasl` are not what this port asks for"
)

#: Characters of a reason that a library or a broker gave.
MAX_REASON: Final = 200


class LostError(SourceError):
    """The cluster cannot be read now; the connections are to be made anew."""


class ConflictError(LostError):
    """Another process has our name; to come back soon would take it from that one, which would take it back."""


def words(error: BaseException, where: str) -> str:
    """Say what an error of the connection to `where` means."""
    if isinstance(error, SourceError):
        return str(error)
    if isinstance(error, kafka.KafkaError):
        return _protocol(error, where)
    if isinstance(error, ssl.SSLError):
        return _tls(error, where)
    if isinstance(error, OSError | TimeoutError):
        return _network(error, where)
    return f"{where} does not answer as a Kafka broker does"


def clipped(text: object) -> str:
    """Return a library's words on one line, of bounded length."""
    line = " ".join(str(text).split())
    return line if len(line) <= MAX_REASON else f"{line[:MAX_REASON]}…"


def _network(error: OSError, where: str) -> str:
    if isinstance(error, TimeoutError):
        return f"{where} does not answer"
    if isinstance(error, socket.gaierror):
        return f"the name of {where} cannot be resolved"
    if isinstance(error, ConnectionRefusedError):
        return f"{where} refuses connections: nothing listens there (is the broker started, is the port right?)"
    if isinstance(error, ConnectionError):
        return _CLOSED.format(where=where)
    return f"{where} cannot be reached: {clipped(error.strerror or error)}"


def _tls(error: ssl.SSLError, where: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {where} is not trusted: {clipped(error.verify_message)}"
    if error.reason == "WRONG_VERSION_NUMBER":
        return f"{where} does not speak TLS on this port"
    if error.reason and ("CERTIFICATE" in error.reason or "HANDSHAKE" in error.reason):
        return f"{where} does not accept our certificate: {_reason(error)}"
    return f"TLS with {where} fails: {_reason(error)}"


def _reason(error: ssl.SSLError) -> str:
    return clipped((error.reason or error.strerror or "no reason given").replace("_", " ").lower())


#: By kind of error; `{where}` is the broker's address, `{what}` what the error itself says.
_MEANINGS: Final = {
    kafka.SaslAuthenticationFailed: (
        "{where} does not accept who we are: wrong user name or password, or a token that is not valid"
    ),
    kafka.AuthenticationFailedError: "{what}",
    kafka.UnsupportedSaslMechanismError: "{where} does not offer this `sasl.mechanism`",
    kafka.IllegalSaslStateError: "{where} asks for no `sasl` on this port",
    kafka.TopicAuthorizationFailedError: "not authorised to read the topic {what}",
    kafka.GroupAuthorizationFailedError: "not authorised to join the group",
    kafka.KafkaTimeoutError: "{where} does not answer",
    kafka.RequestTimedOutError: "{where} does not answer",
    kafka.KafkaConnectionError: _CLOSED,
}


def _protocol(error: kafka.KafkaError, where: str) -> str:
    if isinstance(error.__cause__, ssl.SSLError | ConnectionRefusedError | socket.gaierror):
        return words(error.__cause__, where)
    told = _MEANINGS.get(type(error), "{where}: {error}")
    what = clipped(error.args[0]) if error.args else ""
    return told.format(where=where, what=what, error=clipped(error)).strip()
