"""Where a position stands in a channel: found, or not guessed."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, strategies as st

from bridge import chain, wire
from bridge.bounds import Bounds, Budget
from bridge.channel import Channel
from bridge.event import Record
from bridge.position import Part, Position, Writer, tag

TAG = tag("topic")


class Log(NamedTuple):
    """Where a source stands."""

    start: Position
    head: Position


def at(*offsets: int) -> Position:
    """Return the position of these next offsets."""
    return Position({TAG: offsets})


def read(order: Sequence[int], begin: Sequence[int], kept: int = 1_000) -> tuple[Channel, Log]:
    """Let a source read the next message of each partition in turn; return the channel and where the source stands."""
    channel = Channel({}, Bounds(events=kept, age=1e9), Budget(1 << 30))
    start = at(*begin)
    writer = Writer(start)
    for seq, number in enumerate(order, 1):
        part = Part(TAG, number)
        text = writer.step(part, writer.position.next(part))
        channel.append([Record(seq, 0.0, wire.encode(text, "", f"{number}"))], 0.0)
    return channel, Log(start, writer.position)


orders = st.lists(st.integers(0, 2), max_size=30)
begins = st.tuples(*[st.integers(0, 5)] * 3)


@given(order=orders, begin=begins, kept=st.integers(1, 40), data=st.data())
def test_what_this_process_gave_out_is_found(order, begin, kept, data):
    """Exactly where it stands, as long as what comes after it is kept."""
    channel, log = read(order, begin, kept)
    whole, _ = read(order, begin)
    given_out = [log.start, *(found for record in whole.read(0, 1 << 30) if (found := chain.position(record)))]
    seen = data.draw(st.integers(0, len(order)))
    expected = seen if seen >= channel.first else None
    assert chain.find(channel, given_out[seen], log) == expected


@given(order=orders, begin=begins, wanted=st.tuples(*[st.integers(0, 20)] * 3), kept=st.integers(1, 40))
def test_any_other_is_found_only_where_nothing_is_guessed(order, begin, wanted, kept):
    """All after the place is new to it, all before it is not; and what is covered is whole."""
    channel, log = read(order, begin, kept)
    whole, _ = read(order, begin)
    places = [found for record in whole.read(0, 1 << 30) if (found := chain.position(record)) and found.last]
    position = at(*wanted)
    news = [n for n, place in enumerate(places) if place.last and not position.has(place.last, place.offset)]
    found = chain.find(channel, position, log)
    if found is not None:
        assert news == list(range(found, len(places)))
        assert log.start.is_behind(position)
    if chain.covers(channel, position, log):
        assert all(n >= channel.first for n in news)
        assert log.start.is_behind(position)
        assert position.is_behind(log.head)


@given(order=orders, other=st.randoms(use_true_random=False), data=st.data())
def test_what_another_replica_gave_out_is_read_from_what_is_kept(order, other, data):
    """Each message once, under ids that hold for what was seen there and here."""
    channel, log = read(order, (0, 0, 0))
    shuffled = list(order)
    other.shuffle(shuffled)
    theirs, _ = read(shuffled, (0, 0, 0))
    cut = data.draw(st.integers(0, len(order)))
    seen = chain.position(theirs.at(cut - 1)) if cut else at(0, 0, 0)
    assert seen is not None
    assert chain.covers(channel, seen, log)
    got = 0
    for ordinal in range(channel.next):
        before = seen
        seen, frame = chain.unseen(channel, ordinal, seen)
        got += bool(frame)
        assert before.is_behind(seen)
        assert not frame or wire.id_of(frame) == str(seen)
    assert got == len(order) - cut
    assert seen.is_behind(log.head)
    assert log.head.is_behind(seen)


def test_a_notice_stays_before_what_comes_after_it():
    """Who is between two events is told what lies between them."""
    channel, log = read([0], (0, 0, 0))
    channel.append([Record(2, 0.0, wire.control("gap", {}), is_control=True)], 0.0)
    assert chain.find(channel, log.head, log) == 1
    assert chain.find(channel, log.start, log) == 0


def test_parts_of_an_event_stand_with_the_last_of_them():
    """The others have no id: who has the id before has none of them."""
    channel, log = read([0], (0, 0, 0))
    parts = [
        wire.encode("x", "", "a").partition(b"\n")[2],
        wire.encode(str(at(2, 0, 0).after(Part(TAG, 0), 1)), "", "b"),
    ]
    channel.append([Record(2 + n, 0.0, frame) for n, frame in enumerate(parts)], 0.0)
    log = Log(log.start, at(2, 0, 0))
    assert chain.find(channel, at(1, 0, 0), log) == 1
    assert chain.find(channel, at(2, 0, 0), log) == 3


def test_an_event_that_has_a_number_is_not_stepped_over():
    """Its place in the log is not known here, so the log is asked."""
    channel, log = read([0], (0, 0, 0))
    channel.append([Record(2, 0.0, wire.encode("e-2", "", "x"))], 0.0)
    assert chain.find(channel, log.head, log) is None


@pytest.mark.parametrize("wanted", [at(0, 0, 9), Position({tag("other"): (1,)})])
def test_what_is_ahead_or_of_another_log_is_not_found(wanted):
    """Nothing is known here of what it has seen."""
    channel, log = read([0, 1], (0, 0, 0))
    assert chain.find(channel, wanted, log) is None
    assert not chain.covers(channel, wanted, log)


def test_a_loss_of_what_was_seen_elsewhere_is_not_told_again():
    """It stands at a place of its own, which the position has or has not."""
    channel, log = read([0, 1], (0, 0, 0))
    for seq, lost in ((3, at(2, 0, 0).after(Part(TAG, 0), 1)), (4, None)):
        text = str(lost) if lost is not None else None
        channel.append([Record(seq, 0.0, wire.control("gap", {}), text, is_control=True)], 0.0)
    told = [[bool(chain.unseen(channel, n, seen)[1]) for n in (2, 3)] for seen in (at(2, 0, 0), at(1, 1, 0))]
    assert told == [[False, True], [True, True]]
    assert log.head == at(1, 1, 0)._replace(last=Part(TAG, 1))
