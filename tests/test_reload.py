"""Reading the file again: what is right is applied as a difference, what is wrong changes nothing."""

import asyncio
import json
import os
import random
from pathlib import Path

import pytest
from bad_config import cases

from bridge.reload import EVERY, Outcome
from tests.reloading import Reloaded, Tab, check, hasty, reading, reloading, write
from tests.support import SERVER, Client, running, until

PUSHED = "sources: {p: {kind: push}}\n"
ONE = f"{PUSHED}routes: {{/p: {{from: p}}}}\n"
TWO = f"{PUSHED}routes: {{/p: {{from: p}}, /q: {{from: p}}}}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the file lies."""
    return tmp_path / "routes.yaml"


def port(served: Reloaded) -> int:
    """Return where tabs connect to."""
    return served.port


# -- what is the same


async def test_a_file_that_says_the_same_in_other_words_changes_nothing(file: Path):
    async with reloading(ONE, file) as served:
        client = await served.open()
        before = served.bridge.endpoints, served.bridge.intakes["p"]
        outcome = await served.reload(f"# a comment\n{ONE}")
        assert outcome == Outcome("unchanged")
        assert (served.bridge.endpoints, served.bridge.intakes["p"]) == before
        served.publish("x")
        assert (await client.event()).data == "x"


async def test_a_stream_of_an_untouched_route_goes_on_on_its_connection(file: Path):
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


async def test_the_run_of_an_untouched_source_goes_on(file: Path):
    text = "sources: {t: {kind: timer, every: 1h}, p: {kind: push}}\nroutes: {/t: {from: t}, /p: {from: p}}\n"
    async with reloading(text, file) as served:
        task = served.bridge.works.runs._tasks["t"]
        await served.applied(text.replace("/p: {from: p}", "/p: {from: p, retry: 9s}"))
        assert served.bridge.works.runs._tasks["t"] is task
        assert not task.done()


# -- a route that has changed


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
async def test_a_route_with_other_manners_keeps_its_channels(keys: str, file: Path):
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


async def test_a_route_whose_frames_change_begins_anew_and_says_so(file: Path):
    async with reloading(TWO, file) as served, Tab(lambda: served.port, "/q") as tab:
        served.publish("1")
        await until(lambda: tab.data == ["1"])
        await served.applied(f"{PUSHED}routes: {{/p: {{from: p}}, /q: {{from: p, event: word}}}}\n")
        await until(lambda: tab.connects == 2 and tab.gaps)
        served.publish("2")
        await until(lambda: tab.data == ["1", "2"])
        assert tab.byes == ["changed"]
        assert [gap["reason"] for gap in tab.gaps] == ["evicted"]


async def test_history_is_cut_to_its_new_bounds(file: Path):
    async with reloading(ONE, file) as served:
        served.publish(*map(str, range(100)))
        await served.applied(f"{PUSHED}routes: {{/p: {{from: p, history: {{events: 5}}}}}}\n")
        client = await served.open(headers="", id=f"{served.epoch}-1")
        await client.until(lambda: len(client.data) == 5)
        assert client.data == ["95", "96", "97", "98", "99"]
        assert client.gaps[0]["reason"] == "evicted"
        check(served.bridge)


async def test_a_heartbeat_that_was_changed_beats_for_those_who_come_back(file: Path):
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


async def test_a_thousand_are_told_with_a_retry_of_their_own(file: Path):
    async with reloading(ONE, file) as served:
        clients = [await served.open() for _ in range(60)]
        await served.applied(f"{PUSHED}routes: {{/p: {{from: p, notify: source}}}}\n")
        told = [(await client.control("bye")).told for client in clients]
        assert {each["reason"] for each in told} == {"changed"}
        assert len({each["reconnect_in"] for each in told}) > 10


async def test_counters_of_a_route_go_on_where_it_changes(file: Path):
    async with reloading(ONE, file) as served:
        before = served.bridge.endpoints[0].supply.route
        served.publish("x")
        await served.applied(f"{PUSHED}routes: {{/p: {{from: p, event: other}}}}\n")
        after = served.bridge.endpoints[0].supply.route
        assert after is not before
        assert after.meter is before.meter
        assert after.skipped is before.skipped


# -- a route that was removed, and comes back


async def test_a_removed_route_asks_its_clients_to_come_back_and_then_is_not_there(file: Path):
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


async def test_without_a_grace_a_removed_route_is_gone_at_once(file: Path):
    text = SERVER.replace("}", ", reload: {grace: 0s}}") + TWO
    async with reloading(text, file) as served:
        await served.applied(text.replace(", /q: {from: p}", ""))
        assert (await served.asked("/q")).status == 404


async def test_a_slip_that_is_mended_loses_nothing(file: Path):
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


async def test_a_route_that_is_put_back_without_its_source_tells_of_a_loss(file: Path):
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


async def test_gone_true_tells_clients_for_good(file: Path):
    async with reloading(TWO, file) as served, Tab(lambda: served.port, "/q") as tab:
        await served.applied(f"{PUSHED}routes: {{/p: {{from: p}}, /q: {{gone: true}}}}\n")
        await until(lambda: tab.closed_by)
        assert tab.closed_by == 204


async def test_a_removed_address_is_the_applications_for_all_but_streams(file: Path):
    text = SERVER.replace("}", ", upstream: 'http://127.0.0.1:9'}") + TWO
    async with reloading(text, file) as served:
        await served.applied(text.replace(", /q: {from: p}", ""))
        assert (await served.asked("/q")).status == 502
        assert (await served.asked("/q", headers="Accept: text/event-stream\r\n")).status == 200


async def test_removed_routes_are_bounded(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bridge.former.MOST", 3)
    async with reloading(ONE, file) as served:
        for number in range(6):
            await served.applied(f"{PUSHED}routes: {{/p: {{from: p}}, /r{number}: {{from: p}}}}\n")
        assert [each.text for each in served.bridge.works.formers.endpoints] == ["/r2", "/r3", "/r4"]
        check(served.bridge)


# -- sources that come, change and go


async def test_a_source_that_is_added_runs_and_one_that_is_removed_ends(file: Path):
    async with reloading(ONE, file) as served:
        both = "sources: {p: {kind: push}, t: {kind: timer, every: 1h, payload: tick}}\n"
        await served.applied(both + "routes: {/p: {from: p}, /t: {from: t}}\n")
        client = await served.open("/t")
        assert (await client.event()).data == "tick"
        task = served.bridge.works.runs._tasks["t"]
        await served.applied(ONE)
        assert task.cancelled()
        assert list(served.bridge.health.sources) == ["p"]


async def test_an_id_from_before_a_route_was_added_is_told_of_a_loss(file: Path):
    """It may be of a route that had this path once."""
    async with reloading(ONE, file) as served:
        [id] = served.publish("1")
        served.publish("2")
        await served.applied(TWO)
        client = await served.open("/q", id=id)
        assert client.gaps[0]["reason"] == "evicted"


async def test_a_changed_timer_loses_no_one_and_goes_on_with_its_new_pace(file: Path):
    text = "sources: {t: {kind: timer, every: 1h, payload: slow}}\nroutes: {/t: {from: t, start: live}}\n"
    async with reloading(text, file) as served, Tab(lambda: served.port, "/t") as tab:
        await served.applied(text.replace("1h", "20ms").replace("slow", "quick"))
        await until(lambda: "quick" in tab.data)
        assert (tab.byes, tab.gaps) == (["changed"], [])


async def test_a_file_source_with_other_keys_goes_on_where_it_was(file: Path, tmp_path: Path):
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


async def test_a_file_source_of_another_folder_tells_of_a_loss(file: Path, tmp_path: Path):
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


async def test_a_source_that_has_ended_stays_so_unless_it_is_changed(file: Path):
    text = "sources: {t: {kind: timer, every: 10ms, count: 2, per: process}}\nroutes: {/t: {from: t}}\n"
    async with reloading(text, file) as served:
        await until(lambda: served.bridge.health.sources["t"].state == "ended")
        await served.applied(text.replace("{from: t}", "{from: t, retry: 9s}"))
        assert served.bridge.endpoints[0].supply.route.running == set()
        await served.applied(text.replace("count: 2", "count: 3"))
        await until(lambda: served.bridge.intakes["t"].inlet.messages == 5)


# -- pushes


async def test_x14_a_push_token_is_rotated_by_its_file(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The old one is refused, the new one taken, and whoever listens notices nothing."""
    hasty(monkeypatch)
    token = tmp_path / "token"
    token.write_text("old")
    text = "sources: {p: {kind: push, token: {file: token}}}\nroutes: {/p: {from: p}}\n"
    async with reloading(text, file) as served:
        client = await served.open()

        async def push(given: str, key: str) -> int:
            headers = f"Authorization: Bearer {given}\r\nIdempotency-Key: {key}\r\nConnection: close\r\n"
            return (await served.operator("/-/push/p", "POST", headers + "Content-Length: 0\r\n")).status

        assert [await push("old", "a"), await push("new", "b")] == [202, 401]
        token.write_text("new\n")
        await until(lambda: served.bridge.reloader.reloads["applied"])
        assert served.bridge.reloader.last == Outcome(
            "applied", {"sources": {"rotated": ["p"]}, "routes": {}, "server": [], "limits": []}
        )
        assert [await push("old", "c"), await push("new", "d"), await push("new", "a")] == [401, 202, 202]
        served.publish("last")
        await client.until(lambda: client.data and client.data[-1] == "last")
        # What was pushed under a key before is known still.
        assert len(client.data) == 3
        assert not client.controls


async def test_what_is_known_of_repetitions_outlives_other_keys(file: Path):
    async with reloading(ONE, file) as served:
        headers = "Idempotency-Key: a\r\nConnection: close\r\nContent-Length: 0\r\n"
        first = await served.operator("/-/push/p", "POST", headers)
        await served.applied("sources: {p: {kind: push, max: 64KiB}}\nroutes: {/p: {from: p}}\n")
        again = await served.operator("/-/push/p", "POST", headers)
        assert json.loads(first.body) == json.loads(again.body)


# -- what is refused


def sample() -> list[cases.Bad]:
    """Return bad configurations of every sort, the same ones each time."""
    sorts = (cases.YAML, cases.SECRETS, cases.KEYS, cases.UNBUILT, cases.SERVER, cases.ROUTES, cases.SOURCES)
    return [case for sort in sorts for case in random.Random(7).sample(list(sort), min(6, len(sort)))]


async def test_x11_a_bad_file_leaves_everything_as_it_was(file: Path):
    """Many kinds of badness, each told at its place, and the stream beside it goes on."""
    async with reloading(TWO, file) as served:
        client = await served.open()
        works = served.bridge.works
        before = works.config, works.front, works.routes, works.intakes, served.bridge.listeners.public.places
        for number, case in enumerate(sample(), 1):
            file.write_bytes(case.content)
            outcome = await served.reload()
            assert outcome.word == "refused"
            assert outcome.problems[0].startswith(f"routes.yaml:{case.at}: ")
            assert case.says in outcome.problems[0]
            now = works.config, works.front, works.routes, works.intakes, served.bridge.listeners.public.places
            assert all(one is other for one, other in zip(now[:4], before[:4], strict=True))
            assert now[4] == before[4]
            served.publish(str(number))
        await client.until(lambda: len(client.data) == number)
        assert not client.controls
        assert served.bridge.reloader.reloads == {"refused": number}
        assert served.bridge.reloader.refused_since is not None
        await served.reload(TWO)
        assert served.bridge.reloader.refused_since is None


async def test_a_refused_file_makes_us_unready_where_that_is_asked_for(file: Path):
    text = SERVER.replace("}", ", reload: {ready: true}}") + ONE
    async with reloading(text, file) as served:
        await served.reload("server: {}\nroutes: {/p: {from: nobody}}\n")
        answer = await served.operator("/-/ready")
        assert answer.status == 503
        assert b"the configuration on disk is refused: routes.yaml:2:" in answer.body
        await served.reload(text)
        assert (await served.operator("/-/ready")).status == 200


async def test_a_refused_file_leaves_us_ready_else(file: Path):
    async with reloading(ONE, file) as served:
        assert (await served.reload("server: {}\nroutes: {/p: {from: nobody}}\n")).word == "refused"
        assert (await served.operator("/-/ready")).status == 200


async def test_the_folder_for_state_takes_a_restart(file: Path):
    async with reloading(ONE, file) as served:
        outcome = await served.reload(f"server:\n  listen: 127.0.0.1:0\n  admin: 127.0.0.1:0\n  state: ./kept\n{ONE}")
        assert outcome.word == "refused"
        [problem] = outcome.problems
        assert problem.startswith("routes.yaml:4:10: server.state: takes a restart")


async def test_x15_a_port_that_is_taken_refuses_the_whole(file: Path):
    async with running() as other, reloading(ONE, file) as served:
        client = await served.open()
        taken = f"server: {{listen: ['127.0.0.1:0', '127.0.0.1:{other.port}'], admin: 127.0.0.1:0, drain: 0s}}\n"
        outcome = await served.reload(taken + TWO)
        assert outcome.word == "refused"
        assert "is in use" in outcome.problems[0]
        assert (await served.asked("/q")).status == 404
        served.publish("x")
        assert (await client.event()).data == "x"


# -- how it is asked for


async def test_the_admin_port_reads_again_and_says_what_has_changed(file: Path):
    async with reloading(ONE, file) as served:
        served.write(TWO)
        answer = await served.operator("/-/reload", "POST")
        assert (answer.status, json.loads(answer.body)["routes"]) == (200, {"added": ["/q"]})
        served.write("server: {}\nroutes: {/p: {from: nobody}}\n")
        answer = await served.operator("/-/reload", "POST")
        told = json.loads(answer.body)
        assert (answer.status, told["outcome"]) == (422, "refused")
        assert told["problems"][0].startswith("routes.yaml:2:")
        told = json.loads((await served.operator("/-/reload")).body)
        assert told["reloads"] == {"applied": 1, "refused": 1}
        assert (await served.operator("/-/reload", "DELETE")).status == 405


async def test_a_page_of_another_origin_reads_nothing_again(file: Path):
    async with reloading(ONE, file) as served:
        headers = "Origin: https://evil.example\r\nConnection: close\r\n"
        assert (await served.operator("/-/reload", "POST", headers)).status == 403
        assert not served.bridge.reloader.reloads


async def test_without_a_file_there_is_nothing_to_read_again():
    """So it is for `serve` and `demo`."""
    async with running() as served:
        client = await Client.to(served.bridge.admin.port)
        served.clients.append(client)
        await client.ask("/-/reload", method="POST", headers="Connection: close\r\n")
        assert b"not started from a file" in await client.rest()
        assert client.status == 422
        served.bridge.reloader.ask()


async def test_those_who_ask_meanwhile_share_the_next_reading(file: Path):
    async with reloading(ONE, file) as served:
        first = asyncio.create_task(served.reload())
        await asyncio.sleep(0)
        served.write(TWO)
        others = [asyncio.create_task(served.reload()) for _ in range(20)]
        outcomes = await asyncio.gather(first, *others)
        assert "applied" in [each.word for each in outcomes]
        assert sum(served.bridge.reloader.reloads.values()) <= 3
        assert (await served.asked("/q")).status == 200


# -- what is watched


async def test_a_file_that_is_written_anew_is_read(file: Path, monkeypatch: pytest.MonkeyPatch):
    hasty(monkeypatch)
    async with reloading(ONE, file) as served:
        served.write(TWO)
        await until(lambda: served.bridge.reloader.reloads["applied"])
        assert (await served.asked("/q")).status == 200


async def test_a_file_that_is_touched_is_not_read(file: Path, monkeypatch: pytest.MonkeyPatch):
    hasty(monkeypatch)
    async with reloading(ONE, file) as served:
        looks = served.bridge.reloader
        os.utime(file)
        served.write(ONE)
        await asyncio.sleep(0.3)  # six looks
        assert not looks.reloads


async def test_nothing_is_watched_where_the_file_says_so(file: Path, monkeypatch: pytest.MonkeyPatch):
    hasty(monkeypatch)
    text = SERVER.replace("}", ", reload: none}")
    async with reloading(text + ONE, file) as served:
        served.write(text + TWO)
        await asyncio.sleep(0.3)  # six looks
        assert not served.bridge.reloader.reloads
        assert (await served.reload()).word == "applied"


async def test_a_folder_of_files_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hasty(monkeypatch)
    write(tmp_path / "a.yaml", f"{SERVER}{PUSHED}")
    write(tmp_path / "b.yaml", "# server: is in a.yaml\nroutes: {/p: {from: p}}\n")
    async with reading(tmp_path) as served:
        write(tmp_path / "c.yaml", "# server: is in a.yaml\nroutes: {/q: {from: p}}\n")
        await until(lambda: served.bridge.reloader.reloads["applied"] == 1)
        (tmp_path / "b.yaml").unlink()
        await until(lambda: served.bridge.reloader.reloads["applied"] == 2)
        assert [each.text for each in served.bridge.endpoints] == ["/q"]


async def test_a_file_that_was_refused_for_a_missing_secret_is_read_when_it_is_there(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    hasty(monkeypatch)
    async with reloading(ONE, file) as served:
        served.write("sources: {p: {kind: push, token: {file: token}}}\nroutes: {/p: {from: p}}\n")
        await until(lambda: served.bridge.reloader.reloads["refused"] == 1)
        (tmp_path / "token").write_text("t")
        await until(lambda: served.bridge.reloader.reloads["applied"] == 1)


def test_a_look_is_seldom_enough_to_cost_nothing():
    assert EVERY >= 1


# -- listeners and the rest of `server`


async def test_an_address_is_added_and_another_one_given_up(file: Path):
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


async def test_an_address_grows_wider_on_its_own_port(file: Path):
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


async def test_what_the_server_says_of_requests_holds_at_once(file: Path):
    text = SERVER + ONE
    async with reloading(text, file) as served:
        client = await served.open()
        await served.applied(SERVER.replace("}", ", base: /live, hosts: [localhost]}") + ONE)
        assert (await served.asked("/p")).status == 404
        assert (await served.asked("/live/p")).status == 200
        served.publish("x")
        assert (await client.event()).data == "x"


async def test_limits_are_applied(file: Path):
    async with reloading(ONE, file) as served:
        await served.applied(f"{ONE}limits: {{subscribers: 1, memory: 1MiB, channels: 5}}\n")
        await served.open()
        refused = await served.open()
        assert served.bridge.streams.refused["subscribers"] == 1
        await refused.rest()
        assert served.bridge.bus.budget.limit == 1024 * 1024
        assert served.bridge.bus.bounds.channels == 5
