"""Routes against each other."""

import time
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from bridge.config.address import RouteAddress, both
from bridge.config.check_routes import MAX_ROUTES, overlapping
from bridge.config.load import load

SEGMENT = st.sampled_from(
    [
        "a",
        "b",
        "{x}",
        "a{x}",
        "{x}a",
        "ab{x}",
        "{x}ba",
        "a{x}b",
        "{x}-{y}",
        "{x}.log",
        "app.{x}",
        "{x*}",
        "a{x*}",
        "{x*}b",
    ]
)


def path(segments: list[str]) -> str:
    """Join segments, giving each hole a name of its own; of several rests all but the first become names."""
    found: list[str] = []
    for number, segment in enumerate(segments):
        first = not any("*" in each for each in found)
        named = segment.replace("{x", f"{{x{number}").replace("{y", f"{{y{number}")
        found.append(named if first else named.replace("*", ""))
    return "/" + "/".join(found)


PATHS = st.lists(st.lists(SEGMENT, min_size=1, max_size=3).map(path), min_size=2, max_size=12, unique=True)


@given(PATHS)
@settings(max_examples=300)
def test_no_overlap_is_missed_by_comparing_neighbours_alone(paths: list[str]) -> None:
    """The quick way finds just what comparing each with each finds."""
    addresses = {each: RouteAddress.parse(each) for each in paths}
    all_pairs = {pair for pair in combinations(paths, 2) if both(addresses[pair[0]], addresses[pair[1]])}
    found = {(first, second) for first, second, _ in overlapping(addresses)}
    assert found == all_pairs


def test_the_most_routes_load_within_a_second(tmp_path: Path) -> None:
    """As many routes as there may be, each with a name, are checked in a moment."""
    file = tmp_path / "routes.yaml"
    routes = "".join(f"  /team-{n}/{{user}}: {{ from: users }}\n" for n in range(MAX_ROUTES))
    file.write_text(f"sources: {{ users: {{ kind: push, subject: '{{user}}' }} }}\nroutes:\n{routes}", "utf-8")
    started = time.process_time()
    assert len(load(file, {}).routes) == MAX_ROUTES
    assert time.process_time() - started < 1


def noted(tmp_path: Path, source: str) -> list[str]:
    """Return the notes on a route that starts with a snapshot of this source."""
    file = tmp_path / "routes.yaml"
    file.write_text(f"sources: {{ s: {source} }}\nroutes: {{ /: {{ from: s, key: key, start: snapshot }} }}\n", "utf-8")
    return [str(note).partition("routes./.start: ")[2] for note in load(file, {}).notes]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{ kind: file, path: ./a.log }", "is not read from its beginning (`begin: beginning`)"),
        ("{ kind: kafka, brokers: ['k:1'], topics: [t] }", "is not read from its beginning (`begin: earliest`)"),
        (
            "{ kind: kafka, brokers: ['k:1'], topics: [t], begin: { since: 10m } }",
            "is not read from its beginning (`begin: earliest`)",
        ),
        (
            "{ kind: kafka, brokers: ['k:1'], topics: [t], begin: earliest, group: g }",
            "reads in a `group`, whose members have a part of the records each",
        ),
        (
            "{ kind: mqtt, url: 'mqtt://b', topics: ['t/{x}'], share: g }",
            "shares a subscription (`share`), to which no retained messages come",
        ),
    ],
)
def test_a_snapshot_that_may_not_be_whole_is_noted(source: str, why: str, tmp_path: Path) -> None:
    """Some keys may have spoken last before, or to others."""
    assert noted(tmp_path, source) == [f"the snapshot is not whole: `s` {why}"]


@pytest.mark.parametrize(
    "source",
    [
        "{ kind: file, path: ./a.log, begin: beginning }",
        "{ kind: kafka, brokers: ['k:1'], topics: [t], begin: earliest }",
        "{ kind: mqtt, url: 'mqtt://b', topics: ['t/{x}'] }",
        "{ kind: push }",
    ],
)
def test_a_whole_snapshot_needs_no_note(source: str, tmp_path: Path) -> None:
    """A topic and a file from the beginning, what a broker retains, what is pushed."""
    assert noted(tmp_path, source) == []
