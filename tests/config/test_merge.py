"""Layers made one."""

from bridge.config.merge import merge, with_profiles
from bridge.config.node import Node
from bridge.config.parse import parse
from bridge.config.problems import Problems


def node(text: str, path: str) -> Node:
    """Return the mapping at a path of a text."""
    found = parse(text, "routes.yaml", {}, Problems()).at(*path.split("."))
    assert found is not None
    return found


TEXT = """
outer: { a: 1, list: [1, 2], map: { x: 1, y: 2 }, heartbeat: 15s, start: { last: 5 }, cors: { origins: [a] } }
inner: { a: 2, list: [3], map: { y: 3, z: 4 }, heartbeat: { visible: true }, start: live, cors: none }
"""


def test_mappings_merge_lists_replace_none_switches_off() -> None:
    """Each key takes the rule of its value."""
    merged = merge(node(TEXT, "outer"), node(TEXT, "inner"))
    assert merged.plain() == {
        "a": 2,
        "list": [3],
        "map": {"x": 1, "y": 3, "z": 4},
        "heartbeat": {"every": "15s", "visible": True},
        "start": "live",
        "cors": "none",
    }


def test_each_value_keeps_its_place() -> None:
    """After a merge an error still points at the line that somebody wrote."""
    merged = merge(node(TEXT, "outer"), node(TEXT, "inner"))
    found = merged.at("map", "x"), merged.at("map", "z"), merged.at("heartbeat", "every")
    assert [each.mark.line for each in found if each is not None] == [2, 3, 2]


def test_one_choice_replaces_another() -> None:
    """Of `{ last: 5 }` and `{ exact: … }` nothing is mixed."""
    text = "a: { begin: { last: 5 } }\nb: { begin: { other: 1 } }\n"
    assert merge(node(text, "a"), node(text, "b")).plain() == {"begin": {"other": 1}}


def test_a_later_profile_counts_over_an_earlier_and_the_route_over_both() -> None:
    """`use: [p, q]` layers in the order of its names."""
    text = "p: { a: 1, b: 1, c: 1 }\nq: { b: 2, c: 2 }\nit: { use: [p, q], c: 3 }\n"
    profiles = {name: node(text, name) for name in ("p", "q")}
    problems = Problems()
    assert with_profiles(node(text, "it"), profiles, problems).plain() == {"a": 1, "b": 2, "c": 3}
    assert not problems


def test_an_unknown_profile_is_told_with_the_nearest() -> None:
    """A mistyped profile is an error, and the rest is still merged."""
    text = "board: { a: 1 }\nit: { use: bord, b: 2 }\n"
    problems = Problems()
    assert with_profiles(node(text, "it"), {"board": node(text, "board")}, problems).plain() == {"b": 2}
    [problem] = problems.ordered()
    assert "did you mean `board`" in problem.text
