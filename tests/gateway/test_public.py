"""Dispatch on the public port."""

import json
from ipaddress import ip_network
from pathlib import Path

import pytest
import structlog

from bridge.gateway.access import Hosts
from bridge.gateway.endpoint import Listing
from bridge.gateway.framing import EVENT_STREAM, HEADERS
from bridge.gateway.pages import Pages
from bridge.template import Template
from tests.gateway.raw import Peer, ask, request, serving
from tests.gateway.serve import Pushes, endpoint, public

LOOPBACK = (ip_network("127.0.0.0/8"),)
PAGE = "https://app.example"


async def test_get_opens_a_stream_with_its_captures() -> None:
    """Path and query are matched together and handed on decoded."""
    handle = public("/logs/{service}/{file}", "/events?stream={name}").handle
    assert json.loads((await ask(handle, "/logs/api/a%20b")).body) == [
        "/logs/{service}/{file}",
        {"service": "api", "file": "a b"},
    ]
    assert json.loads((await ask(handle, "/events?stream=a+b&x=1")).body) == ["/events?stream={name}", {"name": "a b"}]


async def test_c08_head_has_the_headers_alone() -> None:
    """No subscription, and not one byte of a body: the next answer on the connection is whole."""
    async with serving(public("/clock").handle) as listener, Peer.to(listener.port) as peer:
        answer = await request(peer, "/clock", "HEAD")
        assert answer.status == 200
        for name, value in {"Content-Type": EVENT_STREAM, **HEADERS}.items():
            assert answer.headers[name.lower()] == value
        assert "content-length" not in answer.headers
        assert json.loads((await request(peer, "/clock")).body) == ["/clock", {}]


async def test_c10_preflight() -> None:
    """OPTIONS is 204 and allows what a client made of `fetch` sends."""
    handle = public(endpoint("/clock", cors=(PAGE,))).handle
    answer = await ask(handle, "/clock", "OPTIONS", Origin=PAGE, Access_Control_Request_Method="GET")
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-headers"] == "Last-Event-ID, Authorization"
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert answer.headers["vary"] == "Origin"
    stranger = await ask(handle, "/clock", "OPTIONS", Origin="https://evil.example")
    assert (stranger.status, "access-control-allow-origin" in stranger.headers) == (204, False)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
async def test_other_methods_are_405(method: str) -> None:
    """With those that work, and with CORS, so that a page can read why."""
    answer = await ask(public(endpoint("/clock", cors=("*",))).handle, "/clock", method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("HEAD", 200), ("POST", 405), ("OPTIONS", 204)])
@pytest.mark.parametrize("origin", [PAGE, "null", "https://evil.example"])
async def test_cors_stands_on_every_answer_of_a_route(method: str, status: int, origin: str) -> None:
    """A stranger gets none of it, on none."""
    answer = await ask(public(endpoint("/clock", cors=(PAGE,))).handle, "/clock", method, Origin=origin)
    assert answer.status == status
    assert answer.headers.get("access-control-allow-origin") == (PAGE if origin == PAGE else None)
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_gone_is_204(method: str) -> None:
    """Never come back; with CORS, or the browser would call it an error and try again."""
    answer = await ask(public(endpoint("/old", gone=True, cors=("*",))).handle, "/old", method)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_missing_route_names_the_nearest() -> None:
    """As text, without an echo of what was asked for."""
    answer = await ask(public("/clock", "/logs/{file}").handle, "/clok%3Cscript%3E")
    assert answer.status == 404
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == "no route has this address; the nearest is /clock\n"


async def test_server_without_routes_is_404() -> None:
    """It has nothing to name."""
    assert (await ask(public().handle, "/x")).text == "no route has this address\n"


@pytest.mark.parametrize("path", ["/-/", "/-", "/-/live", "/-/push/x", "/-/routes", "/-/view/clock", "/%2D/routes"])
async def test_nothing_of_ours_is_public(path: str) -> None:
    """Admin, health and pushes are on ports of their own, even beneath a route that takes everything."""
    answer = await ask(public("/{path*}").handle, path)
    assert (answer.status, answer.text) == (404, "nothing of ours is public\n")


async def test_public_pushes() -> None:
    """Where they are switched on, they arrive with what follows the prefix, decoded."""
    pushes = Pushes()
    handle = public("/clock", ingest=pushes).handle
    assert (await ask(handle, "/-/push/notices/users/a%20b", "POST", b"x")).status == 202
    assert (await ask(handle, "/-/push/notices", "POST", b"x")).status == 202
    assert pushes.seen == [("notices/users/a b", True), ("notices", True)]
    assert (await ask(handle, "/-/routes")).status == 404


async def test_list_is_a_document() -> None:
    """Before routes, with their CORS; nothing else than reading."""
    files = endpoint(
        "/api/logs/{file}.log",
        cors=("*",),
        listing=Listing("/api/files", "files", Template.parse("{file}.log")),
        entries=lambda: [{"file": "b"}, {"file": "a"}],
    )
    handle = public(files, "/api/{any}").handle
    answer = await ask(handle, "/api/files")
    assert (answer.status, json.loads(answer.body)) == (200, {"files": ["a.log", "b.log"]})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "no-store"
    assert (await ask(handle, "/api/files/", "HEAD")).status == 200
    assert (await ask(handle, "/api/files", "OPTIONS")).status == 204
    assert (await ask(handle, "/api/files", "POST")).status == 405


async def test_route_beats_page_beats_404(tmp_path: Path) -> None:
    """A folder at the root serves what no route answers."""
    (tmp_path / "clock").write_text("a file")
    (tmp_path / "page.html").write_text("a page")
    handle = public("/clock", pages=Pages({"/": tmp_path})).handle
    assert json.loads((await ask(handle, "/clock")).body) == ["/clock", {}]
    assert (await ask(handle, "/page.html")).text == "a page"
    assert (await ask(handle, "/none.html")).status == 404


@pytest.mark.parametrize(
    ("path", "prefix", "status"),
    [
        ("/sse/clock", "", 200),
        ("/sse/clock/", "", 200),
        ("/clock", "", 404),
        ("/ssex/clock", "", 404),
        ("/sse/sse/clock", "", 404),
        ("/sse/-/routes", "", 404),
        ("/clock", "/sse", 200),  # the hop has cut it off
        ("/sse/clock", "/sse", 200),  # it has not
        ("/clock", "/other", 200),
        ("/other/clock", "/other", 200),
        ("/other/sse/clock", "/other", 200),
        ("/sse/clock", "/other", 200),
    ],
)
async def test_base_path(path: str, prefix: str, status: int) -> None:
    """`server.base` must be there; what a hop says that it shows us under may be, or may be cut off."""
    handle = public("/clock", base="/sse", hops=LOOPBACK).handle
    headers = {"X_Forwarded_Prefix": prefix} if prefix else {}
    assert (await ask(handle, path, **headers)).status == status


async def test_addresses_are_told_as_the_browser_sees_them() -> None:
    """In a list and in a 404, under the base of the configuration and of the hop."""
    listed = endpoint("/r/{n}", listing=Listing("/l"), channels=lambda: [{"n": "1"}])
    handle = public(listed, base="/b", hops=LOOPBACK).handle
    assert json.loads((await ask(handle, "/b/l")).body)["channels"][0]["path"] == "/b/r/1"
    answer = await ask(handle, "/b/l", X_Forwarded_Prefix="/a")
    assert json.loads(answer.body)["channels"][0]["path"] == "/a/b/r/1"
    assert "the nearest is /a/r/{n}" in (await ask(handle, "/x", X_Forwarded_Prefix="/a")).text
    assert "lies under /b/" in (await ask(handle, "/x")).text


async def test_prefix_of_a_stranger_counts_for_nothing() -> None:
    """Without hops the header is only a header."""
    assert (await ask(public("/clock").handle, "/x/clock", X_Forwarded_Prefix="/x")).status == 404


async def test_host_list() -> None:
    """Where one is set, another name is told that it is at the wrong door."""
    handle = public("/clock", hosts=Hosts(["app.example"])).handle
    assert (await ask(handle, "/clock", Host="app.example:8080")).status == 200
    assert (await ask(handle, "/clock", Host="evil.example")).status == 421
    assert (await ask(public("/clock").handle, "/clock", Host="evil.example")).status == 200


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream", "text/html", "application/x-ndjson", "nonsense", ""])
async def test_any_accept_works(accept: str) -> None:
    """A stream is all that this address has."""
    assert (await ask(public("/clock").handle, "/clock", Accept=accept)).status == 200


async def test_nothing_here_logs_a_request() -> None:
    """Promise 10: what strangers send is counted, not written down."""
    with structlog.testing.capture_logs() as logs:
        for path in ("/x", "/..", "/-/x"):
            await ask(public("/clock").handle, path)
    assert [entry["event"] for entry in logs] == ["listening"] * 3
