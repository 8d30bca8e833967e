"""What is known of one polled address, and what each reply changes of it. Pure: no I/O, no clock.

    reply ─▶ formats ─▶ canonical ─▶ changed?  ─▶ the whole      (always, changes)
                                               ─▶ delta          (patch, or snapshot)
                    └─▶ items ─▶ removed, changed, added         (items)

Rule 1: a reply that cannot be read (`ReplyError`) leaves all that is known as it was.
Rule 2: `weigh` does the work and changes nothing, so it may run in a thread. `settle` makes its result what is known,
    in no time, and belongs in one turn of the loop with the publication of its messages: whoever is greeted with
    `present` has either both or none of them.
Rule 3: a feed shows its newest entries, so one that is missing says nothing: it is never `removed`, and when it comes
    back unchanged it is no news.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from sys import getsizeof
from typing import Final, NamedTuple

from bridge.event import EMPTY, Fact, Message
from bridge.sources.decode import JSON
from bridge.sources.http import items
from bridge.sources.http.canonical import digest, text_digest
from bridge.sources.http.delta import CONTENT_TYPES, is_small, patch
from bridge.sources.http.formats import Document, read
from bridge.sources.http.items import Changes, Item
from bridge.sources.http.reply import MAX_ITEMS, Delta, Emit, Format, Reply, ReplyError, Rules

__all__ = ["LIGHT", "Delta", "Emission", "Emit", "Format", "News", "Reply", "ReplyError", "Rules"]

#: Entries that fell off the end of a feed, and are known again when they come back; 16 bytes and an id each.
MAX_GONE: Final = MAX_ITEMS

#: Bytes of a body that is weighed within some 20 ms, whatever it holds. A larger one belongs in a thread.
LIGHT: Final = 4 * 1024


#: Bytes that an item or an entry takes beside its text: its key, its digest, its place.
ITEM: Final = 256

#: Bytes that parsed JSON takes beside its texts, at worst: for each character (`{},` is an object of 64), and in all
#: where a delta may begin with it.
PARSED: Final = 32
MAX_PARSED: Final = 1024 * 1024


class Origin(NamedTuple):
    """Where a value came from, as its messages tell it."""

    subject: str = ""
    captures: Mapping[str, str] = EMPTY
    status: int = 0
    #: Unix seconds.
    time: float = 0.0


NOWHERE: Final = Origin()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is known of an address; never changed, only replaced."""

    #: Of the reply that was told last.
    origin: Origin = NOWHERE
    #: What tells the last body from others, byte for byte.
    body: bytes = b""
    #: What tells its meaning from others.
    meaning: bytes = b""
    #: The last whole. None before the first reply, and where there are items.
    document: Document | None = None
    #: Its value is kept, since a delta may begin with it.
    is_parsed: bool = False
    items: Mapping[str, Item] = field(default_factory=dict[str, Item])
    #: The items are entries of a feed.
    is_feed: bool = False
    #: Entries of a feed that are not in it any more, without their text, oldest first.
    gone: Mapping[str, Item] = field(default_factory=dict[str, Item])


class News(NamedTuple):
    """What a reply would change."""

    reply: Reply
    before: State
    after: State
    messages: list[Message]


class Emission:
    """What is known of one address, across polls."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._state = State()

    def take(self, reply: Reply) -> list[Message]:
        """Return what the reply brings that is new, oldest first; raises `ReplyError`.

        A megabyte of JSON takes some 50 ms, as items 200, as a feed 400, and a patch up to 0.3 s: above `LIGHT`
        a loop should have `weigh` done in a thread.
        """
        return self.settle(self.weigh(reply))

    def weigh(self, reply: Reply) -> News:
        """Find out what the reply brings, and change nothing; raises `ReplyError`. May run in a thread."""
        state = self._state
        body = hashlib.blake2b(reply.content_type.encode() + b"\0" + reply.body, digest_size=16).digest()
        origin = Origin(reply.subject, reply.captures, reply.status, reply.time)
        if body == state.body:
            told = self._rules.mode == "always"
            after = replace(state, origin=origin) if told else state
            return News(reply, state, after, self._wholes(after) if told else [])
        document = read(reply, self._rules)
        if self._rules.mode == "items":
            after, messages = self._listed(state, document, origin)
        else:
            after, messages = self._whole(state, document, origin)
        return News(reply, state, replace(after, body=body), messages)

    def settle(self, news: News) -> list[Message]:
        """Make what was weighed what is known, and return its messages. Does not await."""
        if news.before is not self._state:  # forgotten meanwhile, or two were weighed at once
            news = self.weigh(news.reply)
        self._state = news.after
        return news.messages

    def again(self, time: float) -> list[Message]:
        """Return what a 304 brings: the last value once more where all is emitted, else nothing."""
        state = self._state
        if self._rules.mode != "always" or state.document is None:
            return []
        self._state = replace(state, origin=state.origin._replace(time=time))
        return self._wholes(self._state)

    @property
    def size(self) -> int:
        """Return about how many bytes are kept."""
        state = self._state
        size = sum(getsizeof(item.text) for item in state.items.values()) + ITEM * (len(state.items) + len(state.gone))
        if state.document is not None:
            text = state.document.text
            size += getsizeof(text) + (len(text) + min(PARSED * len(text), MAX_PARSED) if state.is_parsed else 0)
        return size

    def present(self) -> list[Message]:
        """Return what greets a newcomer: the whole as it is known now, a list as items that are `added`."""
        if self._rules.mode == "items":
            return _changed(self._state.origin, Changes(added=list(self._state.items.items())))
        return self._wholes(self._state)

    def retract(self, time: float | None = None) -> list[Message]:
        """Forget all that is known; return the removal of each item. Entries of a feed are never removed."""
        state, self._state = self._state, State()
        if state.is_feed:
            return []
        origin = state.origin if time is None else state.origin._replace(time=time)
        return _changed(origin, Changes(removed=list(state.items.items())))

    def _wholes(self, state: State) -> list[Message]:
        if state.document is None:
            return []
        change = "snapshot" if self._rules.delta else ""
        return [_message(state.origin, state.document.text, state.document.content_type, change)]

    def _whole(self, state: State, document: Document, origin: Origin) -> tuple[State, list[Message]]:
        delta = self._rules.delta
        if delta is not None and document.format == "text":
            raise ReplyError("the reply is a text, and only the changes of JSON can be told")
        if self._rules.mode == "always":
            after = State(origin=origin, document=document._replace(value=None))
            return after, self._wholes(after)
        meaning = text_digest(document.text) if document.format == "text" else digest(document.value)
        if meaning == state.meaning:
            return state, []
        # What is too large for a delta is not kept parsed, which takes many times its text.
        is_parsed = delta is not None and is_small(document.value)
        kept = document if is_parsed else document._replace(value=None)
        after = State(origin=origin, meaning=meaning, document=kept, is_parsed=is_parsed)
        if delta is None or state.document is None or not (state.is_parsed and is_parsed):
            return after, self._wholes(after)
        text = patch(delta, state.document.value, document.value)
        if text is None or len(text) > len(document.text):
            return after, self._wholes(after)
        return after, [_message(origin, text, CONTENT_TYPES[delta], "patch")]

    def _listed(self, state: State, document: Document, origin: Origin) -> tuple[State, list[Message]]:
        if document.format != "feed":
            found = items.items(document, self._rules, state.items)
            return State(origin=origin, items=found), _changed(origin, items.compare(state.items, found))
        known = {**state.gone, **state.items}
        found = items.items(document, self._rules, known)
        # An entry that is back without a change has lost its text here: it is of the same digest, not of the same text.
        changes = items.compare(known, found)._replace(removed=())
        gone = [(key, Item("", item.digest)) for key, item in known.items() if key not in found]
        after = State(origin=origin, items=found, is_feed=True, gone=dict(gone[-MAX_GONE:]))
        return after, _changed(origin, changes)


def _changed(origin: Origin, changes: Changes) -> list[Message]:
    """Make messages of what happened to a list: what goes first makes room, what is new comes last."""
    told: Sequence[tuple[str, Sequence[tuple[str, Item]]]] = (
        ("removed", changes.removed),
        ("changed", changes.changed),
        ("added", changes.added),
    )
    return [_message(origin, item.text, JSON, change, key) for change, listed in told for key, item in listed]


def _message(origin: Origin, text: str, content_type: str, change: str = "", key: str | None = None) -> Message:
    facts: dict[str, Fact] = {"status": origin.status}
    if change:
        facts["change"] = change
    return Message(
        payload=text,
        time=origin.time,
        subject=origin.subject,
        captures=origin.captures,
        facts=facts,
        type=change,
        key=key,
        content_type=content_type,
        is_tombstone=change == "removed",
    )
