"""The address of a route."""

import contextlib

import pytest
from hypothesis import given, strategies as st

from bridge.config.address import RouteAddress, both
from bridge.errors import TemplateError


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("/", ()),
        ("/logs/{service}/{file}.log", ("service", "file")),
        ("/files/{path*}", ("path",)),
        ("/events?stream=messages", ()),
        ("/{a}?b={c}&d=e", ("a", "c")),
        ("/grüße/{name}", ("name",)),
    ],
)
def test_names_are_those_of_path_and_query(text: str, names: tuple[str, ...]) -> None:
    """An address gives the names of its path, then those of its query."""
    assert RouteAddress.parse(text).names == names


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        ("/a", "/a/", "/a"),
        ("/{a}/x", "/{b}/x", "/x/x"),
        ("/a/{x*}", "/a/{y*}", "/a/x"),
        ("/{a}.log", "/app.{b}", "/app.x.log"),
        ("/a?b=c", "/a?b=c", "/a?b=c"),
        ("/a?b=c", "/a?d=e", "/a?b=c&d=e"),
        ("/a?b={x}", "/a?b={y}", "/a?b=x"),
    ],
)
def test_two_that_both_match_have_one_that_both_take(one: str, other: str, common: str) -> None:
    """An overlap is shown by an address that both routes would take."""
    first, second = RouteAddress.parse(one), RouteAddress.parse(other)
    found = both(first, second)
    assert found is not None
    path = found.partition("?")[0]
    assert first.path.match(path) is not None
    assert second.path.match(path) is not None
    assert (found == common) or "{" in one


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a", "/b"),
        ("/a", "/{x}"),
        ("/{x}", "/{x*}"),
        ("/{x}", "/{x}/{y}"),
        ("/{x}.log", "/{x}.txt"),
        ("/a", "/a?b=c"),
        ("/a?b=c", "/a?b=d"),
        ("/a?b=c", "/a?b={x}"),
        ("/a?b=c", "/a?b=c&d=e"),
    ],
)
def test_two_are_apart_where_one_wins_or_none_matches(one: str, other: str) -> None:
    """A literal wins over a name, a name over a rest, more of a query over less."""
    assert both(RouteAddress.parse(one), RouteAddress.parse(other)) is None
    assert both(RouteAddress.parse(other), RouteAddress.parse(one)) is None


@given(st.text(alphabet="/ab{}?=&*.-%#", max_size=30))
def test_any_text_is_an_address_or_an_error(text: str) -> None:
    """Whatever stands for a path, it parses or is refused in words."""
    with contextlib.suppress(TemplateError):
        address = RouteAddress.parse(text)
        assert both(address, address) is not None
