"""Who may ask."""

from collections.abc import Mapping
from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from bridge.gateway.access import Hosts, cors, forwarded, host_name, is_foreign, preflight
from tests.gateway.raw import ask

PAGE = "https://app.example.com"
HOPS = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize("origin", [PAGE, "null", "https://evil.example", None])
def test_star_is_literal_for_all(origin: str | None) -> None:
    """A page opened from a file (`null`) may read too, and nobody sends credentials."""
    assert cors(("*",), origin) == {"Access-Control-Allow-Origin": "*"}
    assert cors((PAGE, "*"), origin) == {"Access-Control-Allow-Origin": "*"}


def test_listed_origin_is_echoed() -> None:
    """Exactly, with credentials, and with Vary for caches."""
    assert cors((PAGE, "https://other.example"), PAGE) == {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": PAGE,
        "Access-Control-Allow-Credentials": "true",
    }


@pytest.mark.parametrize(
    "origin",
    [
        None, "", "null", "*", "https://evil.example", "http://app.example.com", "https://app.example.com.evil.example",
        "https://app.example.com:8443", "https://APP.example.com", "https://app.example.com/", "https://app.example.co",
    ],
)  # fmt: skip
def test_other_origin_gets_nothing(origin: str | None) -> None:
    """Not a prefix, not another port, not `null`: but Vary, so that no cache mixes them up."""
    assert cors((PAGE, "null"), origin) == {"Vary": "Origin"}


def test_without_a_list_there_is_nothing_to_say() -> None:
    """The default is the browser's own: same origin only."""
    assert cors((), PAGE) == {}


def test_preflight_allows_only_whom_cors_allows() -> None:
    """A stranger learns the methods and no more."""
    allowed = preflight(cors((PAGE,), PAGE), "GET, HEAD, OPTIONS")
    assert allowed["Access-Control-Allow-Headers"] == "Last-Event-ID, Authorization"
    assert allowed["Access-Control-Allow-Methods"] == allowed["Allow"] == "GET, HEAD, OPTIONS"
    assert int(allowed["Access-Control-Max-Age"]) > 0
    assert preflight(cors((PAGE,), "https://evil.example"), "GET") == {"Allow": "GET", "Vary": "Origin"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.COM", "example.com"),
        ("example.com:8080", "example.com"),
        ("example.com.", "example.com"),
        ("example.com:", "example.com"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:80", "::1"),
        ("[0:0::1]", "::1"),
        ("::1", "::1"),
        ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ("", ""),
        ("a b", None),
        ("a/b", None),
        ("user@a", None),
        ("a,b", None),
        ("[::1", None),
        ("[a]", None),
        ("a:b", None),
        ("é", None),
    ],
)
def test_host_without_its_port(text: str, name: str | None) -> None:
    """Lower case, without port, brackets and last dot; None where it is malformed."""
    assert host_name(text) == name


async def allowed(hosts: Hosts, **headers: str) -> bool:
    """Send a request over a real socket to 127.0.0.1 and tell whether its host is allowed."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=200 if hosts.allow(request) else 421)

    return (await ask(handle, "/", **headers)).status == 200


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9090", "admin.localhost", "127.0.0.1", "127.9.9.9:1", "[::1]:9"]
)
async def test_strict_list_knows_the_machine_itself(host: str) -> None:
    """Names and addresses that no other site can claim."""
    assert await allowed(Hosts(is_strict=True), Host=host)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "8.8.8.8", "0x7f.1", "", "10.0.0.1"]
)
async def test_strict_list_refuses_other_names(host: str) -> None:
    """DNS rebinding: the attacker's page keeps its own name while its address becomes ours."""
    assert not await allowed(Hosts(["bridge.example"], is_strict=True), Host=host)


async def test_listed_names_are_allowed() -> None:
    """With whatever port; an empty list allows all, unless it is strict."""
    hosts = Hosts(["Bridge.example", "other.example:443"])
    assert await allowed(hosts, Host="bridge.example:8080")
    assert await allowed(hosts, Host="other.example")
    assert not await allowed(hosts, Host="localhost")
    assert await allowed(Hosts(), Host="anything.example")
    assert await allowed(Hosts(["bridge.example"], is_strict=True), Host="bridge.example")


def asked(headers: Mapping[str, str], peer: str = "10.0.0.9") -> web.BaseRequest:
    """Make a request as if a peer had sent it."""
    return make_mocked_request("GET", "/", headers=headers).clone(remote=peer)


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("1.2.3.4, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.1.1.1", "203.0.113.7"),
        ("1.2.3.4,203.0.113.7, 10.1.1.1 ,10.2.2.2", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("", "10.0.0.9"),
        ("10.1.1.1", "10.1.1.1"),
        ("1.2.3.4, unknown", "10.0.0.9"),
        ("1.2.3.4, unknown, 10.1.1.1", "10.1.1.1"),
        ("1.2.3.4, ,", "10.0.0.9"),
    ],
)
def test_client_is_the_rightmost_that_is_no_hop(chain: str, client: str) -> None:
    """What stands left of it was written by a stranger."""
    assert forwarded(asked({"X-Forwarded-For": chain}), HOPS).client == client


def test_long_chain_costs_nothing() -> None:
    """A header full of hops is looked at to a bound."""
    chain = ", ".join(["203.0.113.7"] + ["10.1.1.1"] * 1_000)
    assert forwarded(asked({"X-Forwarded-For": chain}), HOPS).client == "10.1.1.1"


def test_stranger_speaks_for_nobody() -> None:
    """Only configured hops are believed; by default there are none."""
    headers = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/x"}
    for told in (forwarded(asked(headers, "203.0.113.7"), HOPS), forwarded(asked(headers), ())):
        assert (told.scheme, told.prefix) == ("http", "")
        assert told.client in {"203.0.113.7", "10.0.0.9"}


def test_hop_that_speaks_ipv4_through_ipv6() -> None:
    """On a dual socket a peer's IPv4 address comes in IPv6's clothes."""
    assert forwarded(asked({"X-Forwarded-For": "1.2.3.4"}, "::ffff:10.0.0.9"), HOPS).client == "1.2.3.4"


@pytest.mark.parametrize(
    ("header", "prefix"),
    [
        ("/sse", "/sse"),
        ("/sse/", "/sse"),
        ("/a, /b", "/a/b"),
        ("/", ""),
        ("", ""),
        ("sse", ""),
        ("//evil.example", ""),
        ("/a/../b", ""),
        ("/a?b", ""),
        ("/a\u00e9", ""),
    ],
)
def test_prefix_of_a_hop(header: str, prefix: str) -> None:
    """A path and nothing else."""
    assert forwarded(asked({"X-Forwarded-Prefix": header}), HOPS).prefix == prefix


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, False),
        ({"Origin": "http://localhost:9090"}, False),
        ({"Origin": "http://localhost:8080"}, True),
        ({"Origin": "http://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site"}, True),
    ],
)
def test_page_of_another_origin_is_foreign(headers: Mapping[str, str], *, foreign: bool) -> None:
    """A program sends neither header; a browser cannot leave both out."""
    assert is_foreign(asked({"Host": "localhost:9090", **headers})) is foreign
