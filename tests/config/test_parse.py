"""YAML to nodes, within bounds."""

import contextlib

import pytest
from hypothesis import given, strategies as st

from bridge.config.node import Node
from bridge.config.parse import MAX_BYTES, MAX_DEPTH, MAX_NODES, decode, parse
from bridge.config.problems import Problems
from bridge.errors import ConfigError, Problem


def read(text: str, **environ: str) -> Node:
    """Parse a text as a file of the usual name."""
    problems = Problems()
    node = parse(decode(text.encode(), "routes.yaml"), "routes.yaml", environ, problems)
    if problems:
        raise ConfigError(problems.ordered())
    return node


def refused(text: str) -> str:
    """Return what is said of a text that is refused."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    return str(caught.value)


def test_each_value_knows_its_place() -> None:
    """A node has its own place, its key's, and the keys that lead to it."""
    node = read("a:\n  b: [x, { c: 1 }]\n").at("a", "b")
    assert node is not None
    assert (node.mark.line, node.mark.column) == (2, 6)
    assert (node.key.line, node.key.column) == (2, 3)
    inner = node.items[1].mapping["c"]
    assert inner.path == "a.b[1].c"
    assert inner.value == 1


def test_bom_and_carriage_returns_are_accepted() -> None:
    """A file from another system reads the same, and its lines count the same."""
    node = read("\ufeffa: 1\r\nb:\r\n  - c\r\n")
    assert node.plain() == {"a": 1, "b": ["c"]}
    assert node.mapping["b"].items[0].mark[1:] == (3, 5)


def test_an_alias_repeats_its_value_under_its_own_key() -> None:
    """An alias is allowed; an error about it points at the key that uses it."""
    node = read("a: &x { y: 1 }\nb: *x\n")
    assert node.plain() == {"a": {"y": 1}, "b": {"y": 1}}
    assert node.mapping["b"].key.line == 2


def test_all_unset_variables_are_told_at_once() -> None:
    """What is wrong with several scalars is told together, in the file's order."""
    lines = refused("a: ${A}\nb: ${B}\nc: 1e999\n").split("\n")
    assert [line.split(": ")[1] for line in lines] == ["a", "b", "c"]


@pytest.mark.parametrize("path", ["routes: { /a: { key: 'a${X}' } }", "sources: { a: { capture: { b: '${X}' } } }"])
def test_nothing_is_filled_in_within_expressions(path: str) -> None:
    """`${` may mean something in an expression, so it stays."""
    assert "${X}" in str(read(path).plain())


def test_the_users_own_keys_are_left_out() -> None:
    """Keys that begin with `x-` are ignored everywhere but in a payload."""
    node = read("x-a: 1\nroutes: { x-b: 2, /c: { x-d: 3 } }\nsources: { t: { payload: { x-e: 4 } } }\n")
    assert node.plain() == {"routes": {"/c": {}}, "sources": {"t": {"payload": {"x-e": 4}}}}


def test_the_bounds_hold_exactly() -> None:
    """What is at a bound is accepted, what is one beyond it refused."""
    assert read("[" * MAX_DEPTH + "]" * MAX_DEPTH).items
    assert f"{MAX_DEPTH} levels" in refused("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))
    # The mapping and the list count too.
    assert len(read(f"a: [{'1,' * (MAX_NODES - 2)}]").mapping["a"].items) == MAX_NODES - 2
    assert "values" in refused(f"a: [{'1,' * (MAX_NODES - 1)}]")
    assert read("#" * (MAX_BYTES - 5) + "\na: 1").plain() == {"a": 1}
    assert "1 MiB" in refused("#" * (MAX_BYTES - 4) + "\na: 1")


def test_what_aliases_repeat_counts_each_time() -> None:
    """An alias costs as much as what it stands for."""
    text = "a: &a [" + "1," * 9_000 + "]\nb: *a\nc: *a\n"
    assert "values" in refused(text)
    assert ":3:4: c" in refused(text)


def test_a_control_character_is_named_and_never_shown() -> None:
    """The terminal of whoever reads the error is not for the file to write to."""
    assert refused("a: \x1b[31m") == (
        'routes.yaml:1:4: the character U+001B cannot stand here: in double quotes, write it as "\\u001b"'
    )


@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`#?,\n\t \\~$0", max_size=60))
def test_any_text_is_a_node_or_an_error(text: str) -> None:
    """The parser gives nothing but a node or a `ConfigError` with a place."""
    problems: tuple[Problem, ...] = ()
    try:
        assert isinstance(read(text), Node)
    except ConfigError as error:
        problems = error.problems
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_text_or_an_error(content: bytes) -> None:
    """Bytes that are no text are refused with a place."""
    with contextlib.suppress(ConfigError):
        assert isinstance(decode(content, "routes.yaml"), str)
