"""The step from one configuration to the next: what is the same goes on, what has changed loses nothing untold."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from bridge import assemble
from bridge.config.model import RouteSpec, SourceSpec
from bridge.normalise import Normaliser
from bridge.reload import Outcome
from tests.http_server import HttpServer, answer
from tests.reloading import ONE, PUSHED, TWO, Tab, check, reloading
from tests.support import SERVER, Client, running, until


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the file lies."""
    return tmp_path / "routes.yaml"


async def test_a_file_that_says_the_same_in_other_words_changes_nothing(file: Path) -> None:
    """A comment more makes another file and the same configuration."""
    async with reloading(ONE, file) as served:
        client = await served.open()
        before = served.bridge.endpoints, served.bridge.intakes["p"]
        outcome = await served.reload(f"# a comment\n{ONE}")
        assert outcome == Outcome("unchanged")
        assert (served.bridge.endpoints, served.bridge.intakes["p"]) == before
        served.publish("x")
        assert (await client.event()).data == "x"


async def test_a_stream_of_an_untouched_route_goes_on_on_its_connection(file: Path) -> None:
    """The routes beside it change, come and go."""
    async with reloading(TWO, file) as served:
        client = await served.open("/p")
        served.publish("1")
        outcome = await served.applied(
            f"{PUSHED}routes: {{/p: {{from: p}}, /q: {{from: p, retry: 9s}}, /r: {{from: p}}}}"
        )
        assert outcome.told["routes"] == {"changed": ["/q"], "added": ["/r"]}
        served.publish("2")
        assert [(await client.event()).data, (await client.event()).data] == ["1", "2"]
        assert not client.controls


async def test_the_run_of_an_untouched_source_goes_on(file: Path) -> None:
    """Its task is the same one."""
    text = "sources: {t: {kind: timer, every: 1h}, p: {kind: push}}\nroutes: {/t: {from: t}, /p: {from: p}}\n"
    async with reloading(text, file) as served:
        task = served.bridge.works.runs._tasks["t"]
        await served.applied(text.replace("/p: {from: p}", "/p: {from: p, retry: 9s}"))
        assert served.bridge.works.runs._tasks["t"] is task
        assert not task.done()


@pytest.mark.parametrize(
    "keys",
    [
        "retry: 9s",
        "heartbeat: 5s",
        "cors: {origins: ['https://a.example']}",
        "start: earliest",
        "history: {events: 50}",
        "slow: disconnect",
        "notify: source",
    ],
)
async def test_a_route_with_other_manners_keeps_its_channels(keys: str, file: Path) -> None:
    """Who listened is told, comes back with the last id, and has missed nothing."""
    async with reloading(TWO, file) as served:
        async with Tab(lambda: served.port, "/q") as tab:
            ids = served.publish("1", "2")
            await until(lambda: len(tab.data) == 2)
            served.write(f"{PUSHED}routes: {{/p: {{from: p}}, /q: {{from: p, {keys}}}}}\n")
            reading_again = asyncio.create_task(served.reload())
            while not reading_again.done():
                served.publish("between")
                await asyncio.sleep(0.001)
            assert reading_again.result().word == "applied"
            served.publish("after")
            await until(lambda: tab.data[-1] == "after" and tab.connects == 2)
            assert (tab.byes, tab.gaps) == (["changed"], [])
        late = await served.open("/q", id=ids[0])
        await late.until(lambda: late.data and late.data[-1] == "after")
        assert late.data == tab.data[1:]
        assert not late.gaps


async def test_a_route_whose_frames_change_begins_anew_and_says_so(file: Path) -> None:
    """What was framed otherwise is not given under the new name."""
    async with reloading(TWO, file) as served, Tab(lambda: served.port, "/q") as tab:
        served.publish("1")
        await until(lambda: tab.data == ["1"])
        await served.applied(f"{PUSHED}routes: {{/p: {{from: p}}, /q: {{from: p, event: word}}}}\n")
        await until(lambda: tab.connects == 2 and tab.gaps)
        served.publish("2")
        await until(lambda: tab.data == ["1", "2"])
        assert tab.byes == ["changed"]
        assert [gap["reason"] for gap in tab.gaps] == ["evicted"]


async def test_history_is_cut_to_its_new_bounds(file: Path) -> None:
    """Who asks for more is told."""
    async with reloading(ONE, file) as served:
        served.publish(*map(str, range(100)))
        await served.applied(f"{PUSHED}routes: {{/p: {{from: p, history: {{events: 5}}}}}}\n")
        client = await served.open(headers="", id=f"{served.epoch}-1")
        await client.until(lambda: len(client.data) == 5)
        assert client.data == ["95", "96", "97", "98", "99"]
        assert client.gaps[0]["reason"] == "evicted"
        check(served.bridge)


async def test_a_heartbeat_that_was_changed_beats_for_those_who_come_back(file: Path) -> None:
    """The channel's group of listeners is the same one, and may beat as its first member was told."""
    async with reloading(f"{PUSHED}routes: {{/p: {{from: p, heartbeat: 1h}}}}\n", file) as served:
        first = await served.open()
        first.sock.setsockopt(6, 1, 1)
        served.write(f"{PUSHED}routes: {{/p: {{from: p, heartbeat: {{every: 5s, visible: true}}}}}}\n")
        outcome = await served.reload()
        assert outcome.word == "applied"
        second = await served.open()
        await until(lambda: served.subscriber(second).audience is not None)
        audience = served.subscriber(second).audience
        assert audience is not None
        assert audience.heartbeat == served.bridge.endpoints[0].heartbeat
        assert audience.pulse is not None


async def test_a_thousand_are_told_with_a_retry_of_their_own(file: Path) -> None:
    """They must not come back all at once."""
    async with reloading(ONE, file) as served:
        clients = [await served.open() for _ in range(60)]
        await served.applied(f"{PUSHED}routes: {{/p: {{from: p, notify: source}}}}\n")
        told = [(await client.control("bye")).told for client in clients]
        assert {each["reason"] for each in told} == {"changed"}
        assert len({each["reconnect_in"] for each in told}) > 10


async def test_counters_of_a_route_go_on_where_it_changes(file: Path) -> None:
    """A scrape must not see them fall."""
    async with reloading(ONE, file) as served:
        before = served.bridge.endpoints[0].supply.route
        served.publish("x")
        await served.applied(f"{PUSHED}routes: {{/p: {{from: p, event: other}}}}\n")
        after = served.bridge.endpoints[0].supply.route
        assert after is not before
        assert after.meter is before.meter
        assert after.skipped is before.skipped


async def test_a_source_that_is_added_runs_and_one_that_is_removed_ends(file: Path) -> None:
    """Its task, its state and its channels go with it."""
    async with reloading(ONE, file) as served:
        both = "sources: {p: {kind: push}, t: {kind: timer, every: 1h, payload: tick}}\n"
        await served.applied(both + "routes: {/p: {from: p}, /t: {from: t}}\n")
        client = await served.open("/t")
        assert (await client.event()).data == "tick"
        task = served.bridge.works.runs._tasks["t"]
        await served.applied(ONE)
        assert task.cancelled()
        assert list(served.bridge.health.sources) == ["p"]


async def test_sources_of_other_names_each_time_leave_nothing(file: Path) -> None:
    """A generated file must not grow the process."""
    async with reloading(ONE, file) as served:
        for number in range(3):
            (await served.open()).close()
            await served.empty()
            await served.applied(ONE.replace("p: {kind", f"p{number}: {{kind").replace("from: p", f"from: p{number}"))
        bridge = served.bridge
        counted = (bridge.streams._by_source, bridge.health.downs, bridge.health.restarts, bridge.bus._wanted)
        assert [list(names) for names in counted] == [[], ["p2"], [], ["p2"]]


async def test_an_id_from_before_a_route_was_added_is_told_of_a_loss(file: Path) -> None:
    """It may be of a route that had this path once."""
    async with reloading(ONE, file) as served:
        [id] = served.publish("1")
        served.publish("2")
        await served.applied(TWO)
        client = await served.open("/q", id=id)
        assert client.gaps[0]["reason"] == "evicted"


async def test_a_changed_timer_loses_no_one_and_goes_on_with_its_new_pace(file: Path) -> None:
    """Who listened comes back to the same channel."""
    text = "sources: {t: {kind: timer, every: 1h, payload: slow}}\nroutes: {/t: {from: t, start: live}}\n"
    async with reloading(text, file) as served, Tab(lambda: served.port, "/t") as tab:
        await served.applied(text.replace("1h", "20ms").replace("slow", "quick"))
        await until(lambda: "quick" in tab.data)
        assert (tab.byes, tab.gaps) == (["changed"], [])


async def test_a_file_source_with_other_keys_goes_on_where_it_was(file: Path, tmp_path: Path) -> None:
    """Lines that are written around each change come once."""
    log = tmp_path / "app.log"
    log.write_text("0\n")
    text = "sources: {f: {kind: file, path: app.log, begin: beginning, poll: 50ms}}\nroutes: {/f: {from: f}}\n"
    async with reloading(text, file) as served, Tab(lambda: served.port, "/f?last=100") as tab:
        for number in range(1, 6):
            with log.open("a") as out:
                out.write(f"{number}\n")
            await served.applied(text.replace("50ms", f"{50 + number}ms"))
        await until(lambda: "5" in tab.data)
        assert tab.data[-5:] == ["1", "2", "3", "4", "5"]
        assert len(tab.data) == len(set(tab.data))
        assert not tab.gaps


async def test_a_file_source_of_another_folder_tells_of_a_loss(file: Path, tmp_path: Path) -> None:
    """It knows nothing of the files before."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "app.log").write_text("")
    text = "sources: {f: {kind: file, root: ./a, match: app.log, poll: 50ms}}\nroutes: {/f: {from: f}}\n"
    async with reloading(text, file) as served, Tab(lambda: served.port, "/f") as tab:
        (tmp_path / "a" / "app.log").write_text("1\n")
        await until(lambda: tab.data == ["1"])
        await served.applied(text.replace("./a", "./b"))
        await until(lambda: tab.gaps)
        assert [gap["reason"] for gap in tab.gaps] == ["source_reset"]


async def test_a_source_that_has_ended_stays_so_unless_it_is_changed(file: Path) -> None:
    """A route that is made anew knows that nothing more comes."""
    text = "sources: {t: {kind: timer, every: 10ms, count: 2, per: process}}\nroutes: {/t: {from: t}}\n"
    async with reloading(text, file) as served:
        await until(lambda: served.bridge.health.sources["t"].state == "ended")
        await served.applied(text.replace("{from: t}", "{from: t, retry: 9s}"))
        assert served.bridge.endpoints[0].supply.route.running == set()
        await served.applied(text.replace("count: 2", "count: 3"))
        await until(lambda: served.bridge.intakes["t"].inlet.messages == 5)


@pytest.mark.parametrize("key", ["max: 64KiB", "dedup: 1h"])
async def test_what_is_known_of_repetitions_outlives_other_keys(key: str, file: Path) -> None:
    """A sender that repeats itself over a reload gets its first answer."""
    async with reloading(ONE, file) as served:
        headers = "Idempotency-Key: a\r\nConnection: close\r\nContent-Length: 0\r\n"
        first = await served.operator("/-/push/p", "POST", headers)
        await served.applied(f"sources: {{p: {{kind: push, {key}}}}}\nroutes: {{/p: {{from: p}}}}\n")
        again = await served.operator("/-/push/p", "POST", headers)
        assert json.loads(first.body) == json.loads(again.body)


async def test_an_address_is_added_and_another_one_given_up(file: Path) -> None:
    """Streams that came by the old one are told; the admin port answers to whoever has asked by its old address."""
    async with running() as free:
        spare = free.port
    first = f"server: {{listen: 127.0.0.1:0, admin: 127.0.0.1:0, health: '127.0.0.1:0', drain: 0s}}\n{ONE}"
    second = f"server: {{listen: '127.0.0.1:{spare}', admin: 127.0.0.1:0, drain: 0s}}\n{ONE}"
    async with reloading(first, file) as served:
        client = await served.open()
        old = served.port
        served.write(second)
        assert (await served.operator("/-/reload", "POST")).status == 200
        assert served.port == spare
        assert served.bridge.listeners.health.places == []
        assert (await client.control("bye")).told["reason"] == "changed"
        with pytest.raises(ConnectionRefusedError):
            await Client.to(old)
        assert (await served.open()).status == 200


async def test_an_address_grows_wider_on_its_own_port(file: Path) -> None:
    """The new socket needs the port that the old one still has."""
    async with running() as free:
        port = free.port
    text = f"server: {{listen: '127.0.0.1:{port}', admin: 127.0.0.1:0, drain: 0s}}\nauth: anonymous\n{ONE}"
    async with reloading(text, file) as served:
        client = await served.open()
        await served.applied(text.replace(f"'127.0.0.1:{port}'", f"':{port}'"))
        served.publish("x")
        assert (await client.event()).data == "x"
        assert (await served.open()).status == 200
        await served.applied(text)
        assert (await served.open()).status == 200


async def test_what_the_server_says_of_requests_holds_at_once(file: Path) -> None:
    """Streams that are open go on."""
    text = SERVER + ONE
    async with reloading(text, file) as served:
        client = await served.open()
        await served.applied(SERVER.replace("}", ", base: /live, hosts: [localhost]}") + ONE)
        assert (await served.asked("/p")).status == 404
        assert (await served.asked("/live/p")).status == 200
        served.publish("x")
        assert (await client.event()).data == "x"


async def test_limits_are_applied(file: Path) -> None:
    """Nobody who is here is sent away."""
    async with reloading(ONE, file) as served:
        await served.applied(f"{ONE}limits: {{subscribers: 1, memory: 1MiB, channels: 5}}\n")
        await served.open()
        refused = await served.open()
        assert served.bridge.streams.refused["subscribers"] == 1
        await refused.rest()
        assert served.bridge.bus.budget.limit == 1024 * 1024
        assert served.bridge.bus.bounds.channels == 5


async def test_a_source_that_becomes_required_holds_us_back_at_once(file: Path) -> None:
    """Its run is the same one, and nobody who listens notices."""
    source = "kind: mqtt, url: 'mqtt://127.0.0.1:1', topics: [t]"
    async with reloading(f"sources: {{m: {{{source}}}}}\nroutes: {{/m: {{from: m}}}}\n", file) as served:
        client, run = await served.open("/m"), served.bridge.works.runs._tasks["m"]
        assert (await served.operator("/-/ready")).status == 200
        required = f"sources: {{m: {{{source}, required: true}}}}\nroutes: {{/m: {{from: m}}}}\n"
        outcome = await served.applied(required)
        assert outcome.told["sources"] == {"changed": ["m"]}
        assert (await served.operator("/-/ready")).status == 503
        assert served.bridge.works.runs._tasks["m"] is run
        assert not client.controls


def rows(*values: int) -> bytes:
    """Return a page with a row for each value."""
    body = json.dumps([{"id": number, "v": value} for number, value in enumerate(values)])
    return answer(200, body.encode(), ("Content-Type", "application/json"))


async def test_a_route_that_is_new_over_a_polled_list_has_all_of_it(file: Path) -> None:
    """The source tells changes alone, and somebody listens to it already; also where a route begins anew."""
    keyed = "from: h, key: data.id, start: snapshot"
    async with HttpServer.serving(rows(0, 0, 0)) as server:
        head = f"sources: {{h: {{kind: http, url: '{server.url('/n')}', every: 100ms, emit: items, key: id}}}}\n"
        async with reloading(f"{head}routes: {{/h: {{{keyed}}}}}\n", file) as served:
            first = await served.open("/h")
            await first.until(lambda: len(first.data) == 3)
            await served.applied(f"{head}routes: {{/h: {{{keyed}}}, /i: {{{keyed}}}}}\n")
            server.play(rows(1, 0, 0))
            await first.until(lambda: len(first.data) == 4)
            added = await served.open("/i")
            await added.until(lambda: len(added.data) == 3)
            assert (json.loads(added.data[-1]), added.gaps) == ({"id": 0, "v": 1}, [])
            await served.applied(f"{head}routes: {{/h: {{{keyed}, event: row}}, /i: {{{keyed}}}}}\n")
            server.play(rows(2, 0, 0))
            await added.until(lambda: len(added.data) == 4)
            anew = await served.open("/h")
            await anew.until(lambda: len(anew.data) == 3)
            assert json.loads(anew.data[-1]) == {"id": 0, "v": 2}
            check(served.bridge)


async def test_each_source_is_shown_its_own_routes_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand sources that each look through a thousand routes would hold up the loop for half a second."""
    shown: list[tuple[str, list[str]]] = []
    made = assemble._normaliser

    def noted(name: str, spec: SourceSpec, routes: Sequence[RouteSpec]) -> Normaliser:
        shown.append((name, [route.path for route in routes]))
        return made(name, spec, routes)

    text = "sources: {p: {kind: push}, q: {kind: push}}\nroutes: {/p: {from: p}, /q: {from: q}, /b: {from: [p, q]}}\n"
    async with reloading(text, file) as served:
        monkeypatch.setattr(assemble, "_normaliser", noted)
        await served.applied(text.replace("/b:", "/c:"))
    assert shown == [("p", ["/p", "/c", "/b"]), ("q", ["/q", "/c", "/b"])]
