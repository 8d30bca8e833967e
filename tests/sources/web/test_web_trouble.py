"""What an error means: one sentence, which names the host and nothing else of the address."""

import asyncio
import errno
import socket
import ssl
from typing import cast

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.http_exceptions import BadStatusLine, HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from bridge.sources.web.trouble import FAILURES, Stage, WebError, trouble

KEY = cast("ConnectionKey", object())
ASKED = aiohttp.RequestInfo(URL("http://h/?token=x"), "GET", CIMultiDictProxy(CIMultiDict()), URL("http://h/?token=x"))


def certificate(code: int) -> ssl.SSLCertVerificationError:
    """Return what OpenSSL raises of a certificate."""
    error = ssl.SSLCertVerificationError("failed")
    error.verify_code, error.verify_message = code, "words of OpenSSL"
    return error


def handshake(reason: str) -> ssl.SSLError:
    """Return what OpenSSL raises of a handshake."""
    error = ssl.SSLError(1, "failed")
    error.reason = reason
    return error


def failed(error: OSError) -> aiohttp.ClientConnectorError:
    """Return what the library makes of an error while it connects."""
    made = aiohttp.ClientConnectorError(KEY, error)
    made.__cause__ = error
    return made


def caused(error: BaseException, cause: BaseException) -> BaseException:
    """Return an error with a cause."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "stage", "told"),
    [
        (TimeoutError(), "name", "the name of h was not resolved within 1s500ms"),
        (TimeoutError(), "connect", "h took no connection within 1s500ms"),
        (aiohttp.ConnectionTimeoutError("x"), "connect", "h took no connection within 1s500ms"),
        (TimeoutError(), "head", "h did not answer within 1s500ms"),
        (TimeoutError(), "body", "h did not finish its answer within 1s500ms"),
        (failed(socket.gaierror(socket.EAI_NONAME, "x")), "name", "h cannot be resolved: there is no such name"),
        (failed(socket.gaierror(socket.EAI_NODATA, "x")), "name", "h cannot be resolved: there is no such name"),
        (failed(socket.gaierror(socket.EAI_AGAIN, "x")), "name", "the name of h cannot be resolved now"),
        (failed(OSError(errno.ECONNREFUSED, "x")), "connect", "h refuses connections"),
        (failed(OSError("Multiple exceptions: [Errno 101] a, [Errno 111] b")), "connect", "h refuses connections"),
        (failed(OSError(errno.ENETUNREACH, "x")), "connect", "no network leads to h"),
        (failed(OSError(errno.EHOSTUNREACH, "x")), "connect", "h cannot be reached: no way"),
        (failed(OSError(errno.ETIMEDOUT, "x")), "connect", "h took no connection"),
        (failed(OSError(errno.EMFILE, "x")), "connect", "too many files are open"),
        (failed(OSError(errno.EADDRNOTAVAIL, "x")), "connect", "no local port is left"),
        (failed(OSError(errno.EACCES, "x")), "connect", "the system does not let us"),
        (failed(OSError(errno.EIO, "token=x")), "connect", "h cannot be reached"),
        (OSError(errno.ECONNRESET, "x"), "head", "h reset the connection without an answer"),
        (OSError(errno.EPIPE, "x"), "head", "h reset the connection without an answer"),
        (OSError(errno.ECONNRESET, "x"), "body", "h reset the connection within its answer"),
        (aiohttp.ServerDisconnectedError(), "head", "h closed the connection without an answer"),
        (aiohttp.ClientPayloadError("token=x"), "body", "the answer of h ends before its end"),
        (caused(aiohttp.ClientPayloadError("x"), HttpProcessingError(message="x")), "body", "the answer of h ends"),
        (HttpProcessingError(message="Got more than 8190 bytes"), "head", "the head of the answer of h is too long"),
        (HttpProcessingError(message="Too many headers received"), "head", "the head of the answer of h is too long"),
        (BadStatusLine("\x15\x03\x01"), "head", "h speaks TLS on this port"),
        (HttpProcessingError(message=r"b'\x15\x03\x03'"), "head", "h speaks TLS on this port"),
        (HttpProcessingError(message="token=x"), "head", "h does not answer as an HTTP server does"),
        (aiohttp.ClientHttpProxyError(ASKED, (), status=407), "connect", "the proxy does not accept who we are"),
        (aiohttp.ClientHttpProxyError(ASKED, (), status=403), "connect", "the proxy lets nobody through to h"),
        (aiohttp.InvalidUrlClientError("token=x"), "name", "the name of h cannot be resolved"),
        (ValueError("token=x"), "head", "h does not answer as an HTTP server does"),
        (aiohttp.ClientError("token=x"), "body", "the answer of h is cut or damaged"),
        (failed(handshake("WRONG_VERSION_NUMBER")), "connect", "h does not speak TLS on this port"),
        (failed(handshake("TLSV1_ALERT_PROTOCOL_VERSION")), "connect", "h speaks no version of TLS"),
        (failed(handshake("UNSUPPORTED_PROTOCOL")), "connect", "h speaks no version of TLS"),
        (handshake("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "head", "h asks for a certificate of ours"),
        (handshake("SSLV3_ALERT_CERTIFICATE_EXPIRED"), "head", "h finds that our certificate has expired"),
        (handshake("TLSV1_ALERT_UNKNOWN_CA"), "head", "h does not accept us"),
        (failed(handshake("DH_KEY_TOO_SMALL")), "connect", "h offers keys that are too short"),
        (failed(handshake("SOMETHING_NEW")), "connect", "TLS with h fails"),
        (failed(certificate(9)), "connect", "the certificate of h is not valid yet"),
        (failed(certificate(10)), "connect", "the certificate of h has expired"),
        (failed(certificate(18)), "connect", "the certificate of h is self-signed"),
        (failed(certificate(19)), "connect", "nobody that we trust signed the certificate of h"),
        (failed(certificate(20)), "connect", "nobody that we trust signed the certificate of h"),
        (failed(certificate(23)), "connect", "the certificate of h was revoked"),
        (failed(certificate(62)), "connect", "the certificate of h is for another name"),
        (failed(certificate(64)), "connect", "the certificate of h is for another address"),
        (failed(certificate(99)), "connect", "the certificate of h is not trusted"),
        (aiohttp.ClientConnectorCertificateError(KEY, certificate(10)), "connect", "the certificate of h has expired"),
        (ssl.SSLEOFError(8, "x"), "connect", "h ended the connection before TLS began"),
    ],
)
def test_each_cause_has_its_sentence(error: BaseException, stage: Stage, told: str) -> None:
    """What the library says is not passed on: it may hold what was sent."""
    assert isinstance(error, FAILURES)
    words = str(trouble(error, "h", stage=stage, seconds=1.5))
    assert words.startswith(told)
    assert "token" not in words
    assert "{" not in words


def test_what_is_in_words_stays_as_it_is() -> None:
    """Whoever knew it said it."""
    error = WebError("in words")
    assert trouble(error, "h", stage="head") is error


def test_a_time_that_is_not_known_is_not_named() -> None:
    """The time belongs to whoever set it."""
    assert str(trouble(TimeoutError(), "h", stage="head")) == "h did not answer within its time"


def test_a_chain_without_end_has_one() -> None:
    """Two errors may be each other's cause."""
    one, two = OSError("1"), OSError("2")
    one.__cause__, two.__cause__ = two, one
    assert str(trouble(one, "h", stage="connect")) == "h cannot be reached"


def test_cancellation_is_no_failure() -> None:
    """It is passed on."""
    assert not issubclass(asyncio.CancelledError, FAILURES)
