"""What each page must have heard, whatever happened on the way.

Rule 1: numbers that count the events of one process (a push) lose their meaning with it. So a page hears all that one
    process took, in order and once; between two processes there is a gap, and within one there is none.
Rule 2: positions in a log (a Kafka topic) mean the same to every process. So a page hears each record once, in the
    order of its partition, and never of a gap.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.rolling.eventsource import Dispatched

GAP = "bridge.gap"


@dataclass
class Pushed:
    """What each process took, in its order; `end` is the last of all."""

    by: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    end: int = -1

    def is_over(self, heard: Sequence[Dispatched]) -> bool:
        """Tell whether the last of all has come."""
        return next((event["n"] for event in map(_read, reversed(heard)) if event), -1) == self.end

    def faults(self, heard: Sequence[Dispatched]) -> list[str]:
        """Say what a page lost without a word, heard twice, or did not hear at the end."""
        faults, last, is_told = [], ("", -1), False
        for name, data in heard:
            is_told = is_told or name == GAP
            if (event := _read(Dispatched(name, data))) is None:
                continue
            by, number = event["by"], event["n"]
            if by == last[0]:
                faults += self._within(by, last[1], number, is_told=is_told)
            elif last[0] and not is_told:
                faults.append(f"{last} to {(by, number)} without a gap")
            elif not last[0] and not is_told and self.by[by][0] != number:
                faults.append(f"began with {(by, number)} without a gap")
            last, is_told = (by, number), False
        if last[1] != self.end:
            faults.append(f"ended with {last}")
        return faults

    def _within(self, by: str, before: int, number: int, *, is_told: bool) -> list[str]:
        if number <= before:
            return [f"{(by, number)} after {(by, before)}"]
        lost = [each for each in self.by[by] if before < each < number]
        faults = [f"{(by, lost)} lost without a gap"] if lost and not is_told else []
        return [*faults, f"a gap within {by}"] if is_told else faults


@dataclass
class Recorded:
    """How many records each partition holds."""

    partitions: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def is_over(self, heard: Sequence[Dispatched]) -> bool:
        """Tell whether the last of each partition has come."""
        events = list(filter(None, map(_read, heard)))
        return all({"partition": part, "n": count - 1} in events for part, count in self.partitions.items())

    def faults(self, heard: Sequence[Dispatched]) -> list[str]:
        """Say what a page lost, or heard twice or in another order."""
        faults = [f"a gap: {data}" for name, data in heard if name == GAP]
        seen: dict[int, list[int]] = defaultdict(list)
        for record in map(_read, heard):
            if record is not None:
                seen[record["partition"]].append(record["n"])
        for partition, count in self.partitions.items():
            if seen[partition] != list(range(count)):
                faults.append(f"partition {partition}: {_differ(seen[partition], count)}")
        return faults


def _read(heard: Dispatched) -> dict[str, Any] | None:
    """Return what an event says; None for one of the bridge's own."""
    return None if heard.name.startswith("bridge.") else json.loads(heard.data)


def _differ(seen: Sequence[int], count: int) -> str:
    wanted = range(count)
    lost = sorted(set(wanted) - set(seen))
    twice = sorted({each for each in seen if seen.count(each) > 1})
    return f"lost {lost[:10]}, twice {twice[:10]} of {count}, {len(seen)} heard"
