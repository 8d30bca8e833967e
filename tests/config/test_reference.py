"""What is written from the models."""

import re
from pathlib import Path

import pytest

from bridge.config.prose import FACTS, KEYS
from bridge.config.reference import parts, reference, written
from bridge.config.schema import schema
from bridge.gateway.admin import ROUTES, SOURCES, VIEW
from bridge.gateway.health import LIVE, READY
from bridge.gateway.public import PUSH
from bridge.sources import KINDS


@pytest.mark.parametrize(("path", "text"), written(), ids=lambda each: each.name if isinstance(each, Path) else "")
def test_what_is_generated_is_up_to_date(path: Path, text: str) -> None:
    """`python -m bridge.config.reference` was run after the last change."""
    assert path.read_text("utf-8") == text


def test_every_key_has_a_row() -> None:
    """A key that a file may hold stands in the page."""
    page = reference()
    for part in parts():
        assert f"## {part.title}\n" in page
        for name, field in part.model.model_fields.items():
            assert f"| `{field.alias or name}` |" in page
    for key in schema()["properties"]:
        assert f"| `{key}` |" in page


@pytest.mark.parametrize(
    "row",
    [
        "| `drain` | duration, 0s to 1h | `10s` |",
        "| `memory` | size, at least 1MiB |",
        "| `age` | duration, 1s to 30d or `none` |",
        "| `per_peer` | number, at least 1 |",
        "| `age` | duration, more than 0s | `1h` |",
        "| `use` | text or list of text |",
    ],
)
def test_a_row_tells_the_bounds(row: str) -> None:
    """Who reads the page need not try which values are taken."""
    assert f"\n{row}" in reference()


ROW = re.compile(r"\| `(\w+)` \| (duration|size)([^|]*) \| [^|]* \| ([^|]*) \|")
UNIT = r"[0-9]+(?:B|KiB|MiB|GiB|ms|s|m|h|d)"
AMOUNT = re.compile(rf"\b(?:at least|at most|more than|to) {UNIT}|\b{UNIT}\b at (?:least|most)")


def test_every_duration_and_every_size_tells_its_bounds() -> None:
    """Beside its type, or in words where a validator of its own holds it."""
    rows = ROW.findall(reference())
    assert len(rows) > 20
    assert [key for key, _, bounds, what in rows if not AMOUNT.search(bounds + what.partition("For example")[0])] == []


def test_profiles_are_told_of_where_they_are_used() -> None:
    """`use` is a key of a route and of a source."""
    for title in ("routes", "sources"):
        section = reference().partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        assert "| `use` |" in section


def test_every_name_of_a_record_is_explained():
    """What a kind vouches for stands under `names`, and no more kinds than there are."""
    assert list(FACTS) == list(KINDS)
    assert KEYS.keys() <= FACTS.keys()
    for kind, model in KINDS.items():
        sources = [model.model_construct(), model.model_construct(emit="items")]
        assert frozenset().union(*(source.facts() for source in sources)) <= FACTS[kind].keys()
        assert f"| `{kind}` |" in reference().partition("\n## names\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("address", ["/", ROUTES, SOURCES, f"{VIEW}/…", f"{PUSH}/…", LIVE, READY])
def test_every_address_of_the_admin_port_is_told(address: str) -> None:
    """They stand in one table."""
    assert f"| `{address}` |" in reference().partition("\n## The admin port\n")[2].partition("\n## ")[0]


def test_what_is_not_built_for_routes_is_not_told_of_sources() -> None:
    """`params` is a key of polled pages."""
    assert "`params` is that of a route; a source of kind `http` or `sse` has one" in reference()


def test_no_link_of_the_page_leads_nowhere():
    """Each anchor is that of a heading, as GitHub makes them."""
    page = reference()
    headings = [line.lstrip("#").strip().lower() for line in page.split("\n") if line.startswith("#")]
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) <= anchors
