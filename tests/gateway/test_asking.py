"""Routes of sources that work only for who listens: who may ask for what, and what a newcomer is given."""

from bridge.event import Message
from bridge.gateway.connection import HIGH_WATER, SLICE
from tests.gateway.asked import Asking, Desk
from tests.support import Client, Served, running, until

#: `configured` puts the sources of the test in the place of these.
ROUTES = """
sources: {rates: {kind: push, subject: "{currency}"}}
routes:
  /rates/{currency}: {from: rates}
"""


async def opened(served: Served, path: str, desk: Desk, *, listeners: int) -> Client:
    """Open a stream, and wait until the source knows of so many."""
    client = await served.open(path)
    await until(lambda: sum(desk.wanted.values()) == listeners)
    return client


async def answer(served: Served, path: str, method: str = "GET") -> tuple[int, str]:
    """Return the status of an answer that is no stream, and its body."""
    client = await served.connect()
    await client.ask(path, method=method, headers="Connection: close\r\n")
    body = await client.rest()
    return client.status, body.decode()


async def test_the_source_knows_which_addresses_are_listened_to():
    """Streams of one address count together; the last that leaves ends it."""
    desk = Desk()
    async with running(ROUTES, {"rates": Asking(desk=desk)}) as served:
        first = await opened(served, "/rates/EUR", desk, listeners=1)
        second = await opened(served, "/rates/EUR", desk, listeners=2)
        await opened(served, "/rates/USD", desk, listeners=3)
        assert desk.wanted == {(("currency", "EUR"),): 2, (("currency", "USD"),): 1}
        first.reset()
        second.close()
        await until(lambda: desk.wanted == {(("currency", "USD"),): 1})


async def test_a_name_that_a_route_fixes_is_part_of_the_address():
    """Its subscribers give none."""
    desk = Desk()
    text = ROUTES + "  /euro: {from: rates, bind: {currency: EUR}}\n"
    async with running(text, {"rates": Asking(desk=desk)}) as served:
        await opened(served, "/euro", desk, listeners=1)
        await opened(served, "/rates/EUR", desk, listeners=2)
        assert desk.wanted == {(("currency", "EUR"),): 2}


async def test_what_may_not_be_asked_for_is_404_in_words_and_asks_for_nothing():
    """HEAD is answered alike, without the words."""
    desk = Desk()
    async with running(ROUTES, {"rates": Asking(desk=desk)}) as served:
        await until(lambda: desk.place)
        assert await answer(served, "/rates/XXX") == (404, "currency: expected one of EUR, USD, NOK\n")
        assert (await answer(served, "/rates/XXX", "HEAD"))[0] == 404
        assert not desk.wanted
        assert not served.bridge.bus.routes[0].channels


async def test_past_the_bound_of_addresses_a_newcomer_is_told_to_come_back():
    """Those that are listened to take more listeners all the same."""
    desk = Desk()
    async with running(ROUTES, {"rates": Asking(desk=desk, most=1)}) as served:
        first = await opened(served, "/rates/EUR", desk, listeners=1)
        await opened(served, "/rates/EUR", desk, listeners=2)
        refused = await served.open("/rates/USD")
        await refused.rest()
        assert refused.status == 200
        assert refused.blocks[0].names == ["retry"]
        assert served.bridge.streams.refused == {"addresses": 1}
        first.reset()
        await until(lambda: sum(desk.wanted.values()) == 1)


async def test_a_newcomer_is_greeted_with_the_value_of_its_address():
    """Whoever resumes is not."""
    desk = Desk()
    desk.values = {"EUR": "1.08", "USD": "1"}
    async with running(ROUTES, {"rates": Asking(desk=desk)}) as served:
        await until(lambda: desk.outlet)
        client = await served.open("/rates/EUR")
        assert (await client.event()).data == "1.08"
        desk.emit("EUR", Message(payload="1.09", time=0.0))
        assert (await client.event()).data == "1.09"
        back = await served.open("/rates/EUR", headers=f"Last-Event-ID: {client.last_event_id}\r\n")
        desk.emit("EUR", Message(payload="1.10", time=0.0))
        assert (await back.event()).data == "1.10"


async def test_who_is_cut_before_the_greeting_is_greeted_again():
    """The id that stands before it does not say that it has come; nothing was lost, so there is no gap."""
    desk = Desk()
    desk.values["EUR"] = "1.08"
    async with running(ROUTES, {"rates": Asking(desk=desk)}) as served:
        await until(lambda: desk.outlet)
        client = await served.open("/rates/EUR")
        assert client.blocks[0].data is None
        first = client.blocks[0].id
        client.reset()
        back = await served.open("/rates/EUR", id=first)
        assert (await back.event()).data == "1.08"
        assert not back.gaps


async def test_who_is_cut_within_the_greeting_is_given_all_of_it_again():
    """What has come of it may not be there any more, which a gap says; the last id of it says that all has come."""
    desk = Desk()
    desk.present = lambda _: [Message(payload=each, time=0.0, captures={"currency": "EUR"}) for each in "abc"]
    async with running(ROUTES, {"rates": Asking(desk=desk)}) as served:
        await until(lambda: desk.outlet)
        client = await served.open("/rates/EUR")
        ids = [(await client.event()).id for _ in "abc"]
        torn = await served.open("/rates/EUR", id=ids[1])
        assert [(await torn.event()).data for _ in "abc"] == ["a", "b", "c"]
        assert [(gap["reason"], gap["from"], gap["snapshot"]) for gap in torn.gaps] == [("evicted", ids[1], True)]
        whole = await served.open("/rates/EUR", id=ids[2])
        desk.emit("EUR", Message(payload="d", time=0.0))
        assert (await whole.event()).data == "d"
        assert not whole.gaps


async def test_who_finds_nothing_kept_is_greeted_behind_the_gap():
    """Its channel was forgotten, and the source will not say again what has not changed."""
    desk = Desk()
    desk.values["EUR"] = "1.08"
    async with running(ROUTES, {"rates": Asking(desk=desk)}) as served:
        await until(lambda: desk.outlet)
        client = await served.open("/rates/EUR", id="feedbeef-7")
        assert (await client.event()).data == "1.08"
        assert [gap["reason"] for gap in client.gaps] == ["epoch"]
        desk.emit("EUR", Message(payload="1.09", time=0.0))
        assert (await client.event()).data == "1.09"
        other = await served.open("/rates/EUR", id="feedbeef-7")
        assert (await other.event()).data == "1.09"
        assert other.data == ["1.09"]


async def test_a_large_greeting_is_one_for_all_until_something_changes():
    """A peer that takes nothing of a megabyte holds none of its own."""
    desk = Desk()
    desk.values["EUR"] = "x" * HIGH_WATER * 8
    asked: list[object] = []
    desk.present = lambda captures: (asked.append(captures), Desk.present(desk, captures))[1]
    async with running(ROUTES, {"rates": Asking(desk=desk)}) as served:
        await until(lambda: desk.outlet)
        stalled = [await served.open("/rates/EUR", receive=4096) for _ in range(3)]
        assert len(asked) == 1
        pending = [served.subscriber(client).connection._pending for client in stalled]
        assert len({id(each.obj) for each in pending}) == 1
        desk.values["EUR"] = "y" * HIGH_WATER * 8
        desk.emit("EUR", Message(payload=desk.values["EUR"], time=0.0))
        newcomer = await served.open("/rates/EUR")
        assert (await newcomer.event()).data == desk.values["EUR"]
        assert len(asked) == 2
        lines = await served.open("/rates/EUR", headers="Accept: application/x-ndjson\r\n")
        await lines.until(lambda: lines.body.count(b"y") == HIGH_WATER * 8)


# -- changes of a document


async def test_changes_follow_the_whole_document():
    """A newcomer has the document first, then what changed since; who resumes has the changes alone."""
    desk = Desk()
    async with running(ROUTES, {"rates": Asking(desk=desk, sends_changes=True)}) as served:
        await until(lambda: desk.outlet)
        desk.values["EUR"] = "whole 1"
        first = await served.open("/rates/EUR")
        assert (await first.event()).data == "whole 1"
        desk.values["EUR"] = "whole 2"
        desk.emit("EUR", Message(payload="change 2", time=0.0, type="patch"))
        heard = await first.event()
        assert (heard.event, heard.data) == ("patch", "change 2")
        second = await served.open("/rates/EUR")
        assert (await second.event()).data == "whole 2"
        first.reset()
        desk.values["EUR"] = "whole 3"
        desk.emit("EUR", Message(payload="change 3", time=0.0, type="patch"))
        assert (await second.event()).data == "change 3"
        back = await served.open("/rates/EUR", headers=f"Last-Event-ID: {first.last_event_id}\r\n")
        assert (await back.event()).data == "change 3"


async def test_an_id_whose_changes_are_lost_gets_a_gap_and_the_whole():
    """The page throws away what it had: the changes that it lacks are nowhere any more."""
    desk = Desk()
    async with running(ROUTES, {"rates": Asking(desk=desk, sends_changes=True)}) as served:
        await until(lambda: desk.outlet)
        desk.values["EUR"] = "whole"
        desk.emit("EUR", Message(payload="old change", time=0.0, type="patch"))
        client = await served.open("/rates/EUR", headers="Last-Event-ID: feedbeef-7\r\n")
        assert (await client.event()).data == "whole"
        [gap] = client.gaps
        assert gap["reason"] == "epoch"
        assert [block.event for block in client.blocks if block.data] == ["bridge.gap", "snapshot"]
        desk.emit("EUR", Message(payload="new change", time=0.0, type="patch"))
        assert (await client.event()).data == "new change"


async def test_who_is_cut_before_the_whole_document_gets_it_all_the_same():
    """Changes without it could not be applied."""
    desk = Desk()
    desk.values["EUR"] = "whole 1"
    async with running(ROUTES, {"rates": Asking(desk=desk, sends_changes=True)}) as served:
        await until(lambda: desk.outlet)
        client = await served.open("/rates/EUR")
        first = client.blocks[0].id
        client.reset()
        desk.values["EUR"] = "whole 2"
        desk.emit("EUR", Message(payload="change 2", time=0.0, type="patch"))
        back = await served.open("/rates/EUR", id=first)
        assert (await back.event()).data == "whole 2"
        desk.emit("EUR", Message(payload="change 3", time=0.0, type="patch"))
        assert (await back.event()).data == "change 3"


async def test_who_falls_behind_on_changes_comes_back_for_the_whole():
    """Changes with a gap in them could not be applied, so the stream ends instead of going on behind one."""
    desk = Desk()
    desk.values["EUR"] = "whole"
    text = ROUTES.replace("{from: rates}", "{from: rates, slow: gap, history: {events: 10}}")
    async with running(text, {"rates": Asking(desk=desk, sends_changes=True)}) as served:
        await until(lambda: desk.outlet)
        client = await served.open("/rates/EUR", receive=4096)
        big = "x" * (HIGH_WATER + SLICE)
        for number in range(40):
            desk.emit("EUR", Message(payload=f"{number} {big}", time=0.0, type="patch"))
        await client.rest()
        bye = (await client.control("bye")).told
        assert bye["reason"] == "slow"
        assert not [block for block in client.blocks if block.event == "bridge.gap"]


async def test_a_channel_that_was_forgotten_is_filled_anew():
    """The source sends no more of what has not changed, but knows it: a table is whole for whoever comes later."""
    desk = Desk()
    text = ROUTES.replace("{from: rates}", "{from: rates, key: currency, start: snapshot}") + "limits: {channels: 1}\n"
    async with running(text, {"rates": Asking(desk=desk)}) as served:
        await until(lambda: desk.outlet)
        desk.values = {"EUR": "1.08", "USD": "1"}
        desk.emit("EUR", Message(payload="1.08", time=0.0))
        desk.emit("USD", Message(payload="1", time=0.0))
        first = await served.open("/rates/EUR")
        assert (await first.event()).data == "1.08"
        second = await served.open("/rates/EUR")
        assert (await second.event()).data == "1.08"
        desk.emit("EUR", Message(payload="1.09", time=0.0))
        assert [(await client.event()).data for client in (first, second)] == ["1.09", "1.09"]


# -- how an address is


NOTIFIED = ROUTES.replace("{from: rates}", "{from: rates, notify: source}")


async def states(client: Client, count: int) -> list[tuple[str, str | None]]:
    """Return what a page was told of its source so often."""
    await client.until(lambda: len([b for b in client.controls if b.event == "bridge.source"]) >= count)
    told = [block.told for block in client.controls if block.event == "bridge.source"]
    return [(each["state"], each["error"]) for each in told]


async def test_a_page_hears_of_its_own_address_and_of_no_other():
    """Down, and up again; a newcomer to an address that is down hears of it at once."""
    desk = Desk()
    async with running(NOTIFIED, {"rates": Asking(desk=desk)}) as served:
        euro = await opened(served, "/rates/EUR", desk, listeners=1)
        dollar = await opened(served, "/rates/USD", desk, listeners=2)
        assert desk.outlet is not None
        desk.outlet.address({"currency": "EUR"}, "answers 500")
        desk.outlet.address({"currency": "EUR"}, "answers 500")
        assert await states(euro, 1) == [("down", "answers 500")]
        late = await served.open("/rates/EUR")
        assert await states(late, 1) == [("down", "answers 500")]
        desk.outlet.address({"currency": "EUR"}, None)
        desk.outlet.address({"currency": "EUR"}, None)
        desk.emit("EUR", Message(payload="1.08", time=0.0))
        desk.emit("USD", Message(payload="1", time=0.0))
        assert (await dollar.event()).data == "1"
        assert (await euro.event()).data == "1.08"
        assert await states(dollar, 0) == []
        assert await states(euro, 2) == [("down", "answers 500"), ("up", None)]
        assert await states(late, 2) == [("down", "answers 500"), ("up", None)]
        assert served.bridge.bus.down_addresses == {}


async def test_what_the_source_says_of_itself_is_not_told_to_pages_that_chose_their_address():
    """The source is down when all addresses fail; a page that hears of its own would hear it twice."""
    desk = Desk()
    async with running(NOTIFIED, {"rates": Asking(desk=desk)}) as served:
        euro = await opened(served, "/rates/EUR", desk, listeners=1)
        assert desk.outlet is not None
        desk.outlet.down("everything fails")
        assert served.bridge.health.sources["rates"].state == "down"
        desk.emit("EUR", Message(payload="1.08", time=0.0))
        assert (await euro.event()).data == "1.08"
        assert await states(euro, 0) == []


async def test_an_address_that_has_ended_is_told_once_and_not_remembered():
    """Who comes later makes the source try again."""
    desk = Desk()
    async with running(NOTIFIED, {"rates": Asking(desk=desk)}) as served:
        euro = await opened(served, "/rates/EUR", desk, listeners=1)
        assert desk.outlet is not None
        desk.outlet.address({"currency": "EUR"}, "answers 204", is_over=True)
        desk.outlet.address({"currency": "EUR"}, None)
        assert await states(euro, 1) == [("ended", "answers 204")]
        assert served.bridge.bus.down_addresses == {}
