"""Reading the file again: who asks for it, what is seen of its own accord, and what is refused."""

import asyncio
import json
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
from bad_config import cases

from bridge import reload
from bridge.config.files import MAX_FILES
from bridge.reload import EVERY, Outcome
from tests.reloading import ONE, PUSHED, TWO, hasty, reading, reloading, write
from tests.support import SERVER, Client, running, until


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the file lies."""
    return tmp_path / "routes.yaml"


def sample() -> list[cases.Bad]:
    """Return bad configurations of every sort, the same ones each time."""
    sorts = (cases.YAML, cases.SECRETS, cases.KEYS, cases.UNBUILT, cases.SERVER, cases.ROUTES, cases.SOURCES)
    return [case for sort in sorts for case in random.Random(7).sample(list(sort), min(6, len(sort)))]


async def test_x14_a_push_token_is_rotated_by_its_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


async def test_x11_a_bad_file_leaves_everything_as_it_was(file: Path) -> None:
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


async def test_a_refused_file_makes_us_unready_where_that_is_asked_for(file: Path) -> None:
    """And says where it is wrong."""
    text = SERVER.replace("}", ", reload: {ready: true}}") + ONE
    async with reloading(text, file) as served:
        await served.reload("server: {}\nroutes: {/p: {from: nobody}}\n")
        answer = await served.operator("/-/ready")
        assert answer.status == 503
        assert b"the configuration on disk is refused: routes.yaml:2:" in answer.body
        await served.reload(text)
        assert (await served.operator("/-/ready")).status == 200


async def test_a_refused_file_leaves_us_ready_else(file: Path) -> None:
    """What holds still serves."""
    async with reloading(ONE, file) as served:
        assert (await served.reload("server: {}\nroutes: {/p: {from: nobody}}\n")).word == "refused"
        assert (await served.operator("/-/ready")).status == 200


async def test_the_folder_for_state_takes_a_restart(file: Path) -> None:
    """The refusal names the place in the file."""
    async with reloading(ONE, file) as served:
        outcome = await served.reload(f"server:\n  listen: 127.0.0.1:0\n  admin: 127.0.0.1:0\n  state: ./kept\n{ONE}")
        assert outcome.word == "refused"
        [problem] = outcome.problems
        assert problem.startswith("routes.yaml:4:10: server.state: takes a restart")


async def test_x15_a_port_that_is_taken_refuses_the_whole(file: Path) -> None:
    """Not half of the file is applied."""
    async with running() as other, reloading(ONE, file) as served:
        client = await served.open()
        taken = f"server: {{listen: ['127.0.0.1:0', '127.0.0.1:{other.port}'], admin: 127.0.0.1:0, drain: 0s}}\n"
        outcome = await served.reload(taken + TWO)
        assert outcome.word == "refused"
        assert "is in use" in outcome.problems[0]
        assert (await served.asked("/q")).status == 404
        served.publish("x")
        assert (await client.event()).data == "x"


async def test_the_admin_port_reads_again_and_says_what_has_changed(file: Path) -> None:
    """200 with the difference, 422 with what is wrong, and the last word for who asks later."""
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


async def test_a_page_of_another_origin_reads_nothing_again(file: Path) -> None:
    """A page in the operator's browser may not."""
    async with reloading(ONE, file) as served:
        headers = "Origin: https://evil.example\r\nConnection: close\r\n"
        assert (await served.operator("/-/reload", "POST", headers)).status == 403
        assert not served.bridge.reloader.reloads


async def test_without_a_file_there_is_nothing_to_read_again() -> None:
    """So it is for `serve` and `demo`."""
    async with running() as served:
        client = await Client.to(served.bridge.admin.port)
        served.clients.append(client)
        await client.ask("/-/reload", method="POST", headers="Connection: close\r\n")
        assert b"not started from a file" in await client.rest()
        assert client.status == 422
        served.bridge.reloader.ask()


async def test_those_who_ask_meanwhile_share_the_next_reading(file: Path) -> None:
    """It begins after they have asked, so it sees what they wrote."""
    async with reloading(ONE, file) as served:
        first = asyncio.create_task(served.reload())
        await asyncio.sleep(0)
        served.write(TWO)
        others = [asyncio.create_task(served.reload()) for _ in range(20)]
        outcomes = await asyncio.gather(first, *others)
        assert "applied" in [each.word for each in outcomes]
        assert sum(served.bridge.reloader.reloads.values()) <= 3
        assert (await served.asked("/q")).status == 200


async def test_a_file_that_is_written_anew_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, within a look."""
    hasty(monkeypatch)
    async with reloading(ONE, file) as served:
        served.write(TWO)
        await until(lambda: served.bridge.reloader.reloads["applied"])
        assert (await served.asked("/q")).status == 200


async def test_a_file_that_is_touched_is_not_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its content counts, not its time, nor that it is another file."""
    hasty(monkeypatch)
    async with reloading(ONE, file) as served:
        looks = served.bridge.reloader
        os.utime(file)
        served.write(ONE)
        await asyncio.sleep(0.3)  # six looks
        assert not looks.reloads


async def test_nothing_is_watched_where_the_file_says_so(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks is answered all the same."""
    hasty(monkeypatch)
    text = SERVER.replace("}", ", reload: none}")
    async with reloading(text + ONE, file) as served:
        served.write(text + TWO)
        await asyncio.sleep(0.3)  # six looks
        assert not served.bridge.reloader.reloads
        assert (await served.reload()).word == "applied"


async def test_a_folder_of_files_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files may come and go."""
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
) -> None:
    """The file itself does not change for that."""
    hasty(monkeypatch)
    async with reloading(ONE, file) as served:
        served.write("sources: {p: {kind: push, token: {file: token}}}\nroutes: {/p: {from: p}}\n")
        await until(lambda: served.bridge.reloader.reloads["refused"] == 1)
        (tmp_path / "token").write_text("t")
        await until(lambda: served.bridge.reloader.reloads["applied"] == 1)


def test_a_look_is_seldom_enough_to_cost_nothing() -> None:
    """A `stat` a file, once a second."""
    assert EVERY >= 1


async def test_a_bug_in_a_reading_is_answered_and_leaves_no_one_deaf(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next reading is made."""
    monkeypatch.setattr(reload, "EVERY", 0.01)
    with monkeypatch.context() as broken:
        broken.setattr(reload, "change", None)
        async with reloading(ONE, file) as served:
            assert (await served.reload(TWO)).problems == ("an internal error: the log has it",)
            broken.undo()
            assert (await served.reload()).word == "applied"


async def test_x13_a_mount_that_is_swapped_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a mix of two versions: here the old sources with the new routes would even be valid."""
    folder = tmp_path / "mount"
    folder.mkdir()
    write(folder / "a.yaml", f"{SERVER}sources: {{old: {{kind: push}}, p: {{kind: push}}}}\n")
    write(folder / "b.yaml", "# server: is in a.yaml\nroutes: {/p: {from: p}, /old: {from: old}}\n")
    real, reads = reload.load_draft, []

    def swapped(*given: Any) -> Any:
        reads.append(given)
        found = real(*given)
        if len(reads) == 1:
            write(folder / "a.yaml", f"{SERVER}sources: {{new: {{kind: push}}, p: {{kind: push}}}}\n")
            write(folder / "b.yaml", "# server: is in a.yaml\nroutes: {/p: {from: p}, /new: {from: new}}\n")
        return found

    async with reading(folder) as served:
        monkeypatch.setattr(reload, "load_draft", swapped)
        write(folder / "a.yaml", f"# another\n{SERVER}sources: {{old: {{kind: push}}, p: {{kind: push}}}}\n")
        assert (await served.reload()).word == "applied"
        assert len(reads) == 2
        assert [each.text for each in served.bridge.endpoints] == ["/p", "/new"]


async def test_the_loop_goes_on_while_a_large_file_is_read(file: Path) -> None:
    """A load takes up to a second, in a thread."""
    many = ", ".join(f"'/r{number}/{{x}}': {{from: p, retry: 8s}}" for number in range(300))
    text = f"sources: {{p: {{kind: push, subject: '{{x}}'}}}}\nroutes: {{{many}}}\n"
    async with reloading(text, file) as served:
        served.write(text.replace("8s", "9s"))
        longest, asked = 0.0, asyncio.create_task(served.reload())
        while not asked.done():
            began = time.monotonic()
            await asyncio.sleep(0.001)
            longest = max(longest, time.monotonic() - began)
        assert asked.result().word == "applied"
        assert longest < 2.0


async def test_a_folder_that_holds_too_many_files_is_refused_when_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them is read then, and yet it is seen that this is another folder."""
    hasty(monkeypatch)
    write(tmp_path / "a.yaml", ONE)
    async with reading(tmp_path) as served:
        more = [tmp_path / f"{number}.yaml" for number in range(MAX_FILES)]
        for each in more:
            each.write_text("{}")
        await until(lambda: served.bridge.reloader.refused_since)
        for each in more:
            each.unlink()
        await until(lambda: served.bridge.reloader.refused_since is None)
