"""Routes of sources that work only for who listens, against what their subscribers give."""

from pathlib import Path

import pytest

from bridge.config.load import load
from bridge.errors import ConfigError

BEGINS = "and its streams begin with the whole document: take `start` away"
FORM = "it does not have the form that this name has"
WRITE = "write {change} into the name"

SOURCES = """\
sources:
  rates:
    kind: http
    url: http://127.0.0.1/rates/{currency}
    params: { currency: { in: [EUR, USD] } }
    every: 10s
  bound:
    kind: http
    url: http://127.0.0.1/{page}
    params: { page: { pattern: "[a-z]+" } }
    every: 10s
    bind: { page: x }
  document: { kind: http, url: http://127.0.0.1/, every: 10s, delta: merge-patch }
  clock: { kind: timer, every: 1s }
routes:
"""


def faults(folder: Path, route: str) -> list[str]:
    """Return what is wrong with a route, without its place in the file."""
    path = folder / "routes.yaml"
    path.write_text(f"{SOURCES}  {route}\n", "utf-8")
    try:
        load(path, {})
    except ConfigError as error:
        return [str(problem).partition(": ")[2] for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "route",
    [
        "/rates/{currency}: { from: rates }",
        '"/rates?currency={currency}": { from: rates }',
        "/euro: { from: rates, bind: { currency: EUR } }",
        "/page: { from: bound }",
        "/document: { from: document }",
        "/document: { from: document, event: 'doc.{change}' }",
        "/both: { from: [document, clock] }",
        "/both: { from: [{ source: document, event: 'doc.{change}' }, { source: clock, event: tick }] }",
    ],
)
def test_a_route_whose_subscribers_give_every_name_is_right(tmp_path: Path, route: str):
    """In the path, in its query, or fixed."""
    assert faults(tmp_path, route) == []


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (
            "/rates: { from: rates }",
            "/rates: the address of `rates` needs `currency`: put {currency} into this path, or fix it with `bind`",
        ),
        (
            "/yen: { from: rates, bind: { currency: JPY } }",
            "/yen.bind.currency: `params` of `rates` does not allow this value: expected one of EUR, USD",
        ),
        (
            "/page: { from: bound, bind: { page: X1 } }",
            "/page.bind.page: `params` of `bound` does not allow this value: " + FORM,
        ),
    ],
)
def test_a_name_that_nobody_gives_is_told(tmp_path: Path, route: str, expected: str):
    """With what to do; so is a fixed value that no subscriber could ask for."""
    assert faults(tmp_path, route) == [f"routes.{expected}"]


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (
            "/document: { from: document, start: { last: 5 } }",
            "/document.start: `document` sends changes (`delta`), " + BEGINS,
        ),
        (
            "/document: { from: document, key: data.id }",
            "/document.key: `document` sends changes (`delta`), of which none stands for another: take `key` away",
        ),
        (
            "/document: { from: document, event: doc }",
            "/document.event: a page must tell the whole document from a change of it: " + WRITE,
        ),
        (
            "/both: { from: [{ source: document, event: doc }, { source: clock, event: tick }] }",
            "/both.from[0].event: a page must tell the whole document from a change of it: " + WRITE,
        ),
    ],
)
def test_keys_that_changes_do_not_go_with_are_told(tmp_path: Path, route: str, expected: str):
    """Each with its place."""
    assert faults(tmp_path, route) == [f"routes.{expected}"]


def test_a_document_that_would_be_cut_is_told(tmp_path: Path):
    """Its changes could be applied by nobody; a reply that is sent as a whole may be cut, with a gap that says so."""
    path = tmp_path / "routes.yaml"
    sources = """\
    {
      document: { kind: http, url: http://127.0.0.1/, every: 10s, delta: merge-patch, max: 2MiB },
      usual: { kind: http, url: http://127.0.0.1/, every: 10s, delta: merge-patch },
      page: { kind: http, url: http://127.0.0.1/, every: 10s, max: 2MiB },
    }"""
    text = f"sources: {sources}\nroutes: {{ /d: {{ from: document }}, /u: {{ from: usual }}, /p: {{ from: page }} }}\n"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    [problem] = caught.value.problems
    assert str(problem).endswith(
        "sources.document.max: a document of `max` (2MiB) is one event, and `limits.event` (1MiB) would cut it: make "
        "one larger, or the other smaller"
    )
    path.write_text(f"{text}limits: {{ event: 2MiB }}\n", "utf-8")
    load(path, {})
