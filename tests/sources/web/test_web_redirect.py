"""Where a redirect leads, and what it takes along; the client's own tests follow real ones."""

import pytest

from bridge.sources.web.redirect import Hop, follow
from bridge.sources.web.trouble import WebError


def hop(url: str = "https://a.test:443/x/y?q=1", **keys: object) -> Hop:
    """Return a first request."""
    scheme, rest = url.split("://")
    host, port = rest.split("/")[0].rsplit(":", 1)
    return Hop(url=url, scheme=scheme, host=host, port=int(port), **keys)  # type: ignore[arg-type]


def led(first: Hop, *locations: str, status: int = 302) -> Hop:
    """Follow a chain."""
    now = first
    for location in locations:
        now = follow(now, first, status, location)
    return now


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/z", "https://a.test:443/z"),
        ("z", "https://a.test:443/x/z"),
        ("?r=2", "https://a.test:443/x/y?r=2"),
        ("../../../z", "https://a.test:443/z"),
        ("//b.test", "https://b.test:443/"),
        ("https://B.test/%7Ez?a=%20#f", "https://b.test:443/%7Ez?a=%20"),
        ("https://[::1]:9/", "https://[::1]:9/"),
        ("/å?b=å", "https://a.test:443/%C3%A5?b=%C3%A5"),
        ("#f", "https://a.test:443/x/y?q=1"),
    ],
)
def test_an_address_is_resolved_against_the_one_before(location: str, url: str) -> None:
    """RFC 3986, section 5.2; the fragment stays behind."""
    assert led(hop(), location).url == url


@pytest.mark.parametrize(
    ("locations", "is_own", "is_written"),
    [
        (["/z"], True, True),
        (["https://A.TEST/z"], True, True),
        (["https://a.test:8443/z"], False, False),
        (["https://a.test:80/z"], False, True),
        (["https://b.test/"], False, False),
        (["https://b.test/", "https://a.test/"], False, True),
        (["https://a.test.evil.test/"], False, False),
    ],
)
def test_credentials_are_for_the_origin_that_was_written(locations: list[str], is_own: bool, is_written: bool) -> None:  # noqa: FBT001
    """Once dropped they stay dropped; private addresses are for the host that was written."""
    found = led(hop(), *locations)
    assert (found.is_own, found.is_written) == (is_own, is_written)


@pytest.mark.parametrize(
    ("port", "location", "is_written"),
    [
        (3000, "http://a.test:3000/z", True),
        (3000, "http://a.test/z", True),
        (3000, "https://a.test/z", True),
        (3000, "http://a.test:3001/z", False),
        (3000, "http://a.test:443/z", True),
    ],
)
def test_the_usual_ports_of_a_host_count_as_written(port: int, location: str, is_written: bool) -> None:  # noqa: FBT001
    """An application redirects to https, in front of it."""
    assert led(hop(f"http://a.test:{port}/"), location).is_written is is_written


@pytest.mark.parametrize(
    ("status", "method", "becomes"),
    [
        (301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (307, "POST", "POST"), (308, "POST", "POST"),
        (301, "GET", "GET"), (303, "GET", "GET"), (303, "HEAD", "HEAD"), (302, "PUT", "PUT"), (303, "PUT", "GET"),
    ],
)  # fmt: skip
def test_methods_become_what_rfc_9110_says(status: int, method: str, becomes: str) -> None:
    """A GET has no body, nor what describes one."""
    body = b"x" if method in {"POST", "PUT"} else None
    found = led(hop(method=method, body=body), "/z", status=status)
    assert found.method == becomes
    assert (found.body is None) == (becomes in {"GET", "HEAD"})
    assert ("content-type" in found.without()) == (found.body is None)


def test_headers_that_prove_who_asks_stay_at_home() -> None:
    """On every hop after the first one elsewhere."""
    assert not led(hop(body=b"x"), "/z", status=307).without()
    away = led(hop(), "https://b.test/", "/z", "https://a.test/")
    assert {"authorization", "cookie", "proxy-authorization"} <= away.without()


def test_https_does_not_become_http() -> None:
    """Not even on the same host."""
    with pytest.raises(WebError, match="from https to http"):
        led(hop(), "http://a.test/z")
    assert led(hop("http://a.test:80/"), "https://a.test/z").scheme == "https"


def test_what_is_shown_of_an_address_has_no_query() -> None:
    """Nor the port that its scheme means."""
    assert hop().shown == "https://a.test/x/y"
    assert led(hop(), "https://[::1]:9/?token=x").shown == "https://[::1]:9/"


@pytest.mark.parametrize(
    "location", ["", "\udcff", "/a b", "/a\tb", "https://å.test/", "/\u2028", "/" + "x" * 5000, "//", "///x"]
)
def test_what_is_no_address_is_not_followed(location: str) -> None:
    """The words repeat nothing of it."""
    with pytest.raises(WebError, match=r"a\.test redirects to what is no address$"):
        led(hop(), location)
