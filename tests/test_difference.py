"""What differs between two configurations, one key at a time."""

import json
from pathlib import Path

import pytest

from bridge.config.load import load
from bridge.config.model import Config
from bridge.difference import Difference, difference
from bridge.secret import Secret, masked
from tests.certificates import Authority

FILE = """
server: {SERVER}
limits: {LIMITS}
sources: {p: {SOURCE}, o: {kind: push}}
routes: {/p: {ROUTE}, /o: {from: o}}
"""

PUSH = "kind: push"
TIMER = "kind: timer, every: 1s"
FOLDER = "kind: file, path: ./a/x.log"
MQTT = "kind: mqtt, url: 'mqtt://a', topics: [t]"
KAFKA = "kind: kafka, brokers: ['a:1'], topics: [t]"
HTTP = "kind: http, url: 'http://a/', every: 1s"
SSE = "kind: sse, url: 'http://a/'"


def made(
    folder: Path, source: str = "kind: push", route: str = "from: p", server: str = "", limits: str = ""
) -> Config:
    """Load a configuration with these keys."""
    text = FILE.replace("SERVER", server).replace("LIMITS", limits).replace("SOURCE", source).replace("ROUTE", route)
    (folder / "routes.yaml").write_text(text)
    return load(folder / "routes.yaml", {"A": "a", "B": "b"})


def fates(before: Config, after: Config) -> tuple[str, str]:
    """Return what becomes of the source and the route in question, having seen that the others stay as they are."""
    found = difference(before, after)
    assert (found.sources["o"], found.routes["/o"]) == ("same", "same")
    return found.sources["p"], found.routes["/p"]


def test_nothing_differs_from_itself(tmp_path: Path) -> None:
    """Also where it was loaded anew."""
    found = difference(made(tmp_path), made(tmp_path))
    assert found.is_none
    assert found.told() == {"sources": {}, "routes": {}, "server": [], "limits": []}


@pytest.mark.parametrize(
    ("keys", "way"),
    [
        ("retry: 9s", "kept"),
        ("heartbeat: 9s", "kept"),
        ("cors: {origins: ['*']}", "kept"),
        ("start: earliest", "kept"),
        ("history: {events: 5}", "kept"),
        ("notify: source", "kept"),
        ("slow: disconnect", "kept"),
        ("event: word", "fresh"),
        ("key: subject", "fresh"),
        ("bind: {subject: a}", "fresh"),
        ("format: cloudevents", "fresh"),
        ("oversize: skip", "fresh"),
        ("from: o", "fresh"),
        ("from: [p, o]", "fresh"),
        ("from: {source: p, event: word}", "fresh"),
    ],
)
def test_a_route_is_kept_where_its_frames_are_the_same(keys: str, way: str, tmp_path: Path) -> None:
    """Manners are one thing, frames another."""
    given = keys if keys.startswith("from") else f"from: p, {keys}"
    assert fates(made(tmp_path), made(tmp_path, route=given)) == ("same", way)


@pytest.mark.parametrize(
    ("keys", "was", "becomes", "expected"),
    [
        (PUSH, "", ", required: true", ("kept", "same")),
        (PUSH, "", ", capture: {c: data.c}", ("kept", "fresh")),
        (PUSH, "", ", bind: {subject: a}", ("kept", "fresh")),
        (PUSH, "", ", max: 64KiB", ("changed", "kept")),
        (PUSH, ", token: {env: A}", ", token: {env: B}", ("rotated", "same")),
        (PUSH, "", ", token: {env: B}", ("changed", "kept")),
        (TIMER, "every: 1s", "every: 2s", ("changed", "kept")),
        (TIMER, "", ", count: 5", ("changed", "fresh")),
        (FOLDER, "x.log", "y.log", ("changed", "kept")),
        (FOLDER, "./a", "./b", ("reset", "kept")),
        (MQTT, "[t]", "[u]", ("changed", "kept")),
        (MQTT, "//a", "//b", ("reset", "kept")),
        (KAFKA, "", ", timeout: 5s", ("changed", "kept")),
        (KAFKA, "a:1", "b:1", ("reset", "fresh")),
        (KAFKA, "[t]", "[u]", ("reset", "fresh")),
        (HTTP, "1s", "2s", ("changed", "kept")),
        (HTTP, "//a", "//b", ("reset", "kept")),
        (f"{HTTP}, delta: json-patch", "1s", "2s", ("changed", "fresh")),
        (SSE, "", ", silence: 9s", ("changed", "kept")),
        (SSE, "//a", "//b", ("reset", "kept")),
        (f"{PUSH}, dedup: 5m", "push, dedup: 5m", "timer, every: 1s", ("reset", "fresh")),
    ],
)
def test_a_source_goes_on_where_its_kind_says_so(
    keys: str, was: str, becomes: str, expected: tuple[str, str], tmp_path: Path
) -> None:
    """And its route is kept where what came before is worth something still."""
    for name in "ab":
        (tmp_path / name).mkdir()
    before, after = (keys, keys.replace(was, becomes)) if was in keys and was else (keys + was, keys + becomes)
    assert fates(made(tmp_path, before), made(tmp_path, after)) == expected


@pytest.mark.parametrize(
    ("keys", "was", "becomes", "expected"),
    [
        (HTTP, "//a", "//b", ("reset", "fresh")),
        (HTTP, "1s", "2s", ("changed", "kept")),
        (FOLDER, "./a", "./b", ("reset", "fresh")),
    ],
)
def test_keys_of_what_is_read_no_more_are_not_kept(
    keys: str, was: str, becomes: str, expected: tuple[str, str], tmp_path: Path
) -> None:
    """Nobody would ever delete them."""
    for name in "ab":
        (tmp_path / name).mkdir()
    before, after = made(tmp_path, keys, "from: p, key: data.k"), keys.replace(was, becomes)
    assert fates(before, made(tmp_path, after, "from: p, key: data.k")) == expected


def test_keys_of_a_merged_route_are_kept_for_the_sources_that_go_on(tmp_path: Path) -> None:
    """These would not tell them again."""
    merged = "from: [p, o], key: data.k"
    before, after = made(tmp_path, HTTP, merged), made(tmp_path, HTTP.replace("//a", "//b"), merged)
    assert fates(before, after) == ("reset", "kept")


def test_sources_and_routes_come_and_go(tmp_path: Path) -> None:
    """By name and by path."""
    before = made(tmp_path)
    after = before.model_copy(update={"sources": {"o": before.sources["o"]}, "routes": {"/o": before.routes["/o"]}})
    assert difference(before, after).told() == {
        "sources": {"removed": ["p"]},
        "routes": {"removed": ["/p"]},
        "server": [],
        "limits": [],
    }
    found = difference(after, before)
    assert (found.sources["p"], found.routes["/p"]) == ("added", "added")


def test_a_route_that_was_removed_lately_comes_back_as_it_was(tmp_path: Path) -> None:
    """The configuration between the two does not have it."""
    first = made(tmp_path)
    between = first.model_copy(update={"routes": {"/o": first.routes["/o"]}})
    former = {"/p": first.routes["/p"]}
    assert difference(between, first, former).routes["/p"] == "back"
    assert not difference(between, first, former).is_none
    assert difference(between, made(tmp_path, route="from: p, retry: 9s"), former).routes["/p"] == "kept"
    assert difference(between, between, former).routes == {"/o": "same"}


def test_a_source_that_has_ended_begins_anew_with_a_new_secret(tmp_path: Path) -> None:
    """Perhaps it has ended for want of it."""
    before, after = (made(tmp_path, f"kind: push, token: {{env: {name}}}") for name in "AB")
    assert difference(before, after, ended=["p"]).sources["p"] == "changed"


def test_the_bound_of_an_event_goes_into_all_frames(tmp_path: Path) -> None:
    """A split event has as many parts as the bound makes."""
    found = difference(made(tmp_path), made(tmp_path, limits="event: 64KiB"))
    assert set(found.routes.values()) == {"fresh"}
    assert found.limits == {"event"}


def test_keys_of_the_server_are_named(tmp_path: Path) -> None:
    """As the file has them."""
    found = difference(made(tmp_path), made(tmp_path, server="drain: 1s, hosts: [a.example]"))
    assert found.told()["server"] == ["drain", "hosts"]
    assert set(found.routes.values()) == {"same"}


def test_certificates_count_by_what_they_hold(tmp_path: Path, authority: Authority) -> None:
    """Those of sources, and those of the application behind."""
    pem, ca = tmp_path / "ca.pem", authority.ca.read_text()
    pem.write_text(ca)
    source = "kind: mqtt, url: 'mqtts://a', topics: [t], tls: {ca: ca.pem}"
    server = "upstream: {url: 'https://a', tls: {ca: ca.pem}}"
    before = made(tmp_path, source, server=server)
    pem.write_text(ca)
    assert difference(before, made(tmp_path, source, server=server)).is_none
    pem.write_text(f"# renewed\n{ca}")
    found = difference(before, made(tmp_path, source, server=server))
    assert (found.sources["p"], found.routes["/p"], set(found.server)) == ("rotated", "same", {"upstream"})


def test_a_difference_is_a_document() -> None:
    """The admin port gives it as JSON."""
    found = Difference(sources={"a": "reset", "b": "changed", "c": "rotated"}, routes={"/a": "kept", "/b": "fresh"})
    told = json.loads(json.dumps(found.told()))
    assert told["sources"] == {"changed": ["a", "b"], "rotated": ["c"]}
    assert told["routes"] == {"changed": ["/a", "/b"]}


def test_masked_values_are_alike_but_for_secrets() -> None:
    """Wherever those stand."""
    assert masked({"a": [Secret("x")]}) == masked({"a": [Secret("y")]})
    assert masked({"a": [Secret("x")]}) != masked({"a": ["x"]})
    assert masked((1, 2)) != masked((1, 3))
