"""Routes that were removed: their addresses answer for a while, and a slip that is mended loses nothing."""

from pathlib import Path

import pytest

from tests.reloading import ONE, PUSHED, TWO, Tab, check, reloading
from tests.support import SERVER, until


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the file lies."""
    return tmp_path / "routes.yaml"


async def test_a_removed_route_asks_its_clients_to_come_back_and_then_is_not_there(file: Path) -> None:
    """For the grace 200 and `retry`, by the method; then 404 with a hint."""
    text = SERVER.replace("}", ", reload: {grace: 300ms}}") + TWO
    async with reloading(text, file) as served:
        client = await served.open("/q")
        await served.applied(text.replace(", /q: {from: p}", ""))
        assert (await client.control("bye")).told["reason"] == "removed"
        answer = await served.asked("/q")
        assert answer.status == 200
        assert (await answer.rest()).startswith(b"retry: ")
        assert answer.headers["content-type"].startswith("text/event-stream")
        for method, status in (("HEAD", 200), ("OPTIONS", 204), ("POST", 405)):
            assert (await served.asked("/q", method=method)).status == status
        await until(lambda: not served.bridge.works.formers.endpoints)
        gone = await served.asked("/q", headers="Connection: close\r\n")
        assert gone.status == 404
        assert b"the nearest is /p" in await gone.rest()
        check(served.bridge)


async def test_without_a_grace_a_removed_route_is_gone_at_once(file: Path) -> None:
    """Who is sure says `grace: 0s`."""
    text = SERVER.replace("}", ", reload: {grace: 0s}}") + TWO
    async with reloading(text, file) as served:
        await served.applied(text.replace(", /q: {from: p}", ""))
        assert (await served.asked("/q")).status == 404


async def test_a_slip_that_is_mended_loses_nothing(file: Path) -> None:
    """The route is put back as it was, while its source has gone on."""
    async with reloading(TWO, file) as served, Tab(lambda: served.port, "/q") as tab:
        served.publish("1")
        await until(lambda: tab.data == ["1"])
        await served.applied(ONE)
        served.publish("2")
        await until(lambda: tab.connects > 2)
        outcome = await served.applied(TWO.replace("/q: {from: p}", "/q: {from: p, retry: 9s}"))
        assert outcome.told["routes"] == {"changed": ["/q"]}
        served.publish("3")
        await until(lambda: len(tab.data) == 3)
        assert tab.data == ["1", "2", "3"]
        assert (tab.byes, tab.gaps, tab.closed_by) == (["removed"], [], 0)


async def test_a_route_that_is_put_back_letter_by_letter_loses_nothing(file: Path) -> None:
    """The file is what it was before, and differs in nothing from what holds but in that route."""
    async with reloading(TWO, file) as served, Tab(lambda: served.port, "/q") as tab:
        served.publish("1")
        await until(lambda: tab.data == ["1"])
        await served.applied(ONE)
        served.publish("2")
        outcome = await served.applied(TWO)
        assert outcome.told["routes"] == {"added": ["/q"]}
        await until(lambda: tab.data == ["1", "2"])
        assert (tab.byes, tab.gaps, tab.closed_by) == (["removed"], [], 0)
        check(served.bridge)


async def test_a_removed_route_hears_its_source_as_it_always_did(file: Path) -> None:
    """What it alone looks for in the data is found there on, though no route of the file asks for it."""
    whole = f"{PUSHED}routes: {{/p: {{from: p}}, /k: {{from: p, key: data.k, start: snapshot}}}}\n"
    async with reloading(whole, file) as served:
        served.publish('{"k": 1}')
        await served.applied(ONE)
        served.publish('{"k": 2}')
        await served.applied(whole)
        client = await served.open("/k")
        await client.until(lambda: client.data == ['{"k": 1}', '{"k": 2}'])
        assert not client.gaps


async def test_a_route_that_is_put_back_without_its_source_tells_of_a_loss(file: Path) -> None:
    """Nobody has heard the source meanwhile."""
    other = "sources: {o: {kind: push}}\nroutes: {/o: {from: o}}\n"
    async with reloading(TWO, file) as served, Tab(lambda: served.port, "/q") as tab:
        served.publish("1")
        await until(lambda: tab.data == ["1"])
        await served.applied(other)
        assert not served.bridge.works.formers.attached
        await served.applied(TWO)
        served.publish("2")
        await until(lambda: tab.data == ["1", "2"])
        assert tab.gaps


async def test_gone_true_tells_clients_for_good(file: Path) -> None:
    """They never come back."""
    async with reloading(TWO, file) as served, Tab(lambda: served.port, "/q") as tab:
        await served.applied(f"{PUSHED}routes: {{/p: {{from: p}}, /q: {{gone: true}}}}\n")
        await until(lambda: tab.closed_by)
        assert tab.closed_by == 204


async def test_a_removed_address_is_the_applications_for_all_but_streams(file: Path) -> None:
    """A page that now has the address must not wait for the grace."""
    text = SERVER.replace("}", ", upstream: 'http://127.0.0.1:9'}") + TWO
    async with reloading(text, file) as served:
        await served.applied(text.replace(", /q: {from: p}", ""))
        assert (await served.asked("/q")).status == 502
        assert (await served.asked("/q", headers="Accept: text/event-stream\r\n")).status == 200


async def test_removed_routes_are_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generated file with other routes each time must not grow the process."""
    monkeypatch.setattr("bridge.former.MOST", 3)
    async with reloading(ONE, file) as served:
        for number in range(6):
            await served.applied(f"{PUSHED}routes: {{/p: {{from: p}}, /r{number}: {{from: p}}}}\n")
        assert [each.text for each in served.bridge.works.formers.endpoints] == ["/r2", "/r3", "/r4"]
        check(served.bridge)
