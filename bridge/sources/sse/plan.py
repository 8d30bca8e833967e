"""What the keys say, made ready."""

from dataclasses import dataclass

from bridge.sources.web.remote import Remote


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One source."""

    #: The source's name in the file.
    name: str
    #: The address as it was written.
    url: str
    remote: Remote
    #: Read only while somebody listens, and for so many seconds longer.
    is_listened: bool
    linger: float
    at_once: int
    #: Seconds without a byte after which a stream counts as dead; None where it may be quiet for ever.
    silence: float | None
    #: Bytes of an event's data.
    max: int
    #: Seconds for the head of the answer.
    timeout: float
