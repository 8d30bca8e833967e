"""Errors in words."""

import socket
import ssl

import pytest
from aiokafka import errors as kafka

from bridge.errors import SourceError
from bridge.sources.kafka.trouble import MAX_REASON, clipped, words

WHERE = "kafka-0:9092"


def verification() -> ssl.SSLCertVerificationError:
    """Make the error of a certificate that has expired."""
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    error.verify_message = "certificate has expired"
    return error


def tls(reason: str) -> ssl.SSLError:
    """Make an error of TLS."""
    error = ssl.SSLError(1, "failed")
    error.reason = reason
    return error


def caused(cause: BaseException) -> kafka.KafkaConnectionError:
    """Make an error that the library made of another one."""
    error = kafka.KafkaConnectionError("closed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(111, "refused"), "nothing listens there (is the broker started, is the port right?)"),
        (socket.gaierror(-2, "Name or service not known"), "cannot be resolved"),
        (TimeoutError(), "does not answer"),
        (kafka.RequestTimedOutError(), "does not answer"),
        (kafka.SaslAuthenticationFailed("no"), "wrong user name or password"),
        (kafka.UnsupportedSaslMechanismError("x"), "`sasl.mechanism`"),
        (kafka.IllegalSaslStateError("x"), "no `sasl` on this port"),
        (kafka.KafkaConnectionError("closed"), "`tls`"),
        (ConnectionResetError(104, "reset"), "`tls`"),
        (ConnectionAbortedError(), "`sasl`"),
        (caused(verification()), "not trusted: certificate has expired"),
        (verification(), "not trusted: certificate has expired"),
        (tls("WRONG_VERSION_NUMBER"), "does not speak TLS"),
        (tls("SSLV3_ALERT_BAD_CERTIFICATE"), "does not accept our certificate"),
        (tls("UNEXPECTED_EOF"), "TLS with kafka-0:9092 fails: unexpected eof"),
        (OSError(113, "No route to host"), "cannot be reached: No route to host"),
        (ValueError("rubbish"), "does not answer as a Kafka broker does"),
        (kafka.InvalidTopicError("x"), "InvalidTopicError"),
    ],
)
def test_an_error_says_what_it_means(error: BaseException, said: str) -> None:
    """The broker is named, and what to look at."""
    told = words(error, WHERE)
    assert said in told
    assert WHERE in told


def test_reasons_of_our_own_are_told_as_they_are() -> None:
    """A token file that cannot be read, a topic that may not be."""
    assert words(SourceError("tls.ca: expected a PEM file"), WHERE) == "tls.ca: expected a PEM file"
    assert words(kafka.AuthenticationFailedError("sasl.token: gone"), WHERE) == "sasl.token: gone"
    assert words(kafka.TopicAuthorizationFailedError("orders"), WHERE) == "not authorised to read the topic orders"
    assert words(kafka.GroupAuthorizationFailedError("g"), WHERE) == "not authorised to join the group"


def test_braces_in_a_reason_are_no_holes() -> None:
    """A broker may say anything."""
    assert "{where.x}" in words(kafka.AuthenticationFailedError("{where.x}"), WHERE)


def test_a_reason_is_one_short_line() -> None:
    """Whatever a library says."""
    assert clipped("a\n  b\r\nc") == "a b c"
    assert len(clipped("x" * 1000)) == MAX_REASON + 1
