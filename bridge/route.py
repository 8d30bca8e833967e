"""A route: which events a path exposes, under which names, and in which channel.

What a route does with an event is compiled once: the check of its `bind`, the channel's captures, the event's name,
the key. Each event is encoded once here, whatever the number of subscribers.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import orjson

from bridge import wire
from bridge.bounds import Bounds, Budget, Lost
from bridge.chain import Where, nowhere
from bridge.channel import Channel
from bridge.event import Event, Loss, Record, cloudevent
from bridge.expression import Scope, find
from bridge.keys import Key, LastKeys
from bridge.subscription import Start, Subscription
from bridge.template import Template

Oversize = Literal["truncate", "skip", "split"]

#: The name of an event that ends its key, or its subject, on any route.
DELETE: Final = "delete"

#: Bytes that a character takes at most in UTF-8 (RFC 3629).
MAX_UTF8: Final = 4

#: Bytes that a character takes at most in JSON: `\u0000` (RFC 8259, section 7).
MAX_ESCAPED: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One of a route's sources: its events' name, and the constants that its captures must have."""

    source: str
    event: Template | None = None
    bind: Mapping[str, str] = field(default_factory=dict[str, str])
    #: Captures that are no part of the key: read out of the data, which the deletion of that key does not have.
    unkeyed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the file says of a route, beside its sources."""

    path: str
    names: tuple[str, ...] = ()
    #: A name, or a path such as `data.customer.id`.
    key: str | None = None
    #: None where the file does not say: live, but timers greet a newcomer.
    start: Start | None = None
    bounds: Bounds = field(default_factory=Bounds)
    slow: Literal["gap", "disconnect"] = "gap"
    oversize: Oversize = "truncate"
    is_cloudevents: bool = False
    notifies: bool = False
    #: Ids are the source's own positions, where its messages have one.
    is_positional: bool = False


class Route:
    """One route and its channels."""

    def __init__(self, terms: Terms, feeds: Sequence[Feed], *, budget: Budget, limit: int) -> None:
        self.terms = terms
        self.feeds = {feed.source: feed for feed in feeds}
        self.channels: dict[tuple[str, ...], Channel] = {}
        #: Events that had no place here, by reason.
        self.skipped: Counter[str] = Counter()
        #: What a subscriber of a channel that does not exist any more has lost, as a sequence number.
        self.lost_through = 0
        #: The newest time among what such channels kept.
        self.lost_since = float("-inf")
        #: Where its source stands in the log that the ids are positions of.
        self.where: Where = nowhere
        #: Sources of which more may come.
        self.running = set(self.feeds)
        self._budget = budget
        self._limit = limit
        #: Characters that are within the limit, whatever they are.
        self._short = limit // MAX_UTF8
        self._is_text, self._is_positional = not terms.is_cloudevents, terms.is_positional
        self._find_key = find(terms.key) if terms.key is not None else None
        # A deletion has no data, but the record key of what it deletes.
        self._reads_data = terms.key not in {None, "key"}
        self._last_keys = LastKeys(terms.bounds.keys)
        # A key means one thing per source and per capture that the path does not name, so it includes them.
        self._merges_sources = len(feeds) > 1

    def accept(
        self, source: str, events: Sequence[Event], seqs: Sequence[int], epoch: str
    ) -> dict[Channel, list[Record]]:
        """Turn events into records, by channel; `seqs` gives each its number (the first, where it is split)."""
        feed = self.feeds[source]
        bind = feed.bind.items()
        names = self.terms.names
        found: dict[tuple[str, ...], list[Record]] = {}
        for event, seq in zip(events, seqs, strict=True):
            captures = event.captures
            place = tuple([captures.get(name, "") for name in names]) if names else ()
            if bind and any(captures.get(name) != value for name, value in bind):
                places = self._holding(feed, event, found)
            elif "" in place:
                places = self._holding(feed, event, found)
                self.skipped["a name of the route's path is missing in the event"] += not places
            else:
                places = [place]
            for place in places:
                records = found.get(place)
                if records is None:
                    records = found[place] = []
                self._record(feed, event, seq, epoch, records)
        return {self.channel(place): records for place, records in found.items() if records}

    def channel(self, place: tuple[str, ...]) -> Channel:
        """Return the channel of these captures, in the order of the route's names; made when first asked for."""
        channel = self.channels.get(place)
        if channel is None:
            channel = self.channels[place] = Channel(
                dict(zip(self.terms.names, place, strict=True)),
                self.terms.bounds,
                self._budget,
                is_keyed=self._find_key is not None,
                lost=Lost(self.lost_through, self.lost_since),
            )
            channel.is_ended = not self.running
        return channel

    def place(self, captures: Mapping[str, str]) -> tuple[str, ...]:
        """Return the captures in the order of the route's names."""
        return tuple([captures[name] for name in self.terms.names])

    def touched(self, source: str, loss: Loss) -> list[Channel]:
        """Return the channels that a loss of the source concerns."""
        lost = loss.captures
        if any(lost.get(name, value) != value for name, value in self.feeds[source].bind.items()):
            return []
        wanted = [(i, lost[name]) for i, name in enumerate(self.terms.names) if name in lost]
        return [channel for place, channel in self.channels.items() if all(place[i] == value for i, value in wanted)]

    def drop(self, place: tuple[str, ...]) -> None:
        """Forget a channel that nobody listens to; who comes back to it is told."""
        channel = self.channels.pop(place)
        channel.discard()
        self.lost_through = max(self.lost_through, channel.lost_through)
        self.lost_since = max(self.lost_since, channel.lost_since)

    def subscribe(self, channel: Channel, epoch: str) -> Subscription:
        """Make a cursor over one of the channels."""
        start = self.terms.start or "live"
        return Subscription(channel, epoch, start=start, slow=self.terms.slow, where=self.where)

    def takes(self, source: str, event: Event, captures: Mapping[str, str]) -> bool | None:
        """Tell whether an event of the source belongs in the channel of these captures; None where it does not say.

        The deletion of a key has no data, so it lacks the names that `capture` reads there.
        """
        wanted = {**self.feeds[source].bind, **captures}
        if any(event.captures.get(name, value) != value for name, value in wanted.items()):
            return False
        if event.captures.keys() >= wanted.keys():
            return True
        return None if event.is_tombstone and self._find_key is not None else False

    def _holding(
        self, feed: Feed, event: Event, found: Mapping[tuple[str, ...], Sequence[Record]]
    ) -> list[tuple[str, ...]]:
        """Return the channels that hold the key which a deletion ends, where it does not say itself which they are."""
        found_key = self._key(feed, event) if event.is_tombstone else None
        if found_key is None:
            return []
        key = found_key.whole
        new = {place for place, records in found.items() if any(record.key == key for record in records)}
        held = [place for place, channel in self.channels.items() if place in new or channel.holds(key)]
        asked = [*held, *(place for place in new if place not in self.channels)]
        named = (dict(zip(self.terms.names, place, strict=True)) for place in asked)
        return [self.place(each) for each in named if self.takes(feed.source, event, each) is None]

    def frame(self, source: str, event: Event, id: str) -> bytes:
        """Encode an event under an id that it already has, for one subscriber alone; b"" if it has no place here."""
        name = self._name(self.feeds[source], event)
        if name is None:
            return b""
        text = self._text(event, id)
        if len(text) <= self._limit // MAX_UTF8 or len(data := text.encode()) <= self._limit:
            return wire.encode(id, name, text)
        if self.terms.oversize == "skip":
            return Subscription.gap("oversize", 1, None, None)
        if self.terms.oversize == "truncate":
            return self._cut(data, name, id)
        return b"".join(self._parts(data, name, id))

    def _record(self, feed: Feed, event: Event, seq: int, epoch: str, out: list[Record]) -> None:
        # Most events are no deletions, and on most routes they have their own name and go as they are.
        is_value = not event.is_tombstone
        name = event.type if is_value and feed.event is None else self._name(feed, event)
        if name is None:
            return
        key = None
        if self._find_key is not None:
            found = self._key(feed, event)
            if found is None:
                self.skipped["the event has no key"] += 1
                return
            key = found.whole
        id = event.position if self._is_positional and event.position else f"{epoch}-{seq}"
        text = event.text if is_value and self._is_text else self._text(event, id)
        # Most events are cleared by their length in characters, without being encoded twice.
        if len(text) > self._short and len(data := text.encode()) > self._limit:
            frames = self._oversize(data, name, id, seq, epoch)
            if len(frames) > pieces(event, self._limit):
                # It is what stands around the text that is so long, and the next number is another event's.
                frames = [_skipped()]
            for number, (frame, is_control) in enumerate(frames, seq):
                out.append(Record(number, event.time, frame, key, is_control=is_control))
            return
        out.append(Record(seq, event.time, wire.encode(id, name, text), key, event.is_tombstone))

    def _oversize(self, data: bytes, name: str, id: str, seq: int, epoch: str) -> list[tuple[bytes, bool]]:
        """Return the frames that stand for an event over the limit, and whether each is a control frame.

        The bus left a sequence number free for each (`pieces`).
        """
        if self.terms.oversize == "split" and not id.startswith(epoch):
            return [(frame, False) for frame in self._parts(data, name, id)]
        if self.terms.oversize == "split":
            parts = enumerate(wire.split(data, self._limit), seq)
            return [(wire.encode(f"{epoch}-{number}", name, part), False) for number, part in parts]
        if self.terms.oversize == "skip":
            return [_skipped()]
        return [(self._cut(data, name, id), False)]

    def _parts(self, data: bytes, name: str, id: str) -> list[bytes]:
        # The id says that all of it has come, so the last part alone carries it.
        parts = [wire.encode(id, name, part) for part in wire.split(data, self._limit)]
        return [*(part.partition(b"\n")[2] for part in parts[:-1]), parts[-1]]

    def _cut(self, data: bytes, name: str, id: str) -> bytes:
        """Encode the beginning of the data, with the gap that says so in one frame: whoever gets one gets both."""
        # `missed` is 0: the event comes, but not all of it.
        cut = wire.encode(id, name, data[: self._limit].decode(errors="ignore"))
        return Subscription.gap("oversize", 0, None, None) + cut

    def _name(self, feed: Feed, event: Event) -> str | None:
        if event.is_tombstone:
            return DELETE
        if feed.event is None:
            return event.type
        if feed.event.is_literal:
            return feed.event.text
        try:
            name = feed.event.fill(Scope(event))
        except KeyError:
            self.skipped["a name of `event` is missing in the event"] += 1
            return None
        if wire.is_event(name):
            return name
        self.skipped["`event` makes a name that an event may not have"] += 1
        return None

    def _key(self, feed: Feed, event: Event) -> Key | None:
        value = self._find_key(event) if self._find_key is not None else None
        if value is None:
            return self._last_keys.of(event) if event.is_tombstone else None
        apart = (self.terms.names, feed.bind, feed.unkeyed)
        merged = [v for k, v in event.captures.items() if not any(k in each for each in apart)]
        whole = value
        if merged or self._merges_sources:
            whole = orjson.dumps([feed.source if self._merges_sources else "", *merged, value]).decode()
        key = Key(value, whole)
        if self._reads_data:
            self._last_keys.note(event, key)
        return key

    def _text(self, event: Event, id: str) -> str:
        if self.terms.is_cloudevents:
            return cloudevent(event, id)
        if not event.is_tombstone:
            return event.text
        gone = {"subject": event.subject, **event.captures}
        key = self._key(self.feeds[event.source], event) if self._find_key is not None else None
        value = key.value if key is not None else event.key
        return orjson.dumps(gone if value is None else {**gone, "key": value}).decode()


def pieces(event: Event, limit: int) -> int:
    """Return how many sequence numbers the event may need: one, or more where it is over the limit."""
    # A route may send the text within JSON, so it counts as if each character were escaped. Numbers cost nothing.
    if len(event.text) <= limit // MAX_ESCAPED:
        return 1
    return 2 + MAX_ESCAPED * len(event.text.encode()) // max(limit - MAX_UTF8, 1)


def _skipped() -> tuple[bytes, bool]:
    return Subscription.gap("oversize", 1, None, None), True
