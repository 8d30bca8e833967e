"""What a route has done so far, in numbers: counted once a batch, read at a scrape.

Rule 1: nothing here is counted per delivery. A batch that goes to ten thousand subscribers is one addition.
Rule 2: nothing here knows the time; callers pass ages.
Rule 3: no name of a channel, peer, topic or file is kept: what is counted is bounded by the words below.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal, get_args

from bridge.event import Record

#: Upper bounds of the latency's buckets, in seconds. Clocks of two machines agree to a millisecond at best, so nothing
#: finer is told; a person notices a tenth of a second, and objectives are set between that and some seconds; beyond
#: five minutes it is a backlog that is read, and no latency.
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

#: Why an event had no place on a route, as the log and the console say it, and as a label does.
NO_NAME: Final = "a name of the route's path is missing in the event"
NO_KEY: Final = "the event has no key"
NO_TYPE: Final = "a name of `event` is missing in the event"
BAD_TYPE: Final = "`event` makes a name that an event may not have"
SKIPPED: Final = {NO_NAME: "no_capture", NO_KEY: "no_key", NO_TYPE: "no_event", BAD_TYPE: "bad_event"}

#: Where what a stream is given before the live events came from.
Origin = Literal["memory", "table", "source", "greeting", "run"]
ORIGINS: Final[tuple[Origin, ...]] = get_args(Origin)

#: How each `bridge.gap` begins. A line of data begins otherwise, so none can look like it.
_MARK: Final = b"event: bridge.gap\n"
_GAP: Final = re.compile(rb'(?:\A|\n)event: bridge\.gap\ndata: \{"reason":"([a-z_]+)"')


class Latency:
    """From an event's own time to its write, as a histogram."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        #: By bucket; the last one has no upper bound.
        self.counts = [0] * (len(BUCKETS) + 1)
        #: The sum of all ages, in seconds.
        self.total = 0.0

    def observe(self, records: Sequence[Record], now: float, readers: int) -> None:
        """Count a batch that is written to that many at `now` (Unix seconds).

        The first and the last stand for those between, where they are of one bucket: nearly always, since a batch came
        together. Ages below zero, of a clock that is ahead of ours, count as none.
        """
        oldest, newest = now - records[0].time, now - records[-1].time
        bucket = bisect_left(BUCKETS, oldest)
        if oldest == newest or bucket == bisect_left(BUCKETS, newest):
            count = len(records) * readers
            self.counts[bucket] += count
            if (middle := (oldest + newest) / 2) > 0:
                self.total += middle * count
            return
        for record in records:
            age = max(now - record.time, 0.0)
            self.counts[bisect_left(BUCKETS, age)] += readers
            self.total += age * readers


class Meter:
    """The counters of one route."""

    __slots__ = ("accepted", "byes", "bytes", "events", "gaps", "latency", "opened", "replays")

    def __init__(self) -> None:
        #: Records that entered the route's channels.
        self.accepted = 0
        #: Streams that were opened.
        self.opened = 0
        #: Events, and bytes of frames, that were written: each once for each subscriber.
        self.events = 0
        self.bytes = 0
        #: `bridge.gap` and `bridge.bye` as they were written, by reason.
        self.gaps: Counter[str] = Counter()
        self.byes: Counter[str] = Counter()
        #: Streams that were given something before the live events, by where it came from.
        self.replays: Counter[Origin] = Counter()
        self.latency = Latency()

    def wrote(self, frames: bytes, events: int = 0, readers: int = 1) -> None:
        """Count frames, with that many events in them, that go to so many subscribers."""
        self.events += events * readers
        self.bytes += len(frames) * readers

    def tell(self, frames: bytes, readers: int = 1) -> None:
        """Count the gaps in what is written. A search of 16 KiB takes 10 µs and more: not where there can be none."""
        if _MARK in frames:
            for reason in _GAP.findall(frames):
                self.gaps[reason.decode()] += readers
