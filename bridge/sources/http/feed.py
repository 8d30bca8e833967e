"""RSS 2.0, RSS 1.0 and Atom (RFC 4287): entries, all of one shape, oldest first.

    {"id", "title", "link", "published", "updated", "summary", "author", "categories"}

What a feed does not say is left out. Dates are RFC 3339 in UTC where they can be read, else as they came. A summary
may be HTML, and is whatever the feed's writer put there: a page shows it as text, or cleans it first.

Mapped by us, on the tree of `markup`; `docs/why/polled-formats.md` says why no feed library fits.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple
from xml.etree.ElementTree import Element

from bridge.sources.http.canonical import digest
from bridge.sources.http.markup import tree
from bridge.sources.http.reply import ReplyError

ATOM: Final = "{http://www.w3.org/2005/Atom}"
DC: Final = "{http://purl.org/dc/elements/1.1/}"
CONTENT: Final = "{http://purl.org/rss/1.0/modules/content/}"
RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"

#: Namespaces under which RSS writes its own words.
_RSS: Final = ("", "{http://purl.org/rss/1.0/}", "{http://my.netscape.com/rdf/simple/0.9/}")

#: Signs of a date: the longest form with a weekday and a zone has 40.
MAX_DATE: Final = 64

#: Signs of an id; one that is longer is not refused with all other entries, but known by a digest.
MAX_ID: Final = 1_024

#: Categories and authors of one entry.
MAX_NAMES: Final = 100


class Entry(NamedTuple):
    """One entry, and what sorts it."""

    value: dict[str, object]
    #: Unix seconds; None where it has no date that can be read.
    published: float | None
    updated: float | None

    @property
    def id(self) -> str:
        """Return what the entry is known by."""
        return str(self.value["id"])


def entries(text: str, limit: int) -> list[dict[str, object]]:
    """Return the entries of a feed, oldest first; raises `ReplyError`."""
    root = tree(text)
    found: list[Entry] = []
    for element in _elements(root):
        if len(found) == limit:
            raise ReplyError(f"the reply has more than {limit} entries")
        found.append(_atom(element) if element.tag == f"{ATOM}entry" else _rss(element))
    return [entry.value for entry in _ordered(_once(found))]


def _elements(root: Element) -> Iterator[Element]:
    if root.tag == f"{ATOM}feed":
        return root.iterfind(f"{ATOM}entry")
    if root.tag == "rss":
        # Some write the items beside the channel; iter() finds those too.
        return (each for each in root.iter() if each.tag in {f"{space}item" for space in _RSS})
    if root.tag == f"{RDF}RDF":
        return (each for each in root if each.tag in {f"{space}item" for space in _RSS})
    raise ReplyError("the reply is XML, but neither RSS nor Atom")


def _once(found: list[Entry]) -> list[Entry]:
    """Keep of entries with one id the latest: they are versions of one entry (RFC 4287, section 4.1.1)."""
    kept: dict[str, Entry] = {}
    for entry in found:
        known = kept.get(entry.id)
        if known is None or (known.updated or known.published or 0) < (entry.updated or entry.published or 0):
            kept[entry.id] = entry
    return list(kept.values())


def _ordered(found: list[Entry]) -> list[Entry]:
    """Sort by date where each has one; else turn the feed's own order round, which is newest first by custom."""
    turned = found[::-1]
    dates = [entry.published if entry.published is not None else entry.updated for entry in turned]
    known = [date for date in dates if date is not None]
    if len(known) < len(dates):
        return turned
    return [entry for _, _, entry in sorted(zip(known, range(len(turned)), turned, strict=True))]


def _atom(entry: Element) -> Entry:
    links = [each for each in entry.iterfind(f"{ATOM}link") if each.get("rel", "alternate") == "alternate"]
    authors = [_text(each, f"{ATOM}name") for each in entry.iterfind(f"{ATOM}author")]
    return _entry(
        id=_text(entry, f"{ATOM}id"),
        title=_text(entry, f"{ATOM}title"),
        link=links[0].get("href", "").strip() if links else "",
        published=_text(entry, f"{ATOM}published"),
        updated=_text(entry, f"{ATOM}updated"),
        summary=_text(entry, f"{ATOM}summary") or _text(entry, f"{ATOM}content"),
        author=", ".join(filter(None, authors[:MAX_NAMES])),
        categories=[each.get("term", "").strip() for each in entry.iterfind(f"{ATOM}category")],
    )


def _rss(item: Element) -> Entry:
    space = str(item.tag).removesuffix("item")
    subjects = [*item.iterfind(f"{space}category"), *item.iterfind(f"{DC}subject")]
    link = _text(item, f"{space}link")
    return _entry(
        id=_text(item, f"{space}guid") or item.get(f"{RDF}about", "").strip() or _text(item, f"{ATOM}id") or link,
        title=_text(item, f"{space}title"),
        link=link or _atom_link(item),
        published=_text(item, f"{space}pubDate") or _text(item, f"{DC}date"),
        updated=_text(item, f"{ATOM}updated"),
        summary=_text(item, f"{space}description") or _text(item, f"{CONTENT}encoded"),
        author=_text(item, f"{space}author") or _text(item, f"{DC}creator"),
        categories=["".join(each.itertext()).strip() for each in subjects],
    )


def _atom_link(item: Element) -> str:
    found = item.find(f"{ATOM}link")
    return found.get("href", "").strip() if found is not None else ""


def _entry(*, published: str, updated: str, categories: list[str], **texts: str) -> Entry:
    first, last = _date(published), _date(updated)
    told: dict[str, object] = {
        **texts,
        "published": _written(first) or published,
        "updated": _written(last) or updated,
        "categories": [each for each in categories if each][:MAX_NAMES],
    }
    if len(texts["id"]) > MAX_ID:
        told["id"] = digest(texts["id"]).hex()
    value = {name: told[name] for name in _SHAPE if told[name]}
    # Without an id or a link an entry is what it says: another text is another entry.
    return Entry({"id": digest(value).hex(), **value}, _seconds(first), _seconds(last))


_SHAPE: Final = ("id", "title", "link", "published", "updated", "summary", "author", "categories")


def _text(parent: Element, tag: str) -> str:
    """Return all text within the first such child, that of XHTML too, without its tags."""
    found = parent.find(tag)
    return "".join(found.itertext()).strip() if found is not None else ""


def _date(text: str) -> datetime | None:
    """Read RFC 3339 or RFC 5322; without a zone it is UTC."""
    if not text or len(text) > MAX_DATE:
        return None
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = read(text)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError, IndexError, TypeError):  # email's parser raises the latter, too
            continue
    return None


def _seconds(date: datetime | None) -> float | None:
    return date.timestamp() if date else None


def _written(date: datetime | None) -> str:
    return date.isoformat().replace("+00:00", "Z") if date else ""
