"""Take records out of what was fetched by runs, as the library has parsed them.

aiokafka parses a record in C, in 0.1 us, and then takes 0.8 us more in Python: a generator's turn for each, and a
`ConsumerRecord` of eleven fields, of which we read five. Here its batches give runs of records in place of records. All
else stays its own: checksums, compression, transactions, control batches, compacted offsets, when to fetch anew.

This leans on what the library keeps to itself, so it is done for the releases that were looked at, and in any other one
records come in the library's own way: slower, and the same.
"""

import weakref
from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, Final

import aiokafka  # type: ignore[import-untyped]  # it has no types
from aiokafka.consumer import fetcher  # type: ignore[import-untyped]  # it has no types

from bridge.sources.kafka.message import Record

#: Releases whose `consumer/fetcher.py` was read: `Fetcher._records`, `FetchResult` and `PartitionRecords`.
KNOWN: Final = ("0.14.",)


def hasten(consumer: Any) -> None:
    """Let a consumer that was just started, and has fetched nothing yet, hand over records by runs."""
    if aiokafka.__version__.startswith(KNOWN):
        consumer._fetcher._records = _Results()  # noqa: SLF001


class _Results(OrderedDict[Any, Any]):
    """What was fetched, by partition: each result is made ready as it comes in."""

    def __setitem__(self, each: Any, result: Any) -> None:
        if type(result) is fetcher.FetchResult:
            # The library looks for the very class, so it cannot be one of ours.
            result.getall = _Taking(result)
        super().__setitem__(each, result)


class _Taking:
    """Takes the place of `FetchResult.getall`."""

    def __init__(self, result: Any) -> None:
        # Without a cycle: what was fetched, megabytes of it, goes with its last record, and not when it is collected.
        self._result: Any = weakref.proxy(result)
        # Nothing was read of them yet: the library's generator begins when it is asked first.
        self._partition = partition = result._partition_records  # noqa: SLF001
        self._batches = partition._records = _Batches(partition._records)  # noqa: SLF001
        partition._consumer_record = _as_it_is  # noqa: SLF001

    def __call__(self, max_records: int) -> list[Record]:
        """Return the next records, and set the consumer's position after them; raise where a batch is damaged."""
        result, batches = self._result, self._batches
        if not result.check_assignment(result._topic_partition) or not result.has_more():  # noqa: SLF001
            return []
        taken: list[Record] = []
        while (left := max_records - len(taken)) > 0:
            batches.limit = left
            first = self._partition.next_fetch_offset
            run = next(self._partition, None)
            if run is None:
                result._update_position()  # noqa: SLF001
                result._partition_records = None  # noqa: SLF001
                return taken
            # A fetch gives whole batches: of the first one a part may lie before the place that was asked for.
            taken += run if run[0].offset >= first else [each for each in run if each.offset >= first]
        result._update_position()  # noqa: SLF001
        return taken


class _Run(list[Record]):
    """Records of one batch, which the library takes for one record: the last of them."""

    @property
    def offset(self) -> int:
        """Return the last one's offset; the place to go on is after it."""
        return self[-1].offset


def _as_it_is(_partition: Any, run: _Run) -> _Run:
    return run


class _Batches:
    """The batches of a fetch."""

    def __init__(self, batches: Any) -> None:
        #: Records of a run at most.
        self.limit = 1
        self.has_next = batches.has_next
        self._next_batch = batches.next_batch

    def next_batch(self) -> "_Batch":
        """Return the next one."""
        return _Batch(self._next_batch(), self)


class _Batch:
    """A batch, whose records come by runs."""

    def __init__(self, batch: Any, batches: _Batches) -> None:
        self._batch = batch
        self._batches = batches

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        # The one record of a control batch.
        return next(self._batch)

    def __iter__(self) -> Iterator[_Run]:
        # A batch may be begun but once, and `islice` would begin it each time.
        records, is_over = chain(self._batch), False
        while not is_over:
            limit = self._batches.limit
            run = _Run(islice(records, limit))
            # A batch that is over may not be asked again: it would take that for damage.
            is_over = len(run) < limit
            if run:
                yield run
