"""The keys that `http` and `sse` share: what is refused before anything is asked, and what is made of the rest."""

import pytest

from bridge.sources import KINDS
from bridge.sources.web.keys import Web
from tests.web_client import ENVIRON, HIDDEN, SECRET, refusal, web

URL = "https://api.example.com/{a}"
A = {"a": {"in": ["x"]}}


def test_an_address_alone_is_enough() -> None:
    """Everything else has a default."""
    made = web("http://127.0.0.1:3000/x")
    assert (made.names(), dict(made.rules()), made.at_most) == (frozenset(), {}, 100)
    remote = made.remote()
    assert (remote.headers, remote.credentials, remote.query, remote.proxy, remote.allow) == ({}, {}, {}, None, set())


def test_each_name_has_a_rule() -> None:
    """In the order of the address."""
    made = web("http://a/{b}?c={a}&d={b}", params={"a": {"type": "integer"}, "b": {"pattern": "x+"}})
    assert list(made.rules()) == ["b", "a"]
    assert made.names() == {"a", "b"}
    assert made.rules()["b"].fault("y")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "needs a rule: params: { a: { in: [a, b] } }"),
        ({"params": {"b": {"in": ["x"]}}}, "needs a rule"),
        ({"params": {**A, "b": {"in": ["x"]}}}, "a rule for a name that `url` does not have"),
    ],
)
def test_names_and_rules_belong_together(keys: dict[str, object], words: str) -> None:
    """None without the other."""
    assert words in refusal(URL, **keys)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"at_once": 0}, "greater than or equal to 1"),
        ({"at_once": 1001}, "less than or equal to 1000"),
        ({"headers": {"A B": "x"}}, "the name of a header"),
        ({"headers": {"": "x"}}, "the name of a header"),
        ({"headers": {"A:": "x"}}, "the name of a header"),
        ({"headers": {"Å": "x"}}, "the name of a header"),
        ({"headers": {"X-A": "a\r\nX-B: c"}}, "line break"),
        ({"headers": {"X-A": "a\nb"}}, "line break"),
        ({"headers": {"X-A": "a\0b"}}, "control character"),
        ({"headers": {"X-A": " a"}}, "space around"),
        ({"headers": {"X-A": "€"}}, "Latin-1"),
        ({"headers": {"X-A": "x" * 5000}}, "more than 4096 bytes"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "stands here twice"),
        ({"headers": {f"X-{n}": "1" for n in range(33)}}, "at most 32"),
        ({"headers": {"Authorization": "Bearer x"}}, "plain text"),
        ({"headers": {"Cookie": "a=b"}}, "plain text"),
        ({"headers": {"X-Api-Key": "a"}}, "plain text"),
        ({"headers": {"X-Auth-Token": "a"}}, "plain text"),
        ({"headers": {"X-Auth-Key": "a"}}, "plain text"),
        ({"headers": {"Ocp-Apim-Subscription-Key": "a"}}, "plain text"),
        ({"headers": {"X-A": 1}}, "valid string"),
        ({"headers": {"X-A": {"env": "MISSING"}}}, "MISSING"),
        ({"query": {"api_key": "abc"}}, "plain text"),
        ({"query": {"a b": "c"}}, "the name of a parameter"),
        ({"query": {"a=": "c"}}, "the name of a parameter"),
        ({"query": {"a": "b\n"}}, "printable"),
        ({"query": {f"a{n}": "b" for n in range(17)}}, "at most 16"),
        ({"bearer": "abc"}, "plain text"),
        ({"bearer": {"env": "BROKEN"}}, "RFC 6750"),
        ({"basic": {"username": "a:b", "password": HIDDEN}}, "without a colon"),
        ({"basic": {"username": "", "password": HIDDEN}}, "1 to 256"),
        ({"basic": {"username": "a"}}, "required"),
        ({"basic": {"username": "a", "password": "abc"}}, "plain text"),
        ({"basic": {"username": "a", "password": HIDDEN}, "bearer": HIDDEN}, "take one"),
        ({"headers": {"authorization": HIDDEN}, "bearer": HIDDEN}, "take one"),
        ({"headers": {"AUTHORIZATION": HIDDEN}, "basic": {"username": "a", "password": HIDDEN}}, "take one"),
        ({"tls": {}}, "https://"),
        ({"proxy": {"url": "https://proxy"}}, "http://proxy:3128"),
        ({"proxy": {"url": "http://proxy/x"}}, "http://proxy:3128"),
        ({"proxy": {"url": "http://proxy/?x=y"}}, "http://proxy:3128"),
        ({"proxy": {"url": "http://me:abc@proxy"}}, "`proxy.username` and `proxy.password`"),
        ({"proxy": {"url": "http://proxy", "username": "a"}}, "go together"),
        ({"proxy": {"url": "http://proxy", "password": HIDDEN}}, "go together"),
        ({"allow": ["http://x"]}, "hosts and addresses"),
        ({"allow": ["10.0.0.0/8"]}, "hosts and addresses"),
        ({"allow": ["x"] * 101}, "at most 100"),
        ({"unknown": 1}, "Extra inputs"),
    ],
)
def test_what_cannot_be_meant_is_refused(keys: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to write in place of it, and nothing of what was written."""
    monkeypatch.setitem(ENVIRON, "BROKEN", f"{SECRET}\n{SECRET}")
    told = refusal("http://127.0.0.1/", **keys)
    assert words in told
    assert "abc" not in told


@pytest.mark.parametrize(
    "name",
    ["Host", "connection", "Content-Length", "Transfer-Encoding", "accept-encoding", "Via", "TE", "Upgrade", "Expect",
     "Keep-Alive", "Proxy-Authorization", "Trailer"],
)  # fmt: skip
def test_headers_of_the_connection_are_not_for_the_operator(name: str) -> None:
    """As a text or as a secret."""
    for value in ("x", HIDDEN):
        assert f"{name} is of the connection" in refusal(headers={name: value})


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://[fe80::1]/", "http://metadata.google.internal/"]
)
def test_a_metadata_service_is_refused_unless_it_is_named(url: str) -> None:
    """Before anything is asked."""
    assert "`allow`" in refusal(url)
    host = url.split("/")[2]
    assert web(url, allow=[host]).remote().allow


def test_a_wrong_address_is_told_once() -> None:
    """The rules for its names are not told of as well."""
    assert "begins with http" in refusal("ftp://a/{b}", params={"b": {"in": ["x"]}})


def test_secrets_are_for_their_own_host_and_texts_for_all() -> None:
    """That is what `credentials` and `headers` are."""
    made = web(headers={"X-A": "a", "X-B": HIDDEN}, bearer=HIDDEN, query={"api_key": HIDDEN, "v": "1"})
    remote = made.remote()
    assert remote.headers == {"X-A": "a"}
    assert {name: value.reveal() for name, value in remote.credentials.items()} == {
        "X-B": SECRET,
        "Authorization": f"Bearer {SECRET}",
    }
    assert {name: value.reveal() for name, value in remote.query.items()} == {"api_key": SECRET, "v": "1"}
    assert SECRET not in f"{remote!r}{made!r}{made.model_dump_json()}"


def test_a_proxy_has_its_own_port_and_credentials() -> None:
    """Port 80 unless given, as its scheme says."""
    via = web(proxy={"url": "http://proxy", "username": "me", "password": HIDDEN}).remote().proxy
    assert via is not None
    assert via.credentials is not None
    assert (via.host, via.port, via.credentials.reveal()) == ("proxy", 80, "Basic bWU6czNjcjN0LXY0bHVl")


@pytest.mark.parametrize("kind", [kind for kind, model in KINDS.items() if issubclass(model, Web)])
def test_no_kind_loses_a_check(kind: str) -> None:
    """A validator of one's own must not stand in for a shared one of the same name."""
    checks = {name for name in vars(Web) if name.startswith("_check")}
    assert checks
    assert not checks & vars(KINDS[kind]).keys()
