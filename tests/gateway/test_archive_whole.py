"""What a stream over a log may never lose without a word: rows of tables, deletions, parts of large events."""

import json
from collections.abc import AsyncGenerator, Sequence

import pytest

from bridge.event import Loss, Message
from bridge.position import Position
from tests.gateway import partitioned
from tests.gateway.partitioned import Reading, Topic
from tests.gateway.replicas import Replica, filled, replica
from tests.support import running

KEYED = """
sources: {s: {kind: push, subject: "{name}"}}
routes:
  /s: {from: s, key: name, history: {events: 3}}
  /snapshot: {from: s, key: name, start: snapshot, history: {events: 3}}
  /rows: {from: s, key: data.id}
"""

SPLIT = """
limits: {replay: {events: REPLAY}, event: 1KiB}
sources: {s: {kind: push, subject: "{name}"}}
routes:
  /s: {from: s, oversize: split, history: {events: KEPT}}
  /numbers: {from: s, oversize: split, ids: sequence, history: {events: KEPT}}
"""

#: Some 3.6 KB: four parts.
LARGE = "".join(f"A{n:04d}." for n in range(600))


class Rows(Topic):
    """A topic of records with keys; a null value is a deletion."""

    def message(self, partition: int, offset: int, position: str) -> Message:
        """Return one record."""
        key, data = json.loads(self.partitions[partition][offset])
        gone = data is None
        payload = "" if gone else json.dumps(data)
        return Message(payload=payload, time=0.0, captures={"name": "x"}, position=position, key=key, is_tombstone=gone)

    def add(self, *records: object) -> None:
        """Append records."""
        self.write(0, *map(json.dumps, records))


@pytest.mark.parametrize("path", ["/s", "/snapshot"])
async def test_rows_that_have_left_the_log_are_read_back(path: str):
    """Their keys are still in the table, but only a number finds them there: a position goes to the log."""
    topic = Topic(1)
    topic.write(0, *(f"k{n}" for n in range(11)))
    source = Reading(topic=topic, begin=[0])
    async with running(KEYED, {"s": source}) as served:
        one = Replica(served, source)
        live = await served.open("/s")
        await one.follow(live, *[(0,)] * 10)
        again = await served.open(path, id=live.events[1].id)
        one.emit(0)
        await again.until(lambda: "k10" in again.data)
        assert again.data == [f"k{n}" for n in range(2, 11)]


async def test_a_deletion_that_is_read_back_names_the_row_that_it_ends():
    """As it did live: the record before it has the key of the page."""
    topic = Rows(1)
    topic.add(["r1", {"id": "five"}], ["r1", None], ["r2", {"id": "six"}])
    source = Reading(topic=topic, begin=[3])
    async with running(KEYED, {"s": source}) as served:
        client = await served.open("/rows", id=str(Position({topic.tag: (0,)})))
        await client.until(lambda: len(client.events) == 3)
        assert [(b.event, json.loads(b.data or "")) for b in client.events][1] == (
            "delete",
            {"subject": "", "name": "x", "key": "five"},
        )
        assert not client.controls


async def test_a_deletion_of_a_row_that_is_not_known_is_told():
    """The row is of the time before this process; whoever came with a position may have it."""
    topic = Rows(1)
    topic.add(["r1", {"id": "five"}])
    source = Reading(topic=topic, begin=[1])
    async with running(KEYED, {"s": source}) as served:
        client = await served.open("/rows", id=str(Position({topic.tag: (1,)})))
        topic.add(["r1", None], ["r2", {"id": "six"}])
        Replica(served, source).emit(0, 0)
        await client.until(lambda: len(client.events) == 1)
        assert [(gap["reason"], gap["missed"]) for gap in client.gaps] == [("evicted", 1)]


async def test_a_resume_that_is_cut_within_an_event_of_many_parts_goes_on():
    """Its bound counts events, and is met where there is an id to come back with."""
    topic = Topic(1)
    topic.write(0, "a 0", LARGE, "a 2")
    source = Reading(topic=topic, begin=[0])
    async with running(SPLIT.replace("REPLAY", "1").replace("KEPT", "100"), {"s": source}) as served:
        one = Replica(served, source)
        live = await served.open("/s")
        one.emit(0, 0, 0)
        await live.until(lambda: "a 2" in live.data)
        client = await served.open("/s", id=live.events[0].id)
        await client.rest()
        assert "".join(client.data) == LARGE
        last = await served.open("/s", id=client.last_event_id)
        await last.until(lambda: last.data == ["a 2"])


async def test_parts_of_an_event_whose_first_is_evicted_are_read_back_whole():
    """The rest of them alone would be taken for the event."""
    topic = Topic(1)
    topic.write(0, "a 0", LARGE, "a 2")
    source = Reading(topic=topic, begin=[0])
    async with running(SPLIT.replace("REPLAY", "100").replace("KEPT", "4"), {"s": source}) as served:
        one = Replica(served, source)
        live = await served.open("/s")
        await one.follow(live, (0,))
        one.emit(0)
        await live.until(lambda: len(live.data) == 5)
        one.emit(0)
        await live.until(lambda: "a 2" in live.data)
        again = await served.open("/s", id=live.events[0].id)
        await again.until(lambda: "a 2" in again.data)
        assert again.data == live.data[1:]


async def test_parts_of_an_event_that_was_seen_elsewhere_do_not_come_again():
    """Another replica gave them, in another order."""
    topic = Topic(2)
    topic.write(0, "a 0", LARGE)
    topic.write(1, "b 0", "b 1")
    text = SPLIT.replace("REPLAY", "100").replace("KEPT", "100")
    first, second = Reading(topic=topic, begin=[0, 0]), Reading(topic=topic, begin=[0, 0])
    async with running(text, {"s": first}) as one, running(text, {"s": second}) as two:
        live = await one.open("/s")
        Replica(one, first).emit(0, 0)
        await live.until(lambda: live.last_event_id.endswith("2.0-0"))
        Replica(two, second).emit(1, 0, 0, 1)
        client = await two.open("/s", id=live.last_event_id)
        await client.until(lambda: "b 1" in client.data)
        assert client.data == ["b 0", "b 1"]


async def test_a_loss_is_told_once_and_only_to_its_own_channels(monkeypatch):
    """The place after it is the client's from then on, also where no event follows."""

    class Lossy(partitioned.Whole):
        async def read(self, mark: str) -> AsyncGenerator[Sequence[tuple[str, Message | Loss]]]:
            yield [(mark, Loss(reason="evicted", missed=7, captures={"name": "b"}))]
            async for batch in super().read(mark):
                yield batch

    topic = filled(20)
    topic.forget(0, 20)
    async with replica(topic, [20]) as one:
        id, told = str(Position({topic.tag: (4,)})), []
        client = await one.served.open("/s", id=id)
        await client.until(lambda: client.last_event_id != id)
        told += [gap["missed"] for gap in client.gaps]
        again = await one.served.open("/s", id=client.last_event_id)
        topic.write(0, "a 0:20")
        one.emit(0)
        await again.until(lambda: again.data)
        assert (told, again.gaps) == ([16], [])
        monkeypatch.setattr(partitioned, "Whole", Lossy)
        other = await one.served.open("/by/a", id=id)
        await other.until(lambda: other.data)
        assert [gap["missed"] for gap in other.gaps] == [16]


async def test_who_was_cut_within_an_event_that_is_numbered_is_told():
    """The places of whole events are remembered, not those of their parts."""
    topic = Topic(1)
    topic.write(0, "a 0", LARGE, *(f"a {n}" for n in range(2, 8)))
    source = Reading(topic=topic, begin=[0])
    async with running(SPLIT.replace("REPLAY", "100").replace("KEPT", "3"), {"s": source}) as served:
        one = Replica(served, source)
        live = await served.open("/numbers")
        await one.follow(live, (0,))
        one.emit(0)
        await live.until(lambda: len(live.data) == 5)
        await one.follow(live, *[(0,)] * 6)
        again = await served.open("/numbers", id=live.events[2].id)
        await again.until(lambda: "a 7" in again.data)
        assert again.data == live.data[5:]
        assert [(gap["reason"], gap["missed"]) for gap in again.gaps] == [("oversize", None)]
