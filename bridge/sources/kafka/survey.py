"""Which topics and partitions there are to read: asked again and again, since they come, go and grow."""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from bridge.sources.kafka.link import Link
from bridge.sources.kafka.metadata import UNAUTHORISED, UNKNOWN_TOPIC, Broker, Catalog, Topic as Found
from bridge.sources.kafka.stand import Topic
from bridge.sources.kafka.topics import Selection

log = structlog.get_logger()

#: Seconds between two looks at the topics that are read; a new partition is picked up within them.
EVERY: Final = 2.0

#: Seconds between two looks at all topics, for templates and patterns. Where that answer takes long, they are this many
#: times rarer: a large cluster's takes seconds to read.
LISTING: Final = 5.0
SHARE: Final = 20

#: Partitions of one source, at most. Each costs a place in every fetch.
MAX_PARTITIONS: Final = 10_000


class Entry(NamedTuple):
    """A topic, and the brokers that lead its partitions (-1 where none does)."""

    topic: Topic
    leaders: Mapping[int, int]


class Survey(NamedTuple):
    """What there is to read now."""

    topics: Mapping[str, Entry]
    brokers: Mapping[int, Broker]
    #: What is missing, in words; "" where nothing is.
    missing: str
    #: Topics that cannot be read now, but may well be there: they may not be seen, or say that something is wrong.
    hidden: frozenset[str] = frozenset()

    @property
    def leaders(self) -> Collection[Broker]:
        """Return the brokers that records are fetched from."""
        ids = {leader for _, leaders in self.topics.values() for leader in leaders.values()}
        return {self.brokers[id] for id in ids if id in self.brokers}


class Surveyor:
    """Asks, and finds the topics of one source in the answers."""

    def __init__(self, source: str, selection: Selection, link: Link) -> None:
        self._source = source
        self._selection = selection
        self._link = link
        #: Names that templates or the pattern found at the last listing.
        self._found: tuple[str, ...] = ()
        self._listed = float("-inf")
        self._pause = LISTING
        self._complaint = ""

    async def look(self, known: Mapping[str, Topic]) -> Survey:
        """Ask the cluster; raises `LostError` in words."""
        if self._selection.is_open and time.monotonic() - self._listed >= self._pause:
            await self._list()
        names = tuple(dict.fromkeys((*self._selection.literals, *self._found)))
        if not names:
            return Survey({}, {}, "no topic matches")
        survey = self._read(await self._link.ask(names), names, known)
        if survey.missing != self._complaint:
            self._complaint = survey.missing
            if survey.missing:
                log.warning("not all topics can be read", source=self._source, reason=survey.missing)
        return survey

    async def _list(self) -> None:
        began = time.monotonic()
        catalog = await self._link.ask(None)
        match = self._selection.match
        found = [
            each.name for each in catalog.topics.values() if match(each.name, is_internal=each.is_internal) is not None
        ]
        self._found = tuple(sorted(found))
        self._listed = time.monotonic()
        self._pause = max(LISTING, SHARE * (self._listed - began))

    def _read(self, catalog: Catalog, names: Sequence[str], known: Mapping[str, Topic]) -> Survey:
        topics: dict[str, Entry] = {}
        absent: list[str] = []
        hidden = {name for name in names if name in catalog.topics and catalog.topics[name].error != UNKNOWN_TOPIC}
        left = MAX_PARTITIONS
        for name in names:
            found = catalog.topics.get(name)
            if found is None or found.error or not found.leaders:
                absent.append(_absence(name, found))
            elif len(found.leaders) > left:
                absent.append(f"{name} has too many partitions: with it there are over {MAX_PARTITIONS}")
            else:
                left -= len(found.leaders)
                topics[name] = Entry(self._topic(found, catalog, known.get(name)), found.leaders)
                lone = [number for number, leader in found.leaders.items() if leader < 0]
                absent += [f"{name} has no leader for partition {n}, says {self._link.where}" for n in lone]
        more = f", and {len(absent) - 3} more" if len(absent) > 3 else ""  # noqa: PLR2004  # a line for a person
        return Survey(topics, catalog.brokers, "; ".join(absent[:3]) + more, frozenset(hidden - topics.keys()))

    def _topic(self, found: Found, catalog: Catalog, known: Topic | None) -> Topic:
        # A broker of before 2.8 tells no ids, also where it is one among newer ones.
        id = found.id or (known.id if known is not None else catalog.cluster)
        return Topic.of(found.name, id, self._selection.match(found.name) or {})


def _absence(name: str, found: Found | None) -> str:
    if found is not None and found.error == UNAUTHORISED:
        return f"not authorised to read the topic {name}"
    return f"unknown topic {name}: it does not exist, or may not be seen"
