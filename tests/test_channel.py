"""A channel against a list that forgets by the same rules, and the rules one by one."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bridge.bounds import Bounds, Budget, Lost, cost
from bridge.channel import AGE_MARKS, MAX_CONTROLS, MAX_TRAILING, SHORT_LOG, Channel
from bridge.event import Record
from tests.strategies import bounds

WIDE = Bounds(events=1_000_000, bytes=1 << 30, age=1e9, keys=1_000_000)


def record(seq: int, key: str | None = None, *, time: float = 0.0, size: int = 60, **more: bool) -> Record:
    """Make a record whose frame is as long as it is told."""
    return Record(seq, time, f"id: e-{seq}\ndata: ".encode().ljust(size - 2, b".") + b"\n\n", key, **more)


def control(seq: int, size: int = 60) -> Record:
    """Make a record that is no event."""
    return Record(seq, 0.0, b"event: bridge.gap\ndata: ".ljust(size - 2, b".") + b"\n\n", is_control=True)


def channel(terms: Bounds = WIDE, *, is_keyed: bool = False, budget: Budget | None = None) -> Channel:
    """Make an empty channel."""
    return Channel({}, terms, budget or Budget(1 << 30), is_keyed=is_keyed)


def kept(log: Channel) -> list[int]:
    """Return the sequence numbers in the log."""
    return [each.seq for each in log.read(log.first, 1 << 40)]


def latest(log: Channel) -> list[int]:
    """Return the sequence numbers in the table."""
    return [each.seq for each in log.snapshot(0, 1 << 60, 1 << 40)]


# -- bounds


def test_the_log_is_bounded_by_count():
    """The oldest leave, and are remembered as lost."""
    log = channel(replace(WIDE, events=3))
    log.append([record(seq, time=seq) for seq in (2, 4, 6, 8, 10)], 0.0)
    assert kept(log) == [6, 8, 10]
    assert (log.first, log.next, log.lost_through, log.lost_since, log.events) == (2, 5, 4, 4.0, 5)


def test_the_newest_event_is_no_notice():
    """A finished stream's last id is that of its last event, whatever was told after it."""
    log = channel()
    assert log.newest_event is None
    log.append([record(1), control(2)], 0.0)
    assert log.newest_event == record(1)
    assert log.newest == control(2)


def test_the_log_is_bounded_by_bytes():
    """Counted with what a record costs beside its frame."""
    log = channel(replace(WIDE, bytes=2 * cost(record(1))))
    log.append([record(seq) for seq in range(1, 5)], 0.0)
    assert kept(log) == [3, 4]
    assert log.bytes == 2 * cost(record(1))


def test_the_newest_event_is_kept_above_the_bytes():
    """A single event of a megabyte stays in a history of a kilobyte, until the next one comes."""
    log = channel(replace(WIDE, bytes=1024))
    log.append([record(1)], 0.0)
    log.append([record(2, size=1 << 20)], 0.0)
    assert kept(log) == [2]
    log.append([record(3)], 0.0)
    assert kept(log) == [3]


def test_a_control_record_does_not_cost_the_newest_event():
    """A notice after the only event of a small history leaves it there; a flood of notices does not stay."""
    log = channel(Bounds(events=1, bytes=1024, age=1e9, keys=1))
    log.append([record(1, size=2048)], 0.0)
    for seq in range(2, 2 + MAX_TRAILING):
        log.append([control(seq)], 0.0)
        assert log.oldest == record(1, size=2048)
    log.append([control(100)], 0.0)
    assert kept(log) == [100]
    log.append([control(101)], 0.0)
    assert kept(log) == [101]


def test_the_log_is_bounded_by_age():
    """To a fraction of itself, counted from when a record came and not from its own time."""
    log = channel(replace(WIDE, age=64.0))
    for second in range(200):
        log.append([record(second + 1, time=-second)], float(second))
        oldest = kept(log)[0] - 1
        assert second - oldest <= 64.0 + 64.0 / AGE_MARKS
        assert second < 64 or second - oldest >= 64.0 - 64.0 / AGE_MARKS


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_quiet_channel_ages_too(count):
    """What came after the last mark leaves a channel that nothing is appended to, all but the newest."""
    log = channel(replace(WIDE, age=64.0))
    for seq in range(count):
        log.append([record(seq + 1)], seq * 0.1)
    for second in range(1, 140):
        log.expire(float(second))
    assert kept(log) == [count]
    assert log.lost_through == count - 1


def test_what_stayed_as_the_newest_leaves_when_another_comes():
    """It was too old already; it does not get a second life."""
    log = channel(replace(WIDE, age=64.0))
    log.append([record(1)], 0.0)
    log.expire(1_000.0)
    log.expire(2_000.0)
    assert kept(log) == [1]
    log.append([record(2)], 3_000.0)
    assert kept(log) == [2]


def test_expiring_an_empty_channel_does_nothing():
    """There is nothing to evict and no newest to keep."""
    log = channel()
    log.expire(1e9)
    assert (log.first, log.next, log.newest, log.oldest, log.bytes, log.spare) == (0, 0, None, None, 0, 0)


def test_a_clock_set_back_keeps_the_other_bounds():
    """History does not age while the clock is behind, and is still bounded by count."""
    log = channel(replace(WIDE, events=5, age=64.0))
    for seq in range(1, 100):
        log.append([record(seq)], 86_400.0 if seq < 50 else 0.0)
    assert kept(log) == [95, 96, 97, 98, 99]


def test_marks_of_age_do_not_pile_up():
    """However often one appends or looks, there is one for each fraction of the age."""
    log = channel(replace(WIDE, events=10, age=64.0))
    for tick in range(20_000):
        log.append([record(tick + 1)], tick / 100)
        log.expire(tick / 100)
    assert len(log._marks) <= AGE_MARKS + 2


def test_a_long_log_is_trimmed_now_and_then():
    """Its slots are moved when a sixteenth has gone, and reading does not notice."""
    log = channel(replace(WIDE, events=2 * SHORT_LOG))
    for seq in range(1, 4 * SHORT_LOG):
        log.append([record(seq)], 0.0)
        assert log.oldest is not None
        assert log.oldest.seq == max(1, seq - 2 * SHORT_LOG + 1)
        assert len(log._log) <= 2 * SHORT_LOG * 16 // 15 + 2
    assert kept(log) == list(range(2 * SHORT_LOG, 4 * SHORT_LOG))


# -- the budget of all histories


def test_a_budget_is_what_all_channels_keep():
    """It grows and shrinks with each of them, and gets everything back."""
    budget = Budget(1 << 30)
    one, other = channel(replace(WIDE, events=2), budget=budget), channel(is_keyed=True, budget=budget)
    one.append([record(1), record(2), record(3)], 0.0)
    other.append([record(4, "k", size=500)], 0.0)
    assert budget.used == one.bytes + other.bytes == 2 * cost(record(1)) + 2 * cost(record(1, size=500))
    other.expire(1e10)
    other.shrink(1)
    assert budget.used == one.bytes + other.bytes
    one.close()
    other.close()
    assert budget.used == 0


def test_a_channel_shrinks_by_its_oldest():
    """By as much as is asked, and never by its newest record."""
    log = channel()
    log.append([record(seq) for seq in range(1, 11)], 0.0)
    log.shrink(3 * cost(record(1)) - 1)
    assert kept(log) == [4, 5, 6, 7, 8, 9, 10]
    assert log.spare == 6 * cost(record(1))
    log.shrink(1 << 20)
    assert kept(log) == [10]
    assert log.spare == 0


def test_a_table_shrinks_after_the_log():
    """What leaves it then is lost, when the log has it no more."""
    log = channel(is_keyed=True)
    log.append([record(seq, f"k{seq}") for seq in range(1, 5)], 0.0)
    log.shrink(4 * cost(record(1)))
    assert (kept(log), latest(log), log.lost_through) == ([4], [2, 3, 4], 1)
    log.shrink(1 << 20)
    assert (kept(log), latest(log), log.lost_through) == ([4], [], 3)


# -- places in the log


def test_places_are_found_by_number_time_and_count():
    """Control records have a place and are no events."""
    log = channel(replace(WIDE, events=5))
    log.append([record(1), record(2), record(10, time=5), control(12), record(14, time=3)], 0.0)
    log.append([record(20, time=7), record(21, time=1)], 0.0)
    assert kept(log) == [10, 12, 14, 20, 21]
    assert [log.locate(seq) for seq in (0, 9, 10, 11, 12, 13, 14, 20, 21, 99)] == [2, 2, 3, 3, 4, 4, 5, 6, 7, 7]
    assert [log.last(count) for count in range(7)] == [7, 6, 5, 4, 2, 2, 2]
    assert [log.since(time) for time in (1, 4, 6, 8)] == [2, 2, 5, 7]
    assert [log.seq_before(ordinal) for ordinal in (2, 3, 4, 7)] == [9, 10, 12, 21]
    assert log.newest == record(21, time=1)
    assert log.events == 6


def test_what_is_read_fits_its_limit_but_for_one():
    """The limit counts frames; one is read however long it is."""
    log = channel()
    log.append([record(1, size=100), record(2, size=50), record(3, size=50)], 0.0)
    assert [each.seq for each in log.read(0, 150)] == [1, 2]
    assert [each.seq for each in log.read(0, 1)] == [1]
    assert [each.seq for each in log.read(1, 100)] == [2, 3]
    assert log.read(3, 100) == []


def test_missed_counts_events_alone():
    """From a place on, what the log has no more; control records are not among them."""
    log = channel(replace(WIDE, events=2))
    log.append([record(1), control(2), record(3), control(4), record(5), record(6), record(7)], 0.0)
    assert log.first == 5
    assert [log.missed(ordinal) for ordinal in range(7)] == [3, 2, 2, 1, 1, 0, 0]


def test_missed_remembers_a_bounded_number_of_control_records():
    """Past it, the oldest count as events: never too few are told."""
    log = channel(replace(WIDE, events=1))
    for seq in range(1, 2 * MAX_CONTROLS, 2):
        log.append([control(seq), record(seq + 1)], 0.0)
    assert len(log._controls) == MAX_CONTROLS
    assert log.missed(0) == MAX_CONTROLS - 1
    log.append([control(2 * MAX_CONTROLS + 1), control(2 * MAX_CONTROLS + 2)], 0.0)
    log.append([record(2 * MAX_CONTROLS + 3)], 0.0)
    assert log.missed(0) == MAX_CONTROLS + 2


def test_the_first_number_is_remembered_unless_something_came_before():
    """So that all that one missed can be counted, for who came before the first."""
    log = channel(replace(WIDE, events=1))
    log.append([record(5)], 0.0)
    log.append([record(6)], 0.0)
    assert log.origin == 5
    again = Channel({}, WIDE, Budget(1), lost=Lost(6))
    again.append([record(7)], 0.0)
    assert (again.origin, again.lost_through) == (0, 6)


def test_the_pump_is_woken_when_there_is_news():
    """By records and by the end; without a listener nothing happens."""
    log = channel()
    log.append([record(1)], 0.0)
    woken: list[int] = []
    log.wake = lambda: woken.append(log.next)
    log.append([record(2)], 0.0)
    log.end()
    assert woken == [2, 2]
    assert log.is_ended
    quiet = channel()
    quiet.end()
    assert quiet.is_ended


# -- the table


def test_the_latest_of_a_key_outlives_the_log():
    """It is not lost by leaving the log, and is when another takes its place."""
    log = channel(replace(WIDE, events=2), is_keyed=True)
    log.append([record(1, "a"), record(2, "b"), record(3, "b"), record(4, "b")], 0.0)
    assert (kept(log), latest(log), log.lost_through) == ([3, 4], [1, 4], 2)
    log.append([record(5, "a")], 0.0)
    assert (kept(log), latest(log), log.lost_through) == ([4, 5], [4, 5], 3)


def test_a_tombstone_forgets_its_key_and_is_lost_with_the_log():
    """While the log has it, a reader hears of the deletion; after that it must be told."""
    log = channel(replace(WIDE, events=2), is_keyed=True)
    log.append([record(1, "a"), record(2, "b"), record(3, "a", is_tombstone=True)], 0.0)
    assert (kept(log), latest(log), log.lost_through) == ([2, 3], [2], 1)
    log.append([record(4, "c"), record(5, "c")], 0.0)
    assert (latest(log), log.lost_through) == ([2, 5], 3)


def test_the_table_is_bounded_by_keys_and_bytes():
    """The key that was quiet the longest leaves; one stays, whatever its size."""
    log = channel(replace(WIDE, events=1, keys=2), is_keyed=True)
    log.append([record(1, "a"), record(2, "b"), record(3, "a"), record(4, "c")], 0.0)
    assert latest(log) == [3, 4]
    assert log.table is not None
    assert (log.table.evicted, log.lost_through, len(log.table)) == (1, 2, 2)
    heavy = channel(replace(WIDE, bytes=1000), is_keyed=True)
    heavy.append([record(1, "a", size=600), record(2, "b", size=600)], 0.0)
    assert latest(heavy) == [2]
    heavy.append([record(3, "c", size=6000)], 0.0)
    assert latest(heavy) == [3]


def test_a_key_that_leaves_the_table_while_the_log_has_it_is_not_lost():
    """A resume finds it there."""
    log = channel(replace(WIDE, keys=1), is_keyed=True)
    log.append([record(1, "a"), record(2, "b")], 0.0)
    assert (latest(log), kept(log), log.lost_through) == ([2], [1, 2], 0)


def test_a_snapshot_is_read_in_portions():
    """Ascending, after one number and up to another, in what fits."""
    log = channel(is_keyed=True)
    log.append([record(seq, f"k{seq % 7}", size=100) for seq in range(1, 15)], 0.0)
    assert [each.seq for each in log.snapshot(9, 12, 1000)] == [10, 11, 12]
    assert [each.seq for each in log.snapshot(0, 99, 250)] == [8, 9]
    assert [each.seq for each in log.snapshot(0, 99, 1)] == [8]
    assert log.snapshot(14, 99, 1000) == []
    assert channel().snapshot(0, 99, 1000) == []


def test_the_table_s_order_is_as_long_as_its_keys():
    """A key that changes a thousand times leaves no thousand numbers behind."""
    log = channel(replace(WIDE, events=1), is_keyed=True)
    for seq in range(1, 5_000):
        log.append([record(seq, "ab"[seq % 2])], 0.0)
    assert log.table is not None
    assert len(log.table._order) <= 2 * 2 + 64
    assert latest(log) == [4_998, 4_999]


def test_control_records_are_not_put_into_the_table():
    """They have no key."""
    log = channel(is_keyed=True)
    log.append([record(1, "a"), control(2)], 0.0)
    assert latest(log) == [1]


# -- the whole, against a model


class Model:
    """The same rules over plain lists, searched from the front each time."""

    def __init__(self, terms: Bounds) -> None:
        self.terms = terms
        self.log: list[Record] = []
        self.all: list[Record] = []
        self.table: dict[str, Record] = {}
        self.lost: list[Record] = []
        self.evicted = 0
        self.came: dict[int, float] = {}

    def append(self, records: list[Record], now: float, *, is_keyed: bool) -> None:
        """Add the records, then forget what is over the bounds."""
        self.came.update((each.seq, now) for each in records)
        if is_keyed:
            self.update(records)
        self.log += records
        self.all += records
        self.evict(now)

    def update(self, records: list[Record]) -> None:
        """Put the records into the table."""
        oldest = (self.log + records)[0].seq
        for each in records:
            if not each.is_control:
                old = self.table.pop(each.key or "", None)
                if old is not None and old.seq < oldest:
                    self.lost.append(old)
                if not each.is_tombstone:
                    self.table[each.key or ""] = each
        while len(self.table) > self.terms.keys or (
            len(self.table) > 1 and sum(map(cost, self.table.values())) > self.terms.bytes
        ):
            self.forget(oldest)

    def forget(self, oldest: int) -> None:
        """Remove the key that was quiet the longest; the log has what is not older than `oldest`."""
        key = min(self.table, key=lambda key: self.table[key].seq)
        gone = self.table.pop(key)
        self.evicted += 1
        if gone.seq < oldest:
            self.lost.append(gone)

    def drop(self) -> None:
        """Remove the oldest record."""
        gone = self.log.pop(0)
        if gone not in self.table.values():
            self.lost.append(gone)

    def floor(self) -> int:
        """Return how many records must stay: those from the newest event on, unless many came since."""
        trailing = next((count for count, each in enumerate(reversed(self.log)) if not each.is_control), 0)
        return trailing + 1 if trailing <= MAX_TRAILING else 1

    def evict(self, now: float) -> None:
        """Apply the log's bounds of count, age and bytes."""
        floor = self.floor()
        while len(self.log) > max(self.terms.events, floor):
            self.drop()
        while len(self.log) > floor and self.came[self.log[0].seq] <= now - self.terms.age:
            self.drop()
        while sum(map(cost, self.log)) > self.terms.bytes and len(self.log) > floor:
            self.drop()

    def size(self, *, is_keyed: bool) -> int:
        """Return the bytes kept."""
        return sum(map(cost, self.log)) + (sum(map(cost, self.table.values())) if is_keyed else 0)

    def shrink(self, size: int, *, is_keyed: bool) -> None:
        """Forget the oldest, of the log first, until the size is free."""
        goal = max(self.size(is_keyed=is_keyed) - size, 0)
        while self.size(is_keyed=is_keyed) > goal and len(self.log) > self.floor():
            self.drop()
        while is_keyed and self.size(is_keyed=is_keyed) > goal and self.table:
            self.forget(self.log[0].seq)


class ChannelMachine(RuleBasedStateMachine):
    """Appends, ages and shrinks a channel and its model together."""

    @initialize(terms=bounds, is_keyed=st.booleans())
    def begin(self, terms: Bounds, is_keyed: bool) -> None:  # noqa: FBT001  hypothesis passes by name
        """Make both, empty."""
        self.is_keyed = is_keyed
        self.terms = replace(terms, age=10.0)
        self.budget = Budget(1 << 30)
        self.log = channel(self.terms, is_keyed=is_keyed, budget=self.budget)
        self.model = Model(self.terms)
        self.seq = 0
        self.now = 0.0

    @rule(
        batch=st.lists(
            st.tuples(
                st.sampled_from("abcdef"),
                st.sampled_from(["event", "event", "event", "tombstone", "control"]),
                st.integers(30, 400),
                st.integers(1, 3),
            ),
            min_size=1,
            max_size=5,
        )
    )
    def append(self, batch: list[tuple[str, str, int, int]]) -> None:
        """Add a batch of events, deletions and notices, with holes in the numbers."""
        records = []
        for key, kind, size, step in batch:
            self.seq += step
            name = key if self.is_keyed else None
            is_tombstone = kind == "tombstone"
            made = record(self.seq, name, time=self.now, size=size, is_tombstone=is_tombstone)
            records.append(control(self.seq, size) if kind == "control" else made)
        self.log.append(list(records), self.now)
        self.model.append(records, self.now, is_keyed=self.is_keyed)

    @rule()
    def grow_old(self) -> None:
        """Let more time pass than history lasts; two looks, since one marks what the other evicts."""
        for _ in range(2):
            self.now += 20.0
            self.log.expire(self.now)
        self.model.evict(self.now)

    @rule(size=st.integers(1, 2_000))
    def shrink(self, size: int) -> None:
        """Ask for bytes."""
        self.log.shrink(size)
        self.model.shrink(size, is_keyed=self.is_keyed)

    @invariant()
    def agree(self) -> None:
        """Compare everything that a reader can ask."""
        log, model = self.log, self.model
        assert log.read(log.first, 1 << 40) == model.log
        assert log.next == len(model.all)
        assert log.lost_through == max((each.seq for each in model.lost), default=0)
        assert log.lost_since == max((each.time for each in model.lost), default=float("-inf"))
        assert log.bytes == self.budget.used == model.size(is_keyed=self.is_keyed)
        assert log.events == sum(not each.is_control for each in model.all)
        assert log.origin == (model.all[0].seq if model.all else 0)
        if log.table is not None:
            by_seq = sorted(model.table.values(), key=lambda each: each.seq)
            assert log.snapshot(0, self.seq, 1 << 40) == by_seq
            assert log.table.evicted == model.evicted
            assert log.table.bytes == sum(map(cost, by_seq))

    @rule(back=st.integers(0, 30))
    def find(self, back: int) -> None:
        """Compare a place in the log, or one that it has no more."""
        log, model = self.log, self.model
        seq = max(self.seq + 1 - back, 0)
        assert log.locate(seq) == log.first + sum(each.seq <= seq for each in model.log)
        gone = model.all[: len(model.all) - len(model.log)]
        ordinal = max(log.next - back, 0)
        assert log.missed(ordinal) == sum(not each.is_control for each in gone[ordinal:])


class TestChannel(ChannelMachine.TestCase):
    """The channel does what the model does, whatever the order of things."""

    settings = settings(stateful_step_count=30)


def test_a_channel_knows_whose_log_it_is():
    """Its captures are those it was made for."""
    captures: Mapping[str, str] = {"plant": "p1"}
    assert Channel(captures, WIDE, Budget(1)).captures == captures
