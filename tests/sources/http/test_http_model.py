"""The keys of the `http` source."""

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.sources.http import Http
from bridge.sources.http.plan import Plan


def made(**keys: Any) -> Http:
    """Return a source with the two keys that it needs, and these; None takes one away."""
    given = {"url": "https://api.example.com/rates", "every": "10s", **keys}
    return Http.model_validate({key: value for key, value in given.items() if value is not None})


ITEMS = {"emit": "items", "key": "id"}


@pytest.mark.parametrize(
    "keys",
    [
        {"every": None},
        {"cron": "* * * * *"},
        {"every": "99ms"},
        {"every": "367d"},
        {"every": 10},
        {"every": None, "cron": "every minute"},
        {"every": None, "cron": "0 0 30 2 *"},
        {"method": "PUT"},
        {"method": "get"},
        {"body": "hunter2"},
        {"method": "POST", "body": ["hunter2"]},
        {"method": "POST", "body": "x" * 65_537},
        {"method": "POST", "body": {1: "hunter2"}},
        {"method": "POST", "body": {"a": 2**70}},
        {"method": "POST", "body": "\ud800"},
        {"timeout": "99ms"},
        {"timeout": "11m"},
        {"max": "0B"},
        {"max": "17MiB"},
        {"max": 5},
        {"emit": "all"},
        {"key": "id"},
        {"items": "/data"},
        {**ITEMS, "items": "data"},
        {**ITEMS, "items": "/a~2"},
        {**ITEMS, "items": "/" + "x" * 1_024},
        {**ITEMS, "key": ""},
        {**ITEMS, "key": "a..b"},
        {**ITEMS, "key": "a\nb"},
        {**ITEMS, "format": "text"},
        {"format": "feed", "items": "/a"},
        {"format": "feed", "delta": "json-patch"},
        {"format": "feed", "emit": "changes", "key": "id"},
        {**ITEMS, "delta": "json-patch"},
        {"emit": "always", "delta": "json-patch"},
        {"format": "csv", "delta": "json-patch"},
        {"delta": "patch"},
        {"format": "yaml"},
        {"linger": "25h"},
        {"linger": "-1s"},
        {"cache": "never"},
        {"cache": True},
        {"hunter2": 1},
        {"url": "https://api.example.com/{x}"},
        {"params": {"x": {"in": ["a"]}}},
    ],
)
def test_what_is_no_value_is_refused(keys):
    """In words for a person, which repeat no value."""
    with pytest.raises(ValidationError) as caught:
        made(**keys)
    told = " ".join(each["msg"] for each in caught.value.errors(include_input=False))
    assert "hunter2" not in told
    assert len(told) > 15


@pytest.mark.parametrize(
    "keys",
    [
        {"every": "100ms"},
        {"every": "366d"},
        {"every": None, "cron": "*/15 * * * *"},
        {"every": None, "cron": "*/5 * * * * *"},
        {"method": "POST"},
        {"method": "POST", "body": ""},
        {"method": "POST", "body": {"query": "{ orders { id } }", "n": [1, None, True]}},
        {"timeout": "100ms", "max": "16MiB", "linger": "0s", "cache": "ignore"},
        {**ITEMS, "items": "/data/rows"},
        {**ITEMS, "items": "/a~1b/m~0n/0"},
        {**ITEMS, "key": "meta.id", "format": "csv"},
        {"emit": "items"},
        {"format": "feed", "key": "link"},
        {"delta": "json-patch", "format": "json"},
        {"delta": "merge-patch"},
    ],
)
def test_what_is_a_value_is_taken(keys):
    """And makes a plan."""
    Plan.of(made(**keys), "p")


def test_a_body_is_sent_as_what_it_is():
    """Unless the file says what it is."""
    plain = Plan.of(made(method="POST", body="a"), "p")
    assert (plain.body, plain.headers) == (b"a", {"Content-Type": "text/plain; charset=utf-8"})
    mapping = Plan.of(made(method="POST", body={"a": [1]}), "p")
    assert (mapping.body, mapping.headers) == (b'{"a":[1]}', {"Content-Type": "application/json"})
    named = Plan.of(made(method="POST", body="<a/>", headers={"content-type": "text/xml"}), "p")
    assert (named.body, named.headers) == (b"<a/>", {})
    assert (Plan.of(made(), "p").body, Plan.of(made(), "p").headers) == (None, {})


def test_what_routes_may_use():
    """`change` is there where something changes."""
    assert made().facts() == {"status"}
    assert made(**ITEMS).facts() == made(delta="json-patch").facts() == {"status", "change"}
    assert made(format="feed").facts() == {"status", "change"}
    assert made(format="feed", emit="changes").facts() == {"status"}
    keys = made(url="https://a.test/{x}/{y}?z={z}", params={name: {"in": ["1"]} for name in "zxy"}, at_once=7)
    assert keys.names() == {"x", "y", "z"}
    assert list(keys.rules()) == ["x", "y", "z"]
    assert (keys.is_asked, keys.at_most) == (True, 7)
    assert (made().is_delta, made(delta="json-patch").is_delta) == (False, True)


def test_to_check_the_keys_costs_no_client():
    """A `check` is done in a tenth of the time without."""
    code = (
        "import sys; import bridge.sources.http; print({'aiohttp', 'lxml', 'feedparser'} & set(sys.modules) or 'none')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "none"
