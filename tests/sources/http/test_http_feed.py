"""RSS and Atom."""

import pytest

from bridge.sources.http.feed import entries
from bridge.sources.http.reply import ReplyError

RSS = """<?xml version="1.0"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom"
  xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>
<title>News</title><link>https://example.com/</link><atom:link rel="self" href="https://example.com/feed"/>
<item><title>Newer</title><link>https://example.com/2</link><guid isPermaLink="false">g2</guid>
  <pubDate>Tue, 03 Mar 2026 10:00:00 +0100</pubDate><description>&lt;b&gt;two&lt;/b&gt;</description>
  <dc:creator>Ann</dc:creator><category>a</category><category>b</category></item>
<item><title>Older</title><link> https://example.com/1 </link><pubDate>Mon, 02 Mar 2026 10:00:00 GMT</pubDate>
  <content:encoded>one</content:encoded><author>bo@example.com (Bo)</author></item>
</channel></rss>"""

ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>News</title>
<entry><id>urn:1</id><title type="html">&lt;i&gt;One&lt;/i&gt;</title>
  <link rel="self" href="https://example.com/api/1"/><link href="https://example.com/1"/>
  <published>2026-03-02T10:00:00Z</published><updated>2026-03-02T12:30:00.5+02:00</updated>
  <author><name>Ann</name></author><author><name>Bo</name></author>
  <category term="a"/><category term="b" label="B"/>
  <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Hello <b>bold</b> world</div></content></entry>
</feed>"""

RDF = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
  xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="https://example.com/"><title>News</title></channel>
<item rdf:about="https://example.com/1"><title>One</title><link>https://example.com/1</link>
  <dc:date>2026-03-02</dc:date><dc:subject>a</dc:subject><description>text</description></item></rdf:RDF>"""


def test_rss_becomes_entries_of_one_shape_oldest_first():
    """Dates in UTC, what is missing left out, a guid before a link."""
    assert entries(RSS, 10) == [
        {
            "id": "https://example.com/1",
            "title": "Older",
            "link": "https://example.com/1",
            "published": "2026-03-02T10:00:00Z",
            "summary": "one",
            "author": "bo@example.com (Bo)",
        },
        {
            "id": "g2",
            "title": "Newer",
            "link": "https://example.com/2",
            "published": "2026-03-03T09:00:00Z",
            "summary": "<b>two</b>",
            "author": "Ann",
            "categories": ["a", "b"],
        },
    ]


def test_atom_becomes_entries_of_one_shape():
    """The link for people, all authors, the text of XHTML in its order."""
    assert entries(ATOM, 10) == [
        {
            "id": "urn:1",
            "title": "<i>One</i>",
            "link": "https://example.com/1",
            "published": "2026-03-02T10:00:00Z",
            "updated": "2026-03-02T10:30:00.500000Z",
            "summary": "Hello bold world",
            "author": "Ann, Bo",
            "categories": ["a", "b"],
        }
    ]


def test_rss_1_becomes_entries_of_one_shape():
    """With Dublin Core's words."""
    assert entries(RDF, 10) == [
        {
            "id": "https://example.com/1",
            "title": "One",
            "link": "https://example.com/1",
            "published": "2026-03-02T00:00:00Z",
            "summary": "text",
            "categories": ["a"],
        }
    ]


def items(*texts: str) -> str:
    """Write a feed."""
    listed = "".join(f"<item>{text}</item>" for text in texts)
    return f'<rss xmlns:a="http://www.w3.org/2005/Atom"><channel>{listed}</channel></rss>'


def ids(text: str) -> list[object]:
    """Return the ids of a feed's entries."""
    return [entry["id"] for entry in entries(text, 100)]


def test_without_dates_the_feeds_own_order_is_turned_round():
    """The newest stands first by custom; so it does where only some have a date."""
    assert ids(items("<guid>3</guid>", "<guid>2</guid>", "<guid>1</guid>")) == ["1", "2", "3"]
    dated = "<guid>{}</guid><pubDate>Mon, {:02} Mar 2026 10:00:00 GMT</pubDate>"
    assert ids(items(dated.format("b", 1), "<guid>a</guid>")) == ["a", "b"]
    assert ids(items(*(dated.format(n, n) for n in (2, 9, 4)))) == ["2", "4", "9"]
    assert ids(items(dated.format("b", 1), dated.format("a", 1))) == ["a", "b"]


def test_an_entry_without_id_and_link_is_known_by_what_it_says():
    """So another text is another entry."""
    first, second = ids(items("<title>x</title>", "<title>y</title>"))
    assert first != second
    assert ids(items("<title>x</title>")) == [second]


def test_an_id_that_is_too_long_to_be_a_key_is_shortened():
    """To a digest, so that it stays the same."""
    [first], [second], [other] = (ids(items(f"<guid>{id}</guid>")) for id in ("x" * 2_000, "x" * 2_000, "x" * 2_001))
    assert first == second != other
    assert len(str(first)) == 32


def test_of_entries_with_one_id_the_latest_stands():
    """They are versions of one; without dates the first is the newest."""
    entry = "<guid>1</guid><title>{}</title><a:updated>2026-03-0{}T00:00:00Z</a:updated>"
    found = entries(items(entry.format("old", 1), entry.format("new", 3), entry.format("mid", 2)), 10)
    assert [each["title"] for each in found] == ["new"]
    found = entries(items("<guid>1</guid><title>a</title>", "<guid>1</guid><title>b</title>"), 10)
    assert [each["title"] for each in found] == ["a"]


@pytest.mark.parametrize(
    "date", ["yesterday", "1" * 5_000, "Mon, 99 Xyz 2026", "2026-13-40T00:00:00Z", "0001-01-01T00:00:00+14:00", "-"]
)
def test_a_date_that_cannot_be_read_stays_as_it_came(date):
    """And sorts nothing."""
    assert entries(items(f"<guid>1</guid><pubDate>{date}</pubDate>"), 10)[0]["published"] == date


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<a/>", "neither RSS nor Atom"),
        ('<feed xmlns="urn:other"/>', "neither RSS nor Atom"),
        ("<rss>", "not XML"),
        (items(*["<guid>1</guid>"] * 11), "more than 10 entries"),
        ('<!DOCTYPE rss [<!ENTITY a "b">]><rss/>', "DTD"),
    ],
)
def test_what_is_no_feed_is_refused(text, words):
    """In words."""
    with pytest.raises(ReplyError, match=words):
        entries(text, 10)


def test_an_empty_feed_has_no_entries():
    """That is no fault."""
    assert entries("<rss><channel/></rss>", 10) == []
