"""Why an answer is no event stream, in words, and how long that is likely to last."""

from collections.abc import Mapping
from typing import Final, NamedTuple

#: What an event stream is.
STREAM: Final = "text/event-stream"

#: Seconds before the next attempt, at least. A person has to do something, and is not there within a second.
FOR_A_PERSON: Final = 30.0

#: The same where an answer would only be asked for again: our own stream, through whatever stands between.
FOR_A_LOOP: Final = 300.0

#: Characters of a header's value that are told.
MAX_TOLD: Final = 60

#: Statuses with which a server says that it cannot take an id back: its header, or all of them, are too long.
UNFIT_ID: Final = frozenset({400, 412, 416, 431})

_STATUSES: Final[Mapping[int, tuple[str, float]]] = {
    400: ("it does not understand the request", FOR_A_PERSON),
    401: ("it wants other credentials: check `bearer`, `basic` or `headers`", FOR_A_PERSON),
    403: ("it does not let us read this: check `bearer`, `basic` or `headers`", FOR_A_PERSON),
    404: ("nothing is there: check the path of `url`", FOR_A_PERSON),
    405: ("it does not give this to a GET: check the path of `url`", FOR_A_PERSON),
    406: ("it has no event stream there: check the path of `url`", FOR_A_PERSON),
    407: ("the proxy wants other credentials: check `proxy`", FOR_A_PERSON),
    410: ("it is gone for good: check the path of `url`", FOR_A_PERSON),
    429: ("we ask too often", 0.0),
    431: ("our headers are too long for it", 0.0),
    502: ("the proxy before it cannot reach it", 0.0),
    503: ("it is not ready, or overloaded", 0.0),
    504: ("the proxy before it did not hear from it in time", 0.0),
    508: ("the stream leads back to this bridge: `url` is an address of our own", FOR_A_LOOP),
}


class Refusal(NamedTuple):
    """Why a stream is not read."""

    words: str
    #: Seconds to wait at least.
    wait: float = 0.0


def refusal(status: int, content_type: str, where: str) -> Refusal | None:
    """Return why this answer is none, from its head; None where it is an event stream."""
    if status != 200:  # noqa: PLR2004  # as the standard says it
        why, wait = _STATUSES.get(status, ("", 0.0))
        return Refusal(f"{where} answers {status}{why and f': {why}'}", wait)
    found = content_type.partition(";")[0].strip().lower()
    if found == STREAM:
        return None
    return Refusal(f"{where} answers with {told(found) or 'no content type'}, and not with {STREAM}: check `url`")


def told(text: str) -> str:
    """Return what somebody else wrote, fit for a line of the log."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:MAX_TOLD])
