"""What MQTT 5 says beside a message."""

import pytest

from bridge.sources.mqtt.properties import MAX_HEADERS, MalformedError, decode_properties
from tests import packets


def decoded(*given):
    """Return the properties, of a packet in which bytes follow them."""
    raw = packets.properties(*given)
    body = b"??" + packets.varint(len(raw)) + raw + b"payload"
    found, end = decode_properties(body, 2)
    assert body[end:] == b"payload"
    return found


def test_what_we_read_is_read_and_the_rest_stepped_over():
    """Every property of a message, in any order."""
    found = decoded(
        (packets.FORMAT, 1),
        (packets.USER, ("region", "eu")),
        (packets.EXPIRY, 60),
        (packets.RESPONSE_TOPIC, "r"),
        (packets.CORRELATION, b"\0\1"),
        (packets.SUBSCRIPTION, 268_435_455),
        (packets.SUBSCRIPTION, 3),
        (packets.ALIAS, 5),
        (packets.CONTENT_TYPE, "application/json"),
        (packets.REASON, "because"),
    )
    assert found.content_type == "application/json"
    assert found.expiry == 60
    assert found.headers == {"region": "eu"}
    assert found.subscriptions == (268_435_455, 3)
    assert found.reason == "because"


def test_a_header_that_stands_twice_has_both_values():
    """Joined as in HTTP."""
    assert decoded((packets.USER, ("a", "1")), (packets.USER, ("a", "2"))).headers == {"a": "1, 2"}


def test_headers_are_bounded():
    """Those past the bound are left out, not the message."""
    found = decoded(*((packets.USER, (f"n{n}", "v")) for n in range(MAX_HEADERS + 10)))
    assert len(found.headers) == MAX_HEADERS


def test_text_that_is_none_is_marked():
    """The message beside it is not lost for it."""
    assert decoded((packets.CONTENT_TYPE, b"\xff")).content_type == "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("raw", [b"", b"\x01", b"\x02\x01", b"\x80\x80\x80\x80\x01", b"\x02\x0b\xff", b"\x02\x7f\x00"])
def test_properties_that_are_wrong_are_refused(raw):
    """Cut short, unknown, or without an end."""
    with pytest.raises(MalformedError):
        decode_properties(raw, 0)
