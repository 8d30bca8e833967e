"""Static files."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from bridge.gateway import reply
from bridge.gateway.handshake import Handle
from bridge.gateway.pages import Pages, find
from bridge.gateway.path import SLASH, decode
from tests.gateway.raw import Answer, Peer, ask, request, serving

Ask = Callable[..., "Answer"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder of pages, with what should not be served beside and within it."""
    (tmp_path / "secret.txt").write_text("secret")
    pages = tmp_path / "pages"
    (pages / "sub").mkdir(parents=True)
    (pages / "empty").mkdir()
    (pages / "index.html").write_text("<p>index")
    (pages / "app.js").write_text("1;")
    (pages / "a b.txt").write_text("spaced")
    (pages / "zero.css").touch()
    (pages / "sub" / "index.html").write_text("<p>sub")
    (pages / ".hidden").write_text("hidden")
    (pages / ".git").mkdir()
    (pages / ".git" / "config").write_text("hidden")
    (pages / "leaves.txt").symlink_to(tmp_path / "secret.txt")
    (pages / "up").symlink_to(tmp_path)
    (pages / "stays.js").symlink_to("app.js")
    (pages / "loop").symlink_to("loop")
    (pages / "broken").symlink_to("nowhere")
    os.mkfifo(pages / "fifo")
    return pages


def served(places: dict[str, Path]) -> Handle:
    """Serve pages alone."""
    pages = Pages(places)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await pages.answer(request, decode(request.rel_url.raw_path)) or reply.empty(404)

    return handle


@pytest.mark.parametrize(
    ("path", "type", "body"),
    [
        ("/viewer/", "text/html; charset=utf-8", "<p>index"),
        ("/viewer/index.html", "text/html; charset=utf-8", "<p>index"),
        ("/viewer/app.js", "text/javascript; charset=utf-8", "1;"),
        ("/viewer/stays.js", "text/javascript; charset=utf-8", "1;"),
        ("/viewer/zero.css", "text/css; charset=utf-8", ""),
        ("/viewer/a%20b.txt", "text/plain; charset=utf-8", "spaced"),
        ("/viewer/sub/", "text/html; charset=utf-8", "<p>sub"),
    ],
)
async def test_files_of_a_folder(folder: Path, path: str, type: str, body: str) -> None:
    """Each with its type, no guess left to the browser, and asked for again each time."""
    answer = await ask(served({"/viewer": folder}), path)
    assert (answer.status, answer.text) == (200, body)
    assert answer.headers["content-type"] == type
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/viewer/none.html", "/viewer/empty/", "/viewer/empty", "/viewer/.hidden", "/viewer/.git/config",
        "/viewer/leaves.txt", "/viewer/up/secret.txt", "/viewer/loop", "/viewer/broken", "/viewer/fifo",
        "/viewer/app.js/", "/viewer/app.js/x", "/viewer//app.js", "/viewer/sub%2Findex.html", "/viewer/" + 300 * "a",
        "/viewerx/app.js", "/Viewer/app.js", "/",
    ],
)  # fmt: skip
async def test_what_is_no_page(folder: Path, path: str) -> None:
    """Not there, hidden, outside, no regular file, or a folder without an index."""
    assert (await ask(served({"/viewer": folder}), path)).status == 404


async def test_folder_without_its_slash_is_redirected(folder: Path) -> None:
    """By a relative address, with its query: relative links then work under any base path."""
    for path, location in (("/viewer", "./viewer/"), ("/viewer/sub?a=b", "./sub/?a=b")):
        answer = await ask(served({"/viewer": folder}), path)
        assert (answer.status, answer.headers["location"]) == (307, location)


async def test_redirect_leads_to_no_other_host(folder: Path) -> None:
    """A folder's name is a name, whatever it looks like."""
    (folder / "evil.example:80").mkdir()
    (folder / "evil.example:80" / "index.html").touch()
    answer = await ask(served({"/": folder}), "/evil.example:80")
    assert answer.headers["location"] == "./evil.example%3A80/"


async def test_single_file_is_at_its_path_alone(folder: Path) -> None:
    """`/: ./clock.html` serves the page, and every other path is 404."""
    handle = served({"/": folder / "index.html", "/help": folder / "a b.txt"})
    assert (await ask(handle, "/")).text == "<p>index"
    assert (await ask(handle, "/help")).text == (await ask(handle, "/help/")).text == "spaced"
    for path in ("/index.html", "/app.js", "/x", "/help/x"):
        assert (await ask(handle, path)).status == 404


async def test_longest_path_is_asked_first(folder: Path, tmp_path: Path) -> None:
    """What it does not have, the shorter one may."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "index.html").write_text("other")
    handle = served({"/": folder, "/sub": other})
    assert (await ask(handle, "/sub/")).text == "other"
    assert (await ask(handle, "/app.js")).text == "1;"


async def test_head_has_the_headers_of_get(folder: Path) -> None:
    """And no body behind them: the next answer on the connection is whole."""
    async with serving(served({"/": folder})) as listener, Peer.to(listener.port) as peer:
        get, head = await request(peer, "/app.js"), await request(peer, "/app.js", "HEAD")
        assert {**head.headers, "date": ""} == {**get.headers, "date": ""}
        assert (await request(peer, "/app.js")).text == "1;"


async def test_other_methods(folder: Path) -> None:
    """OPTIONS tells them, the rest is refused."""
    handle = served({"/": folder})
    options = await ask(handle, "/app.js", "OPTIONS")
    assert (options.status, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert (await ask(handle, "/app.js", "DELETE")).status == 405


async def test_unchanged_page_is_304(folder: Path) -> None:
    """By ETag and by date; a change shows at once."""
    async with serving(served({"/": folder})) as listener, Peer.to(listener.port) as peer:
        first = await request(peer, "/app.js")
        for headers in (
            {"If_None_Match": first.headers["etag"]},
            {"If_Modified_Since": first.headers["last-modified"]},
        ):
            again = await request(peer, "/app.js", **headers)
            assert (again.status, again.body) == (304, b"")
        (folder / "app.js").write_text("changed")
        assert (await request(peer, "/app.js", If_None_Match=first.headers["etag"])).text == "changed"


@pytest.mark.parametrize(
    ("range", "status", "body"),
    [
        ("bytes=1-3", 206, "pac"),
        ("bytes=4-", 206, "ed"),
        ("bytes=-2", 206, "ed"),
        ("bytes=9-", 416, ""),
        ("bytes=x", 200, "spaced"),
        ("bytes=0-1,3-4", 200, "spaced"),
        ("lines=1-3", 200, "spaced"),
    ],
)
async def test_part_of_a_page(folder: Path, range: str, status: int, body: str) -> None:
    """Range, as players and download tools ask; one that we do not understand is ignored (RFC 9110, 14.2)."""
    answer = await ask(served({"/": folder}), "/a%20b.txt", Range=range)
    assert (answer.status, answer.text) == (status, body)


async def test_folder_that_is_a_config_map(tmp_path: Path) -> None:
    """Kubernetes mounts files as links through a hidden folder, which it swaps."""
    (tmp_path / "..2026_11").mkdir()
    (tmp_path / "..2026_11" / "index.html").write_text("v1")
    (tmp_path / "..data").symlink_to("..2026_11")
    (tmp_path / "index.html").symlink_to("..data/index.html")
    assert (await ask(served({"/": tmp_path}), "/")).text == "v1"
    assert (await ask(served({"/": tmp_path}), "/..data/index.html")).status == 404


def test_folder_that_is_gone_has_no_pages(tmp_path: Path) -> None:
    """An unmounted volume is 404, not a failure; nor is a name that no file can have."""
    assert find(tmp_path / "none", "/") is None
    assert find(tmp_path, f"/a{SLASH}b") is None
