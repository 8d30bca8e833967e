"""Whether records could come: when each partition's last fetch was answered, with records or without."""

import time
from collections.abc import Callable, Collection
from typing import Any


class Pulse:
    """Watches one consumer, which tries again in silence where a fetch fails."""

    def __init__(self, consumer: Any, stall: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._consumer = consumer
        self._stall = stall
        self._clock = clock
        #: By partition: the last answer, as the consumer dates it, and when we saw it first.
        self._seen: dict[Any, tuple[int | None, float]] = {}
        self._silent: set[Any] = set()

    def follow(self, partitions: Collection[Any]) -> None:
        """Watch these from now on."""
        self._seen = dict.fromkeys(partitions, (None, self._clock()))
        self._silent = set(partitions)

    def rest(self) -> None:
        """Take it that all have answered by now: nothing was asked."""
        now = self._clock()
        self._seen = {each: (last, now) for each, (last, _) in self._seen.items()}

    @property
    def is_whole(self) -> bool:
        """Tell whether every partition has answered since it is watched."""
        if self._silent:
            poll, paused = self._consumer.last_poll_timestamp, self._consumer.paused()
            self._silent = {each for each in self._silent if each not in paused and poll(each) is None}
        return not self._silent

    def stalled(self) -> list[Any]:
        """Return the partitions that have not answered for too long. Called now and then."""
        now = self._clock()
        paused = self._consumer.paused()
        for each, (last, _) in list(self._seen.items()):
            poll = self._consumer.last_poll_timestamp(each)
            if poll != last or each in paused:
                self._seen[each] = (poll, now)
        return sorted(each for each, (_, since) in self._seen.items() if now - since > self._stall)
