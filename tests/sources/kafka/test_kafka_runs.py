"""Records are taken out of a fetch by runs: the same ones as the library gives, and it stands where it would."""

import asyncio
import gc
import struct
import weakref
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import aiokafka
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given, strategies as st

from bridge.sources.kafka import runs

PARTITION = TopicPartition("orders", 0)

#: Where things are in a batch (KIP-98): its checksum covers all from its attributes on.
CHECKSUM, ATTRIBUTES, LAST = 17, 21, 23
CONTROL = 0x20


def batch(base: int, deltas: Sequence[int], *, codec: int = 0, last: int | None = None, **more: Any) -> bytes:
    """Make a batch of records at these distances from its offset; those between are compacted away."""
    producer = more.get("producer", -1)
    builder = DefaultRecordBatchBuilder(2, codec, int(producer >= 0), producer, 0, 0, 1 << 20)
    for delta in deltas:
        headers = [("h", b"%d" % delta)] if delta % 2 else []
        builder.append(delta, 1_000 + delta, more.get("key", b"k%d" % delta), b"v%d" % (base + delta), headers)
    made = bytearray(builder.build())
    made[:8] = base.to_bytes(8, "big")
    made[ATTRIBUTES + 1] |= more.get("attributes", 0)
    if last is not None:
        made[LAST : LAST + 4] = last.to_bytes(4, "big")
    made[CHECKSUM:ATTRIBUTES] = calc_crc32c(bytes(made[ATTRIBUTES:])).to_bytes(4, "big")
    return bytes(made)


def marker(base: int, producer: int) -> bytes:
    """Make the batch that tells that a transaction was given up."""
    # The key is a version, and 0 for an abort.
    return batch(base, [0], producer=producer, attributes=CONTROL, key=struct.pack(">hh", 0, 0))


def old(count: int, magic: int, codec: int) -> bytes:
    """Make messages as brokers of before 0.11 have them."""
    builder = LegacyRecordBatchBuilder(magic, codec, 1 << 20)
    for number in range(count):
        builder.append(number, 1_000 + number, b"k", b"v%d" % number)
    return bytes(builder.build())


class Reader:
    """One partition's fetch, and where its consumer stands."""

    def __init__(self, data: bytes, *, first: int, is_hastened: bool, aborted: Any = None) -> None:
        self.paused = False
        self.position = first
        self.steps: list[object] = []
        records = PartitionRecords(
            PARTITION, MemoryRecords(data), aborted, first, None, None, check_crcs=True, isolation_level=READ_COMMITTED
        )
        assignment = SimpleNamespace(active=True, state_value=lambda _partition: self)
        results: dict[Any, Any] = runs._Results() if is_hastened else {}
        results[PARTITION] = FetchResult(PARTITION, assignment=assignment, partition_records=records, backoff=0)
        self.result = results[PARTITION]

    def consumed_to(self, offset: int) -> None:
        """Go on from there."""
        self.position = offset

    def read(self, limits: Iterator[int]) -> list[object]:
        """Take all that there is, so many at a time; tell what came and where it then stands."""
        while self.result.has_more():
            try:
                got = self.result.getall(next(limits))
            except CorruptRecordException:
                # The library reads on from where it is, in a fetch of its own.
                return [*self.steps, "damage", self.position]
            told = [(each.offset, each.timestamp, each.key, each.value, tuple(each.headers)) for each in got]
            self.steps.append((told, self.position))
        return self.steps


def same(data: bytes, limits: Sequence[int], first: int = 0, aborted: Any = None) -> list[Any]:
    """Read both ways; return what came, which is the same."""
    theirs = Reader(data, first=first, is_hastened=False, aborted=aborted)
    ours = Reader(data, first=first, is_hastened=True, aborted=aborted)
    expected = theirs.read(iter([*limits, *[500] * 1_000]))
    assert ours.read(iter([*limits, *[500] * 1_000])) == expected
    return expected


def offsets(steps: Sequence[Any]) -> list[int]:
    """Return the offsets of all that came."""
    return [each[0] for told, _ in steps for each in told]


def test_this_release_of_the_library_is_known() -> None:
    """Look at its `consumer/fetcher.py` before it is added to KNOWN; until then records come more slowly."""
    assert aiokafka.__version__.startswith(runs.KNOWN)


@given(st.data())
def test_records_are_those_that_the_library_gives(data: st.DataObject) -> None:
    """Whatever the batches, the place in the first of them to begin, and the number at a time."""
    base, batches, ends = 0, [], []
    for _ in range(data.draw(st.integers(1, 5))):
        deltas = sorted(data.draw(st.sets(st.integers(0, 9), min_size=1)))
        last = deltas[-1] + data.draw(st.integers(0, 2))
        batches.append(batch(base, deltas, codec=data.draw(st.sampled_from([0, 1, 3, 4])), last=last))
        base += last + 1
        ends.append(base)
    limits = data.draw(st.lists(st.integers(1, 12), max_size=20))
    same(b"".join(batches), limits, data.draw(st.integers(0, ends[0] - 1)))


@pytest.mark.parametrize("limits", [[1] * 30, [5, 5, 5], [10, 10], [500]])
def test_a_run_may_end_where_a_batch_does(limits: list[int]) -> None:
    """A batch that is over is not asked again, which the library takes for damage."""
    steps = same(batch(0, range(10)) + batch(10, range(10)), limits)
    assert offsets(steps) == list(range(20))
    assert steps[-1][1] == 20


def test_k08_what_was_compacted_away_is_passed_over() -> None:
    """Also at the end of a batch, where the place to go on is behind it."""
    steps = same(batch(0, [1, 4], last=9) + batch(10, [0], last=5), [2])
    assert offsets(steps) == [1, 4, 10]
    assert steps[-1][1] == 16


def test_k09_aborted_transactions_are_left_out() -> None:
    """And the marks of transactions are no records."""
    data = batch(0, [0, 1], producer=7) + marker(2, 7) + batch(3, [0, 1], producer=7)
    steps = same(data, [], aborted=[(7, 0)])
    assert offsets(steps) == [3, 4]


@pytest.mark.parametrize("codec", [0, 1])
@pytest.mark.parametrize("magic", [0, 1])
def test_messages_of_old_brokers_are_records_too(magic: int, codec: int) -> None:
    """Each is a batch of its own, or some are compressed together."""
    assert offsets(same(old(7, magic, codec), [3, 3])) == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("limits", [[500], [3] * 9])
def test_k11_damage_is_raised_where_the_library_does(limits: list[int]) -> None:
    """And what stands before it comes, when it is asked for by itself."""
    broken = bytearray(batch(6, range(6)))
    broken[-1] ^= 1
    steps = same(batch(0, range(6)) + bytes(broken), limits)
    assert steps[-2:] == ["damage", 0 if limits == [500] else 6]


def test_what_was_fetched_goes_with_its_last_record() -> None:
    """Megabytes do not wait for the collector."""
    gc.disable()
    try:
        reader = Reader(batch(0, range(6)), first=0, is_hastened=True)
        gone = weakref.ref(reader.result)
        reader.read(iter([4, 4]))
        reader.result = None
        assert gone() is None
    finally:
        gc.enable()


async def fetcher(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the library's fetcher, which asks nobody."""
    monkeypatch.setattr(Fetcher, "_fetch_requests_routine", lambda _self: asyncio.sleep(3600))
    client = SimpleNamespace(_loop=asyncio.get_running_loop(), _metadata_max_age_ms=1)
    subscriptions = SubscriptionState()
    subscriptions.assign_from_user({PARTITION})
    return Fetcher(client, subscriptions)


@pytest.mark.parametrize(("release", "fields"), [("0.14.99", ()), ("0.15.0", ("topic",))])
async def test_a_release_that_is_not_known_gives_its_own_records(
    monkeypatch: pytest.MonkeyPatch, release: str, fields: Sequence[str]
) -> None:
    """The same either way."""
    monkeypatch.setattr(aiokafka, "__version__", release)
    made = await fetcher(monkeypatch)
    runs.hasten(SimpleNamespace(_fetcher=made))
    source = Reader(batch(0, range(6)), first=0, is_hastened=False)
    made._records[PARTITION] = source.result
    got = await made.fetched_records([], max_records=4)
    assert [each.offset for each in got[PARTITION]] == [0, 1, 2, 3]
    assert [name for name in ("topic",) if hasattr(got[PARTITION][0], name)] == list(fields)
    rest = await made.fetched_records([], max_records=4)
    assert [each.offset for each in rest[PARTITION]] == [4, 5]
    assert (made._records, source.position) == ({}, 6)
    await made.close()
