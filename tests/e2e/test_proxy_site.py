"""A Django site behind the bridge, used in Chromium: at the root, beneath a prefix beside a base, and behind nginx.

All of a placement's tests share one site, which is what takes time to start.
"""

import hashlib
import random
import re
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.page import Listener
from tests.e2e.programs import Bridge, answers, bridge as start, nginx, running

SITE = Path(__file__).parent / "django_site.py"

#: Of the one who may change everything.
PASSWORD = "secret-of-ann"

ROUTES = """
version: 1
server:
  listen: ${LISTEN}
  admin: ${ADMIN}
  drain: 0s
  %s
sources: { notices: { kind: push } }
routes: { /notices: { from: notices } }
"""

#: nginx as one sets it up before a site: it ends TLS, and says who asks for what.
NGINX = """
listen 127.0.0.1:{port} ssl;
ssl_certificate {certificate.cert};
ssl_certificate_key {certificate.key};
client_max_body_size 0;
proxy_request_buffering off;
proxy_max_temp_file_size 0;
proxy_set_header Host $http_host;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Proto $scheme;
"""


@dataclass(frozen=True)
class Placement:
    """Where the site stands."""

    keys: str
    #: Where the browser sees its pages, and the bridge's own.
    prefix: str = ""
    base: str = ""
    is_behind_nginx: bool = False


#: The site beneath a prefix that it never sees, the bridge's own routes beneath another.
APART = "base: /live\n  upstreams: {{ /shop: {{ url: 'http://{app}', strip_prefix: true }} }}"

PLACEMENTS = {
    "at the root": Placement("upstream: http://{app}"),
    "beneath a prefix": Placement(APART, prefix="/shop", base="/live"),
    "behind nginx": Placement(APART + "\n  hops: [127.0.0.1]", prefix="/shop", base="/live", is_behind_nginx=True),
}


@dataclass(frozen=True)
class Site:
    """The site as a browser finds it."""

    #: Its pages, and the bridge's routes.
    url: str
    streams: str
    bridge: Bridge
    placement: Placement

    @property
    def origin(self) -> str:
        """Return what all of its addresses begin with."""
        return self.url.removesuffix(self.placement.prefix)


@pytest_asyncio.fixture(loop_scope="session", scope="module", params=PLACEMENTS.values(), ids=PLACEMENTS)
async def site(request, free_ports, tmp_path_factory, authority):
    """Run the site, the bridge before it, and nginx before both where the placement says so."""
    placement, folder, port = request.param, tmp_path_factory.mktemp("site"), free_ports()
    async with AsyncExitStack() as stack:
        command = (sys.executable, SITE, str(port), folder, *filter(None, [placement.prefix]))
        await answers(await stack.enter_async_context(running(*command)), f"http://127.0.0.1:{port}/seen")
        routes = folder / "routes.yaml"
        routes.write_text(ROUTES % placement.keys.format(app=f"127.0.0.1:{port}"))
        bridge = await stack.enter_async_context(start(routes, free_ports(), free_ports()))
        origin = bridge.url
        if placement.is_behind_nginx:
            secure = free_ports()
            lines = NGINX.format(port=secure, certificate=authority.server)
            await stack.enter_async_context(nginx(folder / "nginx", free_ports(), bridge.url, lines))
            origin = f"https://127.0.0.1:{secure}"
        yield Site(origin + placement.prefix, origin + placement.base, bridge, placement)


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser):
    """Open a fresh profile, which knows no authority of ours."""
    fresh = await browser.new_context(ignore_https_errors=True)
    yield fresh
    await fresh.close()


@pytest.fixture
def broken(page):
    """Collect the addresses that the page asked for in vain."""
    found = []
    page.on("requestfailed", lambda request: found.append(request.url))
    page.on("response", lambda response: response.status >= 400 and found.append(f"{response.status} {response.url}"))
    return found


async def log_in(page, site, to="/admin/", password=PASSWORD):
    """Ask for a page that only those see who are logged in, and log in on the way."""
    await page.goto(f"{site.url}{to}")
    await expect(page).to_have_url(re.compile(r"/admin/login/\?next="))
    await page.get_by_label("Username").fill("ann")
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Log in").click()


async def test_login_leads_back_to_the_page_that_was_asked_for(site, page, broken):
    """Over redirects, a form with a token against forgery, and cookies; its styles and scripts come with it."""
    await log_in(page, site)
    await expect(page).to_have_url(f"{site.url}/admin/")
    await expect(page.locator("#user-tools")).to_contain_text("ann")
    # What only the style sheet gives.
    await expect(page.locator("#header")).to_have_css("display", "flex")
    cookies = {cookie["name"]: cookie for cookie in await page.context.cookies()}
    assert set(cookies) == {"csrftoken", "sessionid"}
    assert cookies["sessionid"]["httpOnly"]
    assert broken == []


async def test_wrong_password_is_told_by_the_site(site, page):
    """An answer that is no redirect: the form again, with what is wrong."""
    await log_in(page, site, password="secret-of-bo")
    await expect(page.locator(".errornote")).to_contain_text("Please enter the correct username")
    assert [cookie["name"] for cookie in await page.context.cookies()] == ["csrftoken"]


async def test_form_of_the_admin_makes_changes_and_deletes(site, page, broken):
    """A group is made, renamed, and deleted; each time the list says so after a redirect."""
    await log_in(page, site, to="/admin/auth/group/add/")
    await page.get_by_label("Name:").fill("Gruppe mit Ümläut & Co")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page).to_have_url(f"{site.url}/admin/auth/group/")
    await expect(page.locator("li.success")).to_contain_text("was added successfully")
    await page.get_by_role("link", name="Gruppe mit Ümläut & Co").first.click()
    await page.get_by_label("Name:").fill("renamed")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.locator("li.success")).to_contain_text("was changed successfully")
    await page.get_by_role("link", name="renamed").first.click()
    await page.get_by_role("link", name="Delete", exact=True).click()
    await page.get_by_role("button", name=re.compile("^Yes,")).click()
    await expect(page.locator("li.success")).to_contain_text("was deleted successfully")
    assert broken == []


async def test_form_without_its_token_is_refused_by_the_site(site, page):
    """Who is logged in is not enough: the site's own 403 comes through."""
    await log_in(page, site)
    await expect(page).to_have_url(f"{site.url}/admin/")
    answer = await page.evaluate(
        "async (url) => { const got = await fetch(url, { method: 'POST' }); return [got.status, await got.text()]; }",
        f"{site.url}/files/",
    )
    assert answer[0] == 403
    assert "CSRF" in answer[1]


async def test_file_is_uploaded_and_read_in_parts(site, page, broken):
    """Three megabytes of a form arrive as they are; a part of them is 206, one beyond their end the site's 416."""
    body = random.Random(7).randbytes(3 * 1024 * 1024 + 17)
    await log_in(page, site, to="/files/")
    await page.get_by_label("Title").fill("a picture")
    await page.get_by_label("File").set_input_files(
        {"name": "picture.bin", "mimeType": "application/octet-stream", "buffer": body}
    )
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator("li")).to_have_text(f"a picture: {len(body)} bytes, {hashlib.sha256(body).hexdigest()}")
    assert broken == []
    read = """async ([url, range]) => {
        const got = await fetch(url, { headers: range ? { Range: range } : {} });
        const bytes = new Uint8Array(await got.arrayBuffer());
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
        return [got.status, got.headers.get("Content-Range"), bytes.length, Array.from(digest)];
    }"""
    url, size = f"{site.url}/files/picture.bin", len(body)

    def as_seen(status, told, part):
        return [status, told, len(part), list(hashlib.sha256(part).digest())]

    assert await page.evaluate(read, [url, None]) == as_seen(200, None, body)
    part = body[1_000_000:2_500_001]
    assert await page.evaluate(read, [url, "bytes=1000000-2500000"]) == as_seen(
        206, f"bytes 1000000-2500000/{size}", part
    )
    beyond = await page.evaluate(read, [url, f"bytes=0-{size}"])
    assert beyond[:2] == [416, f"bytes */{size}"]


async def test_large_answers_are_compressed_by_the_site_alone(site, page):
    """What it has compressed the browser unpacks, whoever stands between."""
    await log_in(page, site)
    await expect(page).to_have_url(f"{site.url}/admin/")
    answer = await page.goto(f"{site.url}/admin/")
    assert await answer.header_value("Content-Encoding") == "gzip"
    assert "Site administration" in await answer.text()


async def test_the_site_knows_who_asks_and_where_it_is_seen(site, page):
    """Its own addresses are those that the browser has, scheme, port and prefix included."""
    told = await (await page.request.get(f"{site.url}/seen", headers={"X-Forwarded-For": "9.9.9.9"})).json()
    # nginx adds who asked it to what that one said of others. The bridge believes nginx, and nobody else.
    chain = ["9.9.9.9", "127.0.0.1", "127.0.0.1"] if site.placement.is_behind_nginx else ["127.0.0.1"]
    host = site.origin.partition("://")[2]
    assert told["address"] == f"{site.url}/seen"
    assert told["is_secure"] is site.placement.is_behind_nginx
    assert told["HTTP_X_FORWARDED_FOR"] == ", ".join(chain)
    assert told["HTTP_X_FORWARDED_HOST"] == host
    assert told.get("HTTP_X_FORWARDED_PREFIX", "") == site.placement.prefix
    # What nginx says of the scheme is of the client's request, and the only word on it.
    behind = f'for=9.9.9.9;proto=https, for=127.0.0.1, for=127.0.0.1;host="{host}"'
    beside = f'for=127.0.0.1;host="{host}";proto=http'
    assert told["HTTP_FORWARDED"] == (behind if site.placement.is_behind_nginx else beside)


async def test_page_of_the_site_reads_a_stream_of_the_bridge(site, page):
    """Both are one origin, so the page needs neither an address nor leave to read."""
    await page.goto(f"{site.url}/seen")
    listener = Listener(page)
    await listener.open(f"{site.streams}/notices")
    await listener.opened()
    await site.bridge.push("notices", "hello")
    assert [event.data for event in await listener.heard(1)] == ['"hello"']


async def test_what_the_site_does_not_have_is_its_own_404(site, page):
    """The bridge answers for no path of the site's."""
    answer = await page.goto(f"{site.url}/nowhere")
    assert answer.status == 404
    assert "The requested resource was not found on this server." in await answer.text()
