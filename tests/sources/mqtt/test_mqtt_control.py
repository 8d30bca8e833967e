"""paho without a socket."""

import pytest
from paho.mqtt.client import Client

from bridge.sources.mqtt.control import Control, Greeting, Pipe, options
from bridge.sources.mqtt.properties import MalformedError
from tests import packets


def greeting(*, is_five: bool = True, keepalive: int = 30) -> Greeting:
    """Return what a CONNECT says."""
    properties = {"SessionExpiryInterval": 60, "ReceiveMaximum": 9}
    return Greeting(client_id="c", is_five=is_five, is_clean=not is_five, keepalive=keepalive, properties=properties)


def connected(wrote: list[bytes], *, is_five: bool = True) -> Control:
    """Return one that the broker has accepted."""
    control = Control(greeting(is_five=is_five), "user", "secret", wrote.append)
    control.connect()
    control.take(packets.packet(packets.CONNACK, b"\0\0" + (b"\3\x29\0\0"[:1] + b"\x21\0\5" if is_five else b"")))
    return control


def test_paho_opens_its_connection_where_we_stand_in_for_it():
    """A method without a promise: a version of paho without it must not go unnoticed."""
    assert callable(Client._create_socket)


@pytest.mark.parametrize("is_five", [True, False])
def test_it_says_who_it_is(is_five):
    """In either version."""
    wrote: list[bytes] = []
    Control(greeting(is_five=is_five), "user", "secret", wrote.append).connect()
    (raw,) = wrote
    told = packets.read_connect(raw[2:])
    assert (told.client_id, told.username, told.password, told.keepalive) == ("c", "user", b"secret", 30)
    assert told.is_clean is not is_five
    assert told.properties == ({packets.SESSION_EXPIRY: 60, packets.RECEIVE_MAXIMUM: 9} if is_five else {})


def test_it_keeps_what_the_broker_offers():
    """By the names of MQTT 5."""
    assert connected([]).offers["ReceiveMaximum"] == 5


def test_a_subscription_is_answered_under_its_packet():
    """A code for each filter."""
    wrote: list[bytes] = []
    control = connected(wrote)
    mid = control.subscribe("a/+", 1, options(1, brings=True, tells=True), 4)
    asked = packets.read_subscribe(wrote[-1][2:], packets.V5)
    assert (asked.id, asked.filters, asked.properties) == (mid, {"a/+": 0b1001}, {packets.SUBSCRIPTION: 4})
    control.take(packets.packet(packets.SUBACK, mid.to_bytes(2, "big") + b"\0\x87"))
    assert control.answers == {mid: [0x87]}


def test_goodbye_may_end_the_session():
    """Where nobody comes back under that name."""
    wrote: list[bytes] = []
    connected(wrote).disconnect()
    assert wrote[-1] == packets.packet(packets.DISCONNECT)
    connected(wrote).disconnect(forget=True)
    assert wrote[-1] == packets.packet(packets.DISCONNECT, b"\0\5\x11\0\0\0\0")
    connected(wrote, is_five=False).disconnect(forget=True)
    assert wrote[-1] == packets.packet(packets.DISCONNECT)


@pytest.mark.parametrize(
    "raw",
    [
        packets.packet(packets.SUBACK, b"\0"),
        packets.packet(packets.SUBACK, b"\0\1\0\x42"),
        packets.packet(packets.PINGRESP, b"x"),
        packets.packet(packets.CONNECT),
        packets.packet(0),
        packets.packet(15, b"\x18"),
    ],
)
def test_a_packet_that_is_none_is_refused_in_one_way(raw):
    """Whatever paho raises."""
    with pytest.raises(MalformedError):
        connected([]).take(raw)


def test_a_pipe_gives_what_it_was_given():
    """And blocks as a socket without data would."""
    pipe = Pipe(lambda _: None)
    pipe.give(b"abc")
    assert pipe.recv(2) == b"ab"
    assert pipe.recv(2) == b"c"
    with pytest.raises(BlockingIOError):
        pipe.recv(1)
