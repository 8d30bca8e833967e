"""A route: which events a path exposes, under which names, and in which channel.

What a route does with an event is compiled once: the check of its `bind`, the channel's captures, the event's name,
the key. Each event is encoded once here, whatever the number of subscribers.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from bridge import wire
from bridge.bounds import Budget, Lost
from bridge.chain import Where, nowhere
from bridge.channel import Channel
from bridge.event import Event, Record, cloudevent
from bridge.expression import Scope
from bridge.keys import Key, Keys, LastKeys
from bridge.meter import BAD_TYPE, NO_KEY, NO_NAME, NO_TYPE, Meter
from bridge.oversize import MAX_UTF8, cut, parts, pieces, skipped
from bridge.subscription import Subscription
from bridge.terms import Feed, Oversize, Terms

__all__ = ["DELETE", "Feed", "Oversize", "Route", "Terms"]

#: The name of an event that ends its key, or its subject where there are no keys.
DELETE: Final = "delete"


class Route:
    """One route and its channels."""

    def __init__(self, terms: Terms, feeds: Sequence[Feed], *, budget: Budget, limit: int) -> None:
        self.terms = terms
        self.feeds = {feed.source: feed for feed in feeds}
        self.channels: dict[tuple[str, ...], Channel] = {}
        self.meter = Meter()
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
        #: What its `key` says, and the last ones seen.
        self.keys = Keys(terms.key, terms.bounds.keys, is_merged=len(feeds) > 1) if terms.key is not None else None

    def accept(
        self, source: str, events: Sequence[Event], seqs: Sequence[int], epoch: str
    ) -> dict[Channel, list[Record]]:
        """Turn events into records, by channel; `seqs` gives each its number (the first, where it is split)."""
        feed = self.feeds[source]
        bind = feed.bind.items()
        names = self.terms.names
        if not names and not bind:
            made = self._records(feed, events, seqs, epoch)
            return {self.channel(()): made} if made else {}
        found: dict[tuple[str, ...], list[Record]] = {}
        for event, seq in zip(events, seqs, strict=True):
            captures = event.captures
            place = tuple([captures.get(name, "") for name in names]) if names else ()
            if bind and any(captures.get(name) != value for name, value in bind):
                places = self._holding(feed, event, found)
            elif "" in place:
                places = self._holding(feed, event, found)
                self.skipped[NO_NAME] += not places
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
                is_keyed=self.keys is not None,
                lost=Lost(self.lost_through, self.lost_since),
            )
            channel.is_ended = not self.running
        return channel

    def place(self, captures: Mapping[str, str]) -> tuple[str, ...]:
        """Return the captures in the order of the route's names."""
        return tuple([captures[name] for name in self.terms.names])

    def touched(self, source: str, given: Mapping[str, str]) -> list[Channel]:
        """Return the channels that what has these captures concerns: a loss, or the state of an address."""
        return [channel for channel in self.channels.values() if self.concerns(source, given, channel.captures)]

    def concerns(self, source: str, given: Mapping[str, str], captures: Mapping[str, str]) -> bool:
        """Tell whether what has the given captures may concern the channel of these captures."""
        wanted = {**self.feeds[source].bind, **captures}
        return all(given.get(name, value) == value for name, value in wanted.items())

    def drop(self, place: tuple[str, ...]) -> None:
        """Forget a channel that nobody listens to; who comes back to it is told."""
        channel = self.channels.pop(place)
        channel.discard()
        self.lost_through = max(self.lost_through, channel.lost_through)
        self.lost_since = max(self.lost_since, channel.lost_since)

    def adopt(self, before: "Route", now: float) -> None:
        """Take over the channels of a route whose frames are the same, with all that was lost of them.

        From here on both have the same channels: a stream of the earlier one that ends meanwhile leaves them right.
        """
        self.channels = before.channels
        self.lost_through, self.lost_since = before.lost_through, before.lost_since
        self.keys = before.keys
        if self.keys is not None:
            self.keys.rebound(self.terms.bounds.keys)
        for channel in self.channels.values():
            channel.is_ended = not self.running
            channel.rebound(self.terms.bounds, now)
        self.succeed(before)

    def follow(self, before: "Route", seq: int) -> None:
        """Begin anew where another route was, at a number that no event has: all before it counts as lost."""
        for place in list(before.channels):
            before.drop(place)
        self.lost_through, self.lost_since = seq, before.lost_since
        self.succeed(before)

    def succeed(self, before: "Route") -> None:
        """Go on counting where the route before it on its path has ended."""
        self.skipped, self.meter = before.skipped, before.meter

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
        return None if event.is_tombstone and self.keys is not None else False

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

    def read_back(self, source: str, event: Event, captures: Mapping[str, str], read: LastKeys, id: str) -> bytes:
        """Encode an event that is read back, as `frame` does; `read` knows the keys of those read before it."""
        is_ours = self.takes(source, event, captures)
        if is_ours is False:
            return b""
        key = self._key(self.feeds[source], event, read)
        if is_ours is None or (event.is_tombstone and self.keys is not None and key is None):
            # A key is gone, and which it was, or whether it was this channel's, is not known any more.
            return Subscription.gap("evicted", 1, None, None)
        return self.frame(source, event, id, read)

    def frame(self, source: str, event: Event, id: str, read: LastKeys | None = None) -> bytes:
        """Encode an event under an id that it already has, for one subscriber alone; b"" if it has no place here."""
        name = self._name(self.feeds[source], event)
        if name is None:
            return b""
        text = self._text(event, id, read)
        if len(text) <= self._limit // MAX_UTF8 or len(data := text.encode()) <= self._limit:
            return wire.encode(id, name, text)
        if self.terms.oversize == "skip":
            return skipped()
        if self.terms.oversize == "truncate":
            return cut(data, name, id, self._limit)
        return b"".join(parts(data, name, id, self._limit))

    def _records(self, feed: Feed, events: Sequence[Event], seqs: Sequence[int], epoch: str) -> list[Record]:
        """Make the records of a route that has a single channel, and where events go as they are do it here.

        One loop instead of a call for each: half of the 0.5 us that a record takes otherwise.
        """
        out: list[Record] = []
        is_plain = feed.event is None and self._is_text and self.keys is None
        is_positional, short = self._is_positional, self._short
        for event, seq in zip(events, seqs, strict=True):
            text = event.text
            if not is_plain or event.is_tombstone or len(text) > short:
                self._record(feed, event, seq, epoch, out)
                continue
            id = (is_positional and event.position) or f"{epoch}-{seq}"
            out.append(Record(seq, event.time, wire.encode(id, event.type, text)))
        return out

    def _record(self, feed: Feed, event: Event, seq: int, epoch: str, out: list[Record]) -> None:
        # Most events are no deletions, and on most routes they have their own name and go as they are.
        is_value = not event.is_tombstone or not self._deletes(event)
        name = event.type if is_value and feed.event is None else self._name(feed, event)
        if name is None:
            return
        key = None
        if self.keys is not None:
            found = self._key(feed, event)
            if found is None:
                self.skipped[NO_KEY] += 1
                if event.is_tombstone and self._is_positional:
                    # Whoever came with a position may have the row that it ends.
                    out.append(Record(seq, event.time, Subscription.gap("evicted", 1, None, None), is_control=True))
                return
            key = found.whole
        id = event.position if self._is_positional and event.position else f"{epoch}-{seq}"
        text = event.text if is_value and self._is_text else self._text(event, id)
        # Most events are cleared by their length in characters, without being encoded twice.
        if len(text) > self._short and len(data := text.encode()) > self._limit:
            frames = self._oversize(data, name, id, seq, epoch)
            if len(frames) > pieces(event, self._limit):
                # It is what stands around the text that is so long, and the next number is another event's.
                frames = [(skipped(), True)]
            for number, (frame, is_control) in enumerate(frames, seq):
                out.append(Record(number, event.time, frame, key, is_control=is_control))
            return
        out.append(Record(seq, event.time, wire.encode(id, name, text), key, event.is_tombstone))

    def _oversize(self, data: bytes, name: str, id: str, seq: int, epoch: str) -> list[tuple[bytes, bool]]:
        """Return the frames that stand for an event over the limit, and whether each is a control frame.

        The bus left a sequence number free for each (`pieces`).
        """
        if self.terms.oversize == "split" and not id.startswith(epoch):
            return [(frame, False) for frame in parts(data, name, id, self._limit)]
        if self.terms.oversize == "split":
            numbered = enumerate(wire.split(data, self._limit), seq)
            return [(wire.encode(f"{epoch}-{number}", name, part), False) for number, part in numbered]
        if self.terms.oversize == "skip":
            return [(skipped(), True)]
        self.meter.gaps["oversize"] += 1
        return [(cut(data, name, id, self._limit), False)]

    def _deletes(self, event: Event) -> bool:
        """Tell whether an event ends its key; without keys, one that has data is an event like any other."""
        return event.is_tombstone and (self.keys is not None or not event.text)

    def _name(self, feed: Feed, event: Event) -> str | None:
        if self._deletes(event):
            return DELETE
        if feed.event is None:
            return event.type
        if feed.event.is_literal:
            return feed.event.text
        try:
            name = feed.event.fill(Scope(event))
        except KeyError:
            self.skipped[NO_TYPE] += 1
            return None
        if wire.is_event(name):
            return name
        self.skipped[BAD_TYPE] += 1
        return None

    def _key(self, feed: Feed, event: Event, read: LastKeys | None = None) -> Key | None:
        if self.keys is None:
            return None
        return self.keys.of(feed.source, event, (self.terms.names, feed.bind, feed.unkeyed), read)

    def _text(self, event: Event, id: str, read: LastKeys | None = None) -> str:
        if self.terms.is_cloudevents:
            return cloudevent(event, id)
        if not self._deletes(event):
            return event.text
        gone = {"subject": event.subject, **event.captures}
        key = self._key(self.feeds[event.source], event, read)
        value = key.value if key is not None else event.key
        return orjson.dumps(gone if value is None else {**gone, "key": value}).decode()
