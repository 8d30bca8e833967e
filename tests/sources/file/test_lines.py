"""Cutting bytes into records: whole, byte by byte, and in pieces, with the same result."""

import re

import pytest
from hypothesis import given, strategies as st

from bridge.sources.file.lines import BATCH, Record, Splitter
from bridge.sources.file.model import Lines
from bridge.sources.file.position import Position

#: Bytes that make trouble, and some that do not.
TROUBLE = st.lists(
    st.sampled_from(
        [b"\n", b"\r", b"\r\n", b"\0", b"a", b" b", b"2024-", "é".encode(), b"\xff", b"\x0b\x0c\x85", b"x" * 9]
    )
).map(b"".join)


BEGIN = Position()


def cut(splitter: Splitter, data: bytes, at: Position = BEGIN) -> tuple[list[Record], Position, int]:
    """Cut all that can be cut as a reader does, then what is left at the end."""
    records, losses = [], 0
    base = at.offset
    for is_end in (False, True):
        while True:
            rest = data[at.offset - base :]
            taken = splitter.take(rest, at, is_end=is_end)
            if taken.position == at and len(rest) >= splitter.window:
                taken = splitter.take(rest, at, is_full=True)
            if taken.position == at:
                break
            records += taken.records
            losses += taken.is_lossy
            at = taken.position
    return records, at, losses


def texts(splitter: Splitter, data: bytes) -> list[bytes]:
    """Return the records' bytes."""
    return [text for _, _, text in cut(splitter, data)[0]]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\r\nb\r\n", [b"a", b"b"]),
        (b"\n\n", [b"", b""]),
        (b"a\r\r\n", [b"a\r"]),
        (b"10%\r20%\rdone\n", [b"10%\r20%\rdone"]),
        (b"a\x0bb\x0cc\xc2\x85d\xe2\x80\xa8e\n", [b"a\x0bb\x0cc\xc2\x85d\xe2\x80\xa8e"]),
        (b"\xff\xfe bad\n", [b"\xff\xfe bad"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", [b"a", b"\xef\xbb\xbfb"]),
        (b"\0\0\0a\nb\0c\n", [b"a", b"b\0c"]),
        (b"no end", [b"no end"]),
        (b"", []),
    ],
)
def test_lines_end_at_lf_and_nowhere_else(data: bytes, expected: list[bytes]) -> None:
    """One CR goes with the LF; every other byte stays, but for a mark or a hole at the beginning."""
    assert texts(Splitter(), data) == expected


def test_offsets_and_numbers_are_those_of_the_first_byte() -> None:
    """A CR counts as a byte, a hole does not begin a line."""
    records, _, _ = cut(Splitter(), b"ab\r\n\0\0cd\n\nlast")
    assert records == [(0, 1, b"ab"), (6, 2, b"cd"), (9, 3, b""), (10, 4, b"last")]


def test_a_number_that_is_not_known_stays_so() -> None:
    """Nothing is counted from 0."""
    records, at, _ = cut(Splitter(), b"a\nb\n", Position(100, 0))
    assert [line for _, line, _ in records] == [0, 0]
    assert at == Position(104, 0)


def test_f18_character_split_across_reads_arrives_whole() -> None:
    """A line is only given when its end is there, so no character is ever cut in two."""
    line = "naïve ☃\n".encode()
    for end in range(len(line)):
        assert not Splitter().take(line[:end], Position()).records
    assert texts(Splitter(), line) == [line[:-1]]


@pytest.mark.parametrize("size", [17, 33, 100])
def test_f16_long_line_is_split_within_the_limit(size: int) -> None:
    """The pieces are the line, none is too long, and the number is the same for each."""
    records, _, losses = cut(Splitter(16), b"a\n" + b"x" * size + b"\r\nb\n")
    assert b"".join(text for _, line, text in records if line == 2) == b"x" * size
    assert max(len(text) for _, _, text in records) == 16
    assert records[-1][1:] == (3, b"b")
    assert losses == 0


def test_f16_long_line_of_exactly_twice_the_limit_leaves_no_empty_record() -> None:
    """What is left of a cut line is given only if it is something."""
    assert texts(Splitter(16), b"x" * 32 + b"\n" + b"y\n") == [b"x" * 16, b"x" * 16, b"y"]


def test_f16_long_line_is_not_split_within_a_character() -> None:
    """The piece ends before the character that would pass the limit."""
    pieces = texts(Splitter(16), ("é" * 30 + "x" + "☃" * 30).encode() + b"\n")
    assert "".join(piece.decode() for piece in pieces) == "é" * 30 + "x" + "☃" * 30


def test_f16_long_line_is_skipped_whole_and_announced_once() -> None:
    """Its neighbours are not touched."""
    records, _, losses = cut(Splitter(16, skips=True), b"a\n" + b"x" * 500 + b"\nb\n")
    assert [text for _, _, text in records] == [b"a", b"b"]
    assert records[-1][1] == 3
    assert losses == 1


def test_flushed_line_that_is_completed_later_gives_its_rest() -> None:
    """A line that was given early is no empty one when only its end follows."""
    splitter = Splitter()
    given = splitter.take(b"abc\r", Position(), is_end=True)
    assert [text for _, _, text in given.records] == [b"abc"]
    assert splitter.take(b"\r\nnext\n", given.position).records == [(5, 2, b"next")]
    rest = splitter.take(b"\rdef\n", given.position)
    assert [text for _, _, text in rest.records] == [b"\rdef"]


def test_a_batch_is_bounded() -> None:
    """A burst of short lines comes in many batches."""
    taken = Splitter().take(b"\n" * 2_000, Position(7))
    assert len(taken.records) == BATCH
    assert taken.position == Position(7 + BATCH, 1 + BATCH)


STACK = b"2024-01-01 one\nTraceback:\n  at x\n  at y\nValueError\n2024-01-02 two\n"


def test_records_begin_where_the_pattern_is_found() -> None:
    """What does not match belongs to the record before."""
    splitter = Lines(start=r"^\d{4}-").splitter()
    assert texts(splitter, STACK) == [b"2024-01-01 one\nTraceback:\n  at x\n  at y\nValueError", b"2024-01-02 two"]


def test_indented_lines_belong_to_the_one_before() -> None:
    """Spaces and tabs join; an empty line is a record."""
    splitter = Lines(indent=True).splitter()
    assert texts(splitter, b"a\n b\n\tc\n\nd\n") == [b"a\n b\n\tc", b"", b"d"]


def test_pattern_and_indentation_join_together() -> None:
    """An indented line is joined even where the pattern is found in it."""
    splitter = Lines(start=r"\d", indent=True).splitter()
    assert texts(splitter, b"1\n 2\nx\n3\n") == [b"1\n 2\nx", b"3"]


def test_last_record_of_several_lines_waits_for_more() -> None:
    """Only the next record's first line, or the end of patience, shows that it is complete."""
    splitter = Lines(indent=True).splitter()
    taken = splitter.take(b"a\nb\n c\n", Position())
    assert [text for _, _, text in taken.records] == [b"a"]
    assert taken.position == Position(2, 2)


def test_record_of_several_lines_is_cut_between_two_at_the_limit() -> None:
    """No record is longer than the limit, and no line is lost."""
    splitter = Splitter(16, continues=bool)
    found = texts(splitter, b"1234567\n" * 9)
    assert b"\n".join(found) == b"1234567\n" * 8 + b"1234567"
    assert max(map(len, found)) <= 16


def test_regular_expression_is_linear() -> None:
    """What takes the usual engine seconds takes this one none."""
    splitter = Lines(start=r"(a+)+$").splitter()
    assert texts(splitter, b"a" * 5_000 + b"!\n") == [b"a" * 5_000 + b"!"]


SPLITTERS = [
    Splitter(16),
    Splitter(16, skips=True),
    Splitter(),
    Lines(indent=True).splitter(),
    Splitter(16, continues=lambda line: line[:1] == b" "),
]


@pytest.mark.parametrize("splitter", SPLITTERS)
@given(data=TROUBLE)
def test_every_record_stands_where_it_says(splitter: Splitter, data: bytes) -> None:
    """Offsets rise, and a record's first bytes are those at its offset."""
    records, at, _ = cut(splitter, data)
    offsets = [offset for offset, _, _ in records]
    assert offsets == sorted(offsets)
    for offset, line, text in records:
        first = text.split(b"\n")[0]
        assert data[offset : offset + len(first)] == first
        assert line == 1 + data[:offset].count(b"\n")
    assert at.offset <= len(data)


@pytest.mark.parametrize("splitter", SPLITTERS)
@given(data=TROUBLE, data_of_cuts=st.data())
def test_reads_of_any_size_give_the_same_records(splitter: Splitter, data: bytes, data_of_cuts: st.DataObject) -> None:
    """A file that grows bit by bit is cut in the same places as one read at once."""
    whole, _, losses = cut(splitter, data)
    ends = sorted(data_of_cuts.draw(st.lists(st.integers(0, len(data)), max_size=5)))
    records: list[Record] = []
    at, lost = Position(), 0
    for end in [*ends, len(data)]:
        while (taken := splitter.take(data[at.offset : end], at)).position != at:
            records += taken.records
            lost += taken.is_lossy
            at = taken.position
    rest, _, more = cut(splitter, data[at.offset :], at)
    # Pieces of a line above the limit may be cut elsewhere when its end was not there yet.
    assert b"".join(text for _, _, text in records + rest).replace(b"\r", b"") == b"".join(
        text for _, _, text in whole
    ).replace(b"\r", b"")
    assert (lost + more) == losses
    if not re.search(rb"[^\n]{17}", data):
        assert records + rest == whole


@given(data=TROUBLE)
def test_nothing_but_line_ends_and_holes_is_dropped(data: bytes) -> None:
    """Every other byte is in some record, in order."""
    kept = b"".join(texts(Splitter(16), data))
    assert kept.replace(b"\r", b"").replace(b"\0", b"") == re.sub(rb"[\n\r\0]", b"", data)
