"""The only encoder of the program, against a parser that shares nothing with it."""

import re

import orjson
import pytest
from hypothesis import given, strategies as st

from bridge import wire
from bridge.sources.sse.decoder import Decoder, Heard
from tests import reference
from tests.strategies import PAYLOADS, chop, event_names, ids, texts

SIZES = [1, 2, 3, 7, 1 << 20]


def as_sent(text: str) -> str:
    """Return the text as it may leave: every line end is LF, and a lone surrogate is U+FFFD."""
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def decode(stream: bytes, size: int = 1 << 20) -> list[tuple[str, str, str]]:
    """Read a stream as the bridge reads another's, fed pieces of one size."""
    decoder = Decoder(limit=1 << 30)
    heard = [found for piece in chop(stream, size) for found in decoder.feed(piece)]
    return [(e.event or "message", e.data.decode(errors="replace"), e.id) for e in heard if isinstance(e, Heard)]


# -- encoding


@given(id=ids, event=st.just("") | event_names, data=texts)
def test_an_encoded_event_is_read_as_it_was(id, event, data):
    """Whatever it holds: one event, through both parsers, at any size of piece, and no lone CR on the wire."""
    frame = wire.encode(id, event, data)
    expected = [(event or "message", as_sent(data), id)]
    assert reference.parse(frame).events == expected
    for size in SIZES:
        assert decode(frame, size) == expected
    assert b"\r" not in frame
    assert frame.endswith(b"\n\n")
    assert b"\n\n" not in frame[:-2]
    assert wire.id_of(frame) == id


@given(st.lists(st.tuples(ids, st.just("") | event_names, texts), max_size=5))
def test_frames_stand_for_themselves_when_they_are_joined(events):
    """A batch in one write holds the same events, and trailing data that has not ended is no event."""
    stream = b"".join(wire.encode(*event) for event in events) + b"data: cut"
    expected = [(event or "message", as_sent(data), id) for id, event, data in events]
    assert reference.parse(stream).events == expected
    assert decode(stream, 3) == expected


@pytest.mark.parametrize(
    "data", ["", "\n", "a\n\nb", "a\n", "\n\n", " a", "a ", ":", "data: x", "id: 9", "\0", "\ufeff"]
)
def test_data_that_looks_like_the_format_is_inert(data):
    """Empty data still dispatches, newlines at the edges stay, and a field's name in data is data."""
    assert reference.parse(wire.encode("e-1", "", data)).events == [("message", data, "e-1")]


def test_python_s_other_line_ends_do_not_cut_data():
    """VT, FF, FS, GS, RS, NEL, LS and PS end a line for `str.splitlines`, and for no browser."""
    data = "a\vb\fc\x1cd\x1de\x1ef\x85g\u2028h\u2029i"
    frame = wire.encode("e-1", "", data)
    assert frame.count(b"\n") == 3
    assert reference.parse(frame).events == [("message", data, "e-1")]


def test_an_event_without_a_name_has_no_event_field():
    """Browsers then dispatch `message`."""
    assert wire.encode("e-1", "", "x") == b"id: e-1\ndata: x\n\n"
    assert wire.encode("e-1", "tick", "x\ry") == b"id: e-1\nevent: tick\ndata: x\ndata: y\n\n"


# -- the 56 field values: 14 payloads in each of 4 fields


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_field_value_in_data(payload):
    """It comes out as it went in, in exactly one event."""
    frame = wire.encode("e-1", "tick", payload)
    assert reference.parse(frame).events == [("tick", as_sent(payload), "e-1")]
    assert decode(frame, 1) == [("tick", as_sent(payload), "e-1")]


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_field_value_in_id(payload):
    """None of them is an id."""
    assert not wire.is_id(payload)


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_field_value_in_event(payload):
    """None of them is an event's name."""
    assert not wire.is_event(payload)


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_field_value_in_comment(payload):
    """It dispatches nothing, changes nothing, and what follows it is read as ever."""
    comment = wire.comment(payload)
    found = reference.parse(comment + wire.encode("e-1", "", "x"))
    assert found.events == [("message", "x", "e-1")]
    assert found.retry is None
    assert reference.parse(b"id: e-0\n\n" + comment).last_event_id == "e-0"
    assert [line[2:] for line in comment.decode()[:-2].split("\n")] == as_sent(payload).split("\n")


@given(texts)
def test_any_comment_is_inert(text):
    """Every line of it begins with a colon, whatever ends its lines."""
    found = reference.parse(wire.comment(text))
    assert (found.events, found.last_event_id, found.retry) == ([], "", None)


# -- names


@given(st.text(max_size=130))
def test_an_id_that_is_accepted_stands_on_one_line(text):
    """What `is_id` lets pass comes back from a browser unchanged."""
    if wire.is_id(text):
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", text)
        assert reference.parse(wire.cursor(text)).last_event_id == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a" * 128, True), ("a" * 129, False), ("", False), ("a b", False), ("a\n", False), ("é", False), ("٣", False)],
)
def test_ids_have_an_alphabet_and_a_length(text, expected):
    """Letters, digits, dot, underscore and hyphen, 128 of them."""
    assert wire.is_id(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("tick", True), ("order/new", True), ("a" * 64, True), ("a" * 65, False), ("", False), ("1st", False)),
        *(("error", False), ("open", False), ("bridge.gap", False), ("bridges", True), ("a\n", False), ("a b", False)),
    ],
)
def test_event_names_spare_the_browser_s_and_our_own(text, expected):
    """`error` and `open` would run a page's handlers, and `bridge.` is ours."""
    assert wire.is_event(text) is expected


# -- control frames and blocks without data


def test_a_control_frame_carries_no_id():
    """So the browser's cursor stays at the last event it saw."""
    frame = wire.control("gap", {"reason": "slow", "text": "a\nb\r"})
    assert b"\nid" not in frame
    assert not frame.startswith(b"id")
    [(event, data, id)] = reference.parse(b"id: e-7\n\n" + frame).events
    assert (event, orjson.loads(data), id) == ("bridge.gap", {"reason": "slow", "text": "a\nb\r"}, "e-7")


@pytest.mark.parametrize(("id", "frame"), [("e-7", b"id: e-7\n\n"), ("", b"\n"), ("a\nb", b"\n")])
def test_later_leaves_the_client_its_id(id, frame):
    """One of ours stands in it; anything else is not repeated."""
    assert wire.later(5_000, id) == b"retry: 5000\n" + frame


def test_cursor_retry_and_heartbeat_dispatch_nothing():
    """They set what the browser remembers, no more."""
    found = reference.parse(wire.retry(3_000) + wire.cursor("e-5") + wire.HEARTBEAT)
    assert (found.events, found.last_event_id, found.retry) == ([], "e-5", 3_000)


@given(st.binary(min_size=1, max_size=300))
def test_a_chunk_says_its_length_in_hexadecimal(data):
    """As RFC 9112, section 7.1 has it; zero bytes would be the last chunk."""
    length, rest = wire.chunk(data).split(b"\r\n", 1)
    assert int(length, 16) == len(data)
    assert rest == data + b"\r\n"
    assert wire.LAST_CHUNK == b"0\r\n\r\n"


# -- JSON lines


@given(st.lists(st.tuples(ids, st.just("") | event_names, texts), max_size=5))
def test_json_lines_hold_the_same_events(events):
    """One object an event, `data` as one text; nothing is one line less."""
    lines = wire.lines(b"".join(wire.encode(*event) for event in events))
    found = [orjson.loads(line) for line in lines.split(b"\n")[:-1]]
    names = [{"event": event} if event else {} for _, event, _ in events]
    assert found == [
        {"id": id, **name, "data": as_sent(data)} for (id, _, data), name in zip(events, names, strict=True)
    ]


def test_json_lines_of_what_is_no_event():
    """A retry and a cursor are fields, a control event has its name, a comment is an empty line."""
    frames = wire.retry(3_000) + wire.cursor("e-5") + wire.HEARTBEAT + wire.control("bye", {"reason": "drain"})
    first, empty, control, end = wire.lines(frames).split(b"\n")
    assert orjson.loads(first) == {"retry": 3_000, "id": "e-5"}
    assert empty == end == b""
    assert orjson.loads(control) == {"event": "bridge.bye", "data": '{"reason":"drain"}'}
    assert wire.lines(wire.comment("data: x\nid: 5")) == b"\n"
    assert wire.lines(b"") == b""


# -- texts


@given(texts)
def test_clean_leaves_what_can_be_encoded(text):
    """Only lone surrogates change; the halves of a pair become their character."""
    cleaned = wire.clean(text)
    assert cleaned == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    cleaned.encode()


def test_clean_joins_pairs_and_replaces_the_rest():
    """As a browser does with the same JSON."""
    assert wire.clean("\ud83d\ude00") == "\U0001f600"
    assert wire.clean("\ude00\ud83d") == "\ufffd\ufffd"
    assert wire.clean("plain é") == "plain é"


@given(text=st.text(), limit=st.integers(4, 20))
def test_split_never_cuts_a_character(text, limit):
    """The parts join to the whole, and none is longer than the limit."""
    parts = wire.split(text.encode(), limit)
    assert "".join(parts) == text
    assert all(0 < len(part.encode()) <= limit for part in parts)


def test_split_ends_even_where_no_character_fits():
    """A limit below a character is a mistake; the parts are then replacement characters, and come to an end."""
    assert set("".join(wire.split("\U0001f600".encode(), 1))) == {"\ufffd"}
