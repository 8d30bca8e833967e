"""Why there is no connection, in words."""

import socket
import ssl

import pytest

from bridge.sources.mqtt.address import Address
from bridge.sources.mqtt.reasons import MAX_WORDS, broken, disconnected, refused, unreachable, unsubscribed

PLAIN = Address.parse("mqtt://broker")
TLS = Address.parse("mqtts://broker")


def verify(code: int) -> ssl.SSLCertVerificationError:
    """Return what a failed verification raises."""
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code, error.verify_message = code, "unknown"
    return error


@pytest.mark.parametrize(
    ("error", "address", "word"),
    [
        (ConnectionRefusedError(111, "refused"), PLAIN, "refuses connections"),
        (ConnectionResetError(104, "reset"), TLS, "TLS"),
        (ConnectionResetError(104, "reset"), PLAIN, "reset"),
        (socket.gaierror(-2, "Name or service not known"), PLAIN, "cannot be resolved"),
        (TimeoutError(), PLAIN, "firewall"),
        (OSError(113, "No route to host"), PLAIN, "No route to host"),
        (verify(10), TLS, "expired"),
        (verify(62), TLS, "another host"),
        (verify(20), TLS, "unknown authority"),
        (verify(1), TLS, "refused: unknown"),
        (ssl.SSLError(1, "[SSL] odd"), TLS, "TLS fails"),
    ],
)
def test_what_an_attempt_raises_is_told(error, address, word):
    """Each in its own words."""
    assert word in str(unreachable(error, address))


@pytest.mark.parametrize(("code", "is_five"), [(4, False), (5, False), (0x86, True), (0x87, True)])
def test_a_wrong_password_looks_like_one(code, is_five):
    """Whichever of the two codes the broker takes for it."""
    assert "password" in str(refused(code, is_five=is_five))


def test_an_unknown_code_is_told_as_it_is():
    """Never an exception."""
    assert "0x7f" in str(refused(0x7F, is_five=True))
    assert "0xff" in str(disconnected(0xFF))
    assert "0xff" in unsubscribed(0xFF)


def test_a_brokers_own_words_are_cut_and_cleaned():
    """They go into a log line."""
    words = str(disconnected(0x98, "a\r\nb\0" + "x" * 1000))
    assert "a  b" in words
    assert words.isprintable()
    assert len(words) < MAX_WORDS + 100


def test_an_end_before_the_first_answer_has_a_hint():
    """Of what it may be, by what was tried."""
    early = {"is_early": True}
    assert "TLS" in str(broken(None, PLAIN, **early, shows_certificate=False))
    assert "does it want a client certificate" in str(broken(None, TLS, **early, shows_certificate=False))
    assert "does it take our client certificate" in str(broken(None, TLS, **early, shows_certificate=True))
    assert "without a word" in str(broken(None, PLAIN, is_early=False, shows_certificate=False))
