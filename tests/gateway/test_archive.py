"""Streams over a partitioned log: ids that are places in it, good on any replica, before and after a restart."""

import asyncio
import random

import pytest

from bridge.position import BEGINNING, Position
from tests.gateway.partitioned import Reading
from tests.gateway.replicas import every, filled, replica
from tests.support import running, until


async def test_ids_are_places_in_the_log():
    """Of each event, and of the first block; a resume in memory goes on strictly after them."""
    topic = filled(3, 3)
    async with replica(topic, [0, 0]) as one:
        client = await one.served.open("/s")
        assert client.last_event_id == str(Position({topic.tag: (0, 0)}))
        one.emit(0, 1, 0, 1, 1, 0)
        await client.until(lambda: len(client.data) == 6)
        places = [Position.parse(block.id or "") for block in client.events]
        assert [place.offsets[topic.tag] for place in places if place] == [
            (1, 0), (1, 1), (2, 1), (2, 2), (2, 3), (3, 3),
        ]  # fmt: skip
        for at, block in enumerate(client.events[:-1]):
            data, again = await one.all(5 - at, id=block.id)
            assert data == client.data[at + 1 :]
            assert again.blocks[0].id == block.id
            assert not again.controls
        assert topic.reads == 0


async def test_the_same_id_goes_on_at_a_replica_that_read_in_another_order():
    """Nothing twice and nothing missing, from memory alone; and so does every id that it then gives."""
    topic = filled(4, 4)
    async with replica(topic, [0, 0]) as one, replica(topic, [0, 0]) as two:
        one.emit(0, 0, 0, 1, 0, 1, 1, 1)
        two.emit(1, 1, 0, 1, 0, 1, 0, 0)
        first = await one.served.open("/s?last=1000")
        await first.until(lambda: len(first.data) == 8)
        for at, block in enumerate(first.events[:-1]):
            seen = first.data[: at + 1]
            data, second = await two.all(7 - at, id=block.id)
            assert sorted(seen + data) == every(topic, 0, 0)
            for back, each in enumerate(second.events[:-1]):
                rest, _ = await one.all(6 - at - back, id=each.id)
                assert sorted([*seen, *data[: back + 1], *rest]) == every(topic, 0, 0)
        assert topic.reads == 0


async def test_what_memory_has_lost_is_read_from_the_log():
    """Joined to the live events without a hole or a repeat, on the replica and after a restart."""
    topic = filled(50, 50)
    async with replica(topic, [0, 0], kept=3) as one:
        client = await one.served.open("/s")
        await one.follow(client, *[(0, 1)] * 30)
        middle = client.events[20].id
        data, again = await one.all(39, id=middle)
        assert sorted(client.data[:21] + data) == sorted(client.data)
        one.emit(1, 0)
        await again.until(lambda: len(again.data) == 41)
        assert len(set(again.data)) == 41
        assert not again.controls
    async with replica(topic, [31, 31], kept=3) as restarted:
        data, again = await restarted.all(41, id=middle)
        restarted.emit(0, 1)
        await again.until(lambda: len(again.data) == 43)
        read = {text for texts in topic.partitions for text in texts[:32]}
        assert sorted(client.data[:21] + again.data) == sorted(read)
        assert not again.controls


async def test_who_knows_more_than_this_replica_waits_for_it():
    """It is slower; what it then reads is not sent again."""
    topic = filled(5, 5)
    async with replica(topic, [0, 0]) as fast, replica(topic, [0, 0]) as slow:
        fast.emit(0, 0, 0, 1, 1)
        client = await fast.served.open("/s?last=1")
        slow.emit(1, 1, 1)
        behind = await slow.served.open("/s", id=client.last_event_id)
        slow.emit(0, 0)
        slow.emit(0, 0, 1)
        await behind.until(lambda: len(behind.data) == 3)
        assert sorted(behind.data) == ["a 1:2", "b 0:3", "b 1:3"]
        assert not behind.controls


async def test_a_stream_waits_for_a_source_that_does_not_know_its_place():
    """The bridge has just started, and the broker is away: nothing is skipped, and heartbeats go on."""
    topic = filled(3, 3)
    wanted = str(Position({topic.tag: (1, 0)}))
    async with replica(topic, [3, 3], is_late=True) as late:
        client = await late.served.open("/s", id=wanted)
        assert client.last_event_id == wanted
        await client.until(lambda: client.body.count(b":\n\n") >= 2)
        late.find_place()
        await client.until(lambda: len(client.data) == 5)
        assert sorted(client.data) == every(topic, 1, 0)


async def test_a_log_that_goes_down_while_it_is_read_is_read_on_later(monkeypatch):
    """From where it was."""
    monkeypatch.setattr("bridge.gateway.archive.FIRST_DELAY", 0.01)
    topic = filled(20)
    async with replica(topic, [20]) as one:
        topic.flows.clear()
        client = await one.served.open("/s", id=str(Position({topic.tag: (5,)})))
        await until(lambda: topic.readers)
        topic.flows.set()
        await client.until(lambda: len(client.data) >= 3)
        topic.is_down = True
        await until(lambda: not topic.readers)
        topic.is_down = False
        await client.until(lambda: len(client.data) == 15)
        assert client.data == topic.partitions[0][5:]


async def test_what_the_log_has_lost_is_told_with_its_count():
    """Retention took it: the gap says how many, then comes the oldest that is left."""
    topic = filled(20, 3)
    topic.forget(0, 10)
    async with replica(topic, [20, 3]) as one:
        data, client = await one.all(13, id=str(Position({topic.tag: (4, 0)})))
        assert sorted(data) == every(topic, 10, 0)
        assert [(gap["reason"], gap["missed"]) for gap in client.gaps] == [("evicted", 6)]


async def test_a_resume_from_the_log_is_bounded_and_goes_on():
    """With a goodbye, and the client comes back with its last id: all comes once."""
    topic = filled(50)
    async with replica(topic, [50], replay=20) as one:
        id, data = str(Position({topic.tag: (0,)})), list[str]()
        ends = []
        for _ in range(3):
            client = await one.served.open("/s", id=id)
            while not client.is_over and len(data) + len(client.data) < 50:
                await client.read()
            data += client.data
            id = client.last_event_id
            ends.append([block.told["reason"] for block in client.controls])
        assert data == topic.partitions[0]
        assert ends == [["replay_bound"], ["replay_bound"], []]


async def test_earliest_is_the_beginning_of_the_log():
    """For whoever comes without an id; a cut at once, or in the middle, is resumed."""
    topic = filled(10, 10)
    async with replica(topic, [10, 10]) as one:
        client = await one.served.open("/all")
        assert client.blocks[0].id == BEGINNING
        await client.until(lambda: len(client.data) == 20)
        assert sorted(client.data) == every(topic, 0, 0)
        data, _ = await one.all(20, "/all", id=BEGINNING)
        assert sorted(data) == every(topic, 0, 0)
        for at in (0, 7, 18):
            rest, again = await one.all(19 - at, "/all", id=client.events[at].id)
            assert rest == client.data[at + 1 :]
            assert not again.controls
        _, foreign = await one.all(20, "/all", id="other-7")
        assert [gap["reason"] for gap in foreign.gaps] == ["epoch"]


async def test_since_is_asked_of_the_log_where_memory_ends_before():
    """The first block that moves the cursor says the place that was found."""
    topic = filled(10, 4)
    async with replica(topic, [10, 4], kept=2) as one:
        topic.write(0, "a 0:10", "b 0:11")
        one.emit(0, 0)
        client = await one.served.open("/s?since=1970-01-01T00:00:07Z")
        await client.until(lambda: len(client.data) == 5)
        assert client.data == topic.partitions[0][7:]
        assert client.blocks[0].id == str(Position({topic.tag: (7, 4)}))
        kept = await one.served.open("/s?since=1970-01-01T00:00:11Z")
        await kept.until(lambda: len(kept.data) == 1)
        assert topic.reads == 1


async def test_only_the_channel_s_own_events_are_read_back():
    """The cursor moves on over the others, so that a cut does not read them again."""
    topic = filled(40)
    async with replica(topic, [40]) as one:
        client = await one.served.open("/by/b", id=str(Position({topic.tag: (1,)})))
        await client.until(lambda: client.last_event_id == str(one.reader.head.after(topic.part(0), 39)))
        assert client.data == topic.partitions[0][1::2]
        quiet = await one.served.open("/by/c", id=str(Position({topic.tag: (1,)})))
        await quiet.until(lambda: quiet.last_event_id == client.last_event_id)
        assert not quiet.data


@pytest.mark.parametrize("fits", [True, False])
async def test_numbers_are_read_back_by_their_places(*, fits: bool):
    """An id that is a number, by choice or because positions are too long, is good as long as its place is known."""
    topic = filled(30, 30)
    async with replica(topic, [0, 0], kept=3, fits=fits) as one:
        path = "/numbers" if fits else "/s"
        client = await one.served.open(path)
        await one.follow(client, *[(1, 0)] * 20)
        assert all((block.id or "").startswith(one.served.epoch) for block in client.events)
        data, again = await one.all(29, path, id=client.events[10].id)
        assert data == client.data[11:]
        assert [block.id for block in again.events] == [block.id for block in client.events[11:]]
        one.emit(0)
        await again.until(lambda: len(again.data) == 30)
        assert not again.controls
        _, told = await one.all(3, path, id="other-7")
        assert [gap["reason"] for gap in told.gaps] == ["epoch"]


@pytest.mark.parametrize("seed", range(12))
async def test_clients_that_wander_between_replicas_see_all_once(seed: int):
    """Cut anywhere, over replicas that read in their own orders, at their own pace, with little memory."""
    draw = random.Random(seed)
    topic = filled(40, 40, 40)
    begin = [0, 0, 0]
    async with replica(topic, begin, kept=draw.choice([7, 50])) as one, replica(topic, begin, kept=9) as two:
        id, seen = str(Position({topic.tag: (0, 0, 0)})), list[str]()

        async def go_on() -> None:
            for each in (one, two):
                for _ in range(draw.randrange(6)):
                    behind = [p for p in range(3) if each.reader.head.next(topic.part(p)) < 40]
                    if behind:
                        each.emit(draw.choice(behind))
                    await asyncio.sleep(0)  # a burst in one turn may outrun a history of three

        while len(seen) < 120:
            client = await draw.choice([one, two]).served.open("/s", id=id)
            wanted = min(len(client.data) + draw.randrange(1, 12), 120 - len(seen))
            while len(client.data) < wanted:
                reading = asyncio.create_task(client.read(draw.choice([7, 200, 65_536])))
                while not reading.done():
                    await go_on()
                    await asyncio.wait((reading,), timeout=0.01)
            seen += client.data
            id = client.last_event_id
            assert not client.gaps
            client.reset()
        assert sorted(seen) == every(topic, *begin)
        for number in range(3):
            own = [text for text in seen if text[2] == str(number)]
            assert own == topic.partitions[number]


async def test_a_log_of_too_many_partitions_gives_what_the_channel_has():
    """No place in it fits an id, so nothing can be read back under one; live events have numbers."""
    topic = filled(*[3] * 70)
    async with replica(topic, [2] * 70, fits=False) as one:
        one.emit(0, 1)
        data, client = await one.all(2, "/all")
        one.emit(2)
        await client.until(lambda: len(client.data) == 3)
        assert data == ["a 0:2", "a 1:2", "a 2:2"]
        assert not client.controls


async def test_a_number_that_is_forgotten_is_told():
    """The source remembers the places of so many; an id before that gets a gap and the oldest kept."""
    topic = filled(30)
    async with replica(topic, [0], kept=3) as one:
        client = await one.served.open("/numbers")
        await one.follow(client, *[(0,)] * 10)
        del one.reader.ledger[:5]
        data, again = await one.all(3, "/numbers", id=client.events[2].id)
        assert data == client.data[7:]
        assert [(gap["reason"], gap["missed"]) for gap in again.gaps] == [("evicted", None)]


@pytest.mark.parametrize("fails", [True, False])
async def test_a_stream_that_is_read_back_hears_that_its_source_is_down_and_up_again(monkeypatch, *, fails: bool):
    """At once, though its turn in the channel may be passed over: the log that it reads fails for the same reason."""
    monkeypatch.setattr("bridge.gateway.archive.FIRST_DELAY", 0.01)
    topic = filled(20)
    source = Reading(topic=topic, begin=[20])
    text = "sources: {s: {kind: push}}\nroutes: {/s: {from: s, notify: source}, /quiet: {from: s}}\n"
    async with running(text, {"s": source}) as served:
        inlet = served.bridge.intakes["s"].inlet
        topic.flows.clear()
        id = str(Position({topic.tag: (5,)}))
        client, quiet = await served.open("/s", id=id), await served.open("/quiet", id=id)
        await until(lambda: topic.readers == 2)
        topic.is_down = fails
        inlet.down("no broker")
        if fails:
            topic.flows.set()
        assert (await client.control("source")).told["state"] == "down"
        late = await served.open("/s", id=id)
        topic.is_down = False
        inlet.up()
        topic.flows.set()
        for each in (client, late, quiet):
            await each.until(lambda each=each: len(each.data) == 15)
            assert each.data == topic.partitions[0][5:]
        assert not quiet.controls
        for each in (client, late):
            await each.until(lambda each=each: [block.told["state"] for block in each.controls][-1] == "up")
            assert [block.told["state"] for block in each.controls][:2] == ["down", "up"]
