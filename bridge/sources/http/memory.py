"""What is known of each address: across its polls, and across the times when nobody listens to it.

Rule 1: what is polled now is never forgotten. Of the rest those are whose listeners left the longest ago.
Rule 2: a server that asked to be left alone is, also where what is known of the address was forgotten.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from bridge.demand import Asked
from bridge.sources.http.emission import Emission
from bridge.sources.http.reply import Rules
from bridge.sources.http.validators import Validators

#: Bytes that are kept of the last replies of addresses that nobody listens to. One who comes back finds what was there;
#: beyond this it is as if they came for the first time, which is no loss, only a snapshot more.
MAX_IDLE: Final = 64 * 1024 * 1024


#: Addresses that have failed and were forgotten since, of which is remembered when they may be asked again: else who
#: asks for one value after another would have none of them left alone. Some hundred bytes each.
MAX_RESTING: Final = 10_000


class Known:
    """One address. The times with `_at` are Unix seconds, the others the steady clock's."""

    __slots__ = (
        "bytes",
        "captures",
        "due",
        "emission",
        "failed",
        "failures",
        "heard_at",
        "is_polled",
        "polled_at",
        "replies",
        "size",
        "status",
        "unchanged",
        "validators",
        "wire",
        "words",
    )

    def __init__(self, captures: Mapping[str, str], rules: Rules) -> None:
        self.captures = captures
        self.emission = Emission(rules)
        self.validators = Validators()
        #: Somebody listens, or has not left for long.
        self.is_polled = False
        #: When it may be asked again; not what a cron line says.
        self.due = 0.0
        #: When it was asked last, and when it answered last, whatever it said; 0 for never.
        self.polled_at = 0.0
        self.heard_at = 0.0
        #: Of the last answer; 0 before there is one.
        self.status = 0
        #: How often in a row it has failed, and why the last time.
        self.failures = 0
        self.words = ""
        #: Replies that could be used, those among them that brought nothing new, and polls that failed.
        self.replies = 0
        self.unchanged = 0
        self.failed = 0
        #: Bytes of all bodies, decoded, and as they came.
        self.bytes = 0
        self.wire = 0
        #: About how many bytes are kept of the last body that could be used.
        self.size = 0

    @property
    def state(self) -> str:
        """Return how it is, in a word."""
        if not self.is_polled:
            return "idle"
        if self.failures:
            return "down"
        return "up" if self.replies else "starting"


class Memory:
    """All addresses of a source, those that nobody listens to in the order in which their listeners left."""

    def __init__(self, rules: Rules, at_most: int) -> None:
        self._rules = rules
        self._at_most = at_most
        self._all: dict[Asked, Known] = {}
        #: Of addresses that were forgotten while they failed: when they may be asked again, and how often they failed.
        self._resting: dict[Asked, tuple[float, int]] = {}

    def __iter__(self) -> Iterator[Known]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    def get(self, asked: Asked) -> Known | None:
        """Return what is known of an address."""
        return self._all.get(asked)

    def enter(self, asked: Asked) -> Known:
        """Return what is known of an address that is polled from now on."""
        known = self._all.get(asked)
        if known is None:
            known = self._all[asked] = Known(dict(asked), self._rules)
            known.due, known.failures = self._resting.pop(asked, (known.due, known.failures))
        known.is_polled = True
        return known

    def leave(self, asked: Asked) -> list[Known]:
        """Note that an address is polled no longer; return what is forgotten to make room."""
        known = self._all.pop(asked)
        known.is_polled = False
        self._all[asked] = known
        return list(self._forget())

    def _forget(self) -> Iterator[Known]:
        idle = [(asked, known) for asked, known in self._all.items() if not known.is_polled]
        size = sum(known.size for _, known in idle)
        for asked, known in idle:
            if len(self._all) <= self._at_most and size <= MAX_IDLE:
                return
            size -= known.size
            del self._all[asked]
            if known.failures:
                self._resting[asked] = known.due, known.failures
                if len(self._resting) > MAX_RESTING:
                    del self._resting[next(iter(self._resting))]
            yield known
