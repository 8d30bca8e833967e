"""From files to the configuration."""

import errno
import os
import time
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from bridge.config.load import load
from bridge.config.model import Config, Feed, Last
from bridge.errors import ConfigError
from bridge.sources.file import File
from bridge.sources.push import Push

ROOT = Path(__file__).parents[2]
EXAMPLES = [ROOT / "config" / "routes.yaml", *sorted((ROOT / "config" / "examples").glob("*.yaml"))]

CLOCK = "sources: { clock: { kind: timer, every: 1s } }\n"


def written(folder: Path, text: str, name: str = "routes.yaml", **environ: str) -> Config:
    """Write a file and load it."""
    file = folder / name
    file.write_text(text, "utf-8")
    return load(file, environ)


def refused(folder: Path, text: str, **environ: str) -> list[str]:
    """Write a file that must be refused, and return the problems."""
    with pytest.raises(ConfigError) as caught:
        written(folder, text, **environ)
    return [str(problem) for problem in caught.value.problems]


def test_a_file_becomes_a_value(tmp_path: Path) -> None:
    """Every section arrives, with what is not said filled in."""
    config = written(
        tmp_path,
        """
        version: 1
        server: { listen: ["127.0.0.1:80", "[::1]:80"], base: /streams/, hops: [10.0.0.0/8], hosts: [A.example] }
        limits: { connects: 100/s, replay: { events: 5 } }
        sources:
          users: { kind: push, subject: "users/{user}", capture: { tenant: data.tenant }, bind: { user: ann } }
          clock: { kind: timer, every: 1500ms }
        routes:
          /a/{tenant}: { from: users, start: { last: 3 }, key: tenant, event: "{user}", retry: { exact: 5s } }
          /b: { from: [clock, { source: users, event: note }], heartbeat: none, cors: { origins: ["*"] } }
          /old: { gone: true }
        """,
    )
    assert [str(each) for each in config.server.listen] == ["127.0.0.1:80", "[::1]:80"]
    assert config.server.base == "/streams"
    assert config.server.hops == (ip_network("10.0.0.0/8"),)
    assert config.server.hosts == ("a.example",)
    assert (config.limits.connects, config.limits.replay.events) == (100, 5)
    users = config.sources["users"]
    assert (users.kind, users.bind, users.capture) == ("push", {"user": "ann"}, {"tenant": "data.tenant"})
    first, second, old = config.routes.values()
    assert (first.path, first.start, first.retry.exact) == ("/a/{tenant}", Last(last=3), True)
    assert second.feeds == (Feed(source="clock"), Feed(source="users", event="note"))
    assert second.heartbeat is None
    assert second.cors is not None
    assert second.cors.origins == ("*",)
    assert old.gone
    assert config.notes == []


def test_what_is_not_said_is_built_in(tmp_path: Path) -> None:
    """A file of a source and a route is enough, and listens on loopback alone."""
    config = written(tmp_path, CLOCK + "routes: { /clock: { from: clock } }\n")
    route = config.routes["/clock"]
    assert [str(each) for each in config.server.listen] == ["127.0.0.1:8080"]
    assert config.server.admin.is_loopback
    assert config.server.health is None
    assert route.heartbeat is not None
    assert (route.heartbeat.every, route.retry.delay, route.slow, route.oversize) == (15.0, 3.0, "gap", "truncate")
    assert (route.history.events, route.history.bytes, route.history.age) == (1000, 1024**2, 3600.0)
    assert (route.start, route.cors, route.auth, config.auth) == (None, None, None, None)


def test_defaults_profiles_and_the_route_are_layers(tmp_path: Path) -> None:
    """Built-in < defaults < use < route, key by key, and a source takes profiles in as well."""
    config = written(
        tmp_path,
        """
        defaults: { heartbeat: 20s, history: { events: 5, age: 2h }, cors: { origins: ["https://a.example"] } }
        profiles:
          quick: { heartbeat: { visible: true }, history: { events: 6 } }
          second: { kind: timer, every: 1s }
        sources: { clock: { use: second, payload: tick } }
        routes: { /a: { from: clock, use: quick, history: { bytes: 2KiB }, cors: none } }
        """,
    )
    route = config.routes["/a"]
    assert route.heartbeat is not None
    assert (route.heartbeat.every, route.heartbeat.visible) == (20.0, True)
    assert (route.history.events, route.history.bytes, route.history.age) == (6, 2048, 7200.0)
    assert route.cors is None
    assert config.sources["clock"].kind == "timer"


def test_relative_paths_start_at_the_files_folder(tmp_path: Path) -> None:
    """Where the command is started does not matter."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "pages").mkdir()
    (tmp_path / "token").write_text("s3cret\n", "utf-8")
    config = written(
        tmp_path,
        """
        server: { state: ./state, pages: { /: pages } }
        sources:
          logs: { kind: file, root: ./logs, match: "{file}.log" }
          push: { kind: push, token: { file: token } }
        """,
    )
    logs, push = config.sources["logs"].source, config.sources["push"].source
    assert isinstance(logs, File)
    assert isinstance(push, Push)
    assert config.folder == tmp_path
    assert config.server.state == tmp_path / "state"
    assert config.server.pages == {"/": tmp_path / "pages"}
    assert logs.root == tmp_path / "logs"
    assert push.token is not None
    assert push.token.reveal() == "s3cret"
    assert "s3cret" not in repr(config)


def test_variables_are_filled_in_values(tmp_path: Path) -> None:
    """Without quotes a variable is a number where it looks like one; within quotes it is text."""
    text = "server: { listen: '${LISTEN:-127.0.0.1:1}' }\nlimits:\n  subscribers: ${MOST}\n"
    config = written(tmp_path, text, MOST="5")
    assert (str(config.server.listen[0]), config.limits.subscribers) == ("127.0.0.1:1", 5)
    assert "on a line of its own" in refused(tmp_path, "limits: { subscribers: '${MOST}' }\n", MOST="5")[0]


def test_a_wide_listener_needs_a_word(tmp_path: Path) -> None:
    """Beyond loopback the file, or each route, says that everyone may read."""
    wide = "server: { listen: ':8080' }\n" + CLOCK
    assert written(tmp_path, wide + "auth: anonymous\nroutes: { /a: { from: clock } }\n").auth == "anonymous"
    assert written(tmp_path, wide + "routes: { /a: { from: clock, auth: anonymous }, /b: { gone: true } }\n").routes
    assert "server.listen" in refused(tmp_path, wide + "routes: { /a: { from: clock } }\n")[0]
    assert "server.listen" in refused(tmp_path, wide)[0]


def test_the_health_listener_may_be_wide(tmp_path: Path) -> None:
    """It gives out no data, so that kubelet may reach it."""
    assert written(tmp_path, "server: { health: ':9091' }\n").server.health is not None


def test_all_problems_are_told_in_the_files_order(tmp_path: Path) -> None:
    """Whoever mends a file sees everything that is wrong with it, once, from top to bottom."""
    lines = refused(
        tmp_path,
        """
        server: { drain: 10, lisen: x }
        defaults: { heartbeat: 5 }
        profiles: { p: { retry: 0 } }
        sources: { a: { kind: timer }, b: { kind: nothing } }
        routes: { /a: { from: c, use: p }, /b: { from: d, use: p }, c: {} }
        """,
    )
    places = [tuple(map(int, line.split(":")[1:3])) for line in lines]
    assert places == sorted(places)
    assert len(lines) == len(set(lines)) == 10


def test_what_depends_on_a_wrong_key_is_still_checked(tmp_path: Path) -> None:
    """A wrong `heartbeat` does not hide an unknown source."""
    lines = refused(tmp_path, CLOCK + "routes: { /a: { from: clok, heartbeat: 5 } }\n")
    assert [line.rpartition("routes./a.")[2].partition(":")[0] for line in lines] == ["from", "heartbeat"]


def test_a_source_that_cannot_be_read_hides_no_names(tmp_path: Path) -> None:
    """What a broken source would offer is unknown, so nothing is said against its routes."""
    [line] = refused(
        tmp_path, "sources: { a: { kind: http } }\nroutes: { '/{x}': { from: a, key: y, event: '{z}' } }\n"
    )
    assert "http" in line


def test_notes_tell_what_is_allowed_and_yet_worth_a_look(tmp_path: Path) -> None:
    """A snapshot that is not whole, a source without a route, an admin port for all."""
    config = written(
        tmp_path,
        """
        auth: anonymous
        server: { admin: ":9090" }
        sources:
          it: { kind: file, path: ./app.log, capture: { id: data.id } }
          whole: { kind: file, path: ./all.log, begin: beginning, capture: { id: data.id } }
          clock: { kind: timer, every: 1s }
        routes:
          /it: { from: it, key: id, start: snapshot }
          /whole: { from: whole, key: id, start: snapshot }
        """,
    )
    paths = [note.text.partition(":")[0] for note in config.notes]
    assert paths == ["server.admin", "sources.clock", "routes./it.start"]


def test_a_folder_is_one_configuration(tmp_path: Path) -> None:
    """Files of a folder are joined; those of other kinds, and those with a dot, are not looked at."""
    (tmp_path / "b.yaml").write_text(CLOCK, "utf-8")
    (tmp_path / "a.yml").write_text("version: 1\nserver: { drain: 1s }\nroutes: { /a: { from: clock } }\n", "utf-8")
    (tmp_path / "c.yaml").write_text("version: 1\nserver: { base: /x }\nroutes: { /c: { from: clock } }\n", "utf-8")
    (tmp_path / ".hidden.yaml").write_text("{", "utf-8")
    (tmp_path / "README.md").write_text("{", "utf-8")
    (tmp_path / "..data").mkdir()
    config = load(tmp_path, {})
    assert set(config.routes) == {"/a", "/c"}
    assert (config.server.drain, config.server.base) == (1.0, "/x")
    assert config.folder == tmp_path


def test_names_are_unique_over_a_folder(tmp_path: Path) -> None:
    """What two files say is refused, and both places are named."""
    (tmp_path / "a.yaml").write_text(CLOCK + "server: { drain: 1s }\nauth: anonymous\n", "utf-8")
    (tmp_path / "b.yaml").write_text(CLOCK + "server: { drain: 2s }\nauth: anonymous\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert [str(problem).partition(": given already in ")[::2] for problem in caught.value.problems] == [
        ("b.yaml:1:12: sources.clock", "a.yaml:1: names are unique over all files"),
        ("b.yaml:2:11: server.drain", "a.yaml:2: names are unique over all files"),
        ("b.yaml:3:1: auth", "a.yaml:3: one file says it for all"),
    ]


def test_the_form_of_every_file_of_a_folder_is_told(tmp_path: Path) -> None:
    """One broken file does not hide another."""
    (tmp_path / "a.yaml").write_text("a: [", "utf-8")
    (tmp_path / "b.yaml").write_text("b: @", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert [problem.file for problem in caught.value.problems] == ["a.yaml", "b.yaml"]


@pytest.mark.parametrize("name", ["nowhere.yaml", "fifo", "empty", "device"])
def test_what_is_no_file_is_refused_at_once(name: str, tmp_path: Path) -> None:
    """A missing file, a FIFO, an empty folder and a device are errors, and none of them is waited for."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "empty").mkdir()
    (tmp_path / "device").symlink_to("/dev/zero")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / name, {})
    assert str(caught.value).startswith(f"{name}:1:1: ")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_our_own_files_load_without_a_note(path: Path) -> None:
    """The file to start from and every example are accepted as they are, without any environment."""
    config = load(path, {})
    assert config.routes
    assert config.notes == []


def test_a_thousand_routes_load_in_a_moment(tmp_path: Path) -> None:
    """A configuration at its bounds is still checked well within a second, even where each route is like each other."""
    routes = "".join(f"  /{{user}}/{n}-{{user_{n}}}: {{ from: users }}\n" for n in range(1000))
    started = time.process_time()
    lines = refused(tmp_path, "sources: { users: { kind: push, subject: '{user}' } }\nroutes:\n" + routes)
    assert time.process_time() - started < 1
    assert all("no name" in line or "more problems" in line for line in lines)
    assert len(lines) == 200


# -- whatever stands in a file

LINES = """
version: 1
version: 2
server:
  listen: ':8080'
  base: /x
limits:
  memory: 1MiB
defaults:
  heartbeat: 5s
  heartbeat: none
  retry: 0
  slow: { sample: 1/s }
  start: snapshot
profiles:
  p: { heartbeat: 1s, use: p }
auth: anonymous
auth: []
sources:
  a: { kind: timer }
  a: { kind: timer, every: 1s }
  b: { kind: push, token: { env: X } }
  c: { kind: file, path: ./x }
  d: { use: p }
  e: &e { kind: push, subject: '{a}/{b*}' }
  f: *e
  g:
routes:
  /a: { from: a }
  /{a}: { from: e, event: '{a}', key: a }
  /x: { from: [a, b], list: /y }
  /x/: { gone: true }
  x: {
  - y
x-own: 1
  /n: null
  /q?a={b}: { from: e }
? x
? [y]
---
!t
~
\t"""


def is_config_or_error(file: Path, text: str) -> None:
    """Load a text; it must give a configuration, or problems of one line each."""
    file.write_text(text, "utf-8", errors="surrogatepass")
    problems: list[str] = []
    try:
        assert isinstance(load(file, {}), Config)
    except ConfigError as error:
        problems = [str(problem) for problem in error.problems]
    assert all(line.isprintable() for line in problems)


@given(st.lists(st.sampled_from(LINES.split("\n")), max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_lines_are_a_configuration_or_an_error(tmp_path: Path, lines: list[str]) -> None:
    """However lines of the language are put together, the loader never fails in another way."""
    is_config_or_error(tmp_path / "routes.yaml", "\n".join(lines))


@given(st.text(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_configuration_or_an_error(tmp_path: Path, text: str) -> None:
    """Whatever characters stand in the file, the loader never fails in another way."""
    is_config_or_error(tmp_path / "routes.yaml", text)


@given(st.sampled_from(EXAMPLES), st.integers(0, 3000), st.integers(0, 40), st.text(max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_slip_of_the_hand_is_a_configuration_or_an_error(
    tmp_path: Path, path: Path, start: int, length: int, put: str
) -> None:
    """A piece of a good file that is lost, or typed over, is told and nothing else."""
    text = path.read_text("utf-8")
    is_config_or_error(tmp_path / "routes.yaml", text[:start] + put + text[start + length :])


UNSET = """\
version: ${V}
server: { listen: "${L}", drain: 5 }
auth: ${A}
sources:
  push: { kind: push, subject: "${S}", token: { env: "${T}" }, max: 1 }
  timer: { kind: "${K}", every: 1s }
routes:
  /a/{user}: { from: push, event: "${E}", start: "${N}", list: /x, list: /y }
  /b: { from: "${F}", use: "${P}", slow: fast }
  /c: { from: timr }
  /d/{x}: { from: timer, list: "${Q}", cors: { origins: ["${O}", "a b"] } }
"""


def test_an_unset_variable_hides_no_other_error(tmp_path: Path) -> None:
    """What cannot be read is told once, and so is all else that is wrong: nothing follows from what is not there."""
    found = [problem.split(": ", 2)[1:] for problem in refused(tmp_path, UNSET)]
    unset = [place for place, text in found if text.startswith("the environment variable ")]
    assert unset == [
        "version",
        "server.listen",
        "auth",
        "sources.push.subject",
        "sources.push.token.env",
        "sources.timer.kind",
        "routes./a/{user}.event",
        "routes./a/{user}.start",
        "routes./b.from",
        "routes./b.use",
        "routes./d/{x}.list",
        "routes./d/{x}.cors.origins[0]",
    ]
    assert [place for place, _ in found if place not in unset] == [
        "server.drain",
        "sources.push.max",
        "routes./a/{user}.list",
        "routes./b.slow",
        "routes./c.from",
        "routes./d/{x}.cors.origins[1]",
    ]


def test_files_are_checked_together_although_a_variable_is_unset(tmp_path: Path) -> None:
    """In a folder of files, too, the rest is looked at; where a file cannot be read at all, nothing else is."""
    (tmp_path / "a.yaml").write_text("sources: { a: { kind: push, subject: '${S}' } }\n", "utf-8")
    (tmp_path / "b.yaml").write_text("routes: { /a: { from: a, slw: gap } }\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert [problem.file for problem in caught.value.problems] == ["a.yaml", "b.yaml"]
    (tmp_path / "c.yaml").write_text("sources: { b: [ }\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert [problem.file for problem in caught.value.problems] == ["a.yaml", "c.yaml"]


@pytest.mark.parametrize("path", ["/a", "/a/{user}"])
@pytest.mark.parametrize("listing", ["x", '"/x/{user}"', "{ path: x }", '"/x%"'])
def test_a_wrong_list_is_told_once(tmp_path: Path, path: str, listing: str) -> None:
    """One thing is said of a list: that there is nothing to list, or what is wrong with its path."""
    sources = "sources: { a: { kind: push, subject: '{user}' } }\n"
    assert len(refused(tmp_path, f'{sources}routes: {{ "{path}": {{ from: a, list: {listing} }} }}')) == 1
    gone = refused(tmp_path, f'{sources}routes: {{ "{path}": {{ gone: true, list: {listing} }} }}')
    assert ["no other key" in problem for problem in gone] == [True]


def test_what_this_user_may_not_look_into_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of mode 0700 that belongs to somebody else: the words name the user and the whole path."""

    def closed(*_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.is_dir", closed)
    monkeypatch.setattr("os.open", closed)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "routes.yaml", {})
    [problem] = caught.value.problems
    user = f"user {os.getuid()} needs the right to {tmp_path}/routes.yaml"
    assert str(problem).startswith(f"routes.yaml:1:1: the file cannot be read: Permission denied: {user}")


def test_a_file_that_is_not_there_is_told_with_its_whole_path(tmp_path: Path) -> None:
    """In a container nobody knows where it was looked for."""
    with pytest.raises(ConfigError, match=f"No such file or directory: {tmp_path}/routes.yaml; `sse-bridge init`"):
        load(tmp_path / "routes.yaml", {})
