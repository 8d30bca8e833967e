"""From an address to a route."""

import time

import pytest

from bridge.gateway.endpoint import Found
from bridge.gateway.path import SLASH, decode
from tests.gateway.serve import router


def found(match: Found | None) -> tuple[str, dict[str, str]] | None:
    """Return the address and the captures of what was found."""
    return None if match is None else (match.endpoint.text, dict(match.captures))


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/logs/api/all", "/logs/api/all"),
        ("/logs/api/app", "/logs/api/{file}"),
        ("/logs/web/all", "/logs/{service}/all"),
        ("/logs/web/app", "/logs/{service}/{file}"),
        ("/logs/web/a/b", "/logs/{path*}"),
        ("/logs/x.log", "/logs/{path*}"),
    ],
)
def test_literal_beats_name_beats_rest(path: str, address: str) -> None:
    """Segment by segment, whatever the order in the file."""
    addresses = [
        "/logs/{path*}", "/logs/{service}/{file}", "/logs/{service}/all", "/logs/api/{file}", "/logs/api/all",
    ]  # fmt: skip
    for order in (addresses, addresses[::-1]):
        match = router(*order).match(path, {})
        assert match is not None
        assert match.endpoint.text == address


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"stream": "messages"}, ("/events?stream=messages", {})),
        ({"stream": "other"}, ("/events?stream={name}", {"name": "other"})),
        ({"stream": "other", "level": "error"}, ("/events?stream={name}&level=error", {"name": "other"})),
        ({}, ("/events", {})),
        ({"unknown": "x"}, ("/events", {})),
        ({"stream": ""}, ("/events", {})),
    ],
)
def test_route_with_a_query_beats_one_without(query: dict[str, str], expected: tuple[str, dict[str, str]]) -> None:
    """The one that asks for more goes first; what no route asks for is ignored."""
    routes = router("/events", "/events?stream={name}", "/events?stream=messages", "/events?stream={name}&level=error")
    assert found(routes.match("/events", query)) == expected


def test_path_without_its_query_is_no_route() -> None:
    """A route that asks for a query is not at its bare path."""
    assert router("/events?stream=messages").match("/events", {}) is None


def test_literal_path_with_another_query_falls_to_a_name() -> None:
    """A more specific path that asks for something else does not hide the general one."""
    routes = router("/a/b?x=1", "/a/{name}")
    assert found(routes.match("/a/b", {})) == ("/a/{name}", {"name": "b"})


@pytest.mark.parametrize("path", ["/Clock", "/clock/x", "/cloc", "//clock", "/clock//", "/", "/clock ", "/{clock}"])
def test_near_miss_is_a_miss(path: str) -> None:
    """Paths are case-sensitive and whole; one trailing slash is equal, two are not."""
    assert router("/clock", "/x/{name}").match(path, {}) is None


@pytest.mark.parametrize("path", ["/clock", "/clock/"])
@pytest.mark.parametrize("address", ["/clock", "/clock/"])
def test_one_trailing_slash_is_equal(path: str, address: str) -> None:
    """On either side."""
    assert router(address).match(path, {}) is not None


def test_braces_of_the_text_itself() -> None:
    """`{{` and `}}` in a route's path stand for braces in the address."""
    assert router("/a/{{b}}").match("/a/{b}", {}) is not None


def test_encoded_slash_is_part_of_a_rest_and_never_of_a_name() -> None:
    """`encodeURIComponent` of a path works where the route takes the rest."""
    routes = router("/one/{name}", "/all/{path*}", "/lit/a")
    assert found(routes.match(decode("/all/a%2Fb"), {})) == ("/all/{path*}", {"path": "a/b"})
    assert found(routes.match(decode("/one/a%2Fb"), {})) is None
    assert found(routes.match(decode("/lit%2Fa"), {})) is None
    assert SLASH not in str(routes.match(decode("/all/a%2Fb%2F/c"), {}))


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("/clok", "/clock"),
        ("/Clock", "/clock"),
        ("/logs/api", "/logs/{service}/{file}"),
        ("/log/api/app", "/logs/{service}/{file}"),
        ("/logs/api/app/x", "/logs/{service}/{file}"),
        ("/event", "/events?stream=messages"),
    ],
)
def test_nearest_route_is_named(path: str, nearest: str) -> None:
    """A typing mistake is told what was meant."""
    assert router("/clock", "/logs/{service}/{file}", "/events?stream=messages").nearest(path) == nearest


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("/e", "/e?stream={a_long_name}&of={another}"),
        ("/e/", "/e?stream={a_long_name}&of={another}"),
        ("/logs/api", "/logs/{service}?part={a_part_of_it}"),
    ],
)
def test_a_route_that_lacks_only_its_query_is_the_nearest(path: str, nearest: str) -> None:
    """However much longer its query makes the address."""
    routes = router("/e1", "/logs/apis", "/e?stream={a_long_name}&of={another}", "/logs/{service}?part={a_part_of_it}")
    assert routes.match(path, {}) is None
    assert routes.nearest(path) == nearest


def test_no_route_is_no_nearest() -> None:
    """Without routes there is nothing to name."""
    assert router().nearest("/x") is None


def test_thousand_routes_cost_no_time() -> None:
    """Neither a match nor the search for the nearest is a way to make the server slow."""
    routes = router(*(f"/r{n}/{{name}}/x{n}" for n in range(1_000)))
    begun = time.process_time()
    for _ in range(10):
        assert routes.match("/" + "a/" * 8_000, {}) is None
        routes.nearest("/" + "r" * 16_000)
    assert time.process_time() - begun < 2
