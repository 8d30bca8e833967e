"""The inlet: the one door through which a source's messages reach the bus, and through which it is read back."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Final

import structlog

from bridge.bus import Bus
from bridge.event import Event, Loss, Message
from bridge.keys import LastKeys
from bridge.normalise import Normaliser
from bridge.route import Route
from bridge.sources.base import Backlog
from bridge.subscription import Subscription
from bridge.supervisor import Health

log = structlog.get_logger()

#: Routes that one line of the log names; there may be a thousand.
MAX_NAMED: Final = 8


class Inlet:
    """Normalise, publish, count: the `Outlet` of one source."""

    def __init__(
        self, source: str, normalise: Normaliser, bus: Bus, health: Health, subscribers: Callable[[], int]
    ) -> None:
        self.source = source
        #: Messages taken in, and the bytes of their payloads.
        self.messages = 0
        self.bytes = 0
        #: When the newest of them came (Unix seconds; 0 before the first), and by how many seconds it was late.
        self.heard_at = 0.0
        self.late = 0.0
        #: Losses that the source told, and the messages in them as far as it knew their number, by reason.
        self.losses: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._skipping: Counter[str] = Counter()
        #: What makes messages events; another one where routes look at them in another way.
        self.normalise = normalise
        self._bus = bus
        self._health = health
        self.subscribers = subscribers

    def emit(self, messages: Sequence[Message]) -> Sequence[str]:
        """Publish a batch; return the ids given."""
        self._count(messages)
        ids = self._bus.publish(self.source, self.normalise(messages))
        skipped = self._bus.skipped(self.source)
        if skipped and skipped != self._skipped:
            self._tell_skipped(skipped)
        return ids

    def lose(self, loss: Loss) -> None:
        """Announce a loss."""
        self.losses[loss.reason] += 1
        self.missed[loss.reason] += loss.missed or 0
        self._bus.lose(self.source, loss)

    def up(self) -> None:
        """Note that the source reads."""
        self._health.tell(self.source, "up")

    def down(self, reason: str) -> None:
        """Note that the source cannot read now."""
        self._health.tell(self.source, "down", reason)

    def address(self, captures: Mapping[str, str], error: str | None, *, is_over: bool = False) -> None:
        """Tell those who listen to one address of the source how it is."""
        self._bus.announce_address(self.source, captures, error, is_over=is_over)

    def events(self, messages: Sequence[Message]) -> list[Event]:
        """Normalise without publishing: for one subscriber alone."""
        return self.normalise(messages)

    async def read_back(
        self, backlog: Backlog, mark: str, route: Route, captures: Mapping[str, str], name: Callable[[str], str]
    ) -> AsyncGenerator[tuple[str, bytes]]:
        """Yield (mark, frames) of what the source reads back for a channel; `name` makes an id of a mark."""
        keys = LastKeys(route.terms.bounds.keys)
        async with aclosing(backlog.read(mark)) as batches:
            async for batch in batches:
                frames = [self._frame(item, route, captures, keys, name(at)) for at, item in batch]
                yield batch[-1][0], b"".join(frames)

    def _count(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        self.messages += len(messages)
        self.bytes += sum([_size(message.payload) for message in messages])
        self.heard_at = self._bus.now()
        self.late = max(self.heard_at - messages[-1].time, 0.0)

    def _tell_skipped(self, skipped: Counter[str]) -> None:
        """Log how many events of this batch had no place, where and why; the log's cap keeps a flood of them down."""
        routes = self._bus.skipping(self.source)
        log.warning("events skipped", source=self.source, **_words(skipped - self._skipped, routes - self._skipping))
        self._skipped, self._skipping = skipped, routes

    def _frame(self, item: Message | Loss, route: Route, captures: Mapping[str, str], keys: LastKeys, id: str) -> bytes:
        if isinstance(item, Loss):
            is_ours = route.concerns(self.source, item.captures, captures)
            return Subscription.gap(item.reason, item.missed, None, None) if is_ours else b""
        [event] = self.normalise([item])
        return route.read_back(self.source, event, captures, keys, id)


def _size(payload: bytes | str) -> int:
    """Return the bytes of a payload; text that is ASCII, as nearly all is, knows that of itself."""
    if isinstance(payload, bytes) or payload.isascii():
        return len(payload)
    return len(payload.encode("utf-8", "surrogatepass"))


def _words(skipped: Counter[str], routes: Counter[str]) -> dict[str, object]:
    return {"events": skipped.total(), "routes": sorted(routes)[:MAX_NAMED], "reasons": sorted(skipped)}
