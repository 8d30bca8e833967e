"""What was answered lately, so that a repeated request gets the same answer."""

import hashlib
from collections.abc import Callable
from typing import Final

#: Ids kept by one window, of some 100 bytes each. When more come within its time, the oldest are forgotten: a
#: repetition of theirs is then published again, as it would be after the time.
MAX_IDS: Final = 50_000

Answer = str | list[str]


class Window:
    """Answers by name, for a time."""

    def __init__(self, age: float, clock: Callable[[], float], limit: int = MAX_IDS) -> None:
        self._age = age
        self._clock = clock
        self._limit = limit
        # In the order of their coming, which is that of their going.
        self._answers: dict[bytes, tuple[float, Answer]] = {}
        self._ids = 0

    def get(self, name: tuple[str, ...]) -> Answer | None:
        """Return what was answered to this name within the time; an empty name was never answered."""
        found = self._answers.get(_digest(name)) if name else None
        return found[1] if found is not None and found[0] > self._clock() else None

    def put(self, name: tuple[str, ...], answer: Answer) -> None:
        """Remember an answer, unless the name is empty."""
        if not name or self._age <= 0:
            return
        now = self._clock()
        digest = _digest(name)
        self._forget(digest)
        self._answers[digest] = (now + self._age, answer)
        self._ids += _weight(answer)
        while self._answers:
            oldest = next(iter(self._answers))
            if self._ids <= self._limit and self._answers[oldest][0] > now:
                break
            self._forget(oldest)

    def rebound(self, age: float) -> None:
        """Remember for another time from now on, and what is remembered already for no longer than that."""
        if age == self._age:
            return
        self._age, now = age, self._clock()
        ends = {digest: min(end, now + age) for digest, (end, _) in self._answers.items()}
        for digest, end in ends.items():
            if end > now:
                self._answers[digest] = end, self._answers[digest][1]
            else:
                self._forget(digest)

    def _forget(self, digest: bytes) -> None:
        found = self._answers.pop(digest, None)
        if found is not None:
            self._ids -= _weight(found[1])


def _weight(answer: Answer) -> int:
    return 1 if isinstance(answer, str) else max(1, len(answer))


def _digest(name: tuple[str, ...]) -> bytes:
    """Shorten a name: those of strangers may be long, and are only ever compared."""
    # `repr` tells all tuples of texts apart, whatever stands in them.
    return hashlib.blake2b(repr(name).encode(), digest_size=16).digest()
