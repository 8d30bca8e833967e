"""Where a broker is."""

import pytest

from bridge.sources.mqtt.address import Address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mqtt://broker", ("mqtt", "broker", 1883, "")),
        ("mqtts://broker/", ("mqtts", "broker", 8883, "")),
        ("ws://broker", ("ws", "broker", 80, "/mqtt")),
        ("wss://broker:9001/", ("wss", "broker", 9001, "/mqtt")),
        ("wss://broker/a/b", ("wss", "broker", 443, "/a/b")),
        ("mqtt://[::1]:1884", ("mqtt", "::1", 1884, "")),
    ],
)
def test_an_address_is_taken_apart(text, expected):
    """What is not given has the default of its scheme."""
    assert tuple(Address.parse(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "broker:1883",
        "http://broker",
        "mqtt://",
        "mqtt://broker:0",
        "mqtt://broker:99999",
        "mqtt://broker:x",
        "mqtt://broker/topic",
        "mqtt://broker?x=1",
        "mqtt://user:hunter2@broker",
        "mqtt://user@broker",
        "mqtt://bro ker",
        "mqtt://broker\r\nX",
        "wss://broker/mqtt#x",
        "mqtt://[::1",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(text):
    """It may hold a password."""
    with pytest.raises(ValueError, match=r"expected|address") as caught:
        Address.parse(text)
    assert "hunter2" not in str(caught.value)


def test_an_address_of_ipv6_is_written_in_brackets():
    """As one writes it, also towards a WebSocket's server."""
    assert Address.parse("mqtt://[::1]").authority == "[::1]:1883"
    assert Address.parse("ws://[::1]:9001").url == "ws://[::1]:9001/mqtt"
