"""Each link of the documentation leads somewhere."""

from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, links, name


def leads(page, link):
    """Tell whether a link leads to a file of the repository and to a heading in it; the web is not asked."""
    parts = urlsplit(link)
    if parts.scheme:
        return True
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    is_there = target.exists() and target.is_relative_to(ROOT)
    return is_there and (not parts.fragment or parts.fragment in anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files_and_headings_that_there_are(page):
    """From each page, pictures included."""
    assert [link for link in links(page) if not leads(page, link)] == []


def test_each_reason_is_reached_from_a_page():
    """A page in docs/why that nothing leads to is read by nobody."""
    reached = {(page.parent / link.partition("#")[0]).resolve() for page in PAGES for link in links(page)}
    text = "".join(page.read_text("utf-8") for page in PAGES if page.parent.name != "why")
    reasons = [page for page in PAGES if page.parent.name == "why"]
    assert [name(page) for page in reasons if page not in reached and name(page) not in text] == []
