"""Templates of addresses: what may stand where, and what a value becomes."""

import pytest
from hypothesis import given, strategies as st

from bridge.sources.web.address import MAX_URL, Address

HOST = "https://api.example.com"


def fault(text: str) -> str:
    """Return why an address is refused."""
    with pytest.raises(ValueError, match=r"\w") as caught:
        Address.parse(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("http://a", ("http", "a", 80, "/")),
        ("HTTPS://A.example.com./x", ("https", "a.example.com.", 443, "/x")),
        ("http://my_app:3000/a/b", ("http", "my_app", 3000, "/a/b")),
        ("http://127.0.0.1:8080/", ("http", "127.0.0.1", 8080, "/")),
        ("http://[::1]:9/", ("http", "::1", 9, "/")),
        ("http://[0:0::1]/", ("http", "::1", 80, "/")),
        ("http://a/å", ("http", "a", 80, "/%C3%A5")),
        ("http://a/x%20y;p=1,2", ("http", "a", 80, "/x%20y;p=1,2")),
    ],
)
def test_an_address_is_taken_apart(text: str, parts: tuple[str, str, int, str]) -> None:
    """Host in lower case, the port of its scheme, an empty path made `/`."""
    found = Address.parse(text)
    assert (found.scheme, found.host, found.port, found.path.text) == parts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected an address"),
        ("a", "begins with http"),
        ("/a", "begins with http"),
        ("ftp://a/", "begins with http"),
        ("mqtt://a/", "begins with http"),
        ("file:///etc/passwd", "begins with http"),
        ("http://", "expected a host"),
        ("http:///x", "expected a host"),
        ("http://:80/", "expected a host"),
        ("http://a:0/", "port from 1 to 65535"),
        ("http://a:/", "port from 1 to 65535"),
        ("http://a:65536/", "port from 1 to 65535"),
        ("http://a:x/", "port from 1 to 65535"),
        ("http://me:pw@a/", "`basic` or `bearer`"),
        ("http://me@a/", "`basic` or `bearer`"),
        ("http://@a/", "`basic` or `bearer`"),
        ("http://a/#x", "fragment"),
        ("http://a/#", "fragment"),
        ("http://a b/", "without spaces"),
        ("http://a/b c", "without spaces"),
        ("http://a/\n", "without spaces"),
        ("http://a\\b/", "without spaces"),
        ("http://å/", "xn--"),
        ("http://a..b/", "letters, digits"),
        ("http://-a/", "letters, digits"),
        ("http://a%2eb/", "letters, digits"),
        ("http://2130706433/", "IP address in its usual form"),
        ("http://127.1/", "IP address in its usual form"),
        ("http://0x7f000001/", "IP address in its usual form"),
        ("http://0177.0.0.1/", "IP address in its usual form"),
        ("http://1.2.3.4.5/", "IP address in its usual form"),
        ("http://127.0.0.1./", "IP address in its usual form"),
        ("http://[::1/", "expected"),
        ("http://[x]/", "expected"),
        ("http://[fe80::1%25eth0]/", "a zone"),
        ("http://{host}/", "never in the host"),
        ("http://a.{zone}.b/", "never in the host"),
        ("http://a:{port}/", "never in the host"),
        ("{scheme}://a/", "begins with http"),
        ("http://a/../b", "without . and .."),
        ("http://a/b/.", "without . and .."),
        ("http://a/%2e%2E/b", "without . and .."),
        ("http://a/{x}{y}", "two holes touch"),
        ("http://a/{x*}", "{name*}"),
        ("http://a/{x}/{x}", "stands twice"),
        ("http://a/{", "lone"),
        ("http://a/{1}", "one name"),
        ("http://a/{{x}}", "%7B"),
        ("http://a/?{x}=1", "in a query a name stands in a value"),
        ("http://a/?{x}", "in a query a name stands in a value"),
        ("http://a/?token=abc", "a secret in an address"),
        ("http://a/?a=b&API_KEY=abc", "a secret in an address"),
        ("http://a/?api-key=abc", "a secret in an address"),
        ("http://a/?to%6ben=abc", "a secret in an address"),
        ("http://a/" + "/".join(f"{{n{n}}}" for n in range(17)), "16 names"),
        ("http://a/{a}?" + "&".join(f"x={{n{n}}}" for n in range(16)), "16 names"),
        ("http://a/" + "x" * MAX_URL, f"at most {MAX_URL}"),
    ],
)
def test_what_no_address_is_refused(text: str, words: str) -> None:
    """The words say what to write, and repeat nothing of it."""
    told = fault(text)
    assert words in told
    assert "abc" not in told


def test_a_secret_of_the_subscriber_is_his() -> None:
    """A name may stand in any parameter's value; one without a value is no secret."""
    assert Address.parse("http://a/?token={t}&key").names == ("t",)


@pytest.mark.parametrize(
    ("text", "values", "filled"),
    [
        ("/rates/{c}", {"c": "EUR"}, "/rates/EUR"),
        ("/{a}.{b}/x", {"a": "1", "b": "2"}, "/1.2/x"),
        ("/{a}", {"a": "a/b"}, "/a%2Fb"),
        ("/{a}", {"a": "?#&=%:@+"}, "/%3F%23%26%3D%25%3A%40%2B"),
        ("/{a}", {"a": "å😀"}, "/%C3%A5%F0%9F%98%80"),
        ("/{a}", {"a": "...."}, "/...."),
        ("/x.{a}", {"a": ".."}, None),
        ("/x.{a}", {"a": "y"}, "/x.y"),
        ("/.{a}", {"a": "."}, None),
        ("/%2e{a}", {"a": "."}, None),
        ("/%2e{a}", {"a": "x"}, "/%2ex"),
        ("/{a}", {"a": ".."}, None),
        ("/{a}", {"a": "."}, None),
        ("/{a}", {"a": ""}, None),
        ("/{a}", {"a": "x/../y"}, None),
        ("/{a}", {"a": "..\\x"}, None),
        ("/{a}", {"a": "%2e%2e/x"}, None),
        ("/{a}", {"a": "a\n"}, None),
        ("/{a}", {"a": "\0"}, None),
        ("/{a}", {"a": "\ud800"}, None),
        ("?q={a}", {"a": ""}, "/?q="),
        ("/x?q={a}-{b}&c=d&e", {"a": "1&c=2", "b": ".."}, "/x?q=1%26c%3D2-..&c=d&e"),
        ("/{a}?q={a}", {"a": "1 2"}, "/1%202?q=1%202"),
        ("?q={a}", {"a": "a\r\nb"}, None),
    ],
)
def test_values_are_encoded_for_their_place(text: str, values: dict[str, str], filled: str | None) -> None:
    """None: the value stands in no address there."""
    address = Address.parse(f"{HOST}{text}")
    if filled is None:
        with pytest.raises(ValueError, match=r"\w"):
            address.fill(values)
    else:
        assert address.fill(values) == f"{HOST}:443{filled}"


def test_more_parameters_are_added_behind_those_that_are_written() -> None:
    """They are encoded, name and value."""
    address = Address.parse(f"{HOST}/x?a=b")
    assert address.fill({}, [("k k", "v&=1")]).endswith("/x?a=b&k%20k=v%26%3D1")
    assert Address.parse(HOST).fill({}, [("k", "v")]) == f"{HOST}:443/?k=v"


@pytest.mark.parametrize(
    ("text", "where"),
    [("http://a", "a"), ("https://a:443", "a"), ("http://a:443", "a:443"), ("http://[::1]:9", "[::1]:9")],
)
def test_a_host_is_named_with_the_port_that_it_needs(text: str, where: str) -> None:
    """As one would write it."""
    assert Address.parse(text).where == where


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_value_leaves_its_place(one: str, two: str) -> None:
    """Whatever the values are, path and query have the parts that were written."""
    address = Address.parse("https://api.example.com/a/{one}/b?x={two}&y=1")
    try:
        filled = address.fill({"one": one, "two": two})
    except ValueError:
        return
    assert filled.isascii()
    assert filled.isprintable()
    path, query = filled.removeprefix("https://api.example.com:443").split("?")
    first, a, value, b = path.split("/")
    assert (first, a, b) == ("", "a", "b")
    assert value not in {"", ".", ".."}
    assert [pair.split("=")[0] for pair in query.split("&")] == ["x", "y"]
