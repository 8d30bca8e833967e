"""The decoder of an upstream's stream, beside a parser that shares nothing with it."""

import time
import tracemalloc

import pytest
from hypothesis import given, strategies as st

from bridge.sources.sse.decoder import MAX_EVENT, MAX_ID, Decoder, Heard, Oversized
from tests import reference
from tests.strategies import chop, pieces, streams

#: Bytes of an event that no stream here reaches.
AMPLE = 1024 * 1024

#: What a well-meaning server sends, its line ends still to be chosen.
_blocks = st.lists(
    st.sampled_from(
        [
            *("data: x", "data:  y", "data", "data:", "data: é\u2028\x85", ": comment", ":", "id: 7", "id", "id: \0"),
            *("event: e", "event", "retry: 5000", "retry: -1", "retry", "unknown: x", "", "", ""),
        ]
    ),
    max_size=20,
)


def seen(decoder: Decoder, cut: list[bytes]) -> list[tuple[str, str, str]]:
    """Return (event, data, id) of what the pieces give, as the reference has them."""
    heard = [each for piece in cut for each in decoder.feed(piece)]
    assert all(isinstance(each, Heard) for each in heard)
    return [(each.event or "message", each.data.decode(errors="replace"), each.id) for each in heard]


def check(stream: bytes, *cuts: list[bytes]) -> None:
    """Compare each way of cutting a stream with the reference."""
    expected = reference.parse(stream)
    for cut in (*cuts, [stream], chop(stream, 1), chop(stream, 2), chop(stream, 3)):
        decoder = Decoder(limit=AMPLE)
        assert seen(decoder, cut) == expected.events
        assert decoder.last_event_id == expected.last_event_id
        assert decoder.retry == expected.retry


@given(stream=streams, data=st.data())
def test_any_bytes_cut_anywhere_give_the_events_of_the_reference(stream, data):
    """Of a hostile server."""
    check(stream, data.draw(pieces(stream)))


@given(lines=_blocks, ends=st.data())
def test_any_mix_of_line_ends_gives_the_events_of_the_reference(lines, ends):
    """Of a server that means well."""
    choice = st.sampled_from(["\n", "\r", "\r\n"])
    stream = "".join(line + ends.draw(choice) for line in lines).encode()
    check(stream, ends.draw(pieces(stream)))


def test_an_event_has_the_name_it_came_with():
    """None is not `message`: so that what has no name is passed on without one."""
    found = Decoder(limit=AMPLE).feed(b"data: x\n\nevent: message\ndata: x\n\n")
    assert found == [Heard("", b"x", ""), Heard("message", b"x", "")]


def test_a_connection_goes_on_after_the_id_of_the_one_before():
    """An event without an id of its own leaves it where it is."""
    decoder = Decoder(last_event_id="7", limit=AMPLE)
    assert decoder.feed(b"data: x\n\n") == [Heard("", b"x", "7")]
    assert decoder.last_event_id == "7"


def test_an_id_counts_when_its_block_has_ended():
    """One that stands in a block that was cut would step over that block's event."""
    decoder = Decoder(last_event_id="7", limit=AMPLE)
    assert decoder.feed(b"id: 8\ndata: x\n") == []
    assert decoder.last_event_id == "7"
    assert decoder.feed(b"\n") == [Heard("", b"x", "8")]
    assert decoder.last_event_id == "8"


@pytest.mark.parametrize("size", [1, 2, 7, 100_000])
@pytest.mark.parametrize(
    "block",
    [
        b"data: " + b"x" * 101,
        b"data: " + b"x" * 50 + b"\ndata: " + b"x" * 50,
        b"data\n" * 102,
        b"data: " + b"x" * 20_000,
        b"data: x\ndata:" + b"x" * 20_000 + b"\ndata: x",
        b"data:\xef\xbf\xbd" + b"\xff" * 20_000,
    ],
    ids=["one more", "two lines", "empty lines", "long line", "long line between", "bad bytes"],
)
def test_an_event_over_the_limit_is_left_out_to_its_blank_line(block, size):
    """Its id counts, and the event behind it is whole."""
    stream = b"data: a\n\nid: 5\nevent: e\n" + block.removesuffix(b"\n") + b"\nid: 6\n\ndata: b\n\n"
    decoder = Decoder(limit=100)
    found = [each for piece in chop(stream, size) for each in decoder.feed(piece)]
    assert found == [Heard("", b"a", ""), Oversized("6"), Heard("", b"b", "6")]


@pytest.mark.parametrize("data", [b"data: " + b"x" * 100, b"data: " + b"x" * 49 + b"\ndata: " + b"x" * 50])
def test_an_event_of_just_the_limit_is_heard(data):
    """What counts is what a page gets: the lines and the ends between them."""
    for size in (1, 3, 1_000):
        decoder = Decoder(limit=100)
        [found] = [each for piece in chop(data + b"\n\n", size) for each in decoder.feed(piece)]
        assert isinstance(found, Heard)
        assert len(found.data) == 100


@pytest.mark.parametrize("size", [1, 1_000, 100_000])
@pytest.mark.parametrize("line", [b":" + b"x" * 20_000, b"unknown: " + b"x" * 20_000, b"x" * 20_000, b"data" * 5_000])
def test_a_long_line_that_is_no_field_costs_nothing(line, size):
    """A comment of any length leaves its event as it is."""
    stream = b"id: 1\ndata: a\n" + line + b"\ndata: b\n\n"
    decoder = Decoder(limit=100)
    assert [each for piece in chop(stream, size) for each in decoder.feed(piece)] == [Heard("", b"a\nb", "1")]


@pytest.mark.parametrize("size", [1, 1_000, 100_000])
def test_an_id_that_is_too_long_to_be_sent_back_is_none(size):
    """So what is missed after it is told; the one before it would bring what was heard already."""
    stream = b"id: 1\ndata: a\n\nid: %b\ndata: b\n\n" % (b"2" * (MAX_ID + 1))
    decoder = Decoder(limit=10)
    found = [each for piece in chop(stream, size) for each in decoder.feed(piece)]
    assert found == [Heard("", b"a", "1"), Heard("", b"b", "")]
    assert decoder.last_event_id == ""


def test_the_longest_id_is_kept_whole():
    """Also where data may be no longer than ten bytes, and the line comes in two."""
    id = b"2" * MAX_ID
    decoder = Decoder(limit=10)
    assert decoder.feed(b"id: " + id) == []
    assert decoder.feed(b"\n\n") == []
    assert decoder.last_event_id == id.decode()


def test_a_name_is_cut():
    """It is told as a fact, and facts are small."""
    [found] = Decoder(limit=AMPLE).feed(b"event: " + b"e" * 100_000 + b"\ndata: x\n\n")
    assert found == Heard("e" * MAX_EVENT, b"x", "")


@pytest.mark.parametrize("piece", [b"x", b"data: x", b"data: xxxxxxxxxxxx\n", b"data\n", b": ", b"\xff"])
def test_an_endless_event_takes_no_memory(piece):
    """Twice the limit at most, whatever comes."""
    decoder, most = Decoder(limit=10_000), piece * (100_000 // len(piece))
    decoder.feed(most)
    tracemalloc.start()
    try:
        for _ in range(20):
            decoder.feed(most)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 40_000


def test_a_number_of_nine_thousand_digits_is_read_at_once():
    """And is more than any delay that is kept."""
    decoder = Decoder(limit=AMPLE)
    decoder.feed(b"retry: " + b"9" * 9_000 + b"\n")
    assert decoder.retry == 999_999_999_999


def test_bytes_that_come_one_by_one_cost_no_more_with_each():
    """Half a megabyte of them, in one line: what is held is not read anew with each."""
    decoder = Decoder(limit=AMPLE)
    started = time.process_time()
    for _ in range(500_000):
        decoder.feed(b"x")
    assert time.process_time() - started < 20.0
