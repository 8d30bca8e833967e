"""Who answers: us, or the application."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from bridge.gateway.access import Hosts
from bridge.gateway.endpoint import Listing
from bridge.gateway.framing import EVENT_STREAM, NDJSON
from bridge.gateway.pages import Pages
from bridge.gateway.proxy.forwarding import PSEUDONYM
from bridge.gateway.proxy.target import Target
from tests.gateway.proxy.app import HELLO, Front, always, application, fronting, proxied
from tests.gateway.raw import Answer, Peer, request
from tests.gateway.serve import Pushes, endpoint

APPLICATION = b"hello"


async def asked(front: Front, method: str, path: str, **headers: str) -> Answer:
    """Ask over a connection of its own."""
    async with front.peer() as peer:
        return await request(peer, path, method, **headers)


@pytest.mark.parametrize(
    ("method", "path", "is_ours"),
    [
        ("GET", "/clock", True),
        ("HEAD", "/clock", True),
        ("OPTIONS", "/clock", True),
        ("GET", "/clock/", True),
        ("POST", "/clock", False),
        ("DELETE", "/clock", False),
        ("GET", "/clock/x", False),
        ("GET", "/", False),
        ("GET", "/%ff", False),
        ("POST", "/api/clocks", False),
        ("GET", "/api/clocks", True),
    ],
)
async def test_a_route_beats_the_application(method: str, path: str, *, is_ours: bool) -> None:
    """For the methods that it knows; a list too."""
    clock = endpoint("/clock", listing=Listing("/api/clocks"), entries=list)
    async with proxied(endpoints=(clock,)) as front:
        await asked(front, method, path)
        assert len(front.app.requests) == (not is_ours)


@pytest.mark.parametrize(("method", "is_ours"), [("GET", True), ("HEAD", True), ("POST", False), ("PUT", False)])
async def test_a_preflight_is_for_who_answers_the_method(method: str, *, is_ours: bool) -> None:
    """The application knows whom it lets POST to a path that a route serves with GET."""
    async with proxied(endpoints=(endpoint("/clock"),)) as front, front.peer() as peer:
        asks = {"Origin": "https://app.example", "Access-Control-Request-Method": method}
        await request(peer, "/clock", "OPTIONS", **asks)
        assert len(front.app.requests) == (not is_ours)


@pytest.mark.parametrize("path", ["/-/", "/-", "/-/live", "/-/push/x", "/%2D/routes", "/-/%ff"])
@pytest.mark.parametrize("base", ["", "/base"])
async def test_what_is_ours_is_never_passed_on(path: str, base: str) -> None:
    """Beneath the base and beside it."""
    async with proxied(base=base) as front:
        for prefix in {"", base}:
            assert (await asked(front, "GET", prefix + path)).status in {400, 404}
        assert front.app.requests == []


async def test_public_pushes_stay_here() -> None:
    """They come before the application."""
    pushes = Pushes()
    async with proxied(ingest=pushes) as front:
        assert (await asked(front, "POST", "/-/push/a")).status == 202
        assert (await asked(front, "GET", "/-/live")).status == 404
        assert front.app.requests == []


@pytest.mark.parametrize(
    ("accept", "is_ours"),
    [
        (EVENT_STREAM, True),
        (NDJSON, True),
        ("text/html, text/event-stream;q=0.5", True),
        ("text/html", False),
        ("*/*", False),
        (None, False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_shared_route_takes_only_what_asks_for_a_stream(
    method: str, accept: str | None, *, is_ours: bool
) -> None:
    """The application has the rest of its path."""
    async with proxied(endpoints=(endpoint("/board", shared=True),)) as front:
        await asked(front, method, "/board", **({"Accept": accept} if accept else {}))
        assert len(front.app.requests) == (not is_ours)


async def test_a_shared_route_with_a_page_of_ours(tmp_path: Path) -> None:
    """The page is before the application; and without either the route answers."""
    (tmp_path / "board.html").write_text("page")
    pages = Pages({"/board": tmp_path / "board.html"})
    async with proxied(endpoints=(endpoint("/board", shared=True),), pages=pages) as front:
        assert (await asked(front, "GET", "/board")).body == b"page"
        assert (await asked(front, "POST", "/board")).body == APPLICATION
    async with application(always(HELLO)) as app:
        elsewhere = Target(host="127.0.0.1", port=app.port, prefix="/api")
        async with fronting(elsewhere, app=app, endpoints=(endpoint("/board", shared=True),)) as front:
            assert b"/board" in (await asked(front, "GET", "/board")).body
            assert (await asked(front, "POST", "/board")).status == 405
            assert (await asked(front, "GET", "/other")).status == 404
            assert (await asked(front, "GET", "/%ff")).status == 400


async def test_what_lies_outside_the_base_is_the_applications() -> None:
    """And what lies beneath it without being ours, with its whole path."""
    async with proxied(base="/streams", endpoints=("/clock",)) as front:
        assert b"/clock" in (await asked(front, "GET", "/streams/clock")).body
        for path in ("/clock", "/", "/streams/other"):
            assert (await asked(front, "GET", path)).body == APPLICATION
        assert [raw.split()[1] for raw in front.app.requests] == [b"/clock", b"/", b"/streams/other"]


async def test_a_hops_prefix_is_of_our_paths_alone() -> None:
    """The application gets the path as it came."""
    hops = (ip_network("127.0.0.0/8"),)
    async with proxied(endpoints=("/clock",), hops=hops) as front:
        assert b"/clock" in (await asked(front, "GET", "/pre/clock", X_Forwarded_Prefix="/pre")).body
        assert (await asked(front, "GET", "/pre/other", X_Forwarded_Prefix="/pre")).body == APPLICATION
        assert front.app.requests[0].split()[1] == b"/pre/other"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b"204"),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", b"405"),
        (b"FOO /x HTTP/1.1\r\nHost: a\r\n\r\n", b"501"),
        (b"GET /../x HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
        (b"GET /%2e%2e/%ff HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
        (b"GET /%00%ff HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
    ],
)
async def test_some_targets_are_for_nobody(raw: bytes, status: bytes) -> None:
    """They stay with us."""
    async with proxied() as front, front.peer() as peer:
        peer.send(raw)
        assert (await peer.reader.readuntil(b"\r\n")).split()[1] == status
        assert front.app.requests == []


async def test_a_target_in_absolute_form_names_the_host() -> None:
    """The application gets its path, and its host in place of the Host field's (RFC 9112, 3.2.2)."""
    forms = {
        "http://real.example:8080/a?b": "/a?b",
        "http://real.example:8080": "/",
        "http://real.example:8080?b": "/?b",
    }
    async with proxied() as front, front.peer() as peer:
        for number, (form, target) in enumerate(forms.items()):
            peer.send(f"GET {form} HTTP/1.1\r\nHost: other\r\n\r\n".encode())
            assert (await peer.answer()).status == 200
            sent = front.app.requests[number]
            assert sent.startswith(f"GET {target} HTTP/1.1\r\nHost: real.example:8080\r\n".encode())


async def test_a_stream_that_leads_back_to_us_ends() -> None:
    """S16: a source of ours that asks for a stream of ours is answered 508, on a route as well."""
    async with proxied(endpoints=("/clock",)) as front:
        assert (await asked(front, "GET", "/clock", Via=f"1.1 {PSEUDONYM}")).status == 508
        assert (await asked(front, "GET", "/clock", Via="1.1 sse-bridge-00000000")).status == 200


async def test_a_push_is_not_decompressed_and_a_proxied_body_neither() -> None:
    """Bytes go on as they came."""
    async with proxied() as front, front.peer() as peer:
        body = b"\x1f\x8b no gzip at all"
        assert (await request(peer, "/x", "POST", body, Content_Encoding="gzip")).body == APPLICATION
        assert front.app.requests[0].endswith(body)
        assert b"\r\nContent-Encoding: gzip\r\n" in front.app.requests[0]


async def test_a_name_that_is_not_ours_is_not_the_applications() -> None:
    """`server.hosts` holds for what is passed on too."""
    async with proxied(hosts=Hosts(["app.example"])) as front, front.peer() as peer:
        assert isinstance(peer, Peer)
        assert (await request(peer, "/x")).status == 421
        assert front.app.requests == []
