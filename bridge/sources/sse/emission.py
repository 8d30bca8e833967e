"""What is heard becomes messages: events as they are, those of another bridge as what they mean.

An id is remembered on the line after its event was handed over, so nothing is stepped over when a connection is left
in the middle of what came.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from bridge import wire
from bridge.event import Fact, Loss, Message, Reason
from bridge.sources.base import Outlet
from bridge.sources.sse.decoder import Heard, Oversized
from bridge.sources.sse.memory import Cursor, fit

#: What another bridge says of itself, and of its stream; nothing of it is an event.
GAP: Final = f"{wire.CONTROL}gap"
BYE: Final = f"{wire.CONTROL}bye"
CONTROLS: Final = frozenset({GAP, BYE, *(wire.CONTROL + name for name in ("heartbeat", "source", "auth"))})

#: Digits of an id that counts: above it numbers are hashes, and in no order.
MAX_DIGITS: Final = 18


class _Gap(msgspec.Struct, frozen=True):
    """What a `bridge.gap` says that matters here."""

    reason: Reason = "source_reset"
    missed: int | None = None


class Emission:
    """One connection's way to the outlet."""

    def __init__(self, outlet: Outlet, cursor: Cursor, subject: str, captures: Mapping[str, str]) -> None:
        self._outlet = outlet
        self._cursor = cursor
        self._subject = subject
        self._captures = captures
        #: The id after which the upstream was asked to go on, until its first id is seen.
        self._resumed = cursor.id
        #: Events handed over.
        self.events = 0
        #: The upstream has said that it is about to close, as another bridge does.
        self.is_planned = False

    def take(self, found: Sequence[Heard | Oversized], time: float) -> None:
        """Hand over what has come, as one batch but for what is lost between."""
        batch: list[Message] = []
        for each in found:
            loss = self._loss(each)
            if loss is not None:
                self._flush(batch)
                self._outlet.lose(loss)
            if isinstance(each, Heard) and each.event not in CONTROLS:
                batch.append(self._message(each, time))
        self._flush(batch)
        if found:
            self._cursor.id = fit(found[-1].id)

    def lose(self, loss: Loss) -> None:
        """Announce a loss on the channels of this address."""
        self._outlet.lose(msgspec.structs.replace(loss, captures=self._captures))

    def _flush(self, batch: list[Message]) -> None:
        if batch:
            self._outlet.emit(batch)
            self.events += len(batch)
            batch.clear()

    def _loss(self, each: Heard | Oversized) -> Loss | None:
        """Return what was lost before an event, or is lost with it."""
        if isinstance(each, Oversized):
            return Loss(reason="oversize", missed=1, captures=self._captures)
        if each.event == GAP:
            return _gap(each.data, self._captures)
        if each.event == BYE:
            self.is_planned = True
        return self._reset(each.id)

    def _reset(self, id: str) -> Loss | None:
        """Return a loss where the upstream counts anew: it knows nothing of the id that it was to go on after."""
        resumed = self._resumed
        if not resumed or id == resumed:
            return None
        self._resumed = ""
        is_anew = _counts(resumed) and _counts(id) and int(id) < int(resumed)
        return Loss(reason="source_reset", captures=self._captures) if is_anew else None

    def _message(self, heard: Heard, time: float) -> Message:
        facts: dict[str, Fact] = {"event": heard.event or "message"}
        if heard.id:
            facts["id"] = heard.id
        return Message(
            payload=heard.data,
            time=time,
            subject=self._subject,
            captures=self._captures,
            facts=facts,
            # A name that we may not send is a fact all the same.
            type=heard.event if wire.is_event(heard.event) else "",
        )


def _gap(data: bytes, captures: Mapping[str, str]) -> Loss:
    """Return what another bridge has lost; one of a later version may have reasons that are not known here."""
    try:
        gap = msgspec.json.decode(data.decode(errors="replace"), type=_Gap)
    except (msgspec.DecodeError, RecursionError):
        gap = _Gap()
    missed = gap.missed if gap.missed is not None and gap.missed >= 0 else None
    return Loss(reason=gap.reason, missed=missed, captures=captures)


def _counts(id: str) -> bool:
    """Tell whether the id is a number in a sequence."""
    return id.isascii() and id.isdecimal() and len(id) <= MAX_DIGITS
