"""A cursor over a channel: where it starts, what it says first, and that nothing is lost without a word."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from bridge import wire
from bridge.bounds import Bounds, Budget
from bridge.channel import Channel
from bridge.event import Record
from bridge.subscription import EventId, Replay, Start, Subscription, Want
from tests import reference
from tests.strategies import bounds

WIDE = Bounds(events=1_000, bytes=1 << 20, age=1e9, keys=1_000)
HUGE = 1 << 30

#: What a stream said: a gap's fields, or the id of an event.
Item = dict[str, Any] | str


def record(seq: int, key: str | None = None, *, time: float = 0.0, is_tombstone: bool = False) -> Record:
    """Make an event's record."""
    return Record(seq, time, wire.encode(f"e-{seq}", "tick", "x"), key, is_tombstone)


def loss(seq: int) -> Record:
    """Make the record of a loss that the source has told; its number stands where `missed` would."""
    return Record(seq, 0.0, Subscription.gap("source_reset", seq, None, None), is_control=True)


def channel(*records: Record, terms: Bounds = WIDE, is_keyed: bool = False) -> Channel:
    """Make a channel that was given these records one by one."""
    made = Channel({}, terms, Budget(1 << 30), is_keyed=is_keyed)
    for each in records:
        made.append([each], 0.0)
    return made


def few(count: int, first: int = 1, *, keep: int = 1_000) -> Channel:
    """Make a channel of events with every second number, of which it keeps some."""
    return channel(*[record(seq) for seq in range(first, first + 2 * count, 2)], terms=replace(WIDE, events=keep))


def said(frames: bytes) -> list[Item]:
    """Return the gaps and the ids of the events, in order."""
    found = reference.parse(frames).events
    return [orjson.loads(data) if event == "bridge.gap" else id for event, data, id in found]


def cursor(frames: bytes) -> str:
    """Return the id that a browser is left with."""
    return reference.parse(frames).last_event_id


NOTHING = Want()
PLENTY = Replay()


def opened(
    log: Channel, want: Want = NOTHING, *, start: Start = "live", head: int = 99, replay: Replay = PLENTY
) -> tuple[Subscription, bytes]:
    """Open a cursor; return it and what stands first."""
    subscription = Subscription(log, "e", start=start, slow="gap")
    return subscription, subscription.open(want, head=head, replay=replay)


def rest(subscription: Subscription, limit: int = HUGE) -> list[Item]:
    """Read to the head."""
    out: list[Item] = []
    while not subscription.is_at_head:
        out += said(subscription.read(limit))
    return out


def gap(reason: str, missed: int | None, after: str | None, to: str | None, *, snapshot: bool = False) -> Item:
    """Make a gap as it is told."""
    return {"reason": reason, "missed": missed, "from": after, "to": to, "snapshot": snapshot}


# -- ids


@given(
    st.from_regex(r"[A-Za-z0-9]{1,32}", fullmatch=True),
    st.integers(0, 10**18 - 1),
    st.from_regex(r"[A-Za-z0-9.]{0,64}", fullmatch=True),
)
def test_an_id_is_read_as_it_was_written(epoch, seq, mark):
    """With a mark or without, and it may stand on the wire."""
    id = EventId(epoch, seq, mark)
    assert EventId.parse(str(id)) == id
    assert wire.is_id(str(id))


@given(st.text(max_size=20) | st.from_regex(r"[a-z]{0,3}-?[-+0-9_]{0,20}\.?[a-z.]{0,3}", fullmatch=True))
def test_what_we_cannot_have_written_is_no_id(text):
    """Whatever is read is written the same way again."""
    found = EventId.parse(text)
    assert found is None or str(found) == text


# -- resuming


def test_a_resume_goes_on_strictly_after_its_id():
    """Neither the event itself again, nor one less; then it is a live subscriber."""
    log = few(5)
    for seq in range(11):
        subscription, first = opened(log, Want(f"e-{seq}"))
        assert said(first) == []
        assert cursor(first) == f"e-{seq}"
        assert rest(subscription) == [f"e-{later}" for later in (1, 3, 5, 7, 9) if later > seq]
        assert subscription.read(1) == b""
        assert subscription.left is None


def test_the_seam_between_replay_and_live_has_no_hole():
    """What is appended while the replay is read comes after it, once."""
    log = few(3)
    subscription, _ = opened(log, Want("e-1"))
    assert said(subscription.read(1)) == ["e-3"]
    log.append([record(7)], 0.0)
    assert said(subscription.read(1)) == ["e-5"]
    assert said(subscription.read(1)) == ["e-7"]
    assert subscription.read(1) == b""
    log.append([record(8)], 0.0)
    assert not subscription.is_at_head
    assert rest(subscription) == ["e-8"]
    assert subscription.delivered == 4


@pytest.mark.parametrize(
    "id",
    [
        *("unknown", "f-3", "E-3", "e-100", "e-999999999999999999", "e-1000000000000000000", "e--3", "-3", "e-", "3"),
        *(f"e-{1 << 64}", "e-3 ", " e-3", "e-+3", "e-03", "e-3.5", "e-3.start", "e_3", "e-3, e-5", "e-3,e-5", "e-3\0"),
        *("e" * 129, "e" * 8_191, "e-" + "9" * 5_000, "é", "\xff\xfe", "e-٣", "\U0001f600", "'; DROP TABLE events --"),
        *('{"id": 3}', "../../etc/passwd", "e-3\r\nevil: x", "\ud800", "null", "undefined", "0", "e-3-3"),
    ],
)
def test_an_id_that_is_not_ours_gets_a_gap_and_the_oldest(id):
    """Unknown, future, of another epoch, malformed, oversized: told, then everything that is kept."""
    log = few(4, keep=2)
    subscription, first = opened(log, Want(id))
    known = id if wire.is_id(id) else None
    assert said(first) == [gap("epoch", None, known, "e-5")]
    assert cursor(first) == "e-4"
    assert rest(subscription) == ["e-5", "e-7"]


@pytest.mark.parametrize("id", ["f-3", "nonsense"])
def test_an_id_that_is_not_ours_on_an_empty_channel(id):
    """There is nothing to go on to; the cursor is the head."""
    subscription, first = opened(channel(), Want(id), head=7)
    assert said(first) == [gap("epoch", None, id, None)]
    assert cursor(first) == "e-7"
    assert subscription.is_at_head


def test_an_empty_id_is_a_first_connect():
    """A browser that was told no id sends none."""
    _, first = opened(few(3), Want(""), head=9)
    assert (said(first), cursor(first)) == ([], "e-9")


def test_an_id_beats_since_and_since_beats_last():
    """The id is where the subscriber is; the others say where it would begin."""
    log = channel(*[record(seq, time=seq) for seq in range(1, 6)])
    assert rest(opened(log, Want("e-4", since=2.0, last=3))[0]) == ["e-5"]
    assert rest(opened(log, Want(None, since=2.0, last=1))[0]) == ["e-2", "e-3", "e-4", "e-5"]
    assert rest(opened(log, Want(None, last=1), start="earliest")[0]) == ["e-5"]


def test_an_evicted_id_gets_a_gap_then_the_oldest():
    """Before the id to resume from, in one write; how many is not known."""
    log = few(5, keep=2)
    subscription, first = opened(log, Want("e-3"))
    assert said(first) == [gap("evicted", None, "e-3", "e-7")]
    assert first.index(b"bridge.gap") < first.index(b"id: ")
    assert cursor(first) == "e-6"
    assert rest(subscription) == ["e-7", "e-9"]


def test_who_came_before_the_first_event_is_told_how_many():
    """It has missed all that the log has no more."""
    _, first = opened(few(5, first=3, keep=2), Want("e-2"))
    assert said(first) == [gap("evicted", 3, "e-2", "e-9")]


def test_the_last_id_that_is_lost_is_none():
    """The event after it is the oldest that is kept."""
    subscription, first = opened(few(5, keep=2), Want("e-5"))
    assert said(first) == []
    assert rest(subscription) == ["e-7", "e-9"]


def test_a_notice_as_the_oldest_has_no_id_to_name():
    """`to` is then unknown."""
    log = channel(record(1), loss(2), record(3), terms=replace(WIDE, events=2))
    subscription, first = opened(log, Want("f-1"))
    assert said(first) == [gap("epoch", None, "f-1", None)]
    [told, event] = rest(subscription)
    assert told == gap("source_reset", 2, None, None)
    assert event == "e-3"
    assert subscription.delivered == 1


def test_who_is_cut_before_the_first_event_comes_back_to_where_it_began():
    """The opening's id names that place, for every way to begin."""
    for start in ("live", "earliest", 2):
        log = few(5, keep=4)
        one, first = opened(log, start=start, head=9)
        again, second = opened(log, Want(cursor(first)), start=start, head=9)
        log.append([record(11)], 0.0)
        assert said(second) == []
        assert rest(again) == rest(one)


# -- the first connect


@pytest.mark.parametrize(
    ("start", "expected", "id"),
    [
        *(("live", [], "e-20"), ("earliest", ["e-5", "e-7", "e-9"], "e-4"), (1, ["e-9"], "e-7"), (0, [], "e-20")),
        *((2, ["e-7", "e-9"], "e-5"), (3, ["e-5", "e-7", "e-9"], "e-4"), (100, ["e-5", "e-7", "e-9"], "e-4")),
    ],
)
def test_a_newcomer_starts_where_the_route_says(start, expected, id):
    """Live, at the earliest that is kept, or some events back; nobody is told of a gap."""
    subscription, first = opened(few(5, keep=3), start=start, head=20)
    assert (said(first), cursor(first)) == ([], id)
    assert subscription.left is None
    assert rest(subscription) == expected


@pytest.mark.parametrize("start", ["live", "earliest", "snapshot", 5])
def test_a_newcomer_to_an_empty_channel_waits(start):
    """Then everything that comes is its."""
    log = channel(is_keyed=True)
    subscription, first = opened(log, start=start, head=0)
    assert (said(first), cursor(first)) == ([], "e-0")
    assert subscription.is_at_head
    log.append([record(1, "a")], 0.0)
    assert rest(subscription) == ["e-1"]


def test_since_starts_at_a_time():
    """At the first event that is not older; later ones come whatever their time."""
    log = channel(*[record(seq, time=time) for seq, time in [(1, 10.0), (2, 20.0), (3, 15.0), (4, 30.0)]])
    subscription, first = opened(log, Want(since=12.0), start="live")
    assert (said(first), cursor(first)) == ([], "e-1")
    assert rest(subscription) == ["e-2", "e-3", "e-4"]
    late, first = opened(log, Want(since=31.0), head=4)
    assert (cursor(first), rest(late)) == ("e-4", [])


def test_since_a_time_that_is_evicted_gets_a_gap():
    """Only if something that young has left."""
    log = channel(*[record(seq, time=seq) for seq in range(1, 6)], terms=replace(WIDE, events=2))
    assert said(opened(log, Want(since=3.0))[1]) == [gap("evicted", None, None, None)]
    assert said(opened(log, Want(since=3.5))[1]) == []


# -- snapshots


def keyed(keep: int, letters: str, **more: Any) -> Channel:
    """Make a channel of events with these keys, one after another."""
    records = [record(seq, key) for seq, key in enumerate(letters, 1)]
    return channel(*records, terms=replace(WIDE, events=keep, **more), is_keyed=True)


def test_a_snapshot_is_the_latest_of_each_key_then_live():
    """Ascending, the log's and those that it has no more; then what came since."""
    log = keyed(2, "abcab")
    subscription, first = opened(log, start="snapshot", head=5)
    assert (said(first), cursor(first)) == ([], "e-0")
    assert said(subscription.read(1)) == ["e-3"]
    log.append([record(6, "d")], 0.0)
    assert rest(subscription, 1) == ["e-4", "e-5", "e-6"]


def test_a_snapshot_that_was_cut_goes_on_after_its_last_id():
    """When nothing after that is lost; before its first event it begins anew, as one that may have lost a gap."""
    log = keyed(2, "abcdef")
    subscription, first = opened(log, start="snapshot", head=6)
    assert rest(opened(log, Want(cursor(first)), start="snapshot", head=6)[0]) == [f"e-{n}" for n in range(1, 7)]
    assert said(subscription.read(1)) == ["e-1"]
    again, first = opened(log, Want("e-1"), start="snapshot", head=6)
    assert (said(first), cursor(first)) == ([], "e-1")
    assert rest(again, 1) == ["e-2", "e-3", "e-4", "e-5", "e-6"]


def test_a_snapshot_that_cannot_go_on_begins_anew_and_says_so():
    """A key may have been deleted where nobody can tell any more."""
    log = keyed(2, "abcdef")
    log.append([record(7, "a", is_tombstone=True), record(8, "f"), record(9, "f")], 0.0)
    subscription, first = opened(log, Want("e-2"), start="snapshot", head=9)
    assert said(first) == [gap("evicted", None, "e-2", None, snapshot=True)]
    assert cursor(first) == "e-0"
    assert subscription.left is None
    assert rest(subscription) == ["e-2", "e-3", "e-4", "e-5", "e-9"]


def test_a_snapshot_of_a_table_that_overflowed_is_told():
    """It does not hold every key."""
    log = keyed(2, "abcd", keys=3)
    subscription, first = opened(log, start="snapshot", head=4)
    assert said(first) == [gap("evicted", None, None, None, snapshot=True)]
    assert rest(subscription) == ["e-2", "e-3", "e-4"]


def test_a_table_that_overflows_while_it_is_read_is_told():
    """Who was promised every key is told that one is missing."""
    log = keyed(10, "abc", keys=3)
    subscription, first = opened(log, start="snapshot", head=3)
    assert said(first) == []
    log.append([record(4, "d")], 0.0)
    assert rest(subscription, 1) == ["e-2", "e-3", gap("evicted", None, None, None), "e-4"]


def test_a_log_that_turns_over_while_a_snapshot_is_read_begins_it_anew():
    """What came after the snapshot's beginning must not be stepped over in silence."""
    log = keyed(2, "abc")
    subscription, _ = opened(log, start="snapshot", head=3)
    assert said(subscription.read(1)) == ["e-1"]
    for seq, key in enumerate("bdefg", 4):
        log.append([record(seq, key)], 0.0)
    assert said(subscription.read(1)) == ["e-3"]
    again = subscription.read(1)
    assert said(again) == [gap("slow", 3, None, None, snapshot=True)]
    assert cursor(again) == "e-0"
    assert rest(subscription, 1) == ["e-1", "e-3", "e-4", "e-5", "e-6", "e-7", "e-8"]


def test_a_snapshot_without_a_table_is_empty():
    """Then live; configuration asks for a key."""
    subscription, first = opened(few(3), start="snapshot", head=5)
    assert (said(first), cursor(first), rest(subscription)) == ([], "e-0", [])


def test_latest_of_a_key_that_left_the_log_are_no_gap():
    """A resume reads them from the table, then the log, ascending."""
    log = keyed(2, "abcdef")
    subscription, first = opened(log, Want("e-1"))
    assert (said(first), cursor(first)) == ([], "e-1")
    assert rest(subscription, 1) == ["e-2", "e-3", "e-4", "e-5", "e-6"]


def test_a_resume_is_told_when_what_it_had_still_to_read_is_replaced():
    """The table forgets the older event of a key; who was promised every event hears of it."""
    log = keyed(2, "abcdef")
    subscription, _ = opened(log, Want("e-1"))
    assert said(subscription.read(1)) == ["e-2"]
    log.append([record(7, "d")], 0.0)
    assert subscription.is_slow
    assert rest(subscription) == [gap("slow", None, None, "e-6"), "e-6", "e-7"]


def test_joining_after_a_backlog_reads_the_table_too():
    """What a source read back ends at a number; what came since may have left the log and still be a key's latest."""
    log = keyed(2, "abcdef")
    subscription, _ = opened(log, start="earliest")
    assert subscription.join(2)
    assert rest(subscription) == ["e-3", "e-4", "e-5", "e-6"]
    log.append([record(7, "d")], 0.0)
    assert not subscription.join(3)
    assert subscription.join(4)
    assert rest(subscription) == ["e-5", "e-6", "e-7"]
    assert not Subscription(few(5, keep=2), "e", start="earliest", slow="gap").join(4)


# -- slow ones


def test_a_slow_one_is_told_exactly_how_many_it_missed():
    """Events, not notices, before the next event; then it goes on with the oldest."""
    log = channel(terms=replace(WIDE, events=2))
    subscription, _ = opened(log, head=0)
    log.append([record(1), loss(2), record(3), record(4), record(5), record(6)], 0.0)
    assert subscription.is_slow
    assert rest(subscription) == [gap("slow", 3, None, "e-5"), "e-5", "e-6"]
    assert (subscription.missed, subscription.delivered) == (3, 2)
    assert not subscription.is_slow


def test_a_slow_one_that_is_to_be_disconnected_is_counted():
    """The pump asks for the number, then says goodbye."""
    log = channel(terms=replace(WIDE, events=2))
    subscription = Subscription(log, "e", start="live", slow="disconnect")
    log.append([record(seq) for seq in range(1, 6)], 0.0)
    assert subscription.is_slow
    assert subscription.count_missed() == 3
    assert subscription.missed == 3


def test_a_slow_one_on_a_table_gets_the_table_again():
    """And an id from which a cut would bring it all again, since it has thrown away what it had."""
    log = keyed(2, "ab")
    subscription, _ = opened(log, start="snapshot", head=2)
    assert rest(subscription) == ["e-1", "e-2"]
    for seq, key in enumerate("cdef", 3):
        log.append([record(seq, key)], 0.0)
    frames = subscription.read(HUGE)
    assert said(frames) == [gap("slow", 2, None, None, snapshot=True)]
    assert cursor(b"id: e-2\n\n" + frames) == "e-0"
    assert frames.index(b"id: e-0") < frames.index(b"bridge.gap")
    again, first = opened(log, Want("e-0"), start="snapshot", head=6)
    assert said(first) == [gap("evicted", None, "e-0", None, snapshot=True)]
    assert rest(again)[0] == "e-1"
    assert rest(subscription) == [f"e-{seq}" for seq in range(1, 7)]


# -- the bound of a replay


@pytest.mark.parametrize("replay", [Replay(3, HUGE), Replay(HUGE, 3 * len(record(1).frame)), Replay(1, 1)])
def test_a_resume_is_bounded_and_goes_on_with_its_last_id(replay):
    """In events and in bytes; who comes back has skipped nothing, and gets nothing twice."""
    log, got, id, turns = few(10), [], "e-0", 0
    while True:
        subscription, _ = opened(log, Want(id), replay=replay)
        while not subscription.is_spent and not subscription.is_at_head:
            frames = subscription.read(1)
            got += said(frames)
            id = cursor(frames)
        turns += 1
        if subscription.is_at_head:
            break
    assert got == [f"e-{seq}" for seq in range(1, 20, 2)]
    assert turns > 3


def test_a_resume_that_reached_the_head_is_bounded_no_more():
    """It is a live subscriber like any other."""
    log = few(2)
    subscription, _ = opened(log, Want("e-3"), replay=Replay(1, HUGE))
    assert subscription.read(HUGE) == b""
    assert subscription.left is None
    log.append([record(5), record(6), record(7)], 0.0)
    assert rest(subscription, 1) == ["e-5", "e-6", "e-7"]
    assert not subscription.is_spent


def test_a_first_connect_is_never_bounded():
    """It is paced by what the peer takes."""
    subscription, _ = opened(few(10), start="earliest", replay=Replay(1, 1))
    while not subscription.is_at_head:
        subscription.read(1)
        assert not subscription.is_spent


def test_the_pump_moves_the_cursor_of_who_is_at_the_head():
    """It gives the place back, with the events that it has delivered."""
    log = few(2)
    subscription, _ = opened(log)
    log.append([record(5), record(6)], 0.0)
    subscription.leave(3, 1)
    assert subscription.delivered == 1
    assert rest(subscription) == ["e-6"]
    assert subscription.delivered == 2


# -- everything at once


class Reader:
    """A browser: keeps what it is given, and its last id."""

    def __init__(self) -> None:
        self.id = ""
        #: Everything it heard, over all its connections: (event, data, id).
        self.heard: list[tuple[str, str, str]] = []

    def receive(self, frames: bytes) -> None:
        """Read whole frames."""
        found = reference.parse(f"id: {self.id}\n\n".encode() + frames)
        self.heard += found.events
        self.id = found.last_event_id


class Streaming(RuleBasedStateMachine):
    """Publishes, reads in portions, cuts and resumes; what is left unsaid at the end is a bug."""

    starts: tuple[Start, ...] = ("live", "earliest", 2)
    is_keyed = st.booleans()
    bounds = bounds

    @initialize(
        data=st.data(),
        tells=st.booleans(),
        replay=st.sampled_from([Replay(), Replay(2, HUGE), Replay(HUGE, 80)]),
        before=st.text("abcd", max_size=6),
    )
    def begin(self, data: st.DataObject, tells: bool, replay: Replay, before: str) -> None:  # noqa: FBT001  hypothesis passes by name
        """Make a channel with some past, and connect."""
        self.keyed = data.draw(self.is_keyed)
        self.start = data.draw(st.sampled_from(self.starts))
        #: Whether the source tells of losses of its own.
        self.tells = tells
        self.replay = replay
        self.log = Channel({}, data.draw(self.bounds), Budget(1 << 30), is_keyed=self.keyed)
        self.published: dict[int, Record] = {}
        self.seq = 0
        self.now = 0.0
        self.reader = Reader()
        self.flight: list[bytes] = []
        #: The place of the pump's group, while the cursor is in it.
        self.joined: int | None = None
        for key in before:
            self.publish([(key, False, False)])
        self.connect()
        #: Where the newcomer began: nothing up to there is owed to it.
        self.began = int(self.reader.id.removeprefix("e-"))

    def connect(self) -> None:
        """Open a stream with the reader's last id; the first write arrives."""
        self.joined = None
        self.flight = []
        self.subscription = Subscription(self.log, "e", start=self.start, slow="gap")
        want = Want(self.reader.id or None)
        self.reader.receive(self.subscription.open(want, head=self.seq, replay=self.replay))

    @rule(batch=st.lists(st.tuples(st.sampled_from("abcd"), st.booleans(), st.booleans()), min_size=1, max_size=4))
    def publish(self, batch: list[tuple[str, bool, bool]]) -> None:
        """Append events, deletions and losses; the pump writes them to who is in its group."""
        records = []
        for key, is_tombstone, is_loss in batch:
            self.seq += 1 + (key == "a")
            name = key if self.keyed else None
            is_gone = self.keyed and is_tombstone and key in "ab"
            made = record(self.seq, name, time=self.now, is_tombstone=is_gone)
            records.append(loss(self.seq) if is_loss and self.tells else made)
        self.published.update((each.seq, each) for each in records)
        self.log.append(records, self.now)
        if self.joined is not None:
            self.flush(self.joined)

    def flush(self, position: int) -> None:
        """Do as the pump does: write what is new, or give the cursor back when a burst has outrun the log."""
        if position < self.log.first:
            self.subscription.leave(position, 0)
            self.joined = None
            return
        self.flight += [each.frame for each in self.log.read(position, HUGE)]
        self.joined = self.log.next

    @precondition(lambda self: self.joined is None)
    @rule(limit=st.sampled_from([1, 100, HUGE]))
    def read(self, limit: int) -> None:
        """Read a portion; at the head, join the group; at the bound of a replay, come back."""
        frames = self.subscription.read(limit)
        if not frames:
            assert self.subscription.is_at_head
            self.joined = self.log.next
        self.flight += [block + b"\n\n" for block in frames.split(b"\n\n")[:-1]]
        if self.subscription.is_spent:
            self.arrive()
            self.connect()

    @precondition(lambda self: self.joined is not None)
    @rule()
    def lag(self) -> None:
        """Leave the pump's group: the peer takes no more."""
        assert self.joined is not None
        self.subscription.leave(self.joined, 0)
        self.joined = None

    @rule()
    def arrive(self) -> None:
        """Let everything arrive that was written."""
        self.reader.receive(b"".join(self.flight))
        self.flight = []

    @rule(count=st.integers(0, 5))
    def cut(self, count: int) -> None:
        """Lose the connection when some of what was written has arrived, and come back."""
        self.reader.receive(b"".join(self.flight[:count]))
        self.connect()

    @rule()
    def grow_old(self) -> None:
        """Let history age."""
        self.now += 20.0
        self.log.expire(self.now)

    @rule(size=st.integers(1, 2_000))
    def shrink(self, size: int) -> None:
        """Let the process need the memory elsewhere."""
        self.log.shrink(size)

    def teardown(self) -> None:
        """Read to the head, and account for everything."""
        if not hasattr(self, "reader"):
            return
        for _ in range(1_000):
            if self.joined is not None:
                break
            self.read(HUGE)
        assert self.joined is not None
        self.arrive()
        self.account()

    def account(self) -> None:
        """Check that between any two events that came, whatever did not come was told of."""
        position, gaps, told = self.began, list[dict[str, Any]](), set[int]()
        for event, data, id in [*self.reader.heard, ("end", "", f"e-{self.seq + 1}")]:
            if event == "bridge.gap":
                found = orjson.loads(data)
                if found["reason"] == "source_reset":
                    told.add(found["missed"])
                else:
                    gaps.append(found)
                continue
            seq = int(id.removeprefix("e-"))
            assert seq > position, "an event came twice, or late"
            unseen = [each for each in self.published.values() if position < each.seq < seq and each.seq not in told]
            self.compare(unseen, gaps)
            position, gaps = seq, []

    def compare(self, unseen: list[Record], gaps: list[dict[str, Any]]) -> None:
        """Compare what did not come between two events with what was told between them."""
        if unseen:
            assert gaps, f"lost in silence: {[each.seq for each in unseen]}"
        if not self.tells:
            assert unseen or not gaps, "a gap was told where nothing was lost"
            missed = [each["missed"] for each in gaps]
            if len(missed) == 1 and missed[0] is not None:
                assert missed[0] == len(unseen)


class TestStreaming(Streaming.TestCase):
    """What came and what was told to be missing are what was published, in order, nothing twice."""

    settings = settings(stateful_step_count=40)


class Tables(Streaming):
    """The same with snapshots: in the end the reader's table is the true one, or it was told that it is not."""

    starts = ("snapshot",)
    # A log that turns over while a table is read, which often holds all keys.
    bounds = st.builds(
        Bounds,
        events=st.integers(1, 4),
        bytes=st.just(HUGE),
        age=st.sampled_from([10.0, 1e9]),
        keys=st.sampled_from([3, 9]),
    )
    is_keyed = st.just(True)  # noqa: FBT003  a value, not a switch

    def account(self) -> None:
        """Build both tables, from what was heard and from what was published."""
        view: dict[str, int] = {}
        position, is_complete = 0, True
        for event, data, id in self.reader.heard:
            if event == "bridge.gap":
                found = orjson.loads(data)
                if found["reason"] == "source_reset":
                    continue
                is_complete = found["snapshot"] and not self.evicted
                if found["snapshot"]:
                    view, position = {}, 0
                continue
            seq = int(id.removeprefix("e-"))
            assert seq > position, "an event came twice, or late"
            position = seq
            _apply(view, self.published[seq])
        truth: dict[str, int] = {}
        for each in self.published.values():
            _apply(truth, each)
        if is_complete:
            assert view == truth

    @property
    def evicted(self) -> int:
        """Count the keys that had to leave the table."""
        return self.log.table.evicted if self.log.table is not None else 0

    @rule(size=st.integers(1, 2_000))
    def shrink(self, size: int) -> None:
        """Leave the table alone: it would be empty each time."""


def _apply(view: dict[str, int], record: Record) -> None:
    if record.key is not None:
        view.pop(record.key, None)
        if not record.is_tombstone:
            view[record.key] = record.seq


class TestTables(Tables.TestCase):
    """A snapshot with what comes after it is the truth."""

    settings = settings(stateful_step_count=40)


def test_a_replay_is_bounded_to_the_event():
    """However many fit one read: three, no more, and the notices between them are not counted."""
    log = channel(record(1), record(2), loss(3), record(4), record(5), record(6))
    subscription, _ = opened(log, Want("e-1"), replay=Replay(3, HUGE))
    expected = [record(2), loss(3), record(4), record(5)]
    assert subscription.read(HUGE) == b"".join(each.frame for each in expected)
    assert subscription.is_spent
