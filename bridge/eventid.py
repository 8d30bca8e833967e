"""The id of an event that this process has numbered: `<epoch>-<seq>`, or `<epoch>-<seq>.<mark>` within a backlog."""

import re
from typing import Final, NamedTuple

_OURS: Final = re.compile(
    r"(?P<epoch>[A-Za-z0-9]{1,32})-(?P<seq>0|[1-9]\d{0,17})(?:\.(?P<mark>[A-Za-z0-9.]{1,64}))?", re.ASCII
)


class EventId(NamedTuple):
    """A position: the run of the process that numbered the event, its number, and a mark within a backlog."""

    epoch: str
    seq: int
    #: Within a source's own backlog: the place there. `seq` is then where live events go on after it.
    mark: str = ""

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}.{self.mark}" if self.mark else f"{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "EventId | None":
        """Read a `Last-Event-ID`; anything that we cannot have written gives None."""
        match = _OURS.fullmatch(text)
        return cls(match["epoch"], int(match["seq"]), match["mark"] or "") if match else None
