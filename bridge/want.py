"""What a subscriber asks for when it connects, and how much of it is given at a time."""

from typing import NamedTuple


class Want(NamedTuple):
    """What a subscriber asked for when it connected."""

    #: The last id it saw; None or "" on a first connect.
    last_event_id: str | None = None
    #: Unix seconds.
    since: float | None = None
    last: int | None = None


class Replay(NamedTuple):
    """How far a resume may go before the client has to come back for the rest."""

    events: int = 10_000
    bytes: int = 16 * 1024 * 1024
