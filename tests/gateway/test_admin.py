"""Dispatch on the admin port."""

import json
from pathlib import Path

import pytest

from bridge.gateway.access import Hosts
from bridge.gateway.admin import CONSOLE_HEADERS, Admin
from bridge.gateway.endpoint import Listing
from bridge.gateway.health import Health
from bridge.gateway.pages import Pages
from tests.gateway.raw import Answer, ask
from tests.gateway.serve import Pushes, endpoint, public


@pytest.fixture
def console(tmp_path: Path) -> Path:
    """Make a console of one page."""
    (tmp_path / "index.html").write_text("<p>console")
    (tmp_path / "console.js").write_text("1;")
    return tmp_path


@pytest.fixture
def pushes() -> Pushes:
    """Take pushes."""
    return Pushes()


async def drained() -> object:
    """Drain at once."""
    return {"told": 3, "left": 1}


@pytest.fixture
def admin(console: Path, pushes: Pushes) -> Admin:
    """Make what answers on the admin port."""
    listed = endpoint("/r/{n}", listing=Listing("/l"), channels=lambda: [{"n": "1"}], cors=("*",))
    return Admin(
        public=public("/clock", "/events?stream={name}", listed, base="/base", pages=Pages({"/pages": console})),
        health=Health((), lambda: True),
        ingest=pushes,
        console=Pages({"/": console}, CONSOLE_HEADERS),
        hosts=Hosts(is_strict=True),
        routes=lambda: [{"path": "/clock", "subscribers": 0}],
        sources=lambda: {"clock": {"state": "up"}},
        applications=list,
        drain=drained,
    )


async def test_console_has_a_strict_policy(admin: Admin) -> None:
    """Nothing inline runs, nothing else is asked, nobody frames it: a log's text may stand in it."""
    for path in ("/", "/console.js"):
        answer = await ask(admin.handle, path)
        assert answer.status == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_favicon_is_no_error(admin: Admin) -> None:
    """A browser asks for it on its own."""
    assert (await ask(admin.handle, "/favicon.ico")).status == 204


async def test_probes_tables_and_pushes(admin: Admin, pushes: Pushes) -> None:
    """All of `/-/` that there is."""
    assert (await ask(admin.handle, "/-/live")).text == "live\n"
    assert (await ask(admin.handle, "/-/ready")).text == "ready\n"
    assert json.loads((await ask(admin.handle, "/-/routes")).body) == [{"path": "/clock", "subscribers": 0}]
    assert json.loads((await ask(admin.handle, "/-/sources")).body) == {"clock": {"state": "up"}}
    assert json.loads((await ask(admin.handle, "/-/applications")).body) == []
    assert (await ask(admin.handle, "/-/routes", "POST")).status == 405
    assert (await ask(admin.handle, "/-/push/notices/users/ann", "POST", b"x")).status == 202
    assert pushes.seen == [("notices/users/ann", False)]


async def test_drain_tells_what_came_of_it(admin: Admin) -> None:
    """To a POST, and to nothing else; not to a page of another site."""
    answer = await ask(admin.handle, "/-/drain", "POST")
    assert (answer.status, json.loads(answer.body)) == (200, {"told": 3, "left": 1})
    assert (await ask(admin.handle, "/-/drain")).headers["allow"] == "POST"
    foreign = await ask(admin.handle, "/-/drain", "POST", Origin="http://evil.example")
    assert foreign.status == 403


@pytest.mark.parametrize("path", ["/-/", "/-", "/-/none", "/-/routes/x", "/none.html", "/clock"])
async def test_everything_else_is_404(admin: Admin, path: str) -> None:
    """With what there is."""
    assert (await ask(admin.handle, path)).status == 404


async def test_view_is_the_same_stream(admin: Admin) -> None:
    """By the same code, under a path of the same origin; the public port's base does not count here."""
    assert json.loads((await ask(admin.handle, "/-/view/clock")).body) == ["/clock", {}]
    assert json.loads((await ask(admin.handle, "/-/view/events?stream=a")).body) == [
        "/events?stream={name}",
        {"name": "a"},
    ]
    assert (await ask(admin.handle, "/-/view/clock", "HEAD")).headers["content-type"] == "text/event-stream"
    answer = await ask(admin.handle, "/-/view/clok")
    assert (answer.status, answer.text) == (404, "no route has this address; the nearest is /-/view/clock\n")


async def test_view_of_a_list_leads_to_views(admin: Admin) -> None:
    """A console that follows its paths stays on its origin."""
    assert json.loads((await ask(admin.handle, "/-/view/l")).body)["channels"][0]["path"] == "/-/view/r/1"


async def test_view_is_for_this_origin_alone(admin: Admin) -> None:
    """A route that all may read in public is not thereby readable on the admin port."""
    answer = await ask(admin.handle, "/-/view/r/1", Origin="https://evil.example")
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


async def test_view_has_no_pages(admin: Admin) -> None:
    """A user's page must not run on the console's origin."""
    assert (await ask(admin.handle, "/-/view/pages/")).status == 404


@pytest.mark.parametrize("path", ["/", "/-/live", "/-/routes", "/-/view/clock", "/-/push/x"])
async def test_rebound_name_is_refused(admin: Admin, path: str) -> None:
    """A name that points here but is not ours: CVE-2025-66416."""
    answer = await ask(admin.handle, path, Host="evil.example:9090")
    assert answer.status == 421


async def test_malformed_host_is_refused(admin: Admin) -> None:
    """As RFC 9112, 3.2 demands."""
    assert (await ask(admin.handle, "/", Host="a b")).status == 400


async def refused(admin: Admin, **headers: str) -> Answer:
    """Push as a page of some origin does."""
    return await ask(admin.handle, "/-/push/notices", "POST", b"forged", **headers)


async def test_page_of_another_site_cannot_push(admin: Admin, pushes: Pushes) -> None:
    """A form on any page can POST to loopback without a preflight; its origin gives it away."""
    assert (await refused(admin, Origin="https://evil.example")).status == 403
    assert (await refused(admin, Origin="null")).status == 403
    assert (await refused(admin, Origin="http://localhost:3000")).status == 403
    assert not pushes.seen
    assert (await refused(admin, Origin="http://localhost")).status == 202
    assert (await refused(admin)).status == 202


@pytest.mark.parametrize("path", ["/%2e%2e/etc/passwd", "/-/view/../x", "/%00"])
async def test_climbing_path_is_refused(admin: Admin, path: str) -> None:
    """Before anything looks at it."""
    assert (await ask(admin.handle, path)).status == 400
