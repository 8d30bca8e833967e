"""Why a connection is not there, in words that tell an operator what to do."""

import socket
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp

from bridge.errors import SourceError
from bridge.sources.mqtt.address import Address

TAKEN_OVER: Final = 0x8E

#: Of CONNECT: Mosquitto says so of a wrong password, too.
_NOT_AUTHORIZED: Final = "not authorized: the user name or the password is wrong, or the broker's rules forbid it"

#: MQTT 3.1.1, section 3.2.2.3.
_CONNACK_THREE: Final[Mapping[int, str]] = {
    1: "the broker does not speak this version of MQTT: set `version`",
    2: "the broker does not take this client id: set `client_id`",
    3: "the broker is there, but its service is not: it is starting or overloaded",
    4: "wrong user name or password",
    5: _NOT_AUTHORIZED,
}

#: MQTT 5.0, section 2.4.
_CODES: Final[Mapping[int, str]] = {
    0x00: "the broker closed the connection",
    0x04: "the broker closed the connection",
    0x80: "the broker failed, and says no more",
    0x81: "the broker took a packet of ours for malformed",
    0x82: "the broker saw a breach of the protocol",
    0x83: "the broker refused for a reason of its own",
    0x84: "the broker does not speak this version of MQTT: set `version: 3.1.1`",
    0x85: "the broker does not take this client id: set `client_id`",
    0x86: "wrong user name or password",
    0x87: "this user may not do that: check the broker's rules",
    0x88: "the broker is there, but its service is not: it is starting or in maintenance",
    0x89: "the broker is busy",
    0x8A: "the broker has banned this client",
    0x8B: "the broker is shutting down",
    0x8C: "the broker wants another way of authentication than a password",
    0x8D: "the broker heard nothing for the keepalive: the network or this process stood still",
    TAKEN_OVER: "another client connected under the same client id",
    0x8F: "the broker does not take this topic",
    0x90: "the broker does not take a topic's name",
    0x91: "a packet's identifier is in use",
    0x93: "the broker sent more than `inflight` allows, or took us to",
    0x94: "a topic alias is not valid",
    0x95: "a packet was too large",
    0x96: "too many messages a second",
    0x97: "a quota of the broker is used up",
    0x98: "the broker's administrator ended the connection",
    0x99: "a payload is not in the form that it claims",
    0x9A: "the broker keeps no retained messages",
    0x9B: "the broker does not offer this `qos`",
    0x9C: "the broker says to use another server for now",
    0x9D: "the broker has moved: change `url`",
    0x9E: "the broker has no shared subscriptions: take `share` out",
    0x9F: "the broker takes no more connections a second for now",
    0xA0: "the longest time for one connection is over",
    0xA1: "the broker has no subscription identifiers",
    0xA2: "the broker has no wildcard subscriptions: a name in `topics` needs them",
}

#: OpenSSL's verify codes (x509_vfy.h).
_VERIFY: Final[Mapping[int, str]] = {
    9: "the broker's certificate is not valid yet: is the clock right?",
    10: "the broker's certificate has expired",
    18: "the broker's certificate is signed by itself: name it as `tls: { ca: … }`",
    19: "the broker's certificate comes from an unknown authority: name it as `tls: { ca: … }`",
    20: "the broker's certificate comes from an unknown authority: name it as `tls: { ca: … }`",
    21: "the broker's certificate comes from an unknown authority: name it as `tls: { ca: … }`",
    62: "the broker's certificate is for another host: check `url`",
    64: "the broker's certificate is for another address: check `url`",
}

#: Parts of OpenSSL's reasons.
_TLS: Final[Mapping[str, str]] = {
    "WRONG_VERSION_NUMBER": "no TLS is spoken there: is it the port for mqtt:// or ws://?",
    "RECORD_LAYER_FAILURE": "no TLS is spoken there: is it the port for mqtt:// or ws://?",
    "CERTIFICATE_REQUIRED": "the broker wants a client certificate: give `tls: { cert: …, key: … }`",
    "HANDSHAKE_FAILURE": "no TLS that both sides know; maybe the broker wants a client certificate",
    "UNKNOWN_CA": "the broker does not know the authority of our client certificate",
    "CERTIFICATE_EXPIRED": "our client certificate has expired",
    "BAD_CERTIFICATE": "the broker does not take our client certificate",
    "CERTIFICATE_REVOKED": "our client certificate was revoked",
    "CERTIFICATE_UNKNOWN": "the broker does not take our client certificate",
    "PROTOCOL_VERSION": "no version of TLS that both sides know",
}

#: A broker's own words, cut: they go into logs and events.
MAX_WORDS: Final = 200


class LostError(SourceError):
    """There is no connection, or no more; `code` is the broker's, where it gave one."""

    def __init__(self, words: str, code: int = 0) -> None:
        super().__init__(words)
        self.code = code


def refused(code: int, said: str = "", *, is_five: bool) -> LostError:
    """Return what the broker's answer to CONNECT means."""
    codes = {**_CODES, 0x87: _NOT_AUTHORIZED} if is_five else _CONNACK_THREE
    words = codes.get(code, "the broker refused the connection")
    return LostError(f"{words} (code {code:#04x}){_said(said)}", code)


def disconnected(code: int, said: str = "") -> LostError:
    """Return what the broker's DISCONNECT means."""
    return LostError(f"{_CODES.get(code, 'the broker closed the connection')} (code {code:#04x}){_said(said)}", code)


def unsubscribed(code: int) -> str:
    """Return why the broker refused a topic."""
    return f"{_CODES.get(code, 'the broker refused it')} (code {code:#04x})"


def unreachable(error: BaseException, address: Address) -> LostError:
    """Return why there is no connection, from what the attempt raised."""
    return LostError(_words(error, address))


def broken(error: BaseException | None, address: Address, *, is_early: bool, shows_certificate: bool) -> LostError:
    """Return why a connection ended without a word of MQTT; early is before the broker's first answer."""
    if isinstance(error, ssl.SSLError):
        return unreachable(error, address)
    how = f" ({error.strerror or error})" if isinstance(error, OSError) else ""
    if not is_early:
        return LostError(f"{address.authority} closed the connection without a word{how}")
    # With TLS 1.3 a broker looks at our certificate after the handshake; its reset may overtake its reason.
    hint = "is this its port for TLS"
    if address.is_tls:
        hint = "does it take our client certificate" if shows_certificate else "does it want a client certificate"
    return LostError(
        f"{address.authority} closed the connection before it answered{how}: is it an MQTT broker, {hint}?"
    )


def _words(error: BaseException, address: Address) -> str:
    at = address.authority
    # The order matters: some of these are kinds of others.
    match error:
        case aiohttp.ClientConnectorCertificateError():
            words = _words(error.certificate_error, address)
        case aiohttp.ClientConnectorError():
            words = _words(error.os_error, address)
        case aiohttp.WSServerHandshakeError():
            words = f"{at} answers the WebSocket's request with {error.status}: check the path of `url`"
        case ssl.SSLError():
            words = _tls_words(error)
        case socket.gaierror():
            words = f"{address.host} cannot be resolved ({error.strerror}): check `url` and DNS"
        case TimeoutError():
            words = f"{at} does not answer: is a firewall in between?"
        case ConnectionRefusedError():
            words = f"{at} refuses connections: does the broker run, and is the port right?"
        case ConnectionError() if address.is_tls:
            words = f"{at} broke the TLS handshake off: is it the port for mqtt:// or ws://?"
        case aiohttp.ClientError():
            words = f"{at} speaks no WebSocket: {error}"
        case _:
            words = (
                f"{at} cannot be reached: {error.strerror or error}" if isinstance(error, OSError) else f"{at}: {error}"
            )
    return words


def _tls_words(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY.get(error.verify_code, f"the broker's certificate is refused: {error.verify_message}")
    # One that Python itself makes has no reason.
    reason = getattr(error, "reason", None) or str(error)
    return next((words for part, words in _TLS.items() if part in reason), f"TLS fails: {reason}")


def _said(text: str) -> str:
    clean = "".join(c if c.isprintable() else " " for c in text[:MAX_WORDS]).strip()
    return f": {clean}" if clean else ""
