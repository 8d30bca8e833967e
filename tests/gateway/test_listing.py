"""What a page can pick from."""

import time
from collections.abc import Sequence

import pytest

from bridge.gateway.endpoint import Captures, Endpoint, Listing, Router
from bridge.gateway.listing import address, addresses, document
from bridge.gateway.path import decode
from bridge.template import Template
from tests.gateway.serve import endpoint

FILES = Listing("/api/files", "files", Template.parse("{file}.log"))


def listed(made: Endpoint, listing: Listing, *, base: str = "", limit: int = 10) -> dict[str, object]:
    """Return the document."""
    return document(made, listing, base=base, limit=limit)


def of(*captures: Captures) -> Sequence[Captures]:
    """Return captures, as a source or a route tells them."""
    return captures


def test_channels_with_their_paths_and_captures() -> None:
    """The default shape: each can be opened as it stands."""
    made = endpoint(
        "/logs/{service}/{file}",
        channels=lambda: of({"service": "web", "file": "b"}, {"service": "api", "file": "a b"}),
    )
    assert listed(made, Listing("/api/logs"), base="/base") == {
        "channels": [
            {"path": "/base/logs/api/a%20b", "captures": {"service": "api", "file": "a b"}},
            {"path": "/base/logs/web/b", "captures": {"service": "web", "file": "b"}},
        ]
    }


def test_files_as_the_log_viewer_wants_them() -> None:
    """Sorted, each once, empty ones too, in the shape that the page reads."""
    made = endpoint(
        "/api/logs/{file}.log",
        entries=lambda: of({"file": "b"}, {"file": "a"}, {"file": "b"}),
        channels=lambda: of({"file": "zzz"}),
    )
    assert listed(made, FILES) == {"files": ["a.log", "b.log"]}


def test_source_that_has_nothing_lists_nothing() -> None:
    """An empty list is an answer; only None sends us to the channels."""
    made = endpoint("/api/logs/{file}.log", entries=tuple, channels=lambda: of({"file": "zzz"}))
    assert listed(made, FILES) == {"files": []}


def test_route_with_fewer_names_merges() -> None:
    """Only the route's own names make an address, and equal ones are one."""
    made = endpoint(
        "/logs/{service}",
        entries=lambda: of({"service": "api", "file": "a"}, {"service": "api", "file": "b"}, {"file": "c"}),
    )
    assert listed(made, Listing("/l")) == {"channels": [{"path": "/logs/api", "captures": {"service": "api"}}]}


def test_longer_list_is_cut_and_says_so() -> None:
    """Nothing is unbounded, and nothing is silently missing."""
    made = endpoint("/r/{n}", channels=lambda: of(*({"n": str(n)} for n in range(9))))
    assert listed(made, Listing("/l", "numbers", Template.parse("{n}")), limit=3) == {
        "numbers": ["0", "1", "2"],
        "truncated": True,
    }


@pytest.mark.parametrize("value", ["a", "a b", "a+b", "é", "100%", "%2e", "a?b#c", "a&b=c", 'a"b', "a\nb"])
@pytest.mark.parametrize("pattern", ["/r/{name}", "/r/{name*}", "/r?x={name}"])
def test_address_leads_back_to_its_captures(pattern: str, value: str) -> None:
    """Whatever a file or a topic is called, its listed address opens it."""
    from yarl import URL  # noqa: PLC0415  what the server itself reads addresses with

    made = endpoint(pattern)
    url = URL(address(made, {"name": value}), encoded=True)
    match = Router([made]).match(decode(url.raw_path), url.query)
    assert match is not None
    assert match.captures == {"name": value}


def test_rest_keeps_its_slashes() -> None:
    """A path within a path reads as one."""
    assert address(endpoint("/r/{path*}"), {"path": "a/b c"}) == "/r/a/b%20c"


@pytest.mark.parametrize(
    ("pattern", "captures"),
    [
        ("/r/{name}", {"name": "a/b"}),
        ("/r/{name}", {"name": "/"}),
        ("/r?x={name}", {"name": "a/b"}),
        ("/r/{name}", {"name": ".."}),
        ("/r/{path*}", {"path": "a/./b"}),
        ("/r/{path*}", {"path": "a/"}),
        ("/r/{name}", {"name": "a\0b"}),
        ("/r/{one}-{two}", {"one": "a-b", "two": "c"}),
    ],
)
def test_what_no_address_reaches_is_not_offered(pattern: str, captures: Captures) -> None:
    """A slash in one segment, dots, an end that another address has: its address is a 404, or another channel's."""
    made = endpoint(pattern, channels=lambda: of(captures, dict.fromkeys(captures, "ok")))
    assert addresses(made, 10) == [address(made, dict.fromkeys(captures, "ok"))]
    entries = listed(made, Listing("/l"), limit=1)
    assert entries == {"channels": [{"path": addresses(made, 10)[0], "captures": dict.fromkeys(captures, "ok")}]}


def test_a_list_of_thousands_takes_a_moment() -> None:
    """It is made on the loop that serves the streams."""
    made = endpoint("/r/{a}/{b}", channels=lambda: of(*({"a": f"{n:05}", "b": "x y"} for n in range(10_000))))
    started = time.process_time()
    assert len(addresses(made, 10_000)) == 10_000
    assert time.process_time() - started < 1
